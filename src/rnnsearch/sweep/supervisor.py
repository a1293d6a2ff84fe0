"""Trains one point in a process of its own, and notes what came of it, whatever that was."""

import contextlib
import logging
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnnsearch.records import JOB, RECORD, read_record, write_json
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Attempt, Point
from rnnsearch.sweep.parent import TIED

logger = logging.getLogger(__name__)

LOG = "job.log"
PATIENCE = 60.0  # seconds that a training has to save and leave when it is told to stop
KEPT = (JOB, LOG, ledger.SUPERVISED)  # of a folder whose training begins anew
MEMORY_ERRORS = ("OutOfMemoryError", "MemoryError")
MEMORY_WORDS = ("can't allocate memory", "cannot allocate memory", "out of memory", "unable to allocate")
TAIL = 40  # lines of the log that stand for a traceback where there is none


def supervise(
    folder: Path, *, environment: Mapping[str, str] | None = None, stop: threading.Event | None = None
) -> str:
    """Train the point in ``folder`` until it is finished or has failed; goes on where an earlier attempt stopped.

    Out of memory is tried again with the point's fallbacks: half the batch, twice the accumulation.

    Args:
        folder: with job.json.
        environment: more variables for the training's process.
        stop: when set, the training is told to save and leave.

    Returns:
        One of `ledger.OUTCOMES`, or ``running`` where another process has the point. A failure is no exception: it
        stands in job.json, with its traceback.
    """
    with ledger.supervising(folder) as mine:
        if not mine:
            return "running"
        point = ledger.read_point(folder)
        tried = _fallbacks_tried(point)
        while True:
            more = point.fallbacks[tried - 1] if tried else ()
            outcome = _attempt(point, more, environment or {}, stop or threading.Event())
            if outcome != "out_of_memory" or tried == len(point.fallbacks):
                return outcome
            tried += 1
            logger.warning("%s: out of memory; again with %s", folder.name, " ".join(point.fallbacks[tried - 1]))


def _fallbacks_tried(point: Point) -> int:
    """How many times the batch was halved already; the attempts at hand go on like the last one."""
    attempts = ledger.read_attempts(point.folder)
    if not attempts or attempts[-1].overrides not in point.fallbacks:
        return 0
    return point.fallbacks.index(attempts[-1].overrides) + 1


def _attempt(point: Point, more: tuple[str, ...], environment: Mapping[str, str], stop: threading.Event) -> str:
    resume = _can_resume(point, more)
    if not resume:
        _clear(point.folder)
    begun = Attempt(started=ledger.now(), overrides=more, host=platform.node(), pid=os.getpid())
    ledger.add_attempt(point, begun)
    code, stopped = _train(point, more, resume, environment, stop)
    ended = _judge(point.folder, begun, code, stopped)
    ledger.end_attempt(point, ended)
    _correct_record(point.folder, ended)
    return str(ended.outcome)


def _can_resume(point: Point, more: tuple[str, ...]) -> bool:
    attempts = ledger.read_attempts(point.folder)
    if not attempts or attempts[-1].overrides != more or attempts[-1].outcome == "out_of_memory":
        return False
    return (point.folder / "checkpoints" / "last.ckpt").is_file() and (point.folder / RECORD).is_file()


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def command(point: Point, more: tuple[str, ...], *, resume: bool) -> list[str]:
    """What is run, after the interpreter's name."""
    escaped = str(point.folder.absolute()).replace("\\", "\\\\").replace('"', '\\"')
    last = ("ckpt=last",) if resume else ()
    place = f'hydra.run.dir="{escaped}"'
    return ["-m", "rnnsearch", "train", *point.overrides, *more, place, *last, *point.flags]


def _train(
    point: Point, more: tuple[str, ...], resume: bool, environment: Mapping[str, str], stop: threading.Event
) -> tuple[int, bool]:
    """Exit code of the training's process (negative: a signal), and whether it was told to stop."""
    with (point.folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command(point, more, resume=resume)],
            stdin=subprocess.PIPE,  # never written to: it closes when this process dies, and the training stops
            stdout=log,
            stderr=log,
            env={**os.environ, **environment, TIED: "1"},
            cwd=point.directory,
            start_new_session=True,
        )
    try:
        while process.poll() is None and not stop.wait(0.2):
            pass
        stopped = process.poll() is None
        if stopped:
            process.terminate()
            _await(process)
        return process.wait(), stopped
    finally:
        _kill_group(process)


def _await(process: "subprocess.Popen[bytes]") -> None:
    """Give a training that was told to stop the time to save, not more."""
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """End what the training started and left behind, such as the other ranks of a run whose first was killed."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _judge(folder: Path, begun: Attempt, code: int, stopped: bool) -> Attempt:
    record: dict[str, Any] = read_record(folder) if (folder / RECORD).is_file() else {}
    ended = replace(begun, ended=ledger.now(), exit_code=code, error=record.get("error"))
    if code == 0 and record.get("status") in ledger.DONE:
        return replace(ended, outcome=record["status"], error=None)
    if stopped or record.get("status") == "interrupted":
        return replace(ended, outcome="interrupted", error=None)
    if code < 0:
        name = signal.Signals(-code).name
        story = {"type": "Killed", "message": f"the process was ended by {name}", "traceback": _tail(folder)}
        return replace(ended, outcome="killed", signal=name, error=story)
    story = record.get("error") or {"type": "Failed", "message": _last_line(folder), "traceback": _tail(folder)}
    return replace(ended, outcome="out_of_memory" if _is_memory(story) else "failed", error=story)


def _is_memory(story: Mapping[str, str]) -> bool:
    message = story["message"].lower()
    return story["type"] in MEMORY_ERRORS or any(words in message for words in MEMORY_WORDS)


def _tail(folder: Path) -> str:
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "\n".join(lines[-TAIL:])


def _last_line(folder: Path) -> str:
    return (_tail(folder).splitlines() or ["it left no message"])[-1]


def _correct_record(folder: Path, ended: Attempt) -> None:
    """A record that a killed process left as running says what became of it."""
    if not (folder / RECORD).is_file() or ended.outcome not in ("killed", "failed", "out_of_memory", "interrupted"):
        return
    record = read_record(folder)
    if record["status"] == "running":
        status = "interrupted" if ended.outcome == "interrupted" else "failed"
        write_json(folder / RECORD, {**record, "status": status, "error": ended.error, "ended": ended.ended})
