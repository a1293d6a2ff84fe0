"""The decoder: target words so far and the context to the next word (paper, section 3.1 and A.2.2).

B batch, T target, S source, M embedding, H state, E context, G gates, R read-out, X read-out before its activation. N
rows of a step: B, or B · K where search follows K hypotheses of each sentence, which share its memory.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from rnnsearch.kernels.products import lowered
from rnnsearch.model.cells import CELLS, CellState, choose
from rnnsearch.model.context import Context, mean_annotation
from rnnsearch.model.dropout import SequenceDropout
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.linear import Linear
from rnnsearch.model.memory import Memory, mix, mix_rows
from rnnsearch.model.recurrence import TRANSITIONS, has_kernel, stack_weights, unroll, unroll_fused

READOUTS = ("maxout", "tanh", "linear")
INITIAL_STATES = ("backward", "ends", "mean", "context", "zero")


@dataclass(frozen=True)
class State:
    """What one step hands to the next, for N hypotheses. ``readout_NR`` is there only under input feeding."""

    cell: CellState
    readout_NR: Tensor | None

    def select(self, index_N: Tensor) -> "State":
        """The rows ``index_N`` of the batch."""
        readout = None if self.readout_NR is None else self.readout_NR[index_N]
        return State(tuple(part[index_N] for part in self.cell), readout)


class Readout(nn.Module):
    """t_i from state, previous word and context; the paper's deep output with one maxout layer, or tanh, or linear."""

    def __init__(self, *, kind: str, size: int, hidden_size: int, embedding_size: int, context_size: int) -> None:
        super().__init__()
        self.kind = choose(kind, READOUTS, "model.decoder.readout")
        self.size = size
        width = 2 * size if kind == "maxout" else size
        self.state = Linear(hidden_size, width)  # U_o
        self.word = Linear(embedding_size, width, bias=False)  # V_o
        self.context = Linear(context_size, width, bias=False) if context_size else None  # C_o

    def forward(self, states_BTH: Tensor, words_BTM: Tensor, contexts_BTE: Tensor) -> Tensor:
        """t_i for each step, ``[B, T, R]``; ``contexts_BTE`` may have T = 1, for all steps."""
        return self.combine(states_BTH, words_BTM, self.project(contexts_BTE))

    def project(self, contexts_BTE: Tensor) -> Tensor | None:
        """C_o c_i; None without contexts."""
        return None if self.context is None else self.context(contexts_BTE)

    def combine(self, states: Tensor, words: Tensor, projected: Tensor | None) -> Tensor:
        """t_i ``[..., R]`` from states ``[..., H]``, words ``[..., M]`` and contexts that `project` has seen."""
        sums = self.state(states) + self.word(words)  # t~_i
        if projected is not None:
            sums = sums + projected
        if self.kind == "maxout":
            return torch.maximum(sums[..., 0::2], sums[..., 1::2])  # max(t~_{2k-1}, t~_{2k}), k = 1..l
        return torch.tanh(sums) if self.kind == "tanh" else sums


