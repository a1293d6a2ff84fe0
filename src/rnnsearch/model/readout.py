"""The decoder's read-out: state, previous word and context to what the vocabulary is scored by (paper, A.2.2).

B batch, T target, H state, M embedding, E context, R read-out.
"""

import torch
from torch import Tensor, nn

from rnnsearch.model.cells import choose
from rnnsearch.model.linear import Linear

READOUTS = ("maxout", "tanh", "linear")


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
