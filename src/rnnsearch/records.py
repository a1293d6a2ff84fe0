"""What a run leaves behind, as JSON: the record of a run, lines of evaluations, the hash of a config.

Standard library only, so that reports and dashboards read runs without torch. Format 1;
docs/run_folder.md lists the keys.
"""

import copy
import hashlib
import json
import math
import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FORMAT = 1
RECORD = "record.json"
STORIES = ".failure-of-process-*.json"  # what a process beside the first leaves when it fails
LOCK = ".lock"  # in a run's folder: held by the process that trains in it
JOB = "job.json"  # in the folder of a sweep's point: what was asked for, and what came of each attempt
STATUSES = ("running", "finished", "failed", "interrupted", "pruned")

# Keys that say where things lie, who watches, why the run is made, and names that other keys take their values from.
AROUND = (
    "paths",
    "logger",
    "study",
    "member",
    "protocol",
    "sweep",
    "match",
    "ckpt",
    "checkpoints",
    "skip_limit",
    "progress",
    "profile",
    "encoding_processes",
    "samples",
    "trust",
    "sizes",
    "model.embedding_size",
    "model.hidden_size",
    "model.attention_size",
    "model.readout_size",
    "model.cell",
    "model.dropout",
    "model.variational_dropout",
    "data.root",
    "data.cache",
    "data.mirrors",
    "trainer.log_every_n_steps",
    "trainer.max_steps",
)
# Keys that say how the machine is used and what is done besides; they do not change what a run computes.
NOT_HASHED = (
    *AROUND,
    "keep_best",
    "kernels",
    "cuda_graphs",
    "test",
    "data_workers",
    "optimizer.fused",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.strategy",
)


def is_hashed(key: str) -> bool:
    """Whether a dotted key of a config counts in its hash."""
    return not any(key == left_out or key.startswith(f"{left_out}.") for left_out in NOT_HASHED)


def new_id() -> str:
    """A name for a run: UTC time and random letters, unique even when two start in one second; only [A-Za-z0-9._-]."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)


def config_hash(config: Mapping[str, Any], *, left_out: Iterable[str] = NOT_HASHED) -> str:
    """SHA-256 (16 hex digits) of a resolved config without the keys in ``left_out`` and without those that are null.

    Equal hashes mean: the same computation, apart from the machine, the number of threads and the files read, whose
    checksums stand in the record. A new key that is null for all that is older changes no hash.
    """
    kept = copy.deepcopy(dict(config))
    for key in left_out:
        node: Any = kept
        *parents, last = key.split(".")
        for parent in parents:
            node = node.get(parent, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict):
            node.pop(last, None)
    return hashlib.sha256(json.dumps(_without_nulls(kept), sort_keys=True, default=str).encode()).hexdigest()[:16]


def point_key(config: Mapping[str, Any]) -> str:
    """What tells the points of a sweep apart: as `config_hash`, but other strategies, devices and kernels count too."""
    return config_hash(config, left_out=AROUND)


def _without_nulls(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_nulls(value) for key, value in node.items() if value is not None}
    return node


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step: readers see the old or the new text, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """A folder to write into; what is in it replaces its namesakes in ``folder`` at the end, or nothing if that fails.

    The files are on one disk, so that each one is replaced in one step. What a killed process left is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    here = f"@{platform.node()}.part"
    for left in folder.glob(f".*{here}"):
        if not _is_alive(int(left.name[1:].removesuffix(here))):
            shutil.rmtree(left, ignore_errors=True)
    aside = folder / f".{os.getpid()}{here}"
    aside.mkdir()
    try:
        yield aside
        for path in sorted(aside.rglob("*")):  # folders come before what is in them
            if path.is_dir():
                (folder / path.relative_to(aside)).mkdir(exist_ok=True)
            else:
                os.replace(path, folder / path.relative_to(aside))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


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


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add one JSON line at the end of a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json_text(row) + "\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a run's folder.

    Raises:
        FileNotFoundError: if the folder is not a run's.
        ValueError: if the record is damaged, or written in a later format.
    """
    path = folder / RECORD
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no {RECORD}, so it is not a run's folder; give one that train made")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); train into a new folder") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(f"{path} is not a record of format {FORMAT}; read it with the version that wrote it")
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
            write_json(self.path, values)
        self.values = values
