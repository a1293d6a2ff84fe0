"""Advice after a training diverged: what is left, and the command that tries half the rate."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.overrides import for_shell
from rnnsearch.model.checkpoint import CHECKPOINTS
from rnnsearch.training.faults import Diverged

REPLACED = ("optimizer.lr", "hydra.run.dir", "ckpt")  # keys that are replaced in the command
KEPT = ("last", "best")  # checkpoints, the newest first


def advised(error: Diverged, words: Sequence[str], cfg: DictConfig, folder: Path) -> Diverged:
    """The error, with the last good checkpoint, what may help, and a command that tries it.

    Args:
        error: from the training.
        words: of the diverged command, after the program's name.
        cfg: its config.
        folder: the run's.
    """
    checkpoints = [path for name in KEPT if (path := folder / CHECKPOINTS / f"{name}.ckpt").is_file()]
    left = f"the last good checkpoint is kept, {checkpoints[0]}" if checkpoints else "there was no checkpoint yet"
    rate = OmegaConf.select(cfg, "optimizer.lr")
    return Diverged(
        f"{error}; {left}; lower optimizer.lr={rate} or lengthen scheduler.warmup",
        update=error.update,
        retry=_half_the_rate(words, float(rate), folder) if isinstance(rate, int | float) else None,
    )


def _half_the_rate(words: Sequence[str], rate: float, folder: Path) -> str:
    """The shell command that trains the same with half the rate, in a folder beside the run's."""
    kept = [word for word in words if word.lstrip("+").partition("=")[0] not in REPLACED]
    beside = folder.with_name(f"{folder.name}-lr{rate / 2}")
    plain = re.fullmatch(r"[\w./+-]+", str(beside))
    place = f"hydra.run.dir={beside}" if plain else for_shell("hydra.run.dir", str(beside))
    return f"{shlex.join(['rnnsearch', *kept, f'optimizer.lr={rate / 2}'])} {place}"
