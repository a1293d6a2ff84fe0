"""What a study was asked to train and how far it is: a job.json beside each point's record, and nothing else.

A point's folder is found by the key of its config, so the same sweep finds it again, and so does a wider one.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rnnsearch.records.json_files import read_object, write_object
from rnnsearch.records.run_record import JOB, NO_RECORD, RECORD, Failure, Record, read_record

FORMAT = 1
SUPERVISED = ".job.lock"  # held by the process that looks after a point
KEY_LETTERS = 8  # of the key, in the folder's name
FLAGS = ("--config-dir=", "--config-name=config")  # a point's flags begin with one of these
QUIET = ("hydra/job_logging=stderr", "hydra/hydra_logging=stderr", "hydra.output_subdir=null")  # or are one of these
ASKING = 5.0  # seconds to wait for the lock, which `is_supervised` may hold for a moment


Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Point:
    """One training of a study.

    Attributes:
        folder: of the run.
        key: `rnnsearch.config.identity.point_key` of its config.
        member: its label, without the seed.
        overrides: what ``rnnsearch train`` gets, without the folder.
        flags: of the command line, such as ``--config-dir=DIR``.
        directory: the command's working directory, so that relative paths keep their meaning.
        fallbacks: extra overrides for each further attempt after one ran out of memory.
        updates: at the end of its budget, if known.
        devices: how many it trains on; -1: all.
        accelerator: cpu, or anything that may be a GPU.
        trial: of a search: its index and fixed overrides; once it has asked Optuna, also its number and parameters.
        pause: of a tuning trial that is not chosen (yet): the share of the budget and the updates at which it stops;
            None: it is trained to the end.
        evaluates: of a point that trains nothing: the run that it translates with (a folder of the study, or a path),
            the search, the checkpoint and the sentences; see `rnnsearch.sweeps.evaluations`.
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
    evaluates: dict[str, Any] | None = None


@dataclass(frozen=True)
class Attempt:
    """One process that trained a point."""

    started: str
    ended: str | None = None
    outcome: str | None = None  # None while it runs; see OUTCOMES
    exit_code: int | None = None
    signal: str | None = None
    error: dict[str, Any] | None = None  # type, message, traceback; if it diverged also the update and a command
    overrides: tuple[str, ...] = ()  # in addition to the point's
    host: str | None = None
    pid: int | None = None


OUTCOMES = ("finished", "pruned", "paused", "failed", "killed", "interrupted", "out_of_memory")
DONE = ("finished", "pruned")
DIVERGED = "Diverged"  # the error type in the record of a training whose loss became NaN or infinite


@dataclass(frozen=True)
class State:
    """How far a point has come.

    Attributes:
        status: finished, pruned, paused, running, waiting, interrupted or failed (also when killed or out of memory).
        updates: at the last validation.
        bleu: the best validation score so far.
        seconds: of training, as far as recorded.
        error: one line, for a failed point.
        attempts: every time it was started.
        chrf: the best validation score so far, if chrF is the primary measure instead of BLEU.
    """

    status: str
    updates: int = 0
    bleu: float | None = None
    seconds: float | None = None
    error: str | None = None
    attempts: tuple[Attempt, ...] = ()
    chrf: float | None = None


def folder_name(member: str, seed: int, key: str) -> str:
    """The name of a point's folder: readable, unique, and harmless to shells and file systems."""
    words = re.sub(r"[^A-Za-z0-9.]+", "_", member).strip("_.")[:80]
    return f"{words or 'point'}-seed{seed}-{key[:KEY_LETTERS]}"


def find(study: Path, key: str) -> Path | None:
    """The folder of the point with this key, or None."""
    ending = f"-{key[:KEY_LETTERS]}"
    names = sorted(name for name in os.listdir(study) if name.endswith(ending)) if study.is_dir() else []
    there = (study / name for name in names if (study / name / JOB).is_file())
    return next((folder for folder in there if _read(folder / JOB)["key"] == key), None)


def write_point(point: Point) -> None:
    """Write a point's job.json, keeping the attempts already in it."""
    attempts = read_attempts(point.folder) if (point.folder / JOB).is_file() else ()
    _write(point, attempts)


def write_unless_supervised(point: Point) -> None:
    """Write a point's job.json, unless a process is working on it; none begins in the meantime."""
    if not (point.folder / SUPERVISED).exists():
        write_point(point)
        return
    with supervising(point.folder, patience=0) as free:
        if free:
            write_point(point)


def _write(point: Point, attempts: tuple[Attempt, ...]) -> None:
    values = {key: value for key, value in asdict(point).items() if key != "folder"}
    write_object(point.folder / JOB, {"format": FORMAT, **values, "attempts": [*map(asdict, attempts)]})


def read_point(folder: Path) -> Point:
    """The point of a folder.

    Raises:
        FileNotFoundError, ValueError: if job.json is missing, damaged, or holds words that no sweep writes: they could
            tell Hydra where to write and what to load.
    """
    values = _read(folder / JOB)
    _check_words(values, folder / JOB)
    there: dict[str, Any] = {field.name: values[field.name] for field in fields(Point) if field.name in values}
    lists = {key: _frozen(there[key]) for key in ("overrides", "flags", "fallbacks") if key in there}
    return Point(**(there | lists | {"folder": folder}))


