"""Points and records for tests, and small programs that stand in for trainings: each leaves a record as train does."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.records.json_files import write_json
from rnnsearch.records.run_record import RECORD
from rnnsearch.sweeps import ledger, supervisor
from rnnsearch.sweeps.ledger import Point

KEY = "0123456789abcdef"
FALLBACKS = (
    ("batches.size=4", "trainer.accumulate_grad_batches=2"),
    ("batches.size=2", "trainer.accumulate_grad_batches=4"),
)
BEGINNING = """
import json, os, pathlib, signal, subprocess, sys, time, zipfile
folder, more = pathlib.Path(sys.argv[1]), sys.argv[2:]
def record(status, error=None, updates=(), **values):
    curves = {"validation": [{"update": update, "bleu": float(update)} for update in updates]}
    values = {"status": status, "error": error, "results": {"curves": curves}, "pid": os.getpid(), **values}
    values["format"] = 1
    (folder / "record.json").write_text(json.dumps(values))
def checkpoint():
    (folder / "checkpoints").mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "checkpoints" / "last.ckpt", "w") as file:
        file.writestr("weights", "1")
def fail(kind, message):
    record("failed", {"type": kind, "message": message, "traceback": f"Traceback ...\\n{kind}: {message}"})
    sys.exit(1)
print("begun with", *more, flush=True)
"""


def write_point(folder: Path, **changes: Any) -> Point:
    values: dict[str, Any] = {"key": KEY, "member": "additive", "seed": 0, "overrides": ("seed=0",), **changes}
    point = Point(folder=folder, **values)
    ledger.write_point(point)
    return point


def write_record(folder: Path, status: str, bleus: Mapping[int, float] | None = None, **more: Any) -> None:
    curves = {"validation": [{"update": update, "bleu": bleu} for update, bleu in (bleus or {}).items()]}
    values = {"format": 1, "status": status, "error": None, "results": {"curves": curves} if bleus else {}, **more}
    write_json(folder / RECORD, values)


def train_by(patch: pytest.MonkeyPatch, program: str) -> None:
    """Let a small program train the points; it has `folder` and `more`, the attempt's overrides and resume."""

    def command(point: Point, more: Sequence[str], *, resume: bool, trust: Sequence[str]) -> list[str]:
        return ["-c", BEGINNING + program, str(point.folder), *more, *(["resume"] if resume else [])]

    patch.setattr(supervisor, "command", command)


def job(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    return values


def outcomes(folder: Path) -> list[str | None]:
    return [attempt.outcome for attempt in ledger.read_attempts(folder)]


PYTHON = sys.executable
