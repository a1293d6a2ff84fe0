"""Attention by products of state and key.

B batch, S source, E annotation and context, H query (decoder state), K queries of each sentence, N = B · K of them, P
heads, V values of a sentence: S, or P · S of several heads, A width of query and key.
"""

from abc import ABC

import torch
from torch import Tensor

from rnnsearch.kernels import attention as kernels
from rnnsearch.model.attention import Attention
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.linear import Linear, by_part
from rnnsearch.model.memory import Memory


class DotProduct(Attention, ABC):
    """Base of the mechanisms whose energy is the product of state and key."""

    def scoring(self) -> kernels.Scoring | None:
        return kernels.Scoring(kernels.Product, None, None)

    def queries(self, query_BKH: Tensor) -> Tensor:
        """What keys are multiplied with, ``[B, K, A]``."""
        return query_BKH

    def energies(self, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
        assert memory.keys_BSA is not None
        queries_BKA = self.queries(query_BKH)
        if self.heads == 1:
            return queries_BKA @ memory.keys_BSA.mT
        by_head = (by_part(values, self.heads) for values in (queries_BKA, memory.keys_BSA))
        return torch.einsum("bkpw,bspw->bkps", *by_head).flatten(2)


class Dot(DotProduct):
    """e_ij = s^T h_j; the sizes of state and annotation must agree (Luong et al. 2015)."""

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        weights: str = "softmax",
        temperature: float = 1.0,
        heads: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__(
            annotation_size=annotation_size,
            state_size=state_size,
            weights=weights,
            temperature=temperature,
            heads=heads,
            window=window,
        )
        if annotation_size != state_size:
            raise ValueError(
                f"model/context=dot multiplies states with annotations, but a state has {state_size} values and an "
                f"annotation {annotation_size}; set model.decoder.hidden_size={annotation_size}, or choose "
                "model/context=general or scaled_dot"
            )

    def energy_cost(self) -> float | None:
        return 2.0 * self.size

    def keys(self, annotations: Annotations) -> Tensor:
        return annotations.states_BSE


class General(DotProduct):
    """e_ij = s^T W h_j (Luong et al. 2015)."""

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        weights: str = "softmax",
        temperature: float = 1.0,
        heads: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__(
            annotation_size=annotation_size,
            state_size=state_size,
            weights=weights,
            temperature=temperature,
            heads=heads,
            window=window,
        )
        self._check_heads(state_size, "a state")
        self.key = Linear(annotation_size, state_size, bias=False)  # W

    def energy_cost(self) -> float | None:
        return 2.0 * self.key.out_features

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA


class ScaledDot(DotProduct):
    """e_ij = (W_q s)^T (W_k h_j) / √(A / P) (Vaswani et al. 2017, section 3.2)."""

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        attention_size: int,
        weights: str = "softmax",
        temperature: float = 1.0,
        heads: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__(
            annotation_size=annotation_size,
            state_size=state_size,
            weights=weights,
            temperature=temperature,
            heads=heads,
            window=window,
        )
        self._check_heads(attention_size, "the width of query and key")
        self.query = Linear(state_size, attention_size, bias=False)  # W_q
        self.key = Linear(annotation_size, attention_size, bias=False)  # W_k
        self.scale = (attention_size // self.heads) ** -0.5

    def energy_cost(self) -> float | None:
        return 2.0 * self.key.out_features

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA

    def scoring(self) -> kernels.Scoring | None:
        return kernels.Scoring(kernels.Product, self.scale * self.query.weight, None)

    def queries(self, query_BKH: Tensor) -> Tensor:
        queries_BKA: Tensor = self.scale * self.query(query_BKH)
        return queries_BKA
