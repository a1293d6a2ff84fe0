"""What a study was asked to train and how far it has come: job.json beside each point's record. Nothing else is kept.

A point's folder is found by the key of its config, so that the same sweep again, or a wider one, finds it.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rnnsearch.records import JOB, read_object, read_record, write_object

FORMAT = 1
SUPERVISED = ".job.lock"  # held by the process that looks after a point
KEY_LETTERS = 8  # of the key, in the folder's name
FLAGS = ("--config-dir=", "--config-name=config")  # of a point: what they begin with
QUIET = ("hydra/job_logging=stderr", "hydra/hydra_logging=stderr", "hydra.output_subdir=null")  # or what they are
ASKING = 5.0  # seconds that `is_supervised` may be in the way of who wants to look after a point


@dataclass(frozen=True)
class Point:
    """One training of a study.

    Attributes:
        folder: of the run.
        key: `rnnsearch.records.point_key` of its config.
        member: its label, without the seed.
        overrides: what ``rnnsearch train`` gets, without the folder.
        flags: of the command line, such as ``--config-dir=DIR``.
        directory: in which the command was given, so that relative paths mean the same everywhere.
        fallbacks: more overrides for each further attempt after one that ran out of memory.
        updates: at the end of its budget, where that is known.
        devices: that it trains on; -1: all there are.
        accelerator: cpu, or what may be a GPU.
        trial: of a search: its index and what it was given, and once it has asked, Optuna's number and parameters.
        pause: of a trial of a tuning that was not chosen, at least not yet: the share of the budget and the updates
            at which it is left; None: it is trained to the end.
    """

    folder: Path
    key: str
    member: str
    seed: int
    overrides: tuple[str, ...]
    flags: tuple[str, ...] = ()
    directory: str | None = None
    fallbacks: tuple[tuple[str, ...], ...] = ()
    updates: int | None = None
    devices: int = 1
    accelerator: str = "auto"
    trial: dict[str, Any] | None = None
    pause: dict[str, Any] | None = None


@dataclass(frozen=True)
class Attempt:
    """One process that trained a point."""

    started: str
    ended: str | None = None
    outcome: str | None = None  # None while it runs; see OUTCOMES
    exit_code: int | None = None
    signal: str | None = None
    error: dict[str, Any] | None = None  # type, message, traceback; of one that diverged its update and a command
    overrides: tuple[str, ...] = ()  # beside the point's
    host: str | None = None
    pid: int | None = None


OUTCOMES = ("finished", "pruned", "paused", "failed", "killed", "interrupted", "out_of_memory")
DONE = ("finished", "pruned")
DIVERGED = "Diverged"  # the type of the error in the record of a training whose loss became no number


@dataclass(frozen=True)
class State:
    """How far a point has come.

    Attributes:
        status: finished, pruned, paused, running, waiting, interrupted, failed (so are killed and out of memory).
        updates: done at the last validation.
        bleu: the best of validation so far.
        seconds: of training, as far as recorded.
        error: one line, for a point that failed.
        attempts: how often it was started.
        chrf: the best of validation so far, where that is the primary measure in place of BLEU.
    """

    status: str
    updates: int = 0
    bleu: float | None = None
    seconds: float | None = None
    error: str | None = None
    attempts: tuple[Attempt, ...] = field(default=())
    chrf: float | None = None


def folder_name(member: str, seed: int, key: str) -> str:
    """The name of a point's folder: readable, unique, and harmless to shells and file systems."""
    words = re.sub(r"[^A-Za-z0-9.]+", "_", member).strip("_.")[:80]
    return f"{words or 'point'}-seed{seed}-{key[:KEY_LETTERS]}"


def find(study: Path, key: str) -> Path | None:
    """The folder of the point with this key; None where there is none."""
    for path in sorted(study.glob(f"*-{key[:KEY_LETTERS]}/{JOB}")):
        if _read(path)["key"] == key:
            return path.parent
    return None


def write_point(point: Point) -> None:
    """Write a point's job.json; the attempts that stand there already stay."""
    attempts = read_attempts(point.folder) if (point.folder / JOB).is_file() else ()
    _write(point, attempts)


def _write(point: Point, attempts: tuple[Attempt, ...]) -> None:
    values = {key: value for key, value in asdict(point).items() if key != "folder"}
    write_object(point.folder / JOB, {"format": FORMAT, **values, "attempts": [asdict(one) for one in attempts]})


def read_point(folder: Path) -> Point:
    """The point of a folder.

    Raises:
        FileNotFoundError, ValueError: if it has no job.json, a damaged one, or one with words that no sweep writes:
            they would tell Hydra where to write and what to load.
    """
    values = _read(folder / JOB)
    _check_words(values, folder / JOB)
    fallbacks = tuple(tuple(more) for more in values.get("fallbacks", ()))
    return Point(
        folder=folder,
        key=values["key"],
        member=values["member"],
        seed=values["seed"],
        overrides=tuple(values["overrides"]),
        flags=tuple(values.get("flags", ())),
        directory=values.get("directory"),
        fallbacks=fallbacks,
        updates=values.get("updates"),
        devices=values.get("devices", 1),
        accelerator=values.get("accelerator", "auto"),
        trial=values.get("trial"),
        pause=values.get("pause"),
    )


