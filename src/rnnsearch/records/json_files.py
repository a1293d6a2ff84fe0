"""JSON files that are replaced in one step and hold their own digest, read within bounds.

An object that is written here holds the SHA-256 of the rest of it; on reading it is checked if present. Standard
library only, so that reports and dashboards read runs without torch.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rnnsearch.records.folders import without_links

DIGEST = "sha256"  # the key of an object's own digest
LARGEST = 1 << 28  # bytes of a JSON file: no run writes so many


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step: readers see the old or the new text, never a part."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_text`, for what is no text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)  # left by a killed process of the same number, or a link
    try:
        with part.open("xb") as file:
            file.write(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON, which has no NaN and no infinities: null stands for them.

    A lone surrogate, as in the name of a file that is not UTF-8, is escaped.
    """
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace").decode()


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
    """A JSON object, without its digest, which earlier versions did not write.

    Raises:
        ValueError: if the file holds none, is too large, or is not as it was written.
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
    """SHA-256, in hexadecimal, of each named file that exists in a folder."""
    return {name: file_sha256(folder / name) for name in names if (folder / name).is_file()}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add one JSON line at the end of a file, which must not be a link."""
    with open(path, "a", encoding="utf-8", opener=without_links) as file:
        file.write(json_text(row) + "\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines.

    Raises:
        ValueError: for a line that holds no object.
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
