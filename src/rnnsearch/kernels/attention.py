"""One step of attention, forward and backward, with the energies computed again in the backward pass.

The energies of the additive mechanism need no tanh at each pair of positions. With E_q = e^{2q}, E_k = e^{2k}::

    tanh(q + k) = 1 - 2 ρ,  ρ = 1 / (1 + E_q E_k),  tanh' = 4 (ρ - ρ²)

so a pair costs a multiplication, an addition and a reciprocal. Keys and queries are cut where E is no number any more
(`energies.LARGEST`); the result differs from tanh's only where a key and a query beyond that cancel. The softmax over
j does not see what all its energies share, so Σ_a v_a is left out.

B rows, S source, A alignment hidden layer, T target.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rnnsearch.kernels.energies import LARGEST, exponentials

LIMIT = LARGEST[torch.float32]


class AttentionStep(Protocol):
    """Energies of one mechanism over keys ``[B, S, A]``; padding has the energy -∞. Rows may be fewer than B."""

    def forward(self, query_BA: Tensor, weights_BS: Tensor, kept_BA: Tensor) -> None:
        """Write the weights, and into ``kept`` what the backward step needs of the query."""

    def sums(self) -> tuple[Tensor, ...]:
        """Zeros, for what the steps of one backward pass add up."""

    def backward(
        self,
        d_weights_BS: Tensor,
        weights_BS: Tensor,
        kept_BA: Tensor,
        d_energies_BS: Tensor,
        d_query_BA: Tensor,
        sums: tuple[Tensor, ...],
    ) -> None:
        """Write the gradients at energies and query, add to ``sums``."""

    def gradients(
        self, d_energies_TBS: Tensor, kept_TBA: Tensor, sums: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor | None]:
        """At keys and v, when all steps are done."""


class Additive:
    """e_ij = v^T tanh(q_i + k_j) (paper, A.1.2)."""

    takes_many = False  # whether forward and backward take all steps at once, ``[T, B, ...]``, where no query waits

    def __init__(self, keys_BSA: Tensor, v_A: Tensor | None, padding_BS: Tensor) -> None:
        assert v_A is not None
        self.v_A, self.padding_BS = v_A, padding_BS
        self.E_BSA = exponentials(keys_BSA.contiguous())

    def _rho(self, E_query_BA: Tensor) -> Tensor:
        rows = len(E_query_BA)
        return torch.addcmul(E_query_BA.new_ones(()), self.E_BSA[:rows], E_query_BA.unsqueeze(1)).reciprocal_()

    def forward(self, query_BA: Tensor, weights_BS: Tensor, kept_BA: Tensor) -> None:
        kept_BA.copy_(exponentials(query_BA))
        energies_BS = self._rho(kept_BA) @ (-2.0 * self.v_A)
        weights_BS.copy_(energies_BS.add_(self.padding_BS[: len(query_BA)]).softmax(-1))

    def sums(self) -> tuple[Tensor, ...]:
        return torch.zeros_like(self.E_BSA), torch.zeros_like(self.v_A)

    def backward(
        self,
        d_weights_BS: Tensor,
        weights_BS: Tensor,
        kept_BA: Tensor,
        d_energies_BS: Tensor,
        d_query_BA: Tensor,
        sums: tuple[Tensor, ...],
    ) -> None:
        d_keys_BSA, d_v_A = sums
        softmax_backward(d_weights_BS, weights_BS, d_energies_BS)
        rho_BSA = self._rho(kept_BA)
        d_v_A += rho_BSA.flatten(0, 1).T @ d_energies_BS.flatten()
        slope_BSA = rho_BSA.addcmul_(rho_BSA, rho_BSA, value=-1.0)
        torch.mul(torch.bmm(d_energies_BS.unsqueeze(1), slope_BSA).squeeze(1), 4.0 * self.v_A, out=d_query_BA)
        d_keys_BSA[: len(kept_BA)].addcmul_(d_energies_BS.unsqueeze(-1), slope_BSA)

    def gradients(
        self, d_energies_TBS: Tensor, kept_TBA: Tensor, sums: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor | None]:
        d_keys_BSA, d_v_A = sums
        return d_keys_BSA.mul_(4.0 * self.v_A), -2.0 * d_v_A


class Product:
    """e_ij = q_i^T k_j: dot, general and scaled dot product."""

    def __init__(self, keys_BSA: Tensor, v_A: Tensor | None, padding_BS: Tensor) -> None:
        self.keys_BSA, self.padding_BS = keys_BSA, padding_BS

    def forward(self, query_BA: Tensor, weights_BS: Tensor, kept_BA: Tensor) -> None:
        kept_BA.copy_(query_BA)
        rows = len(query_BA)
        energies_BS = torch.bmm(self.keys_BSA[:rows], kept_BA.unsqueeze(-1)).squeeze(-1)
        weights_BS.copy_(energies_BS.add_(self.padding_BS[:rows]).softmax(-1))

    def sums(self) -> tuple[Tensor, ...]:
        return ()

    def backward(
        self,
        d_weights_BS: Tensor,
        weights_BS: Tensor,
        kept_BA: Tensor,
        d_energies_BS: Tensor,
        d_query_BA: Tensor,
        sums: tuple[Tensor, ...],
    ) -> None:
        softmax_backward(d_weights_BS, weights_BS, d_energies_BS)
        d_query_BA.copy_(torch.bmm(d_energies_BS.unsqueeze(1), self.keys_BSA[: len(kept_BA)]).squeeze(1))

    def gradients(
        self, d_energies_TBS: Tensor, kept_TBA: Tensor, sums: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor | None]:
        return torch.bmm(d_energies_TBS.permute(1, 2, 0), kept_TBA.transpose(0, 1)), None


MakeStep = Callable[[Tensor, Tensor | None, Tensor], AttentionStep]  # of keys, v and padding


@dataclass(frozen=True)
class Scoring:
    """How energies come about: their step, W_a (None: the state is the query) and v (None: energies are products)."""

    step: MakeStep
    query_AH: Tensor | None
    v_A: Tensor | None


def mix_forward(weights_BS: Tensor, values_BSX: Tensor, x_BX: Tensor) -> Tensor:
    """x + Σ_j α_j value_j. Values may be of lower precision."""
    mixed_B1X = torch.bmm(weights_BS.to(values_BSX.dtype).unsqueeze(1), values_BSX)
    return x_BX + mixed_B1X.squeeze(1)


def mix_backward(d_out_BX: Tensor, values_BSX: Tensor, d_weights_BS: Tensor) -> None:
    """Add the weights' gradient, d_out · value_j."""
    d_weights_BS += torch.bmm(values_BSX, d_out_BX.to(values_BSX.dtype).unsqueeze(2)).squeeze(2)


