"""Takes out of what is read where things lay on a machine, so that a report is the same wherever it is made."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

_PART = r"[^\s\"'/:,;()\[\]]+"
_PATH = re.compile(rf"(?<![\w.~/:-])/(?:{_PART}/)+(?={_PART})")  # an absolute path up to its last part


def published(values: Mapping[str, Any]) -> dict[str, Any]:
    """A record or a study's description without places: of absolute paths, wherever they stand, the last part."""
    return {key: _placeless(value) for key, value in values.items()}


def published_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """A point's job.json without its machine: no host, process or folder, of absolute paths the last part."""
    attempts = [{**attempt, "host": None, "pid": None} for attempt in job.get("attempts") or []]
    return published({**job, "flags": [], "directory": None, "attempts": attempts})


def _placeless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return published(value)
    if isinstance(value, list):
        return [_placeless(inner) for inner in value]
    return _word(value) if type(value) is str else value


def _word(word: str) -> str:
    """Also of an override whose value is a path with blanks."""
    key, equals, value = word.partition("=")
    path = PurePath(value.strip("\"'"))
    return f"{key}{equals}{path.name}" if path.is_absolute() and "\n" not in value else _PATH.sub("", word)
