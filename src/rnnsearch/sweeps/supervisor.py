"""Trains one point in a process of its own, and notes the outcome whatever it is."""

import contextlib
import logging
import os
import platform
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

from filelock import FileLock, Timeout

from rnnsearch.config.overrides import quoted
from rnnsearch.records.folders import LOCK, without_links
from rnnsearch.records.json_files import write_object
from rnnsearch.records.run_record import JOB, NO_RECORD, RECORD, Failure, Record, now, read_values
from rnnsearch.sweeps import evaluations, ledger
from rnnsearch.sweeps.ledger import Attempt, Point
from rnnsearch.sweeps.parent import BOUND
from rnnsearch.sweeps.warm_processes import WarmProcess, can_be_warm
from rnnsearch.training.cluster import without_ranks

logger = logging.getLogger(__name__)

LOG = "job.log"
PATIENCE = 60.0  # seconds for a training to save and exit when it is told to stop
KEPT = (JOB, LOG, LOCK, ledger.SUPERVISED)  # files that stay when a folder's training begins anew
MEMORY_ERRORS = ("OutOfMemoryError", "MemoryError")
MEMORY_WORDS = ("can't allocate memory", "cannot allocate memory", "out of memory", "unable to allocate", "bad_alloc")
TAIL = 40  # lines of the log that replace a missing traceback

Process = subprocess.Popen[bytes] | WarmProcess


def supervise(
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    trust: Sequence[str] = (),
    warm: bool = False,
) -> str:
    """Train the point in ``folder`` until it finishes or fails; goes on where an earlier attempt stopped.

    If memory runs out, the point's fallbacks are tried: half the batch, twice the accumulation.

    Args:
        folder: with job.json.
        environment: extra variables for the training's process.
        stop: when set, the training is told to save and exit.
        trust: packages that the training trusts; job.json does not name them.
        warm: where that can be, its process is forked from one that has imported everything.

    Returns:
        One of `ledger.OUTCOMES`, or ``running`` if another process holds the point or its folder. A failure raises
        nothing: it is noted in job.json, with its traceback.

    Raises:
        OSError: if job.json cannot be written, as on a full disk.
    """
    with ledger.supervising(folder) as mine:
        if not mine:
            return "running"
        point = ledger.read_point(folder)
        if (done := ledger.read_run(folder).status) in ledger.DONE:
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
            ended = _attempt(point, more, words, environment or {}, stop or threading.Event(), warm)
            if ended.outcome != "out_of_memory" or tried == len(point.fallbacks):
                return str(ended.outcome)
            tried += 1
            logger.warning("%s: out of memory; again with %s", folder.name, " ".join(point.fallbacks[tried - 1]))


def _fallbacks_tried(point: Point) -> int:
    """How many times the batch was halved already; further attempts go on like the last one.

    If that one ran out of memory and its sweep was stopped, they go on with the next fallback.
    """
    attempts = ledger.read_attempts(point.folder)
    steps = [(), *point.fallbacks]
    if not attempts or attempts[-1].overrides not in steps:
        return 0
    tried = steps.index(attempts[-1].overrides)
    return min(tried + (attempts[-1].outcome == "out_of_memory"), len(point.fallbacks))


