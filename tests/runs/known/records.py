"""Records, job.json and descriptions of small studies, as sweeps leave them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rnnsearch.records.json_files import write_object


def write_run(
    folder: Path,
    *,
    test: Mapping[str, Any] | None = None,
    validation: Mapping[str, Any] | None = None,
    words: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    status: str = "finished",
    **more: Any,
) -> Path:
    """A run with scores, trained by these overrides."""
    folder.mkdir(parents=True)
    results = {"metrics": {"test": dict(test or {}), "validation": dict(validation or {})}}
    command = ["rnnsearch", "train", *words]
    values = {"format": 1, "status": status, "command": command, "results": results, "seed": 0, **more}
    write_object(folder / "record.json", values)
    if config is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False))
    return folder


def write_point(folder: Path, *, member: str, words: Sequence[str] = (), outcomes: Sequence[str] = ()) -> Path:
    """A point of a sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    attempts = [{"outcome": outcome, "overrides": []} for outcome in outcomes]
    values = {"format": 1, "key": "k", "member": member, "seed": 3, "overrides": [*words], "attempts": attempts}
    write_object(folder / "job.json", values)
    return folder


def write_study(folder: Path, *members: str, differing: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
    """study.json, with the values that each key has in each member."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = [{"key": key, "values": dict(values)} for key, values in (differing or {}).items()]
    values = {"format": 1, "name": folder.name, "data": "controlled", "config_difference": entries}
    write_object(folder / "study.json", values | {"members": [{"name": name} for name in members]})
    return folder
