"""Positions as vectors. N of them."""

import math

import torch
from torch import Tensor


def even(position_size: int) -> int:
    """The size itself.

    Raises:
        ValueError: if it is odd.
    """
    if position_size % 2:
        raise ValueError(f"model.context.position_size={position_size}: sinusoids come in pairs, so it is even")
    return position_size


def sinusoids(positions_N: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """φ: ``[N, size]``, sine and cosine halves, wavelengths 2π to 2π · 10000 (Vaswani et al. 2017, section 3.5)."""
    rates = torch.exp(torch.arange(size // 2, device=positions_N.device, dtype=dtype) * (-2 * math.log(10000.0) / size))
    angles = positions_N.to(dtype).unsqueeze(-1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
