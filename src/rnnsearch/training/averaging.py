"""Averages of the weights over training, as Lightning callbacks."""

from collections.abc import Callable

import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


def no_averaging() -> list[Callback]:
    """The weights as trained."""
    return []


def moving_average(*, decay: float) -> list[Callback]:
    """An exponential moving average of the weights; validation and checkpoints use it.

    After n updates an update's share is 1 - min(decay, (1 + n) / (10 + n)), so that short runs are averaged briefly.

    Raises:
        ValueError: if ``decay`` is not between 0 and 1.
    """
    if not 0.0 < decay < 1.0:
        raise ValueError(f"averaging.decay={decay}: must lie between 0 and 1")
    return [WeightAveraging(use_buffers=False, avg_fn=_warmed(decay))]


def _warmed(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    @torch.no_grad()
    def average(averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        share = 1.0 - min(decay, (1.0 + float(updates)) / (10.0 + float(updates)))
        return torch.lerp(averaged, current, share)

    return average


def checkpoint_average(*, first: int, every: int) -> list[Callback]:
    """The mean of the weights at update ``first`` and every ``every`` updates on; before that the weights as trained.

    Raises:
        ValueError: if a number is not positive.
    """
    for key, value in {"first": first, "every": every}.items():
        if value < 1:
            raise ValueError(f"averaging.{key}={value}: must be at least 1")
    return [CheckpointAverage(first=first, every=every)]


class CheckpointAverage(WeightAveraging):
    """See `checkpoint_average`. It follows the weights at every update before the first that counts."""

    def __init__(self, *, first: int, every: int) -> None:
        super().__init__(use_buffers=False, avg_fn=_mean_from(first))
        self.first = first
        self.every = every

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Whether the weights after update ``step_idx`` (from 0) are looked at."""
        if step_idx is None:
            return False
        return step_idx < self.first or (step_idx + 1 - self.first) % self.every == 0


def _mean_from(first: int) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    @torch.no_grad()
    def average(averaged: Tensor, current: Tensor, looks: Tensor | int) -> Tensor:
        counted = max(0, int(looks) - first + 1)  # weights in the mean so far
        return torch.lerp(averaged, current, 1.0 / (counted + 1))

    return average