class InitialState(nn.Module):
    """s_0 = tanh(W_s x), x of the annotations: ←h_1 (paper), both ends, their mean, or a constant context."""

    def __init__(self, *, kind: str, hidden_size: int, ends_size: int, bidirectional: bool, context: Context) -> None:
        super().__init__()
        self.kind = choose(kind, INITIAL_STATES, "model.decoder.initial_state")
        if kind == "backward" and not bidirectional:
            raise ValueError(
                "model.decoder.initial_state=backward reads ←h_1, which model/encoder=unidirectional does not have; "
                "choose initial_state=ends, mean or zero"
            )
        if kind == "context" and not (context.constant and context.size):
            raise ValueError(
                "model.decoder.initial_state=context reads a context that is known before the first step; "
                "choose model/context=fixed or mean, or initial_state=ends, backward or mean"
            )
        sizes = {"backward": ends_size // 2, "ends": ends_size, "mean": ends_size, "context": context.size, "zero": 0}
        self.hidden_size = hidden_size
        self.project = Linear(sizes[kind], hidden_size) if sizes[kind] else None

    def forward(self, annotations: Annotations, memory: Memory) -> Tensor:
        """s_0, ``[B, H]``."""
        if self.project is None:
            return annotations.states_BSE.new_zeros(annotations.states_BSE.shape[0], self.hidden_size)
        projected_BH = self.project(self._read(annotations, memory))
        return torch.tanh(projected_BH.to(self.project.weight.dtype))  # states keep the weights' precision

    def _read(self, annotations: Annotations, memory: Memory) -> Tensor:
        if self.kind == "backward":
            assert annotations.first_backward_BH is not None
            return annotations.first_backward_BH
        if self.kind == "mean":
            return mean_annotation(annotations)
        return memory.values_BSE[:, 0] if self.kind == "context" else annotations.ends_BE


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
        embedding_dropout, readout_dropout: rates on the previous word and on t_i.
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
    ) -> None:
        super().__init__()
        choose(cell, list(CELLS), "model.decoder.cell")
        choose(query_state, list(TRANSITIONS), "model.decoder.query_state")
        choose(readout_state, ("before", "after"), "model.decoder.readout_state")
        self._refuse(query_state, readout_state, input_feeding)
        if query_state == "two_step" and not context.sums_to_one:
            raise ValueError(
                "model.decoder.query_state=two_step mixes a bias with the context, so weights must sum to 1, and those "
                f"of this {type(context).__name__} do not; of slots they do with model.context.normalized=positions"
            )
        self.reads_before = readout_state == "before"
        self.hidden_size = hidden_size
        self.context = context
        self.initial = InitialState(
            kind=initial_state,
            hidden_size=hidden_size,
            ends_size=ends_size,
            bidirectional=bidirectional,
            context=context,
        )
        self.transition = TRANSITIONS[query_state](cell=cell, hidden_size=hidden_size, context_size=context.size)
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.input = Linear(embedding_size, self.transition.gates)
        self.feed = Linear(readout_size, self.transition.gates, bias=False) if input_feeding else None
        self.readout = Readout(
            kind=readout,
            size=readout_size,
            hidden_size=hidden_size,
            embedding_size=embedding_size,
            context_size=context.size,
        )
        self.fused = kernels != "plain" and not input_feeding and has_kernel(self.transition, context)
        self.compiled = kernels == "fused"
        self.output = Linear(readout_size, vocabulary_size)  # W_o
        self.embedding_dropout = SequenceDropout(embedding_dropout, variational=variational_dropout)
        self.readout_dropout = SequenceDropout(readout_dropout, variational=variational_dropout)

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
    def _refuse(query_state: str, readout_state: str, input_feeding: bool) -> None:
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

    def start(self, annotations: Annotations) -> tuple[State, Memory]:
        """s_0, and what is computed once a sentence."""
        memory = self.context.remember(annotations)
        memory = replace(memory, gates_BSG=self.transition.project(memory.values_BSE))
        state_BH = self.initial(annotations, memory)
        fed_BR = None if self.feed is None else state_BH.new_zeros(state_BH.shape[0], self.readout.size)
        return State(self.transition.cell.start(state_BH), fed_BR), memory

    def forward(
        self, target_in_BT: Tensor, state: State, memory: Memory, at_B: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Read-outs t_i ``[B, T, R]`` and weights α ``[B, T, S]`` (or None) for known previous words.

        With ``at_B`` those of one step of each sentence alone, T = 1.
        """
        words_BTM = self.embedding_dropout(lowered(self.embedding(target_in_BT)))
        inputs_BTG = self.input(words_BTM.transpose(0, 1)).transpose(0, 1)  # a step's inputs lie together
        if self.feed is not None:
            readouts_BTR, weights_BTS = self._unroll_feeding(words_BTM, inputs_BTG, state, memory)
            return at(at_B, readouts_BTR), None if weights_BTS is None else at(at_B, weights_BTS)
        parts = (self.transition, inputs_BTG, state.cell, memory, self.context)
        run = unroll_fused(*parts, compiled=self.compiled) if self.fused else unroll(*parts)
        states_BTH = at(at_B, run.before_BTH if self.reads_before else run.after_BTH)
        weights_BTS = None if run.weights_BTS is None else at(at_B, run.weights_BTS)
        with record_function("read-out"):
            readouts_BTR = self.readout(states_BTH, at(at_B, words_BTM), mix(weights_BTS, memory.values_BSE))
        return self.readout_dropout(readouts_BTR), weights_BTS

    def settle(self, memory: Memory) -> Memory:
        """The memory for many steps: whatever is the same at each is computed once. Σ_j α_ij (C_o h_j) = C_o c_i."""
        return self.context.settle(replace(memory, readouts_BSX=self.readout.project(memory.values_BSE)))

    def step(self, token_N: Tensor, state: State, memory: Memory, step: int) -> tuple[Tensor, State, Tensor | None]:
        """One step of search: t_i ``[N, R]``, the next state, weights ``[N, S]`` or None."""
        words_NM = self.embedding(token_N)
        return self._step(words_NM, self.input(words_NM), state, memory, step)

    def _step(
        self, words_NM: Tensor, inputs_NG: Tensor, state: State, memory: Memory, step: int
    ) -> tuple[Tensor, State, Tensor | None]:
        if self.feed is not None:
            inputs_NG = inputs_NG + self.feed(state.readout_NR)
        cell, weights_NS = self.transition(inputs_NG, state.cell, memory, self.context, step)
        read_NH = state.cell[0] if self.reads_before else cell[0]
        readout_NR = self.readout.combine(read_NH, words_NM, self._context_term(weights_NS, memory, len(words_NM)))
        return readout_NR, State(cell, None if self.feed is None else readout_NR), weights_NS

    def _context_term(self, weights_NS: Tensor | None, memory: Memory, rows: int) -> Tensor | None:
        if memory.readouts_BSX is None:
            return self.readout.project(mix_rows(weights_NS, memory.values_BSE, rows))
        return mix_rows(weights_NS, memory.readouts_BSX, rows)

    def _unroll_feeding(
        self, words_BTM: Tensor, inputs_BTG: Tensor, state: State, memory: Memory
    ) -> tuple[Tensor, Tensor | None]:
        """Under input feeding the read-out belongs to the recurrence; dropout is applied to the copy that leaves it."""
        readouts, weights = [], []
        for i, (words_BM, inputs_BG) in enumerate(zip(words_BTM.unbind(1), inputs_BTG.unbind(1), strict=True)):
            readout_NR, state, weights_BS = self._step(words_BM, inputs_BG, state, memory, i)
            readouts.append(readout_NR)
            weights.append(weights_BS)
        return self.readout_dropout(torch.stack(readouts, dim=1)), stack_weights(weights)
