"""Mistakes that are easy to make in this model, each made on purpose: the comparison with the oracle must notice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from rnnsearch.model import initial_state, recurrence
from rnnsearch.model.cells import CellState, GateNorm, LstmCell, PaperCell
from rnnsearch.model.context import Additive, Attention, Memory, ScaledDot
from rnnsearch.model.decoder import Decoder
from rnnsearch.model.encoder import Annotations, LibraryLayer, PlainDirection
from rnnsearch.model.initial_state import InitialState
from rnnsearch.model.readout import Readout
from rnnsearch.model.recurrence import LayerAbove
from rnnsearch.model.transformer import Half
from rnnsearch.model.transformer_layer import Looked, MultiHeadAttention, Residual
from rnnsearch.model.window import Window

from .designs import MODERN, PAPER, TRANSFORMER, build, distance_from_oracle
from .oracle import Design


def paper_cell(*, reset_before: bool = True, order: str = "zr", z_keeps: bool = False) -> Callable[..., CellState]:
    """The paper's cell written out again, with room for mistakes."""

    def forward(self: PaperCell, inputs_BG: Tensor, state: CellState) -> CellState:
        (s,) = state
        x = dict(zip((*order, "h"), inputs_BG.chunk(3, dim=-1), strict=True))
        u = dict(zip((*order, "h"), self.recurrent.weight.chunk(3), strict=True))
        z, r = (torch.sigmoid(x[gate] + s @ u[gate].T) for gate in "zr")
        recurrent = (r * s) @ u["h"].T if reset_before else r * (s @ u["h"].T)
        candidate = torch.tanh(x["h"] + recurrent)
        return (z * s + (1 - z) * candidate if z_keeps else (1 - z) * s + z * candidate,)

    return forward


def unmasked(self: Attention, query_BH: Tensor, memory: Memory, step: int) -> Tensor:
    return self.energies(query_BH.unsqueeze(1), memory, step).squeeze(1).softmax(-1)


