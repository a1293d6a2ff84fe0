"""Contexts that are the same at every step: none at all, the encoder's ends, or the mean of the annotations.

B batch, E annotation and context, H query (decoder state), N queries of a step.
"""

from abc import ABC

import torch
from torch import Tensor

from rnnsearch.model.encoder import Annotations
from rnnsearch.model.linear import Linear
from rnnsearch.model.mechanism import Context
from rnnsearch.model.memory import Memory


class ConstantContext(Context, ABC):
    """Base of the mechanisms whose context is the same at every step."""

    constant = True

    def energy_cost(self) -> float | None:
        return 0.0

    def weigh(self, query_NH: Tensor, memory: Memory, step: int) -> Tensor | None:
        return None


class InitialOnly(ConstantContext):
    """No context after s_0: the context terms are absent (a context of size 0)."""

    def __init__(self, *, annotation_size: int, state_size: int) -> None:
        super().__init__()
        self.size = 0

    def remember(self, annotations: Annotations) -> Memory:
        states = annotations.states_BSE
        return Memory(annotations.mask_BS, states.new_zeros(states.shape[0], 1, 0))


class Fixed(ConstantContext):
    """c = tanh(V [→h_Tx ; ←h_1]) at every step and read-out (Cho et al. 2014; c = tanh(V h_Tx) if forward only)."""

    reads_ends = True

    def __init__(self, *, annotation_size: int, state_size: int) -> None:
        super().__init__()
        self.size = annotation_size
        self.summary = Linear(annotation_size, annotation_size)

    def remember(self, annotations: Annotations) -> Memory:
        return Memory(annotations.mask_BS, torch.tanh(self.summary(annotations.ends_BE)).unsqueeze(1))


class Mean(ConstantContext):
    """c_i = mean of the annotations of the real positions."""

    def __init__(self, *, annotation_size: int, state_size: int) -> None:
        super().__init__()
        self.size = annotation_size

    def remember(self, annotations: Annotations) -> Memory:
        return Memory(annotations.mask_BS, mean_annotation(annotations).unsqueeze(1))


def mean_annotation(annotations: Annotations) -> Tensor:
    """Mean of the real positions' annotations, ``[B, E]`` (padding is zero in the annotations)."""
    return annotations.states_BSE.sum(1) / annotations.mask_BS.sum(1, keepdim=True)
