"""What is said of a training that diverged: what is left, and the command that tries half the rate."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli.errors import quoted
from rnnsearch.model.checkpoint import CHECKPOINTS
from rnnsearch.training.faults import Diverged

REPLACED = ("optimizer.lr", "hydra.run.dir", "ckpt")  # of the command that diverged
KEPT = ("last", "best")  # checkpoints, the newest first


def advised(error: Diverged, words: Sequence[str], cfg: DictConfig, folder: Path) -> Diverged:
    """The error with the last good checkpoint and what may help in its sentence, and a command that tries it.

    Args:
        error: as the training raised it.
        words: of the command that diverged, after the program's name.
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
    """The command, as a shell takes it, that trains the same with half the rate, in a folder beside the run's."""
    kept = [word for word in words if word.lstrip("+").partition("=")[0] not in REPLACED]
    beside = folder.with_name(f"{folder.name}-lr{rate / 2}")
    plain = re.fullmatch(r"[\w./+-]+", str(beside))
    place = f"hydra.run.dir={beside}" if plain else quoted("hydra.run.dir", str(beside))
    return f"{shlex.join(['rnnsearch', *kept, f'optimizer.lr={rate / 2}'])} {place}"
