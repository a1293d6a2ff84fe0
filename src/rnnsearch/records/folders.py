"""Folders to write into: no name in them leads elsewhere, and files made together are replaced together."""

import errno
import os
import platform
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"  # in a folder: held by the process that trains in it, or sweeps
WANDB = "wandb"  # the folder of Weights & Biases in a run's folder


def refuse_links(folder: Path) -> None:
    """Refuse to write into a folder in which names lead elsewhere, as a stranger's may.

    Raises:
        ValueError: for a link out of the folder, or for what is neither a file nor a folder (a pipe, say). The folder
            of Weights & Biases in a run has links of its own; it writes into a new one each time.
    """
    inside = folder.resolve()
    for place, folders, files in os.walk(folder):
        if Path(place).name == WANDB:
            folders.clear()
            continue
        for path in (Path(place, name) for name in (*folders, *files)):
            kind = path.lstat().st_mode
            if stat.S_ISLNK(kind) and not path.resolve().is_relative_to(inside):
                raise ValueError(f"{path} is a link out of {folder}, so nothing is written there; remove it")
            if not (stat.S_ISLNK(kind) or stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise ValueError(f"{path} is neither a file nor a folder, so nothing is written there; remove it")


def without_links(path: str, flags: int) -> int:
    """For ``open(..., opener=without_links)``: refuses a link, or a pipe that nobody reads.

    Raises:
        ValueError: if the path is one.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise ValueError(f"{path} is a link, or no file, so nothing is written there; remove it") from None


@contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """A folder to write into; at the end its files replace their namesakes in ``folder``, or none if the block fails.

    Both are on one disk, so that each file is replaced in one step. What a killed process left behind is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    here = f"@{platform.node()}.part"
    for left in folder.glob(f".*{here}"):
        pid = left.name[1:].removesuffix(here)
        if pid.isdecimal() and (int(pid) == os.getpid() or not _is_alive(int(pid))):
            shutil.rmtree(left, ignore_errors=True)
    aside = folder / f".{os.getpid()}{here}"
    aside.mkdir()
    try:
        yield aside
        for path in sorted(aside.rglob("*")):  # folders come before what is in them
            place = folder / path.relative_to(aside)
            if path.is_dir():
                if place.is_symlink():
                    raise ValueError(f"{place} is a link, so nothing is written there; remove it")
                place.mkdir(exist_ok=True)
            else:
                os.replace(path, place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