def _frozen(node: Any) -> Any:
    """Lists as tuples."""
    return tuple(map(_frozen, node)) if isinstance(node, list) else node


def _check_words(values: Mapping[str, Any], path: Path) -> None:
    """Refuse overrides that change more than the training's config, and flags that do more than add YAML folders."""
    lists = [
        values["overrides"],
        *values.get("fallbacks", ()),
        *(attempt["overrides"] for attempt in values["attempts"]),
    ]
    overrides = [word for words in lists for word in words]
    strange = [word for word in overrides if not isinstance(word, str) or word.startswith("-") or _is_hydras(word)]
    strange += [flag for flag in values.get("flags", ()) if flag not in QUIET and not str(flag).startswith(FLAGS)]
    if strange:
        raise ValueError(f"{path}: {strange[0]!r} is nothing that a sweep writes, so somebody changed it; remove it")


def _is_hydras(override: str) -> bool:
    names = re.split("[./@:]", override.partition("=")[0].strip(" \t\n+~"))
    return "hydra" in names or names[0] == "trust"


def read_points(study: Path) -> list[Point]:
    """All points of a study, by folder name."""
    return [read_point(path.parent) for path in sorted(study.glob(f"*/{JOB}"))]


def read_attempts(folder: Path) -> tuple[Attempt, ...]:
    """The attempts at a point, oldest first."""
    attempts = _read(folder / JOB)["attempts"]
    return tuple(Attempt(**{**attempt, "overrides": tuple(attempt["overrides"])}) for attempt in attempts)


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
def supervising(folder: Path, *, patience: float | None = None) -> Iterator[bool]:
    """Lock a point: True, or False if another process holds it. The lock is freed when the process dies, too."""
    lock = FileLock(folder / SUPERVISED)
    try:
        lock.acquire(timeout=ASKING if patience is None else patience)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def is_supervised(folder: Path) -> bool:
    """Whether a process is working on the point."""
    if not (folder / SUPERVISED).exists():
        return False
    with supervising(folder, patience=0) as free:
        return not free


def state(point: Point) -> State:
    """How far a point has come, read from its files."""
    if (twin := _twin(point)) is not None:
        return state(twin)
    attempts = read_attempts(point.folder)
    record = read_run(point.folder)
    validations = record.results.curves.validation
    best = max((float(validation["bleu"]) for validation in validations), default=None)
    by_chrf = record.scoring.get("primary") == "chrf"
    chrf = max((float(validation["chrf"]) for validation in validations), default=None) if by_chrf else None
    updates = int(validations[-1]["update"]) if validations else 0
    status = _status(point.folder, attempts, record)
    error = _error(attempts, record) if status == "failed" else None
    return State(status, updates, best, record.seconds, error, attempts, chrf)


def stamp(folder: Path) -> Stamp:
    """What changes whenever a point's job.json or record is written."""
    stamps = []
    for name in (JOB, RECORD):
        with suppress(FileNotFoundError):
            status = (folder / name).stat()
            stamps.append((status.st_ino, status.st_mtime_ns))
    return tuple(stamps)


def is_paused(point: Point) -> bool:
    """Whether a point has stopped at its pause, so there is nothing to do until the pause moves."""
    if point.pause is None or (record := read_run(point.folder)).status != "paused":
        return False
    last = record.pauses[-1]
    share, updates = (point.pause.get(key) or 0 for key in ("share", "updates"))
    return last.share >= share and last.update >= updates


def has_diverged(point: Point) -> bool:
    """Whether a point's training diverged: with the same seed it would do so again, so it is not retried."""
    if (twin := _twin(point)) is not None:
        return has_diverged(twin)
    record = read_run(point.folder)
    return record.status == "failed" and record.error is not None and record.error.type == DIVERGED


def _twin(point: Point) -> Point | None:
    """The point trained in place of a trial; the trial notes it when it begins."""
    if not point.trial:
        return None
    trial = read_point(point.folder).trial or {}
    return read_point(point.folder.parent / trial["same_as"]) if "same_as" in trial else None


def read_run(folder: Path) -> Record:
    """The record of a point's run; `NO_RECORD` if it is missing or damaged."""
    try:
        return read_record(folder)
    except (FileNotFoundError, ValueError):
        return NO_RECORD


def _status(folder: Path, attempts: tuple[Attempt, ...], record: Record) -> str:
    if record.status in DONE:
        return record.status
    if is_supervised(folder):
        return "running"
    if record.status == "paused":
        return "paused"
    outcome = attempts[-1].outcome if attempts else None
    if outcome in (None, "interrupted", *DONE):  # begun but never ended: its supervisor was killed
        return "interrupted" if attempts else "waiting"
    return "failed"


def _error(attempts: tuple[Attempt, ...], record: Record) -> str:
    failure = Failure(type=str(attempts[-1].outcome)) if record.error is None else record.error
    story = attempts[-1].error or {"type": failure.type, "message": failure.message}
    message = str(story["message"]).strip().partition("\n")[0]
    return f"{story['type']}: {message}" if message else str(story["type"])