def _attempt(
    point: Point,
    more: tuple[str, ...],
    words: Sequence[str],
    environment: Mapping[str, str],
    stop: threading.Event,
    warm: bool,
) -> Attempt:
    begun = Attempt(started=now(), overrides=more, host=platform.node(), pid=os.getpid())
    ledger.add_attempt(point, begun)
    before, kills = ledger.read_run(point.folder), _kernel_kills()
    try:
        code, stopped = _train(point, words, environment, stop, warm)
    except OSError as error:  # such as a working directory that does not exist on this machine
        story = {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
        ended = replace(begun, outcome="failed", error=story)
    else:
        killed_for_memory = code == -signal.SIGKILL and _kernel_kills() > kills
        ended = _judge(point.folder, begun, before, code, stopped=stopped, killed_for_memory=killed_for_memory)
    ended = replace(ended, ended=now())
    ledger.end_attempt(point, ended)
    _correct_record(point.folder, ended)
    return ended


def _prepare(point: Point, more: tuple[str, ...]) -> bool:
    """Prepare the folder for an attempt; return whether it goes on with what is there.

    The training of a killed sweep is waited for: it saves and exits when its parent is gone.
    """
    with FileLock(point.folder / LOCK, timeout=PATIENCE + 10):
        resume = _can_resume(point, more)
        if not resume:
            _clear(point.folder)
        for left in point.folder.glob(".*.part"):  # left by a process that was killed while writing
            left.unlink()
    return resume


def _can_resume(point: Point, more: tuple[str, ...]) -> bool:
    attempts = ledger.read_attempts(point.folder)
    if not attempts or attempts[-1].overrides != more or attempts[-1].outcome == "out_of_memory":
        return False
    return ledger.read_run(point.folder).is_there and any(
        zipfile.is_zipfile(path) for path in (point.folder / "checkpoints").glob("*.ckpt")
    )


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def command(point: Point, more: tuple[str, ...], *, resume: bool, trust: Sequence[str] = ()) -> list[str]:
    """The training's command, without the interpreter's name."""
    if point.evaluates is not None:
        folder = f"folder={quoted(str(point.folder.absolute()))}"
        return ["-m", "rnnsearch", "evaluate", *evaluations.command(point), folder, *_trusted(trust), *point.flags]
    last = ("ckpt=last",) if resume else ()
    place = f"hydra.run.dir={quoted(str(point.folder.absolute()))}"
    pause = [f"pause.{key}={value}" for key, value in (point.pause or {}).items() if value is not None]
    return ["-m", "rnnsearch", "train", *point.overrides, *more, *pause, place, *last, *_trusted(trust), *point.flags]


def _trusted(trust: Sequence[str]) -> tuple[str, ...]:
    return (f"++trust=[{','.join(trust)}]",) if trust else ()


def _start(point: Point, words: Sequence[str], environment: Mapping[str, str], warm: bool) -> Process:
    """The training's process. Nothing is written to its input, which closes when this process dies, and tells it so."""
    whole = {**without_ranks(os.environ), **environment, **BOUND}
    with open(point.folder / LOG, "ab", opener=without_links) as log:
        if warm and can_be_warm(whole, point.devices):
            try:
                return WarmProcess(words, environment=whole, directory=point.directory, log=log)
            except ChildProcessError as error:
                logger.warning("%s: %s; it begins in a new process", point.folder.name, error)
        return subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=whole,
            cwd=point.directory,
            start_new_session=True,
        )


def _train(
    point: Point, words: Sequence[str], environment: Mapping[str, str], stop: threading.Event, warm: bool
) -> tuple[int, bool]:
    """Exit code of the training's process (negative: a signal), and whether it was told to stop."""
    process = _start(point, words, environment, warm)
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


def _await(process: Process) -> None:
    """Give a training that was told to stop time to save, no more."""
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _kill_group(process: Process) -> None:
    """End processes that the training left behind, such as the other ranks of a run whose first one was killed."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()


def _kernel_kills() -> int:
    """How many processes the kernel has killed on this machine for lack of memory; 0 if unknown."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _judge(
    folder: Path, begun: Attempt, before: Record, code: int, *, stopped: bool, killed_for_memory: bool
) -> Attempt:
    """The outcome of an attempt, from the process's exit code and, if it changed, its record."""
    after = ledger.read_run(folder)
    record = after if after != before else NO_RECORD
    ended = replace(begun, exit_code=code)
    if code == 0 and after.status in (*ledger.DONE, "paused"):
        return replace(ended, outcome=after.status)
    if stopped or record.status == "interrupted":
        return replace(ended, outcome="interrupted")
    if code < 0:
        name = signal.Signals(-code).name
        why = ", since memory did not suffice" if killed_for_memory else ""
        story = {"type": "Killed", "message": f"the process was ended by {name}{why}", "traceback": _tail(folder)}
        return replace(ended, outcome="out_of_memory" if killed_for_memory else "killed", signal=name, error=story)
    tail = _tail(folder)
    last = (tail.splitlines() or ["it left no message"])[-1]
    failure = record.error or Failure(type="Failed", message=last, traceback=tail)
    story = failure.as_values()
    return replace(ended, outcome="out_of_memory" if _is_memory(story) else "failed", error=story)


def _is_memory(story: Mapping[str, str]) -> bool:
    message = story["message"].lower()
    return story["type"] in MEMORY_ERRORS or any(words in message for words in MEMORY_WORDS)


def _tail(folder: Path) -> str:
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "\n".join(lines[-TAIL:])


def _correct_record(folder: Path, ended: Attempt) -> None:
    """Correct a record that a killed process left as running."""
    if ledger.read_run(folder).status == "running":
        status = "interrupted" if ended.outcome == "interrupted" else "failed"
        write_object(
            folder / RECORD, {**read_values(folder), "status": status, "error": ended.error, "ended": ended.ended}
        )
