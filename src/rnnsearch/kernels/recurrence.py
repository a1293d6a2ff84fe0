"""All steps of a recurrence as one differentiable function, its backward pass derived by hand.

Forward, a step is one product of the previous state with [U ; W_a] (gates and query together), one step of attention
and one of the cell. Annotations come projected into the gates, so that mixing them is all a context costs. Backward, a
step is the transposed product; the gradients of all weights wait for the end of the loop and are then single products
over all steps. Energies are computed again, so nothing of size B × T × S × A is ever stored.

Rows whose sequences have ended drop out: step t computes the first ``active[t]`` rows only.

D directions (or 1), T steps, B rows, S source, H state, P what a state holds (a multiple of H), G gates, J the part of
the gates whose U acts on the state as it is, A query, Q = J + A.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from rnnsearch.kernels import choice, loops, one_call
from rnnsearch.kernels.attention import MIXING, MakeStep, Mixing, Scoring, Source
from rnnsearch.kernels.cells import CellStep, weight_gradients
from rnnsearch.kernels.compiled import LOW
from rnnsearch.kernels.loops import Back, Run
from rnnsearch.kernels.rounded_products import rounds

CACHE = 24 * 2**20  # bytes of keys, their gradients and projected annotations that every step goes through
LEAST_ROWS = 24  # fewer make the products with the state slow


@dataclass(frozen=True)
class Attended:
    """What a step attends to: padding's energies (0 or -∞), keys, and annotations projected into the gates."""

    scoring: Scoring
    padding_BS: Tensor
    keys_BSA: Tensor
    gates_BSG: Tensor


def recur(
    cell: CellStep,
    inputs_DTBG: Tensor,
    start_DBP: Tensor,
    joined_DJH: Tensor,
    extra: Tensor | None,
    active: Sequence[int],
    attended: Attended | None = None,
    *,
    compiled: bool,
) -> tuple[Tensor, Tensor | None]:
    """Run a recurrence over all its steps.

    Args:
        cell: its element-wise part.
        inputs_DTBG: what enters at each step, already multiplied by its matrix, bias added.
        start_DBP: the state before the first step.
        joined_DJH: the rows of U that act on the state as it is.
        extra: the cell's other parameter, as `CellStep.forward` has it.
        active: rows still running at each step, at most T numbers that never rise. Other rows' states are zero.
        attended: the source, where the recurrence attends to one (D = 1).
        compiled: use the device's own code where it serves; False keeps to torch's operations.

    Returns:
        The states s_0 .. s_T, ``[D, T + 1, B, H]``, and the weights ``[T, B, S]`` if there are any.

    Products are made in the inputs' precision, which autocast may have lowered, or in bfloat16 where a search `rounds`;
    the rest in single precision or more.
    Where compiled steps serve, what only products read lies in that precision from the start.
    """
    wide = torch.promote_types(start_DBP.dtype, torch.float32)
    low = LOW if rounds(inputs_DTBG) else inputs_DTBG.dtype
    like = start_DBP.new_empty(0, dtype=wide)
    shared: tuple[Tensor | None, Tensor | None] = (None, None)
    by_row = [(inputs_DTBG.contiguous(), 2), (start_DBP.to(wide), 1)]
    if attended is not None:
        scoring = attended.scoring
        shared = (scoring.query_AH, None if scoring.v_A is None else scoring.v_A.to(wide))
        source = (attended.padding_BS.to(wide), attended.keys_BSA.to(wide), attended.gates_BSG.to(low))
        by_row += [(part, 0) for part in source]
    plan = _plan(cell, tuple(active), like, low, joined_DJH[0].numel(), attended, compiled)
    sizes = [start_DBP.shape[1]] if plan.at_once else _parts_of_rows(start_DBP.shape[1], attended)
    found, first, kind = [], 0, inputs_DTBG.device.type
    with torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext():
        for size, *parts in zip(sizes, *(torch.split(values, sizes, dim) for values, dim in by_row), strict=True):
            still = tuple(rows for count in active if (rows := min(count - first, size)) > 0)
            part = replace(plan, active=still)
            found.append(choice.untraced(_Recurrence.apply)(part, joined_DJH, extra, *shared, *parts))
            first += size
    states = [states_DUBH.to(torch.promote_types(states_DUBH.dtype, inputs_DTBG.dtype)) for states_DUBH, _ in found]
    weights = [weights_TBS for _, weights_TBS in found if weights_TBS is not None]
    if len(found) == 1:
        return states[0], weights[0] if weights else None
    return torch.cat(states, dim=2), torch.cat(weights, dim=1)


