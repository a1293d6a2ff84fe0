"""The order in which a recurrence takes the positions of padded sentences.

Step t of a direction takes the t-th word of each sentence, counted from the end for the backward one, so both
directions run through a batch at once and never meet padding. Sentences come longest first, so that those which have
ended are the last rows and drop out.

D directions, B batch, S source, X any width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Order:
    """Positions ``b · S + j`` of a padded batch in the order they are read, ``[D, S · B]``, and the way back.

    ``active``: rows still running at each step. ``keep_BS1``: real positions, where padding is read too.
    """

    index_DN: Tensor
    inverse_DN: Tensor
    active: tuple[int, ...]
    keep_BS1: Tensor | None

    def read(self, values_BSX: Tensor) -> Tensor:
        """Each direction's sequence, ``[D, S, B, X]``."""
        batch, length, width = values_BSX.shape
        rows = _reordered(values_BSX.flatten(0, 1), self.index_DN.flatten(), self.inverse_DN)
        return rows.view(len(self.index_DN), length, batch, width)

    def restore(self, states: Sequence[Tensor]) -> Tensor:
        """Each direction's ``[S, B, X]`` side by side at its positions, ``[B, S, D · X]``; padding is zero."""
        length, batch, _ = states[0].shape
        parts = [
            _reordered(states_SBX.flatten(0, 1), self.inverse_DN[d], self.index_DN[d : d + 1])
            for d, states_SBX in enumerate(states)
        ]
        states_BSX = torch.cat(parts, dim=-1).view(batch, length, -1)
        return states_BSX if self.keep_BS1 is None else states_BSX * self.keep_BS1


def order(mask_BS: Tensor, *, directions: int, falling: bool) -> Order:
    """The order for a batch whose real tokens ``mask_BS`` marks, padding at the end.

    Not ``falling``, as on a GPU, where lengths can't be looked at without waiting for it, sentences stay as they are
    and none drops out.
    """
    batch, length = mask_BS.shape
    lengths_B, step_S1 = mask_BS.sum(1), torch.arange(length, device=mask_BS.device).unsqueeze(1)
    if falling:
        lengths_B, row_B = lengths_B.sort(descending=True, stable=True)
        active, keep = tuple(n for n in (lengths_B > step_S1).sum(1).tolist() if n), None
    else:
        row_B = torch.arange(batch, device=mask_BS.device)
        active, keep = (batch,) * length, mask_BS.unsqueeze(-1)
    backward_SB = torch.where(step_S1 < lengths_B, lengths_B - 1 - step_S1, step_S1)
    positions = [step_S1.expand(-1, batch), backward_SB][:directions]
    index_DN = torch.stack([(row_B * length + position_SB).flatten() for position_SB in positions])
    steps_DN = torch.arange(index_DN.shape[1], device=index_DN.device).expand_as(index_DN)
    return Order(index_DN, torch.empty_like(index_DN).scatter_(1, index_DN, steps_DN), active, keep)


def _reordered(rows_NX: Tensor, index_M: Tensor, inverse_DN: Tensor) -> Tensor:
    moved: Tensor = _Reorder.apply(rows_NX, index_M, inverse_DN)  # type: ignore[no-untyped-call]  # torch gives it no types
    return moved


class _Reorder(torch.autograd.Function):
    """Rows in another order, each taken once a direction: the gradient goes back the same way, without adding rows."""

    @staticmethod
    def forward(ctx: Any, rows_NX: Tensor, index_M: Tensor, inverse_DN: Tensor) -> Tensor:
        ctx.save_for_backward(inverse_DN)
        return rows_NX.index_select(0, index_M)

    @staticmethod
    def backward(ctx: Any, grad_MX: Tensor) -> tuple[Tensor, None, None]:
        (inverse_DN,) = ctx.saved_tensors
        parts = grad_MX.view(*inverse_DN.shape, -1)
        first, *others = (part.index_select(0, inverse) for part, inverse in zip(parts, inverse_DN, strict=True))
        return sum(others, first), None, None
