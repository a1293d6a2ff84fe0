"""Points of a study trained in this process, one after the other, and trainings stopped where a test wants it."""

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from rnnsearch.cli.main import main
from rnnsearch.sweeps import local_launcher, supervisor
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.local_pool import Job
from rnnsearch.training.callbacks import Clock

STARTED: list[list[str]] = []


def train_here(point: Point, command: Sequence[str], *rest: Any) -> tuple[int, bool]:
    """Stands in for a process: runs the command at once."""
    words = list(command[2:])
    STARTED.append(words)
    hydra, config = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    said = (point.folder / supervisor.LOG).open("a")
    with said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(words)
    GlobalHydra.instance().hydra, HydraConfig.instance().cfg = hydra, config
    return code, False


def run_here(jobs: Sequence[Job], slots: object) -> None:
    for job in jobs:
        job.work({}, threading.Event())


def in_process(patch: pytest.MonkeyPatch) -> None:
    STARTED.clear()
    patch.setattr(supervisor, "_train", train_here)
    patch.setattr(local_launcher, "run", run_here)


def interrupt_after(
    update: int, patch: pytest.MonkeyPatch, error: type[BaseException] = KeyboardInterrupt, *, run: str = ""
) -> None:
    """Stop trainings after so many updates, as Ctrl-C would; only those with ``run`` in their folder's name."""
    original = Clock.on_train_batch_end

    def stopping(self: Clock, trainer: Any, *others: Any) -> None:
        original(self, trainer, *others)
        if trainer.global_step == update and run in str(trainer.checkpoint_callback.dirpath):
            raise error("stopped by a test")

    patch.setattr(Clock, "on_train_batch_end", stopping)
