"""The fit itself: objects in, the results into a record."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger

from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.records.run_record import RunRecord
from rnnsearch.training.dashboards import close_dashboards
from rnnsearch.training.last_checkpoint import LastCheckpoint, Paused
from rnnsearch.training.module import TranslationModule
from rnnsearch.training.processes import Processes
from rnnsearch.training.pruning import Pruned, Pruning
from rnnsearch.training.results import counts


@contextmanager
def told_the_end(make: Callable[[], list[Logger]]) -> Iterator[list[Logger]]:
    """The loggers of a training; at the end they are told how it ended."""
    loggers: list[Logger] = []
    status = "failed"
    try:
        loggers = make()
        yield loggers
        status = "finished"
    except (Pruned, Paused, KeyboardInterrupt, SystemExit) as error:
        status = "pruned" if isinstance(error, Pruned) else "paused" if isinstance(error, Paused) else "interrupted"
        raise
    finally:
        close_dashboards(loggers, status=status)


def quiet(*, profiling: bool) -> None:
    """Hide Lightning's hints, which are about choices that are made here; its profiler reports as a hint."""
    hints = ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero", "lightning.fabric")
    for name in hints:
        logging.getLogger(name).setLevel(logging.INFO if profiling else logging.WARNING)
    warnings.filterwarnings("ignore", r".*exists and is not empty", module="lightning.*")
    warnings.filterwarnings("ignore", r".*isinstance\(treespec", module="lightning.*")
    warnings.filterwarnings("ignore", r".*smaller than the logging interval", module="lightning.*")
    warnings.filterwarnings("ignore", r".*does not have many workers", module="lightning.*")


def fit(
    trainer: Trainer,
    module: TranslationModule,
    data: ParallelDataModule,
    record: RunRecord,
    processes: Processes,
    *,
    resume: Path | None,
) -> None:
    """Train until the budget is used up, or until a callback ends the run earlier.

    Args:
        trainer: with all callbacks.
        module: to be trained.
        data: for it.
        record: of the run; the counts go into it.
        processes: those of the run, which end together.
        resume: the checkpoint to go on from.

    Raises:
        Pruned, Paused: if a trial was left before its end.
    """
    with processes.together(trainer):
        trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning gives it no type
    if any(isinstance(callback, Pruning) and callback.pruned for callback in callbacks):
        record.write(**counts(module))
        raise Pruned
    if any(isinstance(callback, LastCheckpoint) and callback.paused for callback in callbacks):
        place = {"update": module.counters.updates, "share": module.used()}
        record.write(**counts(module), pauses=[*record.values.get("pauses", []), place])
        raise Paused