def energies_without_tanh(self: Additive, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
    return (self.query(query_BKH).unsqueeze(2) + memory.keys_BSA.unsqueeze(1)) @ self.v


def unscaled_keys(self: ScaledDot, annotations: Annotations) -> Tensor:
    return self.key(annotations.states_BSE) / self.scale


def read_through_padding(self: PlainDirection, inputs_BSM: Tensor, mask_BS: Tensor) -> Tensor:
    return honest_direction(self, inputs_BSM, torch.ones_like(mask_BS))


def halves(self: Readout, states: Tensor, words: Tensor, contexts: Tensor) -> Tensor:
    first, second = (self.state(states) + self.word(words) + self.context(contexts)).chunk(2, dim=-1)
    return torch.maximum(first, second)


def linear_start(self: InitialState, annotations: Annotations, memory: Memory) -> Tensor:
    return self.project(self._read(annotations, memory))


def lstm_with_input_and_forget_swapped(self: LstmCell, inputs_BG: Tensor, state: CellState) -> CellState:
    f, i, g, o = (inputs_BG + self.recurrent(state[0])).chunk(4, dim=-1)
    m = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(m), m


def other_readout_state(self: Decoder) -> bool:
    return False


def unmasked_attention(
    self: MultiHeadAttention, query_BQD: Tensor, looked: Looked, *, mask_B11X: Tensor | None, causal: bool
) -> Tensor:
    return honest_weights(self, query_BQD, looked, mask_B11X=None, causal=causal)


def attention_to_later_words(
    self: MultiHeadAttention, query_BQD: Tensor, looked: Looked, *, mask_B11X: Tensor | None, causal: bool
) -> Tensor:
    return honest_weights(self, query_BQD, looked, mask_B11X=mask_B11X, causal=False)


def unscaled_attention(self: MultiHeadAttention, query_BQD: Tensor, looked: Looked, **rest: Any) -> Tensor:
    unscaled = Looked(looked.keys * looked.keys.shape[-1] ** 0.5, looked.values)
    return honest_weights(self, query_BQD, unscaled, **rest)


def heads_that_lie_mixed(self: MultiHeadAttention, values_BXD: Tensor) -> Tensor:
    return values_BXD.unflatten(-1, (-1, self.heads)).permute(0, 3, 1, 2)


def unplaced_words(self: Half, ids_BT: Tensor, first: int) -> Tensor:
    return self.embedding(ids_BT) * self.hidden_size**0.5


def unscaled_words(self: Half, ids_BT: Tensor, first: int) -> Tensor:
    placed_BTD = honest_words(self, ids_BT, first)
    return placed_BTD - self.embedding(ids_BT) * (self.hidden_size**0.5 - 1)


def covered_twice(self: Additive, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
    energies_BKS = honest_energies(self, query_BKH, memory, step)
    more_BKS = memory.covered_NV.view_as(energies_BKS) + energies_BKS.softmax(-1)
    return honest_energies(self, query_BKH, replace(memory, covered_NV=more_BKS.flatten(0, 1)), step)


def norm_over_all_gates(self: GateNorm, values_BX: Tensor, gates: slice = slice(None)) -> Tensor:
    normed = torch.nn.functional.layer_norm(values_BX, values_BX.shape[-1:]) * self.weight
    return normed if self.bias is None else normed + self.bias


honest_energies, honest_spread, honest_window = Additive.energies, Attention._weights, Window.forward
honest_layer = LayerAbove.run
honest_direction = PlainDirection.forward
honest_weights, honest_words = MultiHeadAttention.weights, Half.words
POST = TRANSFORMER.but(norm="post")

MUTATIONS = {
    "reset after U": (PAPER, PaperCell, "forward", paper_cell(reset_before=False)),
    "read-out from the wrong state": (PAPER, Decoder, "reads_before", property(other_readout_state, lambda *_: None)),
    "unmasked padding": (PAPER, Attention, "weigh", unmasked),
    "swapped gates z and r": (PAPER, PaperCell, "forward", paper_cell(order="rz")),
    "missing tanh in the energies": (PAPER, Additive, "energies", energies_without_tanh),
    "z keeps the state": (PAPER, PaperCell, "forward", paper_cell(z_keeps=True)),
    "encoder reads the padding": (PAPER, PlainDirection, "forward", read_through_padding),
    "maxout over halves": (PAPER, Readout, "forward", halves),
    "missing tanh in s_0": (PAPER, InitialState, "forward", linear_start),
    "swapped gates i and f": (MODERN.but(cell="lstm"), LstmCell, "forward", lstm_with_input_and_forget_swapped),
    "missing scale": (PAPER.but(mechanism="scaled_dot"), ScaledDot, "keys", unscaled_keys),
    "mean over the padding": (
        PAPER.but(mechanism="mean", initial_state="mean"),
        initial_state,
        "mean_annotation",
        lambda annotations: annotations.states_BSE.mean(1),
    ),
    "a Transformer that sees padding": (TRANSFORMER, MultiHeadAttention, "weights", unmasked_attention),
    "a Transformer that sees later words": (TRANSFORMER, MultiHeadAttention, "weights", attention_to_later_words),
    "a Transformer without the scale": (TRANSFORMER, MultiHeadAttention, "weights", unscaled_attention),
    "heads that lie mixed": (TRANSFORMER, MultiHeadAttention, "_by_head", heads_that_lie_mixed),
    "words without places": (TRANSFORMER, Half, "words", unplaced_words),
    "embeddings not times √D": (TRANSFORMER, Half, "words", unscaled_words),
    "no last norm": (TRANSFORMER, Half, "normed", lambda self, values_BTD: values_BTD),
    "a norm before in the place of behind": (POST, Residual, "read", lambda self, values_BTD: self.norm(values_BTD)),
    "coverage that knows the step itself": (
        PAPER.but(coverage=True),
        Additive,
        "energies",
        lambda self, query, memory, step: covered_twice(self, query, memory, step),
    ),
    "heads that share their weights": (
        MODERN.but(heads=2),
        Attention,
        "_weights",
        lambda self, energies, query, mask: honest_spread(self, energies, query, mask).roll(mask.shape[1], -1),
    ),
    "a window of the batch's length": (
        PAPER.but(window=2),
        Window,
        "forward",
        lambda self, query, mask: honest_window(self, query, torch.ones_like(mask)),
    ),
    "a norm over all gates": (MODERN.but(layer_norm=True), GateNorm, "forward", norm_over_all_gates),
    "memory not handed over": (
        MODERN.but(cell="lstm", initial_memory="ends"),
        LibraryLayer,
        "with_memory",
        lambda self, *given: (self(*given), torch.zeros_like(self(*given)[:, 0])),
    ),
    "a layer above that skips its residual": (
        MODERN.but(decoder_layers=2, residual=True),
        LayerAbove,
        "run",
        lambda self, below, state, kernels: honest_layer(self, below, state, kernels=kernels) - below,
    ),
    "weights one position off": (
        PAPER,
        recurrence,
        "_mixed_gates",
        lambda weights_BS, memory, rows: (weights_BS.roll(1, dims=1).unsqueeze(1) @ memory.gates_BSG).squeeze(1),
    ),
}


@pytest.mark.parametrize("mistake", MUTATIONS)
def test_the_oracle_catches(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    design, owner, name, mutant = MUTATIONS[mistake]
    assert distance_from_oracle(build(design), design) < 1e-10
    monkeypatch.setattr(owner, name, mutant, raising=name != "reads_before")
    assert distance_from_oracle(build(design), design) > 1e-6


def test_the_cell_written_out_again_is_the_right_one_when_it_has_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PaperCell, "forward", paper_cell())
    design: Design = PAPER
    assert distance_from_oracle(build(design), design) < 1e-10
