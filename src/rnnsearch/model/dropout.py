"""Dropout on sequences: fresh noise at every step, or one mask a sentence for all its steps (variational)."""

import torch
from torch import Tensor, nn


class SequenceDropout(nn.Module):
    """Dropout on ``[B, T, X]``; ``variational`` keeps one mask for all T (Gal, Ghahramani 2016, arXiv 1512.05287)."""

    def __init__(self, rate: float, *, variational: bool) -> None:
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"a dropout rate is at least 0 and below 1, not {rate}")
        self.rate = rate
        self.variational = variational

    def forward(self, values_BTX: Tensor) -> Tensor:
        if not self.variational or not self.training or self.rate == 0.0:
            return nn.functional.dropout(values_BTX, self.rate, self.training)
        keep_B1X = torch.empty_like(values_BTX[:, :1]).bernoulli_(1.0 - self.rate) / (1.0 - self.rate)
        return values_BTX * keep_B1X
