"""A run's record from its beginning to its end, however it ends."""

import logging
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig

from rnnsearch.config.identity import config_hash
from rnnsearch.config.plain_values import plain
from rnnsearch.config.secrets import hidden
from rnnsearch.records.folders import LOCK
from rnnsearch.records.run_record import RunRecord, new_id, now
from rnnsearch.records.visible import visible
from rnnsearch.runs import provenance
from rnnsearch.runs.own_code import own_code
from rnnsearch.training.faults import Diverged
from rnnsearch.training.last_checkpoint import Paused
from rnnsearch.training.preemption import SIGNALS, StopRequest
from rnnsearch.training.pruning import Pruned

logger = logging.getLogger(__name__)

LEAVING = 60.0  # seconds that a process may take after it was told to stop


def beginnings(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    """The record before anything has happened."""
    return {
        "id": new_id(),
        "name": folder.name,
        "study": cfg.study,
        "member": cfg.member,
        "status": "running",
        "error": None,
        "started": now(),
        "ended": None,
        "command": ["rnnsearch", *sys.argv[1:]],
        "tags": list(cfg.get("tags") or []),
        "note": cfg.get("note"),
        "config_hash": config_hash(plain(cfg)),
        "seed": cfg.seed,
        "git": provenance.git(),
        "versions": provenance.versions(),
        "code": own_code(plain(cfg)),
        "results": {},
    }


def ended(record: RunRecord, status: str, error: dict[str, Any] | None) -> None:
    """Write how the run ended."""
    record.write(status=status, error=error, ended=now())


class Discreet(logging.Formatter):
    """Log lines without secrets and without control characters that would act on a reader's terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return visible(hidden(super().format(record)))


@contextmanager
def recording(record: RunRecord, folder: Path) -> Iterator[None]:
    """Write the record now and at the end, however it ends, and the log into the folder."""
    handler = logging.FileHandler(folder / "train.log", encoding="utf-8")
    handler.setFormatter(Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    record.write(status="running", error=None, ended=None)
    try:
        with _full_disks_told_once():
            yield
    except Pruned:
        ended(record, "pruned", None)
    except Paused:
        ended(record, "paused", None)
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        details = {"message": hidden(str(error)), "traceback": hidden(traceback.format_exc())}
        another = getattr(error, "story", None)  # process's
        story = another or {"type": type(error).__name__, **details}
        if isinstance(error, Diverged):
            story |= {"update": error.update, "retry": error.retry and hidden(error.retry)}
        ended(record, "interrupted" if interrupted else "failed", story)
        raise
    else:
        ended(record, "finished", None)
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


@contextmanager
def _full_disks_told_once() -> Iterator[None]:
    """Print no traceback per line when a log or a dashboard's thread can't write."""
    raising, hook = logging.raiseExceptions, threading.excepthook

    def failed(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, OSError):
            hook(args)
            return
        logger.warning("a dashboard can't write (%s) and shows no more of this run", args.exc_value)

    logging.raiseExceptions, threading.excepthook = False, failed
    try:
        yield
    finally:
        logging.raiseExceptions, threading.excepthook = raising, hook


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Lock a run's folder, so that only one process trains in it; waits for one that is about to end.

    Raises:
        ValueError: if another process keeps the lock.
    """
    try:
        with FileLock(folder / LOCK, timeout=LEAVING):
            yield
    except Timeout:
        raise ValueError(f"another process trains in {folder}; wait for it or give another hydra.run.dir") from None


@contextmanager
def interruptible() -> Iterator[StopRequest]:
    """SIGTERM and SIGUSR1 interrupt as Ctrl-C does, except that a training saves first.

    An exit that Lightning makes of an interrupt becomes a KeyboardInterrupt again.
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, *SIGNALS)}
    stop.install()
    try:
        yield stop
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
