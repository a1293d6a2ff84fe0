"""Attention: how energies become weights over the source, whatever the energies are made of.

B batch, S source, E annotation and context, H query (decoder state), K queries of each sentence, N = B · K of them, P
heads, V values of a sentence: S, or P · S of several heads, X any.
"""

from abc import ABC, abstractmethod

import entmax
import torch
from torch import Tensor

from rnnsearch.kernels import attention as kernels
from rnnsearch.model.cells import choose
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.linear import Linear, by_part
from rnnsearch.model.mechanism import Context
from rnnsearch.model.memory import Memory
from rnnsearch.model.window import Window

WEIGHTS = ("softmax", "sparsemax", "entmax15")
NEVER = -1e9  # an energy that no sparse weights reach; they can't be had of infinities


class Attention(Context, ABC):
    """Base of the mechanisms with energies e_ij and α_i = softmax of e_i / τ over the real source positions.

    Of P heads each has energies and weights of its own, by its part of the query and of the keys, and mixes its part of
    each annotation; a matrix joins what they find (Vaswani et al. 2017, section 3.2.2). Here that is P · S values: an
    annotation's part times its columns of the matrix, and times P, for weights are α_ij / P, which sum to 1 over all.

    Args:
        annotation_size: E.
        state_size: H; only a window needs it.
        weights: ``softmax``; ``sparsemax``, the point of the simplex nearest to the energies (Martins and Astudillo
            2016, arXiv 1602.02068); or ``entmax15``, between both (Peters, Niculae and Martins 2019, arXiv 1905.05702).
            The latter two give most positions no weight.
        temperature: τ.
        heads: P.
        window: D of `Window`, or None: all words.

    Raises:
        ValueError: for weights of another name, a temperature that is not above 0, or heads that don't divide E.
    """

    constant = False

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int | None = None,
        weights: str = "softmax",
        temperature: float = 1.0,
        heads: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__()
        self.size = annotation_size
        self.weights = choose(weights, WEIGHTS, "model.context.weights")
        if not temperature > 0:
            raise ValueError(f"model.context.temperature={temperature}: energies are divided by it, so it is above 0")
        self.temperature = temperature
        self.heads = heads
        self._check_heads(annotation_size, "an annotation")
        self.output = Linear(annotation_size, annotation_size, bias=False) if heads > 1 else None
        if window is not None and state_size is None:
            raise ValueError(f"model.context.window={window}: {type(self).__name__} does not look around a place")
        self.window = None if window is None or state_size is None else Window(state_size=state_size, reach=window)

    def _check_heads(self, size: int, what: str) -> None:
        if self.heads < 1 or size % self.heads:
            raise ValueError(
                f"model.context.heads={self.heads}: {what} has {size} values, which heads share evenly; choose a "
                "number that divides it"
            )

    @abstractmethod
    def keys(self, annotations: Annotations) -> Tensor:
        """What is projected once a sentence, ``[B, S, A]``."""

    @abstractmethod
    def energies(self, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
        """e_i for K queries of each sentence, ``[B, K, V]``, or ``[B, 1, V]`` where no query changes them."""

    def distribution(self, energies_XS: Tensor, mask_XS: Tensor) -> Tensor:
        """α_i of energies, zero where the mask is False."""
        if self.temperature != 1.0:
            energies_XS = energies_XS / self.temperature
        if self.weights == "softmax":
            return energies_XS.masked_fill(~mask_XS, float("-inf")).softmax(-1)
        sparse = entmax.sparsemax if self.weights == "sparsemax" else entmax.entmax15
        weights_XS: Tensor = sparse(energies_XS.masked_fill(~mask_XS, NEVER), dim=-1)
        return weights_XS

    @property
    def is_plain_softmax(self) -> bool:
        """Whether weights are those that `rnnsearch.kernels` makes of energies."""
        return (
            self.weights == "softmax"
            and self.temperature == 1.0
            and self.heads == 1
            and self.window is None
            and not self.covers
        )

    def scoring(self) -> kernels.Scoring | None:
        """The same energies for `rnnsearch.kernels`; None where it has none."""
        return None

    def table(self, memory: Memory, steps: int) -> Tensor | None:
        """The weights of all steps, ``[B, T, S]``, where no query changes them; None where one does."""
        return None

    def remember(self, annotations: Annotations) -> Memory:
        return Memory(annotations.mask_BS, self._values(annotations.states_BSE), self.keys(annotations))

    def _values(self, states_BSE: Tensor) -> Tensor:
        if self.output is None:
            return states_BSE
        parts_BSPX = by_part(states_BSE, self.heads)
        matrices_EPX = self.heads * by_part(self.output.weight, self.heads)
        return torch.einsum("bspx,epx->bpse", parts_BSPX, matrices_EPX).flatten(1, 2)

    def weigh(self, query_NH: Tensor, memory: Memory, step: int) -> Tensor | None:
        query_BKH = query_NH.view(len(memory.mask_BS), -1, query_NH.shape[1])
        weights_BKV = self._weights(self.energies(query_BKH, memory, step), query_BKH, memory.mask_BS)
        return weights_BKV.expand(-1, query_BKH.shape[1], -1).flatten(0, 1)

    def _weights(self, energies_BKV: Tensor, query_BKH: Tensor, mask_BS: Tensor) -> Tensor:
        energies_BKPS, mask_BKS = by_part(energies_BKV, self.heads), mask_BS.unsqueeze(1)
        if self.window is not None:
            nearness_BKS, mask_BKS = self.window(query_BKH, mask_BS)
            energies_BKPS = energies_BKPS + nearness_BKS.unsqueeze(2)
        weights_BKV = self.distribution(energies_BKPS, mask_BKS.unsqueeze(2)).flatten(2)
        return weights_BKV if self.heads == 1 else weights_BKV / self.heads

    def over_source(self, weights_XV: Tensor | None) -> Tensor | None:
        return None if weights_XV is None else by_part(weights_XV, self.heads).sum(-2)
