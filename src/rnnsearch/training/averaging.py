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
