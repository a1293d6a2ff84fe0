"""The small, committable part of a study: its report, figures and records."""

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from rnnsearch.records import read_record, write_lines
from rnnsearch.study.folder import read_study


def publish(study: Path, target: Path) -> None:
    """Copy report.md and figures/ of a study's folder to ``target`` and write its records to runs.jsonl.

    Args:
        study: a folder with study.json and a written report.
        target: made where it is missing; files of the same names are replaced, others stay.
    """
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(study / "report.md", target / "report.md")
    shutil.rmtree(target / "figures", ignore_errors=True)
    if (study / "figures").is_dir():
        shutil.copytree(study / "figures", target / "figures")
    folders = [run.folder for run in read_study(study).runs if (run.folder / "record.json").is_file()]
    write_lines(target / "runs.jsonl", (published(read_record(folder)) for folder in folders))


def published(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without where things lay on the machine: of absolute paths in its command the last part is kept."""
    return {**record, "command": [_without_place(word) for word in record["command"]]}


def _without_place(word: str) -> str:
    key, equals, value = word.partition("=")
    path = PurePath(value.strip("\"'"))
    return f"{key}{equals}{path.name}" if path.is_absolute() else word
