"""Where caches go when the home folder can't be written, as in a container or on a full disk."""

import os
import stat
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

from rnnsearch.config.terminal import say

CACHE = "RNNSEARCH_CACHE"
LIBRARIES = {  # variables that tell matplotlib, Hugging Face's libraries, wandb and Triton where to write
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "MPLCONFIGDIR": "matplotlib",
    "WANDB_CONFIG_DIR": "wandb",
    "TRITON_CACHE_DIR": "triton",
}


def settle(environment: MutableMapping[str, str]) -> None:
    """Use a temporary folder instead of a home that can't be written, and say so once.

    Child processes inherit it; what the environment already sets is kept.
    """
    home = environment.get("HOME")
    if home and (_is_writable(Path(home) / ".cache" / "rnnsearch") or (Path(home) / ".cache" / "rnnsearch").is_dir()):
        return
    try:
        place = _temporary()
    except OSError:
        return  # no such place either: whoever needs a file will fail by itself
    for variable, name in LIBRARIES.items():
        environment.setdefault(variable, str(place / name))
    if CACHE in environment:
        return
    environment[CACHE] = str(place / "cache" / "rnnsearch")
    why = f"HOME={home} can't be written" if home else "HOME is not set"
    say(f"rnnsearch: {why}, so caches go to {place}; {CACHE}=DIR or paths.cache=DIR names another folder", stderr=True)


def _temporary() -> Path:
    """A permanent folder into which no other user can have put anything."""
    place = Path(tempfile.gettempdir()) / f"rnnsearch-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    status = place.lstat()
    is_ours = status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o022
    return place if is_ours else Path(tempfile.mkdtemp(prefix="rnnsearch-"))


def _is_writable(folder: Path) -> bool:
    """Whether a folder exists or could be made, and can be written."""
    try:
        above = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        with tempfile.TemporaryFile(dir=above) as file:
            file.write(b"0")
    except (OSError, StopIteration):
        return False
    return True
