"""Callbacks that look at a training and change nothing: each writes scalars to every logger."""

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from rnnsearch.training.module import TranslationModule


class Throughput(Callback):
    """Updates and target tokens a second over the last updates, and a GPU's peak memory.

    Args:
        every: so many updates.
    """

    def __init__(self, *, every: int) -> None:
        self.every = every
        self._since: tuple[float, int, int] | None = None  # seconds, updates, tokens

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validation is not training: counting begins anew."""
        self._since = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count, and log if it is time."""
        assert isinstance(pl_module, TranslationModule)
        now = (time.perf_counter(), pl_module.counters.updates, pl_module.counters.tokens)
        if self._since is None:
            self._since = now
        seconds, updates, tokens = (after - before for after, before in zip(now, self._since, strict=True))
        if updates < self.every:
            return
        self._since = now
        scalars = {"throughput/updates_per_second": updates / seconds, "throughput/tokens_per_second": tokens / seconds}
        if torch.cuda.is_available():
            scalars["throughput/memory_bytes"] = float(torch.cuda.max_memory_allocated())
        for log in trainer.loggers:
            log.log_metrics(scalars, step=pl_module.counters.updates)


class GradientNorm(Callback):
    """The Euclidean norm of the gradient of the mean loss a token, before it is clipped.

    Args:
        every: so many updates.
    """

    def __init__(self, *, every: int) -> None:
        self.every = every
        self._told = 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log it if it is time."""
        assert isinstance(pl_module, TranslationModule)
        update = trainer.global_step
        if update % self.every or update == self._told or pl_module.gradient_norm is None:
            return
        self._told = update  # accumulated batches share one update
        for log in trainer.loggers:
            log.log_metrics({"train/gradient_norm": float(pl_module.gradient_norm)}, step=update)
