"""The decoder: target words so far and the context to the next word (paper, section 3.1 and A.2.2).

B batch, T target, S source, M embedding, H state, E context, G gates, R read-out, X read-out before its activation. N
rows of a step: B, or B · K where search follows K hypotheses of each sentence, which share its memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from rnnsearch.kernels.products import lowered
from rnnsearch.model.cells import CELLS, CellState, choose
from rnnsearch.model.context import Context
from rnnsearch.model.dropout import SequenceDropout, WordEmbedding
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.initial_state import InitialState
from rnnsearch.model.linear import Linear
from rnnsearch.model.memory import Memory, mix, mix_rows
from rnnsearch.model.readout import Readout
from rnnsearch.model.recurrence import TRANSITIONS, LayerAbove, has_kernel, stack_weights, unroll, unroll_fused

INITIAL_MEMORIES = ("zero", "ends")


@dataclass(frozen=True)
class State:
    """What one step hands to the next, for N hypotheses.

    Attributes:
        cell: of the layer that the context belongs to.
        readout_NR: only under input feeding.
        above: of the layers above, from below.
        covered_NV: the weights so far, only for a context that `covers`.
    """

    cell: CellState
    readout_NR: Tensor | None = None
    above: tuple[CellState, ...] = ()
    covered_NV: Tensor | None = None

    def select(self, index_N: Tensor) -> "State":
        """The rows ``index_N`` of the batch."""
        readout, covered = (None if part is None else part[index_N] for part in (self.readout_NR, self.covered_NV))
        cell, *above = (tuple(part[index_N] for part in cell) for cell in (self.cell, *self.above))
        return State(cell, readout, tuple(above), covered)


def at(step_B: Tensor | None, values_BTX: Tensor) -> Tensor:
    """The values at one step of each sentence, ``[B, 1, X]``; all of them for None."""
    if step_B is None:
        return values_BTX
    return values_BTX[torch.arange(len(step_B), device=step_B.device), step_B].unsqueeze(1)


class Decoder(nn.Module):
    """Recurrent decoder over a context mechanism.

    Args:
        vocabulary_size: target vocabulary, specials included.
        embedding_size: M, "m" in the paper.
        hidden_size: H, "n" in the paper.
        context: the mechanism; its size is the width of c_i.
        ends_size: width of the encoder's end states together.
        bidirectional: whether the encoder reads backward too.
        cell: a key of `CELLS`.
        query_state: ``previous`` (paper), ``current`` (Luong) or ``two_step`` (conditional GRU).
        readout_state: ``before`` (s_{i-1}, paper) or ``after`` (s_i).
        readout: ``maxout`` (paper), ``tanh`` or ``linear``.
        readout_size: R, "l" in the paper.
        input_feeding: the previous read-out joins the step's input.
        initial_state: ``backward`` (paper), ``ends``, ``mean``, ``context`` or ``zero``.
        initial_memory: of LSTMs: ``zero``, or ``ends``, made of the encoder's memory, so that its state is handed over
            whole (Sutskever et al. 2014, arXiv 1409.3215).
        layers: how many; the first has the context, each further one reads the states below, the read-out the last.
        residual: add a layer's input to its output, from the second layer on.
        layer_norm: normalise what enters each gate, and each gate's product with the state, by themselves.
        embedding_dropout, readout_dropout: rates on the previous word and on t_i.
        layer_dropout: rate between layers; None: as ``readout_dropout``.
        word_dropout: rate of whole previous words, as `WordEmbedding` leaves them out; None: none.
        variational_dropout: one mask a sentence instead of fresh noise at each step.
        kernels: ``fused`` (`rnnsearch.kernels`, compiled if possible), ``portable`` (the same of torch's operations)
            or ``plain`` (step by step, the reference). What has no kernel takes the plain path.

    Raises:
        ValueError: for combinations that make no sense, in one sentence that names both sides.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        embedding_size: int,
        hidden_size: int,
        context: Context,
        ends_size: int,
        bidirectional: bool,
        cell: str,
        query_state: str,
        readout_state: str,
        readout: str,
        readout_size: int,
        input_feeding: bool,
        initial_state: str,
        embedding_dropout: float,
        readout_dropout: float,
        variational_dropout: bool,
        kernels: str,
        initial_memory: str = "zero",
        layers: int = 1,
        residual: bool = False,
        layer_norm: bool = False,
        layer_dropout: float | None = None,
        word_dropout: float | None = None,
    ) -> None:
        super().__init__()
        choose(cell, list(CELLS), "model.decoder.cell")
        choose(query_state, list(TRANSITIONS), "model.decoder.query_state")
        choose(readout_state, ("before", "after"), "model.decoder.readout_state")
        self.reads_memory = choose(initial_memory, INITIAL_MEMORIES, "model.decoder.initial_memory") == "ends"
        self._refuse_cells(cell, layers, readout_state, reads_memory=self.reads_memory)
        self._refuse_states(query_state, readout_state, input_feeding=input_feeding)
        self._refuse_context(context, query_state, input_feeding=input_feeding)
        self.reads_before = readout_state == "before"
        self.hidden_size = hidden_size
        self.context = context
        self.initial = InitialState(
            kind=initial_state,
            hidden_size=hidden_size * layers,
            ends_size=ends_size,
            bidirectional=bidirectional,
            context=context,
            memory=self.reads_memory,
        )
        self.transition = TRANSITIONS[query_state](
            cell=cell, hidden_size=hidden_size, context_size=context.size, layer_norm=layer_norm
        )
        self.above = nn.ModuleList(
            LayerAbove(cell=cell, hidden_size=hidden_size, layer_norm=layer_norm) for _ in range(layers - 1)
        )
        self.residual = residual
        self.embedding = WordEmbedding(vocabulary_size, embedding_size, dropout=word_dropout)
        self.input = Linear(embedding_size, self.transition.gates)
        self.feed = Linear(readout_size, self.transition.gates, bias=False) if input_feeding else None
        self.readout = Readout(
            kind=readout,
            size=readout_size,
            hidden_size=hidden_size,
            embedding_size=embedding_size,
            context_size=context.size,
        )
        self.by_step = input_feeding or context.covers  # whether a step needs more than the state of the one before
        self.fused = kernels != "plain" and not self.by_step and has_kernel(self.transition, context)
        self.kernels = kernels
        self.output = Linear(readout_size, vocabulary_size)  # W_o
        self.embedding_dropout = SequenceDropout(embedding_dropout, variational=variational_dropout)
        self.readout_dropout = SequenceDropout(readout_dropout, variational=variational_dropout)
        rate = readout_dropout if layer_dropout is None else layer_dropout
        self.layer_dropout = SequenceDropout(rate, variational=variational_dropout)

    @property
    def weighs_source(self) -> bool:
        """Whether steps have weights over source positions."""
        return not self.context.constant

    @property
    def reads_ends(self) -> str | None:
        """The choice by which it needs the encoder's end states; None if it does not."""
        if self.initial.kind in ("ends", "backward"):
            return f"model.decoder.initial_state={self.initial.kind}"
        return f"model.context ({type(self.context).__name__})" if self.context.reads_ends else None

    @staticmethod
    def _refuse_states(query_state: str, readout_state: str, *, input_feeding: bool) -> None:
        if query_state != "previous" and readout_state == "before":
            raise ValueError(
                f"model.decoder.query_state={query_state} finds the context after the state, so the read-out can't "
                "take the state before it; set model.decoder.readout_state=after"
            )
        if input_feeding and readout_state == "before":
            raise ValueError(
                "model.decoder.input_feeding=true feeds a read-out that must know the newest state; "
                "set model.decoder.readout_state=after"
            )

    @staticmethod
    def _refuse_context(context: Context, query_state: str, *, input_feeding: bool) -> None:
        if query_state == "current" and context.covers and not input_feeding:
            raise ValueError(
                "model.context.coverage=true makes each step's weights wait for those before it, and "
                "model.decoder.query_state=current finds all of them at once; set query_state=previous or two_step, or "
                "model.decoder.input_feeding=true"
            )
        if query_state == "two_step" and not context.sums_to_one:
            raise ValueError(
                "model.decoder.query_state=two_step mixes a bias with the context, so weights must sum to 1, and those "
                f"of this {type(context).__name__} do not; of slots they do with model.context.normalized=positions"
            )

    @staticmethod
    def _refuse_cells(cell: str, layers: int, readout_state: str, *, reads_memory: bool) -> None:
        if reads_memory and cell != "lstm":
            raise ValueError(
                f"model.decoder.initial_memory=ends begins the memory of an LSTM, which model.decoder.cell={cell} does "
                "not have; set model.cell=lstm, or initial_memory=zero"
            )
        if layers < 1:
            raise ValueError(f"model.decoder.layers={layers}: a decoder has at least 1 layer")
        if layers > 1 and readout_state == "before":
            raise ValueError(
                f"model.decoder.layers={layers} reads out the newest state of the layer on top, and "
                "model.decoder.readout_state=before the state before it; set readout_state=after"
            )

    def start(self, annotations: Annotations) -> tuple[State, Memory]:
        """s_0, and what is computed once a sentence."""
        memory = self.context.remember(annotations)
        memory = replace(memory, gates_BSG=self.transition.project(memory.values_BSE))
        fed_BR = covered_BV = None
        if self.feed is not None:
            fed_BR = annotations.states_BSE.new_zeros(len(memory.mask_BS), self.readout.size)
        if self.context.covers:
            covered_BV = torch.zeros_like(memory.values_BSE[..., 0], dtype=self.output.weight.dtype)
        cell, *above = self._first_states(annotations, memory)
        return State(cell, fed_BR, tuple(above), covered_BV), memory

    def _first_states(self, annotations: Annotations, memory: Memory) -> list[CellState]:
        """Of each layer."""
        states = self.initial(annotations, memory).split(self.hidden_size, dim=-1)
        started = [self.transition.cell.start(state_BH) for state_BH in states]
        if self.initial.memory is None:
            return started
        assert annotations.memory_BE is not None
        memories = self.initial.memory(annotations.memory_BE).to(started[0][1].dtype).split(self.hidden_size, dim=-1)
        return [(visible_BH, memory_BH) for (visible_BH, _), memory_BH in zip(started, memories, strict=True)]

    def forward(
        self, target_in_BT: Tensor, state: State, memory: Memory, at_B: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Read-outs t_i ``[B, T, R]`` and weights α ``[B, T, S]`` (or None) for known previous words.

        With ``at_B`` those of one step of each sentence alone, T = 1.
        """
        words_BTM = self.embedding_dropout(lowered(self.embedding(target_in_BT)))
        inputs_BTG = self.input(words_BTM.transpose(0, 1)).transpose(0, 1)  # a step's inputs lie together
        if self.by_step:
            readouts_BTR, weights_BTS = self._unroll_by_step(words_BTM, inputs_BTG, state, memory)
            return at(at_B, readouts_BTR), None if weights_BTS is None else at(at_B, weights_BTS)
        parts = (self.transition, inputs_BTG, state.cell, memory, self.context)
        run = unroll_fused(*parts, compiled=self.kernels == "fused") if self.fused else unroll(*parts)
        states_BTH = run.before_BTH if self.reads_before else run.after_BTH
        for layer, start in zip(self.above, state.above, strict=True):
            assert isinstance(layer, LayerAbove)
            below_BTH = self.layer_dropout(states_BTH)
            states_BTH = layer.run(below_BTH, start, kernels=self.kernels)
            if self.residual:
                states_BTH = states_BTH + below_BTH
        weights_BTV = None if run.weights_BTS is None else at(at_B, run.weights_BTS)
        with record_function("read-out"):
            contexts_BTE = mix(weights_BTV, memory.values_BSE)
            readouts_BTR = self.readout(at(at_B, states_BTH), at(at_B, words_BTM), contexts_BTE)
        return self.readout_dropout(readouts_BTR), self.context.over_source(weights_BTV)

    def settle(self, memory: Memory) -> Memory:
        """The memory for many steps: whatever is the same at each is computed once. Σ_j α_ij (C_o h_j) = C_o c_i."""
        return self.context.settle(replace(memory, readouts_BSX=self.readout.project(memory.values_BSE)))

    def step(self, token_N: Tensor, state: State, memory: Memory, step: int) -> tuple[Tensor, State, Tensor | None]:
        """One step of search: t_i ``[N, R]``, the next state, weights ``[N, S]`` or None."""
        words_NM = self.embedding(token_N)
        return self._step(words_NM, self.input(words_NM), state, memory, step)

    def _step(
        self,
        words_NM: Tensor,
        inputs_NG: Tensor,
        state: State,
        memory: Memory,
        step: int,
        kept_LNH: Sequence[Tensor] = (),
    ) -> tuple[Tensor, State, Tensor | None]:
        """A step; what enters the layers above is multiplied by ``kept_LNH``, if there are any."""
        if self.feed is not None:
            inputs_NG = inputs_NG + self.feed(state.readout_NR)
        if state.covered_NV is not None:
            memory = replace(memory, covered_NV=state.covered_NV)
        cell, weights_NV = self.transition(inputs_NG, state.cell, memory, self.context, step)
        read_NH, above = state.cell[0] if self.reads_before else cell[0], []
        for depth, (layer, start) in enumerate(zip(self.above, state.above, strict=True)):
            below_NH = read_NH * kept_LNH[depth] if kept_LNH else read_NH
            above.append(layer(below_NH, start))
            read_NH = above[-1][0] + below_NH if self.residual else above[-1][0]
        readout_NR = self.readout.combine(read_NH, words_NM, self._context_term(weights_NV, memory, len(words_NM)))
        fed_NR = None if self.feed is None else readout_NR
        covered_NV = None if state.covered_NV is None or weights_NV is None else state.covered_NV + weights_NV
        return readout_NR, State(cell, fed_NR, tuple(above), covered_NV), self.context.over_source(weights_NV)

    def _context_term(self, weights_NS: Tensor | None, memory: Memory, rows: int) -> Tensor | None:
        if memory.readouts_BSX is None:
            return self.readout.project(mix_rows(weights_NS, memory.values_BSE, rows))
        return mix_rows(weights_NS, memory.readouts_BSX, rows)

    def _unroll_by_step(
        self, words_BTM: Tensor, inputs_BTG: Tensor, state: State, memory: Memory
    ) -> tuple[Tensor, Tensor | None]:
        """Under input feeding the read-out belongs to the recurrence; dropout is applied to the copy that leaves it."""
        readouts, weights = [], []
        kept_LTBH = [kept_BTH.unbind(1) for kept_BTH in self._noise_above(state, words_BTM.shape[1])]
        for i, (words_BM, inputs_BG) in enumerate(zip(words_BTM.unbind(1), inputs_BTG.unbind(1), strict=True)):
            kept_LBH = [kept_TBH[i] for kept_TBH in kept_LTBH]
            readout_NR, state, weights_BS = self._step(words_BM, inputs_BG, state, memory, i, kept_LBH)
            readouts.append(readout_NR)
            weights.append(weights_BS)
        return self.readout_dropout(torch.stack(readouts, dim=1)), stack_weights(weights)

    def _noise_above(self, state: State, steps: int) -> list[Tensor]:
        """The dropout of what enters each layer above, ``[B, T, H]`` as factors; none where there is no dropout."""
        if not self.training or self.layer_dropout.rate == 0.0:
            return []
        return [self.layer_dropout(s_BH.new_ones(len(s_BH), steps, self.hidden_size)) for s_BH, *_ in state.above]