@dataclass(frozen=True)
class Mixing:
    """The two functions above, or others that do the same."""

    forward: Callable[[Tensor, Tensor, Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], None]


MIXING = Mixing(mix_forward, mix_backward)


@dataclass(frozen=True)
class Source:
    """Attention over all steps, and what a backward pass needs of it."""

    step: AttentionStep
    mixing: Mixing
    gates_BSG: Tensor
    weights_TBS: Tensor
    kept_TBA: Tensor
    joined: int  # J, where the query begins in a product
    projected: bool  # the query is W_a s, not s itself

    def forward(self, t: int, s_BH: Tensor, p_BQ: Tensor, x_BG: Tensor) -> Tensor:
        """x with the context of step t."""
        rows = len(x_BG)
        weights_BS, query = self.weights_TBS[t, :rows], p_BQ[:, self.joined :] if self.projected else s_BH
        self.step.forward(query, weights_BS, self.kept_TBA[t, :rows])
        return self.mixing.forward(weights_BS, self.gates_BSG[:rows], x_BG)

    def backward(
        self,
        t: int,
        d_x_BG: Tensor,
        d_weights_BS: Tensor | None,
        d_energies_BS: Tensor,
        d_p_BQ: Tensor,
        d_s_BH: Tensor,
        sums: tuple[Tensor, ...],
    ) -> None:
        """Write the gradients at the energies and the query, or add the latter to the state's."""
        rows = len(d_x_BG)
        weights_BS, kept_BA = self.weights_TBS[t, :rows], self.kept_TBA[t, :rows]
        d_weights_BS = torch.zeros_like(weights_BS) if d_weights_BS is None else d_weights_BS.contiguous().clone()
        self.mixing.backward(d_x_BG, self.gates_BSG[:rows], d_weights_BS)
        d_query_BA = d_p_BQ[:, self.joined :] if self.projected else torch.empty_like(kept_BA)
        self.step.backward(d_weights_BS, weights_BS, kept_BA, d_energies_BS, d_query_BA, sums)
        if not self.projected:
            d_s_BH += d_query_BA


def softmax_backward(d_weights_BS: Tensor, weights_BS: Tensor, d_energies_BS: Tensor) -> None:
    """Write the gradient at the energies: α ∘ (dα - Σ_j α_j dα_j)."""
    torch._softmax_backward_data(d_weights_BS, weights_BS, -1, weights_BS.dtype, grad_input=d_energies_BS)
