"""Attention by a hidden layer: e_ij = v^T tanh(query_i + key_j), of content (the paper's) or of positions alone.

B batch, S source, E annotation and context, H query (decoder state), K queries of each sentence, N = B · K of them, P
heads, V values of a sentence: S, or P · S of several heads, A hidden layer.
"""

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor, nn

from rnnsearch.kernels import attention as kernels
from rnnsearch.kernels.energies import additive_energies, exponentials
from rnnsearch.model.attention import Attention
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.linear import Linear, by_part
from rnnsearch.model.memory import Memory
from rnnsearch.model.positions import even, sinusoids


class HiddenLayer(Attention, ABC):
    """Base of the mechanisms with e_ij = v^T tanh(query_i + key_j)."""

    v: nn.Parameter

    @abstractmethod
    def queries(self, query_BKH: Tensor, step: int) -> Tensor:
        """What is projected once a step, ``[B, K, A]``, or ``[1, 1, A]`` where no state changes it."""

    def direction(self) -> Tensor:
        """v, ``[A]``."""
        return self.v

    def energy_cost(self) -> float | None:
        return 4.0 * self.v.numel()  # A sums, A tanh, and a product with v

    def settle(self, memory: Memory) -> Memory:
        if self.heads > 1 or self.covers:
            return memory
        assert memory.keys_BSA is not None
        return replace(memory, keys_BSA=None, exponentials_BSA=exponentials(memory.keys_BSA))

    def energies(self, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
        queries_BKA = self.queries(query_BKH, step)
        if memory.exponentials_BSA is not None:
            return additive_energies(queries_BKA, memory.exponentials_BSA, self.direction())
        hidden_BKSA = torch.tanh(self.sums(queries_BKA, memory))
        if self.heads == 1:
            return hidden_BKSA @ self.direction()
        return by_part(hidden_BKSA * self.direction(), self.heads).sum(-1).movedim(-1, 2).flatten(2)

    def sums(self, queries_BKA: Tensor, memory: Memory) -> Tensor:
        """What the tanh is taken of, ``[B, K, S, A]``."""
        assert memory.keys_BSA is not None
        return queries_BKA.unsqueeze(2) + memory.keys_BSA.unsqueeze(1)


class Additive(HiddenLayer):
    """e_ij = v_a^T tanh(W_a s_{i-1} + U_a h_j) (A.1.2).

    ``normed`` puts g v / ‖v‖ in the place of v and a bias inside the tanh (as in Salimans and Kingma 2016, arXiv
    1602.07868). With ``coverage`` a step sees what was attended to: u_a C_ij joins the sum, C_ij = Σ_{k<i} α_kj (Tu et
    al. 2016, arXiv 1601.04811); of several heads each sees its own α_kj / P.

    Raises:
        ValueError: if heads don't divide the hidden layer.
    """

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        attention_size: int,
        normed: bool,
        coverage: bool = False,
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
        self._check_heads(attention_size, "the hidden layer of energies")
        self.query = Linear(state_size, attention_size, bias=False)  # W_a
        self.key = Linear(annotation_size, attention_size, bias=normed)  # U_a
        self.v = nn.Parameter(torch.empty(attention_size))
        nn.init.normal_(self.v, std=attention_size**-0.5)
        self.g = nn.Parameter(torch.tensor(attention_size**-0.5)) if normed else None
        self.u = nn.Parameter(torch.zeros(attention_size)) if coverage else None
        self.covers = coverage

    def energy_cost(self) -> float | None:
        return (4.0 if self.u is None else 6.0) * self.v.numel()  # one more product and sum for each hidden unit

    def sums(self, queries_BKA: Tensor, memory: Memory) -> Tensor:
        sums_BKSA = super().sums(queries_BKA, memory)
        if self.u is None:
            return sums_BKSA
        assert memory.covered_NV is not None
        covered_BKV = memory.covered_NV.view(*sums_BKSA.shape[:2], -1)
        covered_BKSP1 = by_part(covered_BKV, self.heads).movedim(2, -1).unsqueeze(-1)
        return sums_BKSA + (covered_BKSP1 * by_part(self.u, self.heads)).flatten(-2)

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA

    def scoring(self) -> kernels.Scoring | None:
        return kernels.Scoring(kernels.Additive, self.query.weight, self.direction())

    def queries(self, query_BKH: Tensor, step: int) -> Tensor:
        queries_BKA: Tensor = self.query(query_BKH)
        return queries_BKA

    def direction(self) -> Tensor:
        return self.v if self.g is None else self.g * self.v / self.v.norm()


class LocationOnly(HiddenLayer):
    """e_ij = v^T tanh(W_p φ(i) + U_p φ(j)), φ sinusoids: looks at positions, never at content."""

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        attention_size: int,
        position_size: int,
        weights: str = "softmax",
        temperature: float = 1.0,
    ) -> None:
        super().__init__(annotation_size=annotation_size, weights=weights, temperature=temperature)
        self.position_size = even(position_size)
        self.query = Linear(position_size, attention_size, bias=False)  # W_p
        self.key = Linear(position_size, attention_size, bias=False)  # U_p
        self.v = nn.Parameter(torch.empty(attention_size))
        nn.init.normal_(self.v, std=attention_size**-0.5)

    def keys(self, annotations: Annotations) -> Tensor:
        batch, length, _ = annotations.states_BSE.shape
        positions_S = torch.arange(length, device=self.v.device)
        keys_SA: Tensor = self.key(sinusoids(positions_S, self.position_size, self.v.dtype))
        return keys_SA.expand(batch, -1, -1)

    def queries(self, query_BKH: Tensor, step: int) -> Tensor:
        return self._queries(torch.tensor([step], device=self.v.device))

    def _queries(self, positions_T: Tensor) -> Tensor:
        queries_TA: Tensor = self.query(sinusoids(positions_T, self.position_size, self.v.dtype))
        return queries_TA.unsqueeze(0)

    def table(self, memory: Memory, steps: int) -> Tensor | None:
        assert memory.keys_BSA is not None
        queries_1TA = self._queries(torch.arange(steps, device=self.v.device))
        energies_1TS = torch.tanh(queries_1TA.unsqueeze(2) + memory.keys_BSA[:1].unsqueeze(1)) @ self.v
        return self.distribution(energies_1TS, memory.mask_BS.unsqueeze(1))
