"""The encoder: source words to annotations h_j (paper, section 3.2 and A.2.1).

B batch, S source, M embedding, H hidden units a direction, E annotation (H times the directions), G gates.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnsearch.kernels.products import linear, lowered
from rnnsearch.kernels.recurrence import recur
from rnnsearch.kernels.row_order import Order
from rnnsearch.kernels.row_order import order as sentence_order
from rnnsearch.model.cells import CELLS, Elementwise, choose, make_cell
from rnnsearch.model.dropout import SequenceDropout, WordEmbedding

READS = ("forward", "backward")


@dataclass(frozen=True)
class Annotations:
    """What the encoder says of a batch of sentences. Padding is zero in ``states_BSE``; True in the mask is real."""

    states_BSE: Tensor
    mask_BS: Tensor
    last_forward_BH: (
        Tensor | None
    )  # →h_Tx, or ←h_1 where one direction reads backward; None where the encoder does not read in an order
    first_backward_BH: Tensor | None  # ←h_1; None where the encoder reads forward only
    memory_BE: Tensor | None = None  # [→m_Tx ; ←m_1] of an LSTM's top layer, where the decoder takes it over

    @property
    def ends_BE(self) -> Tensor:
        """[→h_Tx ; ←h_1], or →h_Tx alone.

        Raises:
            ValueError: if there are none.
        """
        if self.last_forward_BH is None:
            raise ValueError("this encoder's annotations have no end states; take their mean, or another encoder")
        if self.first_backward_BH is None:
            return self.last_forward_BH
        return torch.cat([self.last_forward_BH, self.first_backward_BH], dim=-1)


@dataclass(frozen=True)
class DirectionWeights:
    """One direction of a layer as `rnnsearch.kernels` takes it: W, b, the rows of U that act on the state, the rest."""

    input_GM: Tensor
    bias_G: Tensor
    joined_JH: Tensor
    extra: Tensor | None


class PlainDirection(nn.Module):
    """One cell run over a sentence, forward or backward, step by step; padding leaves the state as it is."""

    def __init__(self, *, cell: str, input_size: int, hidden_size: int, backward: bool, layer_norm: bool) -> None:
        super().__init__()
        self.cell = make_cell(cell, hidden_size=hidden_size, layer_norm=layer_norm)
        self.input = nn.Linear(input_size, self.cell.gates * hidden_size)
        self.backward = backward

    def forward(self, inputs_BSM: Tensor, mask_BS: Tensor) -> Tensor:
        """States at each position ``[B, S, H]``, zero at padding."""
        return self.with_last(inputs_BSM, mask_BS)[0]

    def with_last(self, inputs_BSM: Tensor, mask_BS: Tensor) -> tuple[Tensor, Tensor | None]:
        """The same, and what the cell carries unseen after its last word ``[B, H]``, if it does."""
        gates_BSG = self.input(inputs_BSM)
        state = self.cell.zeros(inputs_BSM)
        if isinstance(self.cell, Elementwise):
            turned = (1,) if self.backward else ()  # then padding is first, and leaves the zeros as they are
            gates_SBG, mask_SB = gates_BSG.flip(turned).transpose(0, 1), mask_BS.flip(turned).T
            states_BSH = self.cell.run(gates_SBG, state, mask_SB).transpose(0, 1).flip(turned)
            return states_BSH * mask_BS.unsqueeze(-1), None
        states = []
        for j in range(inputs_BSM.shape[1])[:: -1 if self.backward else 1]:
            real_B1 = mask_BS[:, j : j + 1]
            new = self.cell(gates_BSG[:, j], state)
            state = tuple(torch.where(real_B1, n, s) for n, s in zip(new, state, strict=True))
            states.append(state[0])
        states_BSH = torch.stack(states[:: -1 if self.backward else 1], dim=1)
        return states_BSH * mask_BS.unsqueeze(-1), state[1] if len(state) > 1 else None

    def weights(self) -> DirectionWeights:
        """For `rnnsearch.kernels`."""
        return DirectionWeights(self.input.weight, self.input.bias, *self.cell.kernel_weights())


class PlainLayer(nn.Module):
    """One layer of the paper's cell, or of one without a product with the state, in one or two directions."""

    def __init__(
        self, *, cell: str, input_size: int, hidden_size: int, bidirectional: bool, layer_norm: bool = False
    ) -> None:
        super().__init__()
        self.kernel = None if layer_norm else CELLS[cell].kernel
        sizes = {"input_size": input_size, "hidden_size": hidden_size}
        self.directions = nn.ModuleList(
            PlainDirection(cell=cell, **sizes, backward=backward, layer_norm=layer_norm)
            for backward in ((False, True) if bidirectional else (False,))
        )

    def forward(self, inputs_BSM: Tensor, mask_BS: Tensor) -> Tensor:
        """Annotations ``[B, S, E]``."""
        return torch.cat([direction(inputs_BSM, mask_BS) for direction in self.directions], dim=-1)

    def with_memory(self, inputs_BSM: Tensor, mask_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Annotations and an LSTM's memory at its ends ``[B, E]``."""
        read = [d.with_last(inputs_BSM, mask_BS) for d in self.directions if isinstance(d, PlainDirection)]
        memories = [memory_BH for _, memory_BH in read if memory_BH is not None]
        return torch.cat([states_BSH for states_BSH, _ in read], dim=-1), torch.cat(memories, dim=-1)

    def weights(self) -> list[DirectionWeights]:
        """Of each direction, for `rnnsearch.kernels`."""
        return [direction.weights() for direction in self.directions if isinstance(direction, PlainDirection)]


class LibraryLayer(nn.Module):
    """One layer of torch.nn.GRU, LSTM or RNN over packed sequences: the same equations, in library kernels."""

    KINDS = {"cudnn": nn.GRU, "lstm": nn.LSTM, "elman": nn.RNN}  # noqa: RUF012 -- a constant table

    def __init__(self, *, cell: str, input_size: int, hidden_size: int, bidirectional: bool) -> None:
        super().__init__()
        self.rnn = self.KINDS[cell](input_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.kernel = CELLS[cell].kernel

    def forward(self, inputs_BSM: Tensor, mask_BS: Tensor) -> Tensor:
        """Annotations ``[B, S, E]``."""
        return self._packed(inputs_BSM, mask_BS)[0]

    def with_memory(self, inputs_BSM: Tensor, mask_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Annotations and an LSTM's memory at its ends ``[B, E]``."""
        states_BSE, (_, memories_DBH) = self._packed(inputs_BSM, mask_BS)
        return states_BSE, torch.cat(memories_DBH.unbind(), dim=-1)

    def _packed(self, inputs_BSM: Tensor, mask_BS: Tensor) -> tuple[Tensor, Any]:
        """Annotations, and what the library says of the ends."""
        packed = pack_padded_sequence(inputs_BSM, mask_BS.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, ends = self.rnn(packed)
        return pad_packed_sequence(states, batch_first=True, total_length=inputs_BSM.shape[1])[0], ends

    def weights(self) -> list[DirectionWeights]:
        """Of each direction, for `rnnsearch.kernels`; the library's second bias joins the first where it can."""
        found = []
        for input_GM, recurrent_GH, bias_G, second_G in self._directions():
            extra = None
            if isinstance(self.rnn, nn.GRU):
                gates_2H, candidate_H = torch.split(second_G, [2 * self.rnn.hidden_size, self.rnn.hidden_size])
                second_G, extra = torch.cat([gates_2H, torch.zeros_like(candidate_H)]), candidate_H.unsqueeze(0)
            found.append(DirectionWeights(input_GM, bias_G + second_G, recurrent_GH, extra))
        return found

    def in_order(self, inputs_BSM: Tensor, order: Order) -> Tensor:
        """As `forward`, without packing, for which a GPU's lengths would have to be waited for."""
        zero_1BH = inputs_BSM.new_zeros(1, len(inputs_BSM), self.rnn.hidden_size)
        settings = (True, 1, 0.0, torch.is_grad_enabled(), False, False)  # with biases, layers, dropout, training, ...
        states = []
        for read_SBM, weights in zip(order.read(inputs_BSM), self._directions(), strict=True):
            if isinstance(self.rnn, nn.LSTM):
                states.append(torch.lstm(read_SBM, (zero_1BH, zero_1BH), _together(weights), *settings)[0])
            else:
                states.append(torch.gru(read_SBM, zero_1BH, _together(weights), *settings)[0])
        return order.restore(states)

    def _directions(self) -> Iterator[list[Tensor]]:
        """W, U and both biases of each direction."""
        for end in ("", "_reverse") if self.rnn.bidirectional else ("",):
            yield [getattr(self.rnn, f"{name}_l0{end}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def _together(weights: list[Tensor]) -> list[Tensor]:
    """The same, one after the other in memory, as the library wants them; those of two directions lie mixed."""
    parts = torch.split(torch.cat([w.flatten() for w in weights]), [w.numel() for w in weights])
    return [part.view_as(w) for part, w in zip(parts, weights, strict=True)]


def run_fused(layer: PlainLayer | LibraryLayer, inputs_BSM: Tensor, order: Order, *, compiled: bool) -> Tensor:
    """Annotations ``[B, S, E]`` of a layer, by `rnnsearch.kernels` or the GPU's library.

    Both directions go at once, which on a GPU halves the launches; on a CPU their products are apart in any case, and
    one after the other they need not be copied together.
    """
    assert layer.kernel is not None
    if compiled and isinstance(layer, LibraryLayer) and inputs_BSM.device.type == "cuda":
        return layer.in_order(inputs_BSM, order)
    weights = layer.weights()
    inputs = [
        linear(read_SBM, w.input_GM, w.bias_G) for read_SBM, w in zip(order.read(inputs_BSM), weights, strict=True)
    ]
    at_once = 1 if goes_one_by_one(inputs_BSM) else len(weights)
    states: list[Tensor] = []
    for first in range(0, len(weights), at_once):
        group = slice(first, first + at_once)
        extras = [w.extra for w in weights[group] if w.extra is not None]
        joined_DJH = _stack([w.joined_JH for w in weights[group]])
        states_DUBH, _ = recur(
            layer.kernel,
            _stack(inputs[group]),
            joined_DJH.new_zeros(at_once, len(inputs_BSM), layer.kernel.parts * joined_DJH.shape[-1]),
            joined_DJH,
            _stack(extras) if extras else None,
            order.active,
            compiled=compiled,
        )
        states += states_DUBH[:, 1:].unbind()
    return order.restore(states)


def goes_one_by_one(inputs: Tensor) -> bool:
    """Whether the directions of a layer are run one after the other."""
    return inputs.is_cpu


def _stack(parts: list[Tensor]) -> Tensor:
    """`torch.stack` that does not copy a single one."""
    return parts[0].unsqueeze(0) if len(parts) == 1 else torch.stack(parts)


class RecurrentEncoder(nn.Module):
    """Embedding and one or more recurrent layers.

    Args:
        vocabulary_size: source vocabulary, specials included.
        embedding_size: M, "m" in the paper.
        hidden_size: H, units a direction, "n" in the paper.
        cell: a key of `CELLS`.
        layers: how many; each reads the annotations of the one below.
        bidirectional: read in both directions (section 3.2), or in one (section 2.1).
        reads: of one direction: ``forward``, or ``backward``, from the last word to the first (Sutskever et al. 2014,
            arXiv 1409.3215). Annotations stand at their words' positions either way.
        residual: add a layer's input to its output, from the second layer on.
        layer_norm: normalise what enters each gate, and each gate's product with the state, by themselves.
        embedding_dropout, layer_dropout: rates after the embedding and between layers.
        word_dropout: rate of whole words, as `WordEmbedding` leaves them out; None: none.
        variational_dropout: one mask a sentence instead of fresh noise at each position.
        kernels: ``fused`` (`rnnsearch.kernels`, compiled if possible), ``portable`` (the same of torch's operations)
            or ``plain`` (step by step, the reference). What has no kernel takes the plain path.
    """

    has_ends = True

    def __init__(
        self,
        *,
        vocabulary_size: int,
        embedding_size: int,
        hidden_size: int,
        cell: str,
        layers: int,
        bidirectional: bool,
        residual: bool,
        embedding_dropout: float,
        layer_dropout: float,
        variational_dropout: bool,
        kernels: str,
        reads: str = "forward",
        layer_norm: bool = False,
        word_dropout: float | None = None,
    ) -> None:
        super().__init__()
        if bidirectional and choose(reads, READS, "model.encoder.reads") != "forward":
            raise ValueError(
                f"model.encoder.reads={reads} is of an encoder that reads in one direction, and this one reads "
                "in both; set model/encoder=unidirectional, or leave it out"
            )
        if layers < 1:
            raise ValueError(f"model.encoder.layers={layers}: an encoder has at least 1 layer")
        choose(cell, list(CELLS), "model.encoder.cell")
        self.bidirectional = bidirectional
        self.turned = choose(reads, READS, "model.encoder.reads") == "backward"
        self.residual = residual
        self.hidden_size = hidden_size
        self.annotation_size = hidden_size * (2 if bidirectional else 1)
        self.embedding = WordEmbedding(vocabulary_size, embedding_size, dropout=word_dropout)
        self.embedding_dropout = SequenceDropout(embedding_dropout, variational=variational_dropout)
        self.layer_dropout = SequenceDropout(layer_dropout, variational=variational_dropout)
        by_library = cell in LibraryLayer.KINDS and not layer_norm
        layer = LibraryLayer if by_library else partial(PlainLayer, layer_norm=layer_norm)
        self.layers = nn.ModuleList(
            layer(cell=cell, input_size=size, hidden_size=hidden_size, bidirectional=bidirectional)
            for size in [embedding_size] + [self.annotation_size] * (layers - 1)
        )
        self.cell = cell
        self.hands_over = False
        self.ordered = kernels != "plain" and self.layers[0].kernel is not None
        self.fused = self.ordered or (kernels != "plain" and issubclass(CELLS[cell], Elementwise))
        self.compiled = kernels == "fused"

    def hand_over_memory(self) -> None:
        """Give the top layer's memory with the annotations; that layer then runs in the library, or step by step.

        Raises:
            ValueError: if its cell has none.
        """
        if self.cell != "lstm":
            raise ValueError(
                "model.decoder.initial_memory=ends takes over the memory of an LSTM, which "
                f"model.encoder.cell={self.cell} does not have; set model.cell=lstm, or initial_memory=zero"
            )
        self.hands_over = True

    def forward(self, source_BS: Tensor, mask_BS: Tensor) -> Annotations:
        """Annotations of ``source_BS`` (ids), whose real tokens ``mask_BS`` marks."""
        memory_BE = None
        states_BSX = self.embedding_dropout(lowered(self.embedding(source_BS)))
        if self.turned:
            states_BSX = turned(states_BSX, mask_BS)
        falling = mask_BS.device.type == "cpu"
        order = sentence_order(mask_BS, directions=1 + self.bidirectional, falling=falling) if self.ordered else None
        for depth, layer in enumerate(self.layers):
            below_BSX = states_BSX if depth == 0 else self.layer_dropout(states_BSX)
            assert isinstance(layer, PlainLayer | LibraryLayer)
            if self.hands_over and depth == len(self.layers) - 1:
                states_BSX, memory_BE = layer.with_memory(below_BSX, mask_BS)
            elif order is None:
                states_BSX = layer(below_BSX, mask_BS)
            else:
                states_BSX = run_fused(layer, below_BSX, order, compiled=self.compiled)
            if self.residual and depth > 0:
                states_BSX = states_BSX + below_BSX
        read = replace(annotate(states_BSX, mask_BS, self.hidden_size), memory_BE=memory_BE)
        return replace(read, states_BSE=turned(states_BSX, mask_BS)) if self.turned else read


def turned(values_BSX: Tensor, mask_BS: Tensor) -> Tensor:
    """The values of each sentence from its last word to its first; padding stays behind."""
    places_S = torch.arange(mask_BS.shape[1], device=mask_BS.device)
    last_B1 = mask_BS.sum(1, keepdim=True) - 1
    from_BS = torch.where(mask_BS, last_B1 - places_S, places_S)
    return values_BSX.take_along_dim(from_BS.unsqueeze(-1), dim=1)


def annotate(states_BSE: Tensor, mask_BS: Tensor, hidden_size: int) -> Annotations:
    """Annotations with their ends: the forward half at the last real position, the backward half at the first."""
    rows_B = torch.arange(len(states_BSE), device=states_BSE.device)
    forward_BSH, backward_BSH = states_BSE[..., :hidden_size], states_BSE[..., hidden_size:]
    last_BH = forward_BSH[rows_B, mask_BS.sum(1) - 1]
    return Annotations(states_BSE, mask_BS, last_BH, backward_BSH[:, 0] if backward_BSH.shape[-1] else None)
