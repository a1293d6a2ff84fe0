"""The lock of a study's folder: one sweep at a time."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from rnnsearch.records.folders import LOCK


@contextmanager
def alone(study: Path) -> Iterator[None]:
    """Lock a study's folder, made if missing; a refused study leaves no folder behind.

    Raises:
        Timeout: of filelock, if another sweep is at work in it.
    """
    from rnnsearch.runs.recording import interruptible  # imports the training code, which takes seconds

    new_folders = [folder for folder in (study, *study.parents) if not folder.exists()]
    study.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(study / LOCK, timeout=0), interruptible():
            try:
                yield
            finally:
                if new_folders and [path.name for path in study.iterdir()] == [LOCK]:
                    (study / LOCK).unlink()
    finally:
        with suppress(OSError):  # not empty
            for folder in new_folders:
                folder.rmdir()
