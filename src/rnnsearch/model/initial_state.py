"""The decoder's first state, from the annotations (paper, A.2.2). B batch, S source, H state, E annotation."""

import torch
from torch import Tensor, nn

from rnnsearch.model.cells import choose
from rnnsearch.model.context import Context, mean_annotation
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.linear import Linear
from rnnsearch.model.memory import Memory

INITIAL_STATES = ("backward", "ends", "mean", "context", "zero")


class InitialState(nn.Module):
    """s_0 = tanh(W_s x), x of the annotations: ←h_1 (paper), both ends, their mean, or a constant context.

    With ``memory`` an LSTM's memory begins as W_m m, m both ends of the encoder's memory. ``hidden_size`` is of all
    layers together.
    """

    def __init__(
        self,
        *,
        kind: str,
        hidden_size: int,
        ends_size: int,
        bidirectional: bool,
        context: Context,
        memory: bool = False,
    ) -> None:
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
        self.memory = Linear(ends_size, hidden_size) if memory else None

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
