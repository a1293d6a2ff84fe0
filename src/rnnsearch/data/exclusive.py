"""A place of the cache for one process at a time; a disk that is full or can't be written is told in one sentence."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock that belongs to a path of the cache, so that one process at a time makes what is there."""
    with enough_space(path):
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise OSError(
                f"{path.parent} can't be written ({(error.strerror or 'no reason is given').lower()}); name a folder "
                "that can be by paths.cache=DIR or RNNSEARCH_CACHE=DIR"
            ) from error
        try:
            yield
        finally:
            lock.release()


@contextlib.contextmanager
def enough_space(path: Path) -> Iterator[None]:
    """Turn a full disk into one sentence. Raises OSError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        full = OSError(f"no space left to write {path}; free some, or set paths.cache to a folder on another disk")
        full.errno = error.errno
        raise full from error