def _parts_of_rows(rows: int, attended: Attended | None) -> list[int]:
    """How many rows go through all steps together: on a CPU, as many as its cache holds the sources of."""
    most = rows
    if attended is not None and attended.gates_BSG.device.type == "cpu":
        each = attended.gates_BSG[0].nbytes + 2 * attended.keys_BSA[0].nbytes
        most = max(LEAST_ROWS, CACHE // each)
    count = -(-rows // most)
    return [(i + 1) * rows // count - i * rows // count for i in range(count)]


@dataclass(frozen=True)
class _Plan:
    """What is no tensor. ``low`` is the precision of products; ``keeps_low``: what they take and give lies in it."""

    cell: CellStep
    active: tuple[int, ...]
    low: torch.dtype
    keeps_low: bool
    at_once: bool  # all steps in one call
    attention: MakeStep | None
    mixing: Mixing

    @property
    def steps(self) -> ModuleType:
        """What takes a run forward and back."""
        return one_call if self.at_once else loops


def _plan(
    cell: CellStep,
    active: tuple[int, ...],
    like: Tensor,
    low: torch.dtype,
    numbers: int,
    attended: Attended | None,
    compiled: bool,
) -> _Plan:
    make = None if attended is None else attended.scoring.step
    if not compiled:
        return _Plan(cell, active, low, keeps_low=False, at_once=False, attention=make, mixing=MIXING)
    cell, make = choice.cell_step(cell, like), make and choice.scoring_step(make, like)
    return _Plan(
        cell,
        active,
        low,
        keeps_low=choice.keeps_low(like, low),
        at_once=one_call.serves(cell, make, low, numbers),
        attention=make,
        mixing=choice.mixing(like, low),
    )


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        plan: _Plan,
        joined_DJH: Tensor,
        extra: Tensor | None,
        query_AH: Tensor | None,
        v_A: Tensor | None,
        x_DTBG: Tensor,
        start_DBP: Tensor,
        padding_BS: Tensor | None = None,
        keys_BSA: Tensor | None = None,
        gates_BSG: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        directions, steps, rows, _ = x_DTBG.shape
        size = start_DBP.shape[-1] // plan.cell.parts
        fresh = _fresh(plan, start_DBP, steps, rows)
        states_DUBP = fresh(directions, steps + 1, rows, start_DBP.shape[-1])
        states_DUBP[:, 0] = start_DBP
        kept = fresh(directions, steps, rows, plan.cell.kept * size)
        weight_DQH = joined_DJH if query_AH is None else torch.cat([joined_DJH, query_AH.unsqueeze(0)], dim=1)
        weight_DQH = weight_DQH.to(plan.low)
        lows = states_DUBP[..., :size]
        if plan.keeps_low:
            lows = fresh(lows.shape, dtype=plan.low)
            lows[:, 0] = start_DBP[..., :size]
        source = None
        if plan.attention is not None:
            assert keys_BSA is not None
            assert gates_BSG is not None
            assert padding_BS is not None
            buffers = (fresh(steps, rows, keys_BSA.shape[1]), fresh(steps, rows, keys_BSA.shape[2]))
            step = plan.attention(keys_BSA, v_A, padding_BS)
            source = Source(step, plan.mixing, gates_BSG, *buffers, joined_DJH.shape[1], query_AH is not None)
        run = Run(plan.cell, plan.active, weight_DQH, extra, states_DUBP, lows, kept, source)
        plan.steps.forward(run, x_DTBG)
        weights_TBS = None if source is None else source.weights_TBS
        queries_TBA = None if source is None else source.kept_TBA
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(states_DUBP, lows, kept, weight_DQH, extra, gates_BSG, weights_TBS, queries_TBA)
        ctx.plan, ctx.joined, ctx.projected = plan, joined_DJH.shape[1], query_AH is not None
        ctx.step = None if source is None else source.step
        return lows, weights_TBS

    @staticmethod
    def backward(ctx: Any, d_states_DUBH: Tensor | None, d_weights_TBS: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # once_differentiable would let a second derivative pass as zero
            raise RuntimeError("a recurrence has no second derivative; use kernels=plain, or no create_graph")
        plan: _Plan = ctx.plan
        states_DUBP, lows, kept, weight_DQH, extra, gates_BSG, weights_TBS, queries_TBA = ctx.saved_tensors
        directions, steps, rows, _ = kept.shape
        fresh = _fresh(plan, states_DUBP, steps, rows)
        size = lows.shape[-1]
        given = plan.low if plan.keeps_low else kept.dtype
        d_x = fresh(directions, steps, rows, plan.cell.gates * size, dtype=given)
        d_p = fresh(directions, steps, rows, weight_DQH.shape[1], dtype=given)
        source, d_energies_TBS, sums = None, None, ()
        if weights_TBS is not None:
            parts = (ctx.step, plan.mixing, gates_BSG, weights_TBS, queries_TBA, ctx.joined, ctx.projected)
            source, d_energies_TBS, sums = Source(*parts), fresh(*weights_TBS.shape), ctx.step.sums()
        d_s = torch.zeros_like(states_DUBP[:, 0])
        run = Run(plan.cell, plan.active, weight_DQH, extra, states_DUBP, lows, kept, source)
        back = Back(d_states_DUBH, d_weights_TBS, d_s, d_x, d_p, d_energies_TBS, sums)
        plan.steps.backward(run, back)
        if d_states_DUBH is not None:
            d_s[..., :size] += d_states_DUBH[:, 0]
        d_weight_DQH = d_joined_DJH = d_extra = None
        if any(ctx.needs_input_grad[1:4]):
            before_DNH = lows[:, :-1].flatten(1, 2).to(plan.low)
            d_weight_DQH = weight_gradients(d_p.flatten(1, 2).to(plan.low), before_DNH)
            d_extra = plan.cell.extra_gradient(d_x, d_p, kept, plan.low)
            d_joined_DJH = d_weight_DQH[:, : ctx.joined]
        d_query_AH = d_v_A = None
        d_source: tuple[Tensor | None, ...] = (None,) * (3 if source is not None else 0)
        if source is not None and d_energies_TBS is not None:
            d_keys_BSA, d_v_A = source.step.gradients(d_energies_TBS, source.kept_TBA, sums)
            mixed = weights_TBS.permute(1, 2, 0).to(plan.low), d_x[0].transpose(0, 1).to(plan.low)
            d_query_AH = d_weight_DQH[0, ctx.joined :] if ctx.projected and d_weight_DQH is not None else None
            d_source = (None, d_keys_BSA, torch.bmm(*mixed))
        return None, d_joined_DJH, d_extra, d_query_AH, d_v_A, d_x, d_s, *d_source


def _fresh(plan: _Plan, like: Tensor, steps: int, rows: int) -> Any:
    """Makes buffers: zero where some rows are never written."""
    all_written = len(plan.active) == steps and min(plan.active, default=0) == rows
    return like.new_empty if all_written else like.new_zeros
