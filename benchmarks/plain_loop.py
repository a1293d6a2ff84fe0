"""A recurrent translator as tutorials write it: all of a target step inside the time loop, gradients by autograd.

The equations are those of `model=reference` (bidirectional GRU; additive attention asked by the previous state; tanh
read-out of the new state), so that with equal weights its loss and gradients equal ours. One thing is better than in
most tutorials: the keys U h_j are computed once a sentence and not once a step.

B batch, S source, T target, M embedding, H state, E annotation (2 H), A attention, R read-out, V vocabulary.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class PlainLoop(nn.Module):
    """p(y | x) with a Python loop over target steps.

    Args:
        vocabulary: size of each side's vocabulary.
        embedding, hidden, attention, readout: M, H, A, R.
    """

    def __init__(self, *, vocabulary: int, embedding: int, hidden: int, attention: int, readout: int) -> None:
        super().__init__()
        annotation = 2 * hidden
        self.source_embedding = nn.Embedding(vocabulary, embedding)
        self.target_embedding = nn.Embedding(vocabulary, embedding)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(annotation, hidden)
        self.query = nn.Linear(hidden, attention, bias=False)
        self.key = nn.Linear(annotation, attention, bias=False)
        self.energy = nn.Linear(attention, 1, bias=False)
        self.cell = nn.GRUCell(embedding + annotation, hidden)
        self.readout = nn.Linear(hidden + embedding + annotation, readout)
        self.output = nn.Linear(readout, vocabulary)

    def forward(self, source_BS: Tensor, mask_BS: Tensor, target_in_BT: Tensor) -> Tensor:
        """Logits ``[B, T, V]`` for the word after each of ``target_in_BT``; True in the mask is a real token."""
        packed = pack_padded_sequence(
            self.source_embedding(source_BS), mask_BS.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        states, last_2BH = self.encoder(packed)
        annotations_BSE, _ = pad_packed_sequence(states, batch_first=True, total_length=source_BS.shape[1])
        keys_BSA = self.key(annotations_BSE)
        state_BH = torch.tanh(self.bridge(torch.cat([last_2BH[0], last_2BH[1]], dim=-1)))
        logits = []
        for step in range(target_in_BT.shape[1]):
            word_BM = self.target_embedding(target_in_BT[:, step])
            energy_BSA = torch.tanh(self.query(state_BH).unsqueeze(1) + keys_BSA)
            score_BS = self.energy(energy_BSA).squeeze(-1).masked_fill(~mask_BS, float("-inf"))
            context_BE = torch.bmm(score_BS.softmax(-1).unsqueeze(1), annotations_BSE).squeeze(1)
            state_BH = self.cell(torch.cat([word_BM, context_BE], dim=-1), state_BH)
            readout_BR = torch.tanh(self.readout(torch.cat([state_BH, word_BM, context_BE], dim=-1)))
            logits.append(self.output(readout_BR))
        return torch.stack(logits, dim=1)
