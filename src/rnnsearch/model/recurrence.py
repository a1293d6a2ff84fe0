"""The decoder's recurrence: what must wait for the previous step, and nothing else.

A transition is one step; `unroll` runs it over all target steps with the target words given. Inputs arrive projected
(``inputs_BTG``), annotations arrive projected into the gates (``memory.gates_BSG``), so a step costs the products with
the state, the energies and the mixing.

B batch, T target, S source, H state, G gates, E context. N rows of a step: B, or B · K where search follows K
hypotheses of each sentence, which share its memory.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnnsearch.kernels.all_steps import additive_weights
from rnnsearch.kernels.products import linear
from rnnsearch.kernels.recurrence import Attended, recur
from rnnsearch.model.cells import AnyCell, CellState, Elementwise, make_cell
from rnnsearch.model.context import Attention, Context, LocationOnly
from rnnsearch.model.linear import Linear
from rnnsearch.model.memory import Memory, mix, mix_rows


@dataclass(frozen=True)
class Unrolled:
    """States before (s_{i-1}) and after (s_i) each step and the weights α_i, which constant contexts do not have."""

    before_BTH: Tensor
    after_BTH: Tensor
    weights_BTS: Tensor | None


class Transition(nn.Module, ABC):
    """s_{i-1} to s_i. ``gates`` is the width of the inputs; ``into_gates`` the context's C, if it enters here."""

    into_gates: Linear | None

    def __init__(self, *, cell: str, hidden_size: int, layer_norm: bool = False) -> None:
        super().__init__()
        self.cell = make_cell(cell, hidden_size=hidden_size, layer_norm=layer_norm)
        self.gates = self.cell.gates * hidden_size

    def project(self, values_BSE: Tensor) -> Tensor | None:
        """C h_j for every value, once a sentence, ``[B, S, G]``."""
        return None if self.into_gates is None else self.into_gates(values_BSE)

    @abstractmethod
    def forward(
        self, inputs_NG: Tensor, state: CellState, memory: Memory, context: Context, step: int
    ) -> tuple[CellState, Tensor | None]:
        """The next state, and the weights ``[N, S]`` of this step."""


def _mixed_gates(weights_NS: Tensor | None, memory: Memory, rows: int) -> Tensor:
    assert memory.gates_BSG is not None
    return mix_rows(weights_NS, memory.gates_BSG, rows)


class Previous(Transition):
    """The paper: c_i from s_{i-1}, and c_i enters the gates of s_i (A.2.2)."""

    def __init__(self, *, cell: str, hidden_size: int, context_size: int, layer_norm: bool = False) -> None:
        super().__init__(cell=cell, hidden_size=hidden_size, layer_norm=layer_norm)
        self.into_gates = Linear(context_size, self.gates, bias=False) if context_size else None

    def forward(
        self, inputs_NG: Tensor, state: CellState, memory: Memory, context: Context, step: int
    ) -> tuple[CellState, Tensor | None]:
        weights_NS = context.weigh(state[0], memory, step)
        if self.into_gates is not None:
            inputs_NG = inputs_NG + _mixed_gates(weights_NS, memory, len(inputs_NG))
        return self.cell(inputs_NG, state), weights_NS


class Current(Transition):
    """Luong et al. 2015: s_i first, then c_i from s_i; c_i enters the read-out only."""

    def __init__(self, *, cell: str, hidden_size: int, context_size: int, layer_norm: bool = False) -> None:
        super().__init__(cell=cell, hidden_size=hidden_size, layer_norm=layer_norm)
        self.into_gates = None

    def forward(
        self, inputs_NG: Tensor, state: CellState, memory: Memory, context: Context, step: int
    ) -> tuple[CellState, Tensor | None]:
        new = self.cell(inputs_NG, state)
        return new, context.weigh(new[0], memory, step)


