"""Removes paths on a machine from what is read, so that a report is the same wherever it is made."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

_PART = r"[^\s\"'/:,;()\[\]]+"
_PATH = re.compile(rf"(?<![\w.~/:-])/(?:{_PART}/)+(?={_PART})")  # an absolute path up to its last part

_OVERRIDE = re.compile(r"([+~-]{0,2}[\w/@.:-]+=)(.*)")


def published(values: Mapping[str, Any]) -> dict[str, Any]:
    """A record or a study's description, each absolute path in it cut to its last part."""
    return {key: _placeless(value) for key, value in values.items()}


def published_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """A point's job.json without its machine: no host, process or folder; absolute paths cut to their last part."""
    attempts = [{**attempt, "host": None, "pid": None} for attempt in job.get("attempts") or []]
    return published({**job, "flags": [], "directory": None, "attempts": attempts})


def _placeless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return published(value)
    if isinstance(value, list):
        return [_placeless(inner) for inner in value]
    return _word(value) if type(value) is str else value


def _word(word: str) -> str:
    override = _OVERRIDE.fullmatch(word)
    if override and (path := PurePath(override[2].strip("\"'"))).is_absolute():  # this path may hold blanks
        return f"{override[1]}{path.name}"
    return _PATH.sub("", word)
