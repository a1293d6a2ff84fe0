"""The weights of all steps at once, where no state waits for a context.

T steps, B rows, S source, A alignment hidden layer.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from rnnsearch.kernels import attention, choice


def additive_weights(
    queries_TBA: Tensor, keys_BSA: Tensor, v_A: Tensor, padding_BS: Tensor, *, compiled: bool
) -> Tensor:
    """α_i = softmax over j of v^T tanh(q_i + k_j) for every step, ``[T, B, S]``, differentiable once.

    As in a recurrence, nothing of size T × B × S × A is ever stored, and all but products is in single precision or
    more. ``padding_BS``: 0 or -∞. ``compiled``: use the device's own code where it serves.
    """
    kind, wide = queries_TBA.device.type, torch.promote_types(v_A.dtype, torch.float32)
    like = v_A.new_empty(0, dtype=wide)
    make = choice.scoring_step(attention.Additive, like) if compiled else attention.Additive
    if not (compiled and choice.keeps_low(like, queries_TBA.dtype)):
        queries_TBA = queries_TBA.to(wide)
    given = (queries_TBA.contiguous(), keys_BSA.to(wide), v_A.to(wide), padding_BS.to(wide))
    with torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext():
        weights_TBS: Tensor = choice.untraced(_Weights.apply)(make, *given)
    return weights_TBS


class _Weights(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        make: type[attention.Additive],
        queries_TBA: Tensor,
        keys_BSA: Tensor,
        v_A: Tensor,
        padding_BS: Tensor,
    ) -> Tensor:
        step = make(keys_BSA, v_A, padding_BS)
        weights_TBS = v_A.new_empty(*queries_TBA.shape[:2], keys_BSA.shape[1])
        kept_TBA = v_A.new_empty(queries_TBA.shape)
        for part in _parts(step, queries_TBA, weights_TBS, kept_TBA):
            step.forward(*part)
        ctx.save_for_backward(weights_TBS, kept_TBA)
        ctx.step, ctx.low = step, queries_TBA.dtype
        return weights_TBS

    @staticmethod
    def backward(ctx: Any, d_weights_TBS: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # once_differentiable would let a second derivative pass as zero
            raise RuntimeError("weights of all steps have no second derivative; use kernels=plain, or no create_graph")
        weights_TBS, kept_TBA = ctx.saved_tensors
        d_energies_TBS, d_queries_TBA = torch.empty_like(weights_TBS), torch.empty_like(kept_TBA, dtype=ctx.low)
        sums, given = ctx.step.sums(), (d_weights_TBS.contiguous(), weights_TBS, kept_TBA)
        for part in _parts(ctx.step, *given, d_energies_TBS, d_queries_TBA):
            ctx.step.backward(*part, sums)
        return None, d_queries_TBA, *ctx.step.gradients(d_energies_TBS, kept_TBA, sums), None


def _parts(step: attention.Additive, *values: Tensor) -> Iterable[Sequence[Tensor]]:
    """All steps at once, or one after the other."""
    return [values] if step.takes_many else zip(*values, strict=True)