class TwoStep(Transition):
    """The conditional GRU: s'_i = cell_1(y_{i-1}, s_{i-1}); c_i from s'_i; s_i = cell_2(c_i, s'_i)."""

    def __init__(self, *, cell: str, hidden_size: int, context_size: int, layer_norm: bool = False) -> None:
        super().__init__(cell=cell, hidden_size=hidden_size, layer_norm=layer_norm)
        if not context_size:
            raise ValueError(
                "model.decoder.query_state=two_step feeds its second cell with the context, which "
                "model/context=initial_only does not have; choose query_state=previous"
            )
        self.second = make_cell(cell, hidden_size=hidden_size, layer_norm=layer_norm)
        self.into_gates = Linear(context_size, self.gates)

    def forward(
        self, inputs_NG: Tensor, state: CellState, memory: Memory, context: Context, step: int
    ) -> tuple[CellState, Tensor | None]:
        half = self.cell(inputs_NG, state)
        weights_NS = context.weigh(half[0], memory, step)
        return self.second(_mixed_gates(weights_NS, memory, len(inputs_NG)), half), weights_NS


TRANSITIONS: dict[str, type[Previous] | type[Current] | type[TwoStep]] = {
    "previous": Previous,
    "current": Current,
    "two_step": TwoStep,
}


class LayerAbove(nn.Module):
    """A further layer of the decoder, which reads the states below it; nothing in it waits for a context."""

    def __init__(self, *, cell: str, hidden_size: int, layer_norm: bool = False) -> None:
        super().__init__()
        self.cell = make_cell(cell, hidden_size=hidden_size, layer_norm=layer_norm)
        self.input = Linear(hidden_size, self.cell.gates * hidden_size)

    def forward(self, below_NH: Tensor, state: CellState) -> CellState:
        """One step."""
        new: CellState = self.cell(self.input(below_NH), state)
        return new

    def run(self, below_BTH: Tensor, state: CellState, *, kernels: str) -> Tensor:
        """The visible states after all steps, ``[B, T, H]``."""
        inputs_TBG, cell = self.input(below_BTH.transpose(0, 1)), self.cell
        if isinstance(cell, Elementwise):
            return cell.run(inputs_TBG, state).transpose(0, 1)
        if kernels != "plain" and cell.kernel is not None:
            _, after_TBH, _ = _recur(cell, inputs_TBG, state, None, compiled=kernels == "fused")
            return after_TBH.transpose(0, 1)
        states = []
        for inputs_BG in inputs_TBG:
            state = cell(inputs_BG, state)
            states.append(state[0])
        return torch.stack(states, dim=1)


def has_kernel(transition: Transition, context: Context) -> bool:
    """Whether `unroll_fused` takes this combination."""
    known = context.constant or type(context) is LocationOnly  # what inherits from it may ask with the state
    scored = isinstance(context, Attention) and context.is_plain_softmax and context.scoring() is not None
    if isinstance(transition.cell, Elementwise):  # its states can be had at once where none waits for a context
        return not isinstance(transition, TwoStep) and (known or (scored and isinstance(transition, Current)))
    return isinstance(transition, Previous | Current) and transition.cell.kernel is not None and (known or scored)


