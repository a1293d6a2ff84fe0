"""The steps of a recurrence one after the other, forward and back: a product, attention, the cell.

`one_call` does the same in one call. D directions, T steps, U = T + 1 states, B rows, S source, H state, P what a state
holds, G gates, J the part of the gates whose U acts on the state as it is, A query, Q = J + A.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from rnnsearch.kernels.attention import Source
from rnnsearch.kernels.cells import CellStep, Extra, Matrices


@dataclass(frozen=True)
class Run:
    """What a recurrence goes by, and what its steps write: states, weights and what is kept for the way back.

    Args:
        active: rows still running at each step; they never rise.
        weight_DQH: [U ; W_a], in the precision of products.
        extra: the cell's other parameter, as `CellStep.forward` has it, a matrix as it is.
        states_DUBP: its first is given.
        lows_DUBH: what products read of the states: a copy in their precision, or the states themselves.
        kept: by the cell, ``[D, T, B, width]``.
    """

    cell: CellStep
    active: Sequence[int]
    weight_DQH: Tensor
    extra: Tensor | None
    states_DUBP: Tensor
    lows_DUBH: Tensor
    kept: Tensor
    source: Source | None

    @property
    def low(self) -> bool:
        """Whether products read a copy of the states."""
        return self.lows_DUBH.dtype != self.states_DUBP.dtype


@dataclass(frozen=True)
class Back:
    """The gradients that a way back is given, None for zero, and those that it writes.

    Args:
        d_s_DBP: zero before, then the gradient at the state before the first step, but for that state's own.
        d_x, d_p: at what enters and at the products, ``[D, T, B, width]``.
        sums: of the attention's step, added to.
    """

    d_states_DUBH: Tensor | None
    d_weights_TBS: Tensor | None
    d_s_DBP: Tensor
    d_x: Tensor
    d_p: Tensor
    d_energies_TBS: Tensor | None
    sums: tuple[Tensor, ...]


def forward(run: Run, x_DTBG: Tensor) -> None:
    """Fill what a run writes."""
    size, wide = run.lows_DUBH.shape[-1], run.states_DUBP.dtype
    weight_DQH, extra = Matrices(run.weight_DQH, x_DTBG.shape[2]), _extra(run, run.extra)
    parts = (x_DTBG, run.lows_DUBH, run.lows_DUBH[:, 1:], run.states_DUBP, run.states_DUBP[:, 1:], run.kept)
    steps = zip(*(_by_step(part, run.active) for part in parts), strict=False)
    for t, (x, visible, new_visible, s, new, kept_t) in enumerate(steps):
        p = weight_DQH(visible)
        if not run.low:
            x = x.to(wide)
        if run.source is not None:
            x = run.source.forward(t, visible[0], p[0], x[0]).unsqueeze(0)
        run.cell.forward(x, p[..., : run.cell.joined * size], s, new, kept_t, extra)
        if run.low:
            new_visible.copy_(new[..., :size])


def backward(run: Run, back: Back) -> None:
    """Fill the gradients."""
    size, source = run.lows_DUBH.shape[-1], run.source
    weight_DHQ = Matrices(run.weight_DQH.transpose(1, 2), run.kept.shape[2])
    extra = _extra(run, None if run.extra is None else run.extra.transpose(1, 2))
    buffers = (run.states_DUBP, run.states_DUBP[:, 1:], run.kept, back.d_x, back.d_p)
    steps = list(enumerate(zip(run.active, *(_by_step(part, run.active) for part in buffers), strict=False)))
    for t, (n, s, new, kept_t, d_x, d_p) in reversed(steps):
        d_s, d_visible = back.d_s_DBP[:, :n], back.d_s_DBP[:, :n, :size]
        if back.d_states_DUBH is not None:
            d_visible += back.d_states_DUBH[:, t + 1, :n]
        run.cell.backward(d_s, s, new, kept_t, d_x, d_p[..., : run.cell.joined * size], extra)
        if source is not None and back.d_energies_TBS is not None:
            d_weights_BS = None if back.d_weights_TBS is None else back.d_weights_TBS[t, :n]
            source.backward(t, d_x[0], d_weights_BS, back.d_energies_TBS[t, :n], d_p[0], d_visible[0], back.sums)
        d_visible += weight_DHQ(d_p)


def _extra(run: Run, extra: Tensor | None) -> Extra:
    """The cell's other parameter, a matrix in the form that multiplies."""
    if extra is None or not run.cell.multiplies:
        return extra
    return Matrices(extra.to(run.weight_DQH.dtype), run.kept.shape[2])


def _by_step(values: Tensor, active: Sequence[int]) -> list[Tensor]:
    """The active rows of each step of ``[D, T or more, B, width]``, all views made by one call."""
    rows = values.shape[2]
    steps = zip(values.unbind(1), active, strict=False)
    return [step if n == rows else step[:, :n] for step, n in steps]
