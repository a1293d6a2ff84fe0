"""What a run leaves behind, as JSON: the record of a run, lines of evaluations, the hash of a config.

An object that is written here holds the SHA-256 of the rest of it, and the record those of the files beside it; what
is read is compared with them, where they are there. Standard library only, so that reports and dashboards read runs
without torch. Format 1; docs/run_folder.md lists the keys, and `rnnsearch.keys.roles` which of a config count in its
hash.
"""

import copy
import hashlib
import json
import math
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rnnsearch.folders import without_links
from rnnsearch.keys.roles import READ_WITH, UNCOUNTED, Role, keys_of, within

FORMAT = 1
RECORD = "record.json"
STORIES = ".failure-of-process-*.json"  # what a process beside the first leaves when it fails
LOCK = ".lock"  # in a run's folder: held by the process that trains in it
JOB = "job.json"  # in the folder of a sweep's point: what was asked for, and what came of each attempt
DIGEST = "sha256"  # the key under which an object's own stands
FILES = "files"  # the key of a record under which the digests of the files beside it stand
LARGEST = 1 << 28  # bytes of a file of JSON: no run leaves so many
KINDS: dict[str, type] = {
    **dict.fromkeys(("id", "name", "status", "config_hash", "data.source_language", "data.target_language"), str),
    **dict.fromkeys(("data", "data.checksums", "data.pairs", "tokenizer", "tokenizer.notes", "scoring", FILES), dict),
    **dict.fromkeys(("tokenizer.source", "tokenizer.target", "code", "corrected", "results"), dict),
    **dict.fromkeys(("results.curves", "results.metrics"), dict),
    **dict.fromkeys(("seed", "updates"), int),
}
"""What a record holds under dotted keys, where it has them: those that commands go by."""

AROUND = keys_of(Role.ABOUT, Role.CONTINUED, Role.SOURCE)
NOT_HASHED = keys_of(Role.ABOUT, Role.CONTINUED, Role.SOURCE, Role.MACHINE)


def is_hashed(key: str) -> bool:
    """Whether a dotted key of a config counts in its hash."""
    return not within(key, NOT_HASHED)


def new_id() -> str:
    """A name for a run: UTC time and random letters, unique even when two start in one second; only [A-Za-z0-9._-]."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)


def config_hash(config: Mapping[str, Any], *, left_out: Iterable[str] = NOT_HASHED) -> str:
    """SHA-256 (16 hex digits) of a resolved config without ``left_out``, null keys, unread ones, and `UNCOUNTED`.

    Equal hashes mean: the same computation, apart from the machine, the number of threads and the files read, whose
    checksums stand in the record. A new key that is null for all that is older changes no hash.
    """
    kept = copy.deepcopy(dict(config))
    for key in (*left_out, *unread(config), *UNCOUNTED):
        node: Any = kept
        *parents, last = key.split(".")
        for parent in parents:
            node = node.get(parent, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict) and (key not in UNCOUNTED or node.get(last) == UNCOUNTED[key]):
            node.pop(last, None)
    return hashlib.sha256(json.dumps(_without_nulls(kept), sort_keys=True, default=str).encode()).hexdigest()[:16]


def point_key(config: Mapping[str, Any]) -> str:
    """What tells the points of a sweep apart: as `config_hash`, but other strategies, devices and kernels count too."""
    return config_hash(config, left_out=AROUND)


def unread(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The sections that a config has in vain, since the key that they are read with is null."""
    return tuple(section for section, key in READ_WITH.items() if _at(config, key) is None)


def _without_nulls(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_nulls(value) for key, value in node.items() if value is not None}
    return node


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step: readers see the old or the new text, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)  # a killed process's of the same number, or a link
    try:
        with part.open("x", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON, which has no NaN and no infinities: null stands for them."""
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_without_nan(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _without_nan(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _without_nan(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_without_nan(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file in one step."""
    write_text(path, json_text(value, indent=1) + "\n")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file of JSON lines in one step."""
    write_text(path, "".join(json_text(row) + "\n" for row in rows))


def write_object(path: Path, values: Mapping[str, Any]) -> None:
    """Replace a file with a JSON object that holds its own digest."""
    plain = json.loads(json_text(values))
    write_json(path, {**plain, DIGEST: _digest(plain)})


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object, without its digest; those of earlier versions had none.

    Raises:
        ValueError: if it is none, too large, or not as it was written.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST:,} bytes, so no run left it")
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is damaged: it holds no JSON") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object")
    digest = values.pop(DIGEST, None)
    if digest is not None and digest != _digest(values):
        raise ValueError(f"{path} is not as it was written (its {DIGEST} is another), so it is damaged or was changed")
    return values


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def file_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256, in hexadecimal, of those of the named files that a folder has."""
    return {name: file_sha256(folder / name) for name in names if (folder / name).is_file()}


def check_file(folder: Path, record: Mapping[str, Any], name: str) -> Path:
    """A file of a run's folder, as the run left it; records of earlier versions hold no digest to compare.

    Raises:
        ValueError: if it is another by now.
    """
    files, path = record.get(FILES), folder / name
    noted = files.get(name) if isinstance(files, dict) else None
    if noted is not None and path.is_file() and file_sha256(path) != noted:
        raise ValueError(
            f"{path} is not the file that the run left (its sha256 in {RECORD} is another), so it is damaged or "
            "was changed; put the run's own back"
        )
    return path


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add one JSON line at the end of a file, which is no link."""
    with open(path, "a", encoding="utf-8", opener=without_links) as file:
        file.write(json_text(row) + "\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines.

    Raises:
        ValueError: for a line that is none.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise ValueError(f"{path}: line {number} is damaged: it holds no JSON object")
            yield row


def read_record(folder: Path, *, needs: Iterable[str] = ()) -> dict[str, Any]:
    """The record of a run's folder, with all of the dotted keys that it ``needs``.

    Raises:
        FileNotFoundError: if the folder is not a run's.
        ValueError: if the record is damaged, has another structure, or was written in a later format.
    """
    path = folder / RECORD
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no {RECORD}, so it is not a run's folder; give one that train made")
    try:
        record = read_object(path)
    except ValueError as error:
        raise ValueError(f"{error}; put a copy back, or train into a new folder") from None
    if record.get("format") != FORMAT:
        raise ValueError(f"{path} is not a record of format {FORMAT}; read it with the version that wrote it")
    for key, kind in KINDS.items():
        value = _at(record, key)
        if key in needs if value is None else not isinstance(value, kind):
            what = "lacks" if value is None else "holds something else than a run writes under"
            raise ValueError(f"{path} is damaged: it {what} {key}; put a copy back, or train into a new folder")
    return record


def _at(record: Any, key: str) -> Any:
    """The value at a dotted key; None where there is none."""
    for part in key.split("."):
        record = record.get(part) if isinstance(record, Mapping) else None
    return record


class RunRecord:
    """The record of one run: a dictionary that is written whenever it changes, by one of the run's processes."""

    def __init__(self, folder: Path, values: Mapping[str, Any], *, writes: bool) -> None:
        self.path = folder / RECORD
        self.writes = writes
        self.values: dict[str, Any] = {"format": FORMAT, **values}

    def write(self, **changes: Any) -> None:
        """Change some keys and replace the file."""
        values = self.values | changes
        if self.writes:
            write_object(self.path, values)
        self.values = values

    def write_digests(self, *names: str) -> None:
        """Keep the digests of files that were just written beside the record."""
        if self.writes:
            self.write(**{FILES: {**self.values.get(FILES, {}), **file_digests(self.path.parent, names)}})
