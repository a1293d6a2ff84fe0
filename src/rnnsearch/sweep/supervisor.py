"""Trains one point in a process of its own, and notes what came of it, whatever that was."""

import contextlib
import logging
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import traceback
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rnnsearch.folders import without_links
from rnnsearch.records import JOB, LOCK, RECORD, write_object
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Attempt, Point
from rnnsearch.sweep.parent import TIED
from rnnsearch.training.cluster import without_ranks

logger = logging.getLogger(__name__)

LOG = "job.log"
PATIENCE = 60.0  # seconds that a training has to save and leave when it is told to stop
KEPT = (JOB, LOG, LOCK, ledger.SUPERVISED)  # of a folder whose training begins anew
MEMORY_ERRORS = ("OutOfMemoryError", "MemoryError")
MEMORY_WORDS = ("can't allocate memory", "cannot allocate memory", "out of memory", "unable to allocate", "bad_alloc")
TAIL = 40  # lines of the log that stand for a traceback where there is none


def supervise(
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    trust: Sequence[str] = (),
) -> str:
    """Train the point in ``folder`` until it is finished or has failed; goes on where an earlier attempt stopped.

    Out of memory is tried again with the point's fallbacks: half the batch, twice the accumulation.

    Args:
        folder: with job.json.
        environment: more variables for the training's process.
        stop: when set, the training is told to save and leave.
        trust: packages that the training trusts; job.json says nothing of them.

    Returns:
        One of `ledger.OUTCOMES`, or ``running`` where another process has the point or its folder. A failure is no
        exception: it stands in job.json, with its traceback.

    Raises:
        OSError: if job.json cannot be written, as on a full disk.
    """
    with ledger.supervising(folder) as mine:
        if not mine:
            return "running"
        point = ledger.read_point(folder)
        if (done := ledger.read_run(folder).get("status")) in ledger.DONE:
            return str(done)
        if ledger.is_paused(point):
            return "paused"
        tried = _fallbacks_tried(point)
        while True:
            more = point.fallbacks[tried - 1] if tried else ()
            try:
                resume = _prepare(point, more)
            except Timeout:
                return "running"
            words = command(point, more, resume=resume, trust=trust)
            ended = _attempt(point, more, words, environment or {}, stop or threading.Event())
            if ended.outcome != "out_of_memory" or tried == len(point.fallbacks):
                return str(ended.outcome)
            tried += 1
            logger.warning("%s: out of memory; again with %s", folder.name, " ".join(point.fallbacks[tried - 1]))


def _fallbacks_tried(point: Point) -> int:
    """How many times the batch was halved already; the attempts at hand go on like the last one.

    Where that one ran out of memory and its sweep was stopped, they go on with the next.
    """
    attempts = ledger.read_attempts(point.folder)
    steps = [(), *point.fallbacks]
    if not attempts or attempts[-1].overrides not in steps:
        return 0
    tried = steps.index(attempts[-1].overrides)
    return min(tried + (attempts[-1].outcome == "out_of_memory"), len(point.fallbacks))


def _attempt(
    point: Point, more: tuple[str, ...], words: Sequence[str], environment: Mapping[str, str], stop: threading.Event
) -> Attempt:
    begun = Attempt(started=ledger.now(), overrides=more, host=platform.node(), pid=os.getpid())
    ledger.add_attempt(point, begun)
    before, kills = ledger.read_run(point.folder), _kernel_kills()
    try:
        code, stopped = _train(point, words, environment, stop)
    except OSError as error:  # such as a working directory that is not there on this machine
        story = {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
        ended = replace(begun, outcome="failed", error=story)
    else:
        killed_for_memory = code == -signal.SIGKILL and _kernel_kills() > kills
        ended = _judge(point.folder, begun, before, code, stopped=stopped, killed_for_memory=killed_for_memory)
    ended = replace(ended, ended=ledger.now())
    ledger.end_attempt(point, ended)
    _correct_record(point.folder, ended)
    return ended


def _prepare(point: Point, more: tuple[str, ...]) -> bool:
    """Make the folder ready for an attempt; whether it goes on with what is there.

    The training of a sweep that was killed is waited for: it saves and leaves when its parent is gone.
    """
    with FileLock(point.folder / LOCK, timeout=PATIENCE + 10):
        resume = _can_resume(point, more)
        if not resume:
            _clear(point.folder)
        for left in point.folder.glob(".*.part"):  # of a process that was killed while it wrote
            left.unlink()
    return resume


def _can_resume(point: Point, more: tuple[str, ...]) -> bool:
    attempts = ledger.read_attempts(point.folder)
    if not attempts or attempts[-1].overrides != more or attempts[-1].outcome == "out_of_memory":
        return False
    return bool(ledger.read_run(point.folder)) and any(
        zipfile.is_zipfile(path) for path in (point.folder / "checkpoints").glob("*.ckpt")
    )


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def command(point: Point, more: tuple[str, ...], *, resume: bool, trust: Sequence[str] = ()) -> list[str]:
    """What is run, after the interpreter's name."""
    last = ("ckpt=last",) if resume else ()
    place = f"hydra.run.dir={_quoted(str(point.folder.absolute()))}"
    pause = [f"pause.{key}={value}" for key, value in (point.pause or {}).items() if value is not None]
    trusted = (f"++trust=[{','.join(trust)}]",) if trust else ()
    return ["-m", "rnnsearch", "train", *point.overrides, *more, *pause, place, *last, *trusted, *point.flags]


def _quoted(text: str) -> str:
    """A value as Hydra's grammar takes it whatever it holds: backslashes count only before a quote or at the end."""
    escaped = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + ('\\"' if found[2] else ""), text)
    return f'"{escaped}"'


def _train(
    point: Point, words: Sequence[str], environment: Mapping[str, str], stop: threading.Event
) -> tuple[int, bool]:
    """Exit code of the training's process (negative: a signal), and whether it was told to stop."""
    with open(point.folder / LOG, "ab", opener=without_links) as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.PIPE,  # never written to: it closes when this process dies, and the training stops
            stdout=log,
            stderr=log,
            env={**without_ranks(os.environ), **environment, TIED: "1", "PYTHONSAFEPATH": "1"},  # nothing from cwd
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
    except BaseException:  # such as a cluster's signal, which a launcher turns into an exit
        process.terminate()
        _await(process)
        raise
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
    if process.stdin:
        process.stdin.close()


def _kernel_kills() -> int:
    """How many processes the kernel has ended on this machine for want of memory; 0 where it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _judge(
    folder: Path, begun: Attempt, before: Mapping[str, Any], code: int, *, stopped: bool, killed_for_memory: bool
) -> Attempt:
    """What became of an attempt, by the process's exit code and by its record where that changed."""
    now = ledger.read_run(folder)
    record = now if now != before else {}
    ended = replace(begun, exit_code=code)
    if code == 0 and now.get("status") in (*ledger.DONE, "paused"):
        return replace(ended, outcome=now["status"])
    if stopped or record.get("status") == "interrupted":
        return replace(ended, outcome="interrupted")
    if code < 0:
        name = signal.Signals(-code).name
        why = ", since memory did not suffice" if killed_for_memory else ""
        story = {"type": "Killed", "message": f"the process was ended by {name}{why}", "traceback": _tail(folder)}
        return replace(ended, outcome="out_of_memory" if killed_for_memory else "killed", signal=name, error=story)
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
    record = ledger.read_run(folder)
    if record.get("status") == "running":
        status = "interrupted" if ended.outcome == "interrupted" else "failed"
        write_object(folder / RECORD, {**record, "status": status, "error": ended.error, "ended": ended.ended})