def unroll_fused(
    transition: Transition, inputs_BTG: Tensor, state: CellState, memory: Memory, context: Context, *, compiled: bool
) -> Unrolled:
    """As `unroll`, by `rnnsearch.kernels`: one function with a backward pass of its own.

    Only the paper's states wait for contexts. Contexts that no state changes are added to the inputs beforehand; after
    Luong's states all weights are found at once.
    """
    cell = transition.cell
    inputs_TBG, attended, weights_BTS = inputs_BTG.transpose(0, 1), None, None
    if isinstance(context, Attention):
        weights_BTS = context.table(memory, len(inputs_TBG))
    if memory.gates_BSG is not None and (context.constant or weights_BTS is not None):
        inputs_TBG = inputs_TBG + mix(weights_BTS, memory.gates_BSG).transpose(0, 1)
    elif isinstance(transition, Previous) and isinstance(context, Attention):
        scoring = context.scoring()
        assert scoring is not None
        assert memory.keys_BSA is not None
        assert memory.gates_BSG is not None
        attended = Attended(scoring, _padding(memory, state[0].dtype), memory.keys_BSA, memory.gates_BSG)
    if isinstance(cell, Elementwise):
        after_TBH, weights_TBS = cell.run(inputs_TBG, state), None
        before_TBH = torch.cat([state[0].unsqueeze(0), after_TBH[:-1]])
    else:
        before_TBH, after_TBH, weights_TBS = _recur(cell, inputs_TBG, state, attended, compiled=compiled)
    if isinstance(transition, Current) and isinstance(context, Attention) and weights_BTS is None:
        weights_TBS = _weigh_all(context, after_TBH, memory, _padding(memory, state[0].dtype), compiled=compiled)
    if weights_TBS is not None:
        weights_BTS = weights_TBS.transpose(0, 1)
    return Unrolled(before_TBH.transpose(0, 1), after_TBH.transpose(0, 1), weights_BTS)


def _recur(
    cell: AnyCell, inputs_TBG: Tensor, state: CellState, attended: Attended | None, *, compiled: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """States before and after each step, ``[T, B, H]``, and the weights of steps that wait for contexts."""
    assert cell.kernel is not None
    joined_JH, extra = cell.kernel_weights()
    states_DUBH, weights_TBS = recur(
        cell.kernel,
        inputs_TBG.unsqueeze(0),
        torch.cat(state, dim=-1).unsqueeze(0),
        joined_JH.unsqueeze(0),
        None if extra is None else extra.unsqueeze(0),
        (inputs_TBG.shape[1],) * len(inputs_TBG),
        attended,
        compiled=compiled,
    )
    return states_DUBH[0, :-1], states_DUBH[0, 1:], weights_TBS


def _padding(memory: Memory, dtype: torch.dtype) -> Tensor:
    """What is added to energies, ``[B, S]``: 0, or -∞ at padding."""
    return torch.zeros_like(memory.mask_BS, dtype=dtype).masked_fill_(~memory.mask_BS, -torch.inf)


def _weigh_all(context: Attention, states_TBH: Tensor, memory: Memory, padding_BS: Tensor, *, compiled: bool) -> Tensor:
    """The weights of queries that are known, ``[T, B, S]``."""
    scoring = context.scoring()
    assert scoring is not None
    assert memory.keys_BSA is not None
    if scoring.v_A is not None and scoring.query_AH is not None:
        queries_TBA = linear(states_TBH, scoring.query_AH, None)
        return additive_weights(queries_TBA, memory.keys_BSA, scoring.v_A, padding_BS, compiled=compiled)
    energies_BTS = context.energies(states_TBH.transpose(0, 1), memory, 0)
    return (energies_BTS + padding_BS.unsqueeze(1)).softmax(-1).transpose(0, 1)


def unroll(transition: Transition, inputs_BTG: Tensor, state: CellState, memory: Memory, context: Context) -> Unrolled:
    """Run ``transition`` over all T steps, the words of every step known in advance."""
    states, weights = [state[0]], []
    for step, inputs_BG in enumerate(inputs_BTG.unbind(1)):
        state, weights_BS = transition(inputs_BG, state, memory, context, step)
        states.append(state[0])
        weights.append(weights_BS)
    states_BTH = torch.stack(states, dim=1)
    return Unrolled(states_BTH[:, :-1], states_BTH[:, 1:], stack_weights(weights))


def stack_weights(weights: list[Tensor | None]) -> Tensor | None:
    """``[B, T, S]`` from a list of T ``[B, S]``; None if the mechanism has no weights."""
    given = [w for w in weights if w is not None]
    return torch.stack(given, dim=1) if given else None