def _check_words(values: Mapping[str, Any], path: Path) -> None:
    """Let overrides change the training's config alone, and flags add folders of YAML, no more."""
    lists = [values["overrides"], *values.get("fallbacks", ()), *(one["overrides"] for one in values["attempts"])]
    overrides = [word for words in lists for word in words]
    strange = [word for word in overrides if not isinstance(word, str) or word.startswith("-") or _is_hydras(word)]
    strange += [flag for flag in values.get("flags", ()) if flag not in QUIET and not str(flag).startswith(FLAGS)]
    if strange:
        raise ValueError(f"{path}: {strange[0]!r} is nothing that a sweep writes, so somebody changed it; remove it")


def _is_hydras(override: str) -> bool:
    parts = re.split("[./@:]", override.partition("=")[0].strip(" \t\n+~"))
    return "hydra" in parts or parts[0] == "trust"


def read_points(study: Path) -> list[Point]:
    """All points of a study, in the order of their folders' names."""
    return [read_point(path.parent) for path in sorted(study.glob(f"*/{JOB}"))]


def read_attempts(folder: Path) -> tuple[Attempt, ...]:
    """What came of each attempt at a point, the first first."""
    found = _read(folder / JOB)["attempts"]
    return tuple(Attempt(**{**one, "overrides": tuple(one["overrides"])}) for one in found)


def add_attempt(point: Point, attempt: Attempt) -> None:
    """Note that an attempt begins."""
    _write(point, (*read_attempts(point.folder), attempt))


def end_attempt(point: Point, attempt: Attempt) -> None:
    """Note how the last attempt ended."""
    _write(point, (*read_attempts(point.folder)[:-1], attempt))


def _read(path: Path) -> dict[str, Any]:
    try:
        values = read_object(path)
    except ValueError as error:
        raise ValueError(f"{error}; remove its folder, the sweep makes it again") from None
    if values.get("format") != FORMAT:
        raise ValueError(f"{path} is not of format {FORMAT}; read it with the version that wrote it")
    return values


@contextmanager
def supervising(folder: Path) -> Iterator[bool]:
    """Hold a point for oneself: True, or False where another process has it. Freed when the process dies, too."""
    with _holding(folder, patience=ASKING) as mine:
        yield mine


@contextmanager
def _holding(folder: Path, *, patience: float) -> Iterator[bool]:
    lock = FileLock(folder / SUPERVISED)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def is_supervised(folder: Path) -> bool:
    """Whether a process is at work on the point."""
    if not (folder / SUPERVISED).exists():
        return False
    with _holding(folder, patience=0) as free:
        return not free


def state(point: Point) -> State:
    """How far a point has come, by its files."""
    if (twin := _twin(point)) is not None:
        return state(twin)
    attempts = read_attempts(point.folder)
    record = read_run(point.folder)
    validations = record.get("results", {}).get("curves", {}).get("validation", [])
    best = max((float(one["bleu"]) for one in validations), default=None)
    by_chrf = (record.get("scoring") or {}).get("primary") == "chrf"
    chrf = max((float(one["chrf"]) for one in validations), default=None) if by_chrf else None
    updates = int(validations[-1]["update"]) if validations else 0
    status = _status(point.folder, attempts, record)
    error = _error(attempts, record) if status == "failed" else None
    return State(status, updates, best, record.get("seconds"), error, attempts, chrf)


def is_paused(point: Point) -> bool:
    """Whether a point was left where it is to pause, so that nothing is to be done before that is another place."""
    if point.pause is None or (record := read_run(point.folder)).get("status") != "paused":
        return False
    *_, last = record["pauses"]
    share, updates = (point.pause.get(key) or 0 for key in ("share", "updates"))
    return bool(last["share"] >= share and last["update"] >= updates)


def has_diverged(point: Point) -> bool:
    """Whether a point's training diverged, which is an answer too: from the same seed it would do so again."""
    if (twin := _twin(point)) is not None:
        return has_diverged(twin)
    record = read_run(point.folder)
    return record.get("status") == "failed" and (record.get("error") or {}).get("type") == DIVERGED


def _twin(point: Point) -> Point | None:
    """The point that was trained in place of a trial's, which is known, and written, as the trial begins."""
    if not point.trial:
        return None
    trial = read_point(point.folder).trial or {}
    return read_point(point.folder.parent / trial["same_as"]) if "same_as" in trial else None


def read_run(folder: Path) -> dict[str, Any]:
    """The record of a point's run; empty where there is none yet, or a damaged one, which is as good as none."""
    try:
        return read_record(folder)
    except (FileNotFoundError, ValueError):
        return {}


def _status(folder: Path, attempts: tuple[Attempt, ...], record: Mapping[str, Any]) -> str:
    if record.get("status") in DONE:
        return str(record["status"])
    if is_supervised(folder):
        return "running"
    if record.get("status") == "paused":
        return "paused"
    outcome = attempts[-1].outcome if attempts else None
    if outcome in (None, "interrupted", *DONE):  # begun and never ended: whoever looked after it was killed
        return "interrupted" if attempts else "waiting"
    return "failed"


def _error(attempts: tuple[Attempt, ...], record: Mapping[str, Any]) -> str:
    story = attempts[-1].error or record.get("error") or {"type": attempts[-1].outcome, "message": ""}
    message = str(story["message"]).strip().partition("\n")[0]
    return f"{story['type']}: {message}" if message else str(story["type"])


def now() -> str:
    """The time as records have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
