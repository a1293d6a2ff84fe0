"""Averages of the weights over training, as Lightning callbacks."""

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.profiler import record_function


def no_averaging() -> list[Callback]:
    """The weights as trained."""
    return []


def moving_average(*, decay: float) -> list[Callback]:
    """An exponential moving average of the weights; validation and checkpoints use it.

    After n updates an update's share is 1 - min(decay, (1 + n) / (10 + n)): short runs are averaged over few updates.

    Raises:
        ValueError: if ``decay`` is not between 0 and 1.
    """
    if not 0.0 < decay < 1.0:
        raise ValueError(f"averaging.decay={decay}: must lie between 0 and 1")
    return [Average(share=lambda updates: 1.0 - min(decay, (1.0 + updates) / (10.0 + updates)))]


def checkpoint_average(*, first: int, every: int) -> list[Callback]:
    """The mean of the weights at update ``first`` and every ``every`` updates after; before that, the trained weights.

    Raises:
        ValueError: if a number is not positive.
    """
    for key, value in {"first": first, "every": every}.items():
        if value < 1:
            raise ValueError(f"averaging.{key}={value}: must be at least 1")
    return [CheckpointAverage(first=first, every=every)]


class Average(WeightAveraging):
    """Keeps an average that each look at the weights moves towards them, by a share of the distance.

    The arithmetic is torch's, done in place; looks are counted on the host, so that nothing waits for a device.

    Args:
        share: number of earlier looks, 1 or more -> the share; the first look copies the weights.
    """

    def __init__(self, *, share: Callable[[int], float]) -> None:
        super().__init__(use_buffers=False)
        self.share = share
        self._swapped = False  # during validation the module holds the average, and the average the weights

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make the average."""
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            self._average_model.n_averaged = self._average_model.n_averaged.cpu()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the weights after an update, if it is one to look at."""
        step = trainer.global_step
        if step > self._latest_update_step and self.should_update(step_idx=step - 1):
            assert self._average_model is not None
            self.look(self._average_model, pl_module)
            self._latest_update_step = step

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the average in the weights' place, and the weights beside it, also during a validation."""
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._swapped:
            weights, average = checkpoint["state_dict"], checkpoint["current_model_state"]
            checkpoint["state_dict"], checkpoint["current_model_state"] = average, weights

    def _swap_models(self, pl_module: LightningModule) -> None:
        super()._swap_models(pl_module)
        self._swapped = not self._swapped

    @record_function("optimiser")
    @torch.no_grad()
    def look(self, average: AveragedModel, current: nn.Module) -> None:
        """Move the average towards the current weights; it has those that are not trained from its making."""
        earlier = int(average.n_averaged)
        both = zip(average.module.parameters(), current.parameters(), strict=True)
        pairs = [(averaged, weight) for averaged, weight in both if weight.requires_grad]
        share = self.share(earlier) if earlier else 1.0
        torch._foreach_lerp_([averaged for averaged, _ in pairs], [weight for _, weight in pairs], share)
        average.n_averaged += 1


class CheckpointAverage(Average):
    """See `checkpoint_average`. Before the first update that counts, it follows the weights at every update."""

    def __init__(self, *, first: int, every: int) -> None:
        super().__init__(share=lambda looks: 1.0 / (max(0, looks - first + 1) + 1))  # 1 over the weights in the mean
        self.first = first
        self.every = every

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Whether the weights after update ``step_idx`` (from 0) are looked at."""
        if step_idx is None:
            return False
        return step_idx < self.first or (step_idx + 1 - self.first) % self.every == 0
