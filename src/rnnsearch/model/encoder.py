"""The encoder: source words to annotations h_j (paper, section 3.2 and A.2.1).

B batch, S source, M embedding, H hidden units a direction, E annotation (H times the directions), G gates.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnsearch.model.cells import CELLS, choose, make_cell
from rnnsearch.model.dropout import SequenceDropout


@dataclass(frozen=True)
class Annotations:
    """What the encoder says of a batch of sentences. Padding is zero in ``states_BSE``; True in the mask is real."""

    states_BSE: Tensor
    mask_BS: Tensor
    last_forward_BH: Tensor  # →h_Tx
    first_backward_BH: Tensor | None  # ←h_1; None where the encoder reads forward only

    @property
    def ends_BE(self) -> Tensor:
        """[→h_Tx ; ←h_1], or →h_Tx alone."""
        if self.first_backward_BH is None:
            return self.last_forward_BH
        return torch.cat([self.last_forward_BH, self.first_backward_BH], dim=-1)


class PlainDirection(nn.Module):
    """One cell run over a sentence, forward or backward, step by step; padding leaves the state as it is."""

    def __init__(self, *, cell: str, input_size: int, hidden_size: int, backward: bool) -> None:
        super().__init__()
        self.cell = make_cell(cell, hidden_size=hidden_size)
        self.input = nn.Linear(input_size, self.cell.gates * hidden_size)
        self.backward = backward

    def forward(self, inputs_BSM: Tensor, mask_BS: Tensor) -> Tensor:
        """States at each position ``[B, S, H]``, zero at padding."""
        gates_BSG = self.input(inputs_BSM)
        state = self.cell.zeros(inputs_BSM)
        states = []
        for j in range(inputs_BSM.shape[1])[:: -1 if self.backward else 1]:
            real_B1 = mask_BS[:, j : j + 1]
            new = self.cell(gates_BSG[:, j], state)
            state = tuple(torch.where(real_B1, n, s) for n, s in zip(new, state, strict=True))
            states.append(state[0])
        states_BSH = torch.stack(states[:: -1 if self.backward else 1], dim=1)
        return states_BSH * mask_BS.unsqueeze(-1)


class PlainLayer(nn.Module):
    """One layer of the paper's cell, in one or two directions."""

    def __init__(self, *, cell: str, input_size: int, hidden_size: int, bidirectional: bool) -> None:
        super().__init__()
        self.directions = nn.ModuleList(
            PlainDirection(cell=cell, input_size=input_size, hidden_size=hidden_size, backward=backward)
            for backward in ((False, True) if bidirectional else (False,))
        )

    def forward(self, inputs_BSM: Tensor, mask_BS: Tensor) -> Tensor:
        """Annotations ``[B, S, E]``."""
        return torch.cat([direction(inputs_BSM, mask_BS) for direction in self.directions], dim=-1)


class LibraryLayer(nn.Module):
    """One layer of torch.nn.GRU, LSTM or RNN over packed sequences: the same equations, in library kernels."""

    KINDS = {"cudnn": nn.GRU, "lstm": nn.LSTM, "elman": nn.RNN}  # noqa: RUF012 -- a constant table

    def __init__(self, *, cell: str, input_size: int, hidden_size: int, bidirectional: bool) -> None:
        super().__init__()
        self.rnn = self.KINDS[cell](input_size, hidden_size, batch_first=True, bidirectional=bidirectional)

    def forward(self, inputs_BSM: Tensor, mask_BS: Tensor) -> Tensor:
        """Annotations ``[B, S, E]``."""
        packed = pack_padded_sequence(inputs_BSM, mask_BS.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states_BSE, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=inputs_BSM.shape[1])
        return states_BSE


class RecurrentEncoder(nn.Module):
    """Embedding and one or more recurrent layers.

    Args:
        vocabulary_size: source vocabulary, specials included.
        embedding_size: M, "m" in the paper.
        hidden_size: H, units a direction, "n" in the paper.
        cell: ``paper``, ``cudnn``, ``lstm`` or ``elman``.
        layers: how many; each reads the annotations of the one below.
        bidirectional: read in both directions (section 3.2), or forward only (section 2.1).
        residual: add a layer's input to its output, from the second layer on.
        embedding_dropout, layer_dropout: rates after the embedding and between layers.
        variational_dropout: one mask a sentence instead of fresh noise at each position.
    """

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
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"model.encoder.layers={layers}: an encoder has at least 1 layer")
        choose(cell, list(CELLS), "model.encoder.cell")
        self.bidirectional = bidirectional
        self.residual = residual
        self.hidden_size = hidden_size
        self.annotation_size = hidden_size * (2 if bidirectional else 1)
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.embedding_dropout = SequenceDropout(embedding_dropout, variational=variational_dropout)
        self.layer_dropout = SequenceDropout(layer_dropout, variational=variational_dropout)
        layer = PlainLayer if cell == "paper" else LibraryLayer
        self.layers = nn.ModuleList(
            layer(cell=cell, input_size=size, hidden_size=hidden_size, bidirectional=bidirectional)
            for size in [embedding_size] + [self.annotation_size] * (layers - 1)
        )

    def forward(self, source_BS: Tensor, mask_BS: Tensor) -> Annotations:
        """Annotations of ``source_BS`` (ids), whose real tokens ``mask_BS`` marks."""
        states_BSX = self.embedding_dropout(self.embedding(source_BS))
        for depth, layer in enumerate(self.layers):
            below_BSX = states_BSX if depth == 0 else self.layer_dropout(states_BSX)
            states_BSX = layer(below_BSX, mask_BS)
            if self.residual and depth > 0:
                states_BSX = states_BSX + below_BSX
        return annotate(states_BSX, mask_BS, self.hidden_size)


def annotate(states_BSE: Tensor, mask_BS: Tensor, hidden_size: int) -> Annotations:
    """Annotations with their ends: the forward half at the last real position, the backward half at the first."""
    rows_B = torch.arange(len(states_BSE), device=states_BSE.device)
    forward_BSH, backward_BSH = states_BSE[..., :hidden_size], states_BSE[..., hidden_size:]
    last_BH = forward_BSH[rows_B, mask_BS.sum(1) - 1]
    return Annotations(states_BSE, mask_BS, last_BH, backward_BSH[:, 0] if backward_BSH.shape[-1] else None)
