"""What is remembered of a batch of sentences, and how its values are mixed.

B batch, T target, S source, E annotation and context, A alignment hidden layer, G gates, X any. N queries of a step: B,
or B · K where search follows K hypotheses of each sentence.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Memory:
    """What is computed once a sentence. ``values`` has S positions, or a single one if the context is constant."""

    mask_BS: Tensor
    values_BSE: Tensor
    keys_BSA: Tensor | None = None
    gates_BSG: Tensor | None = None  # the values, projected into the decoder's gates
    readouts_BSX: Tensor | None = None  # the values, projected into its read-out, once the memory is settled
    exponentials_BSA: Tensor | None = None  # e^{2 keys}, in their place once it is settled
    covered_NV: Tensor | None = None  # at one step: the weights so far, for a mechanism that depends on them

    def select(self, index_N: Tensor) -> "Memory":
        """The rows ``index_N`` of the batch."""
        optional = (self.keys_BSA, self.gates_BSG, self.readouts_BSX, self.exponentials_BSA)
        chosen = (None if part is None else part[index_N] for part in optional)
        return Memory(self.mask_BS[index_N], self.values_BSE[index_N], *chosen)


def mix(weights_BTS: Tensor | None, values_BSX: Tensor) -> Tensor:
    """Σ_j α_ij value_j for each step, ``[B, T, X]``; without weights the single value, ``[B, 1, X]``."""
    return values_BSX if weights_BTS is None else torch.bmm(weights_BTS, values_BSX)


def mix_rows(weights_NS: Tensor | None, values_BSX: Tensor, rows: int) -> Tensor:
    """`mix` for the N = ``rows`` queries of a step, ``[N, X]``."""
    weights_BKS = None if weights_NS is None else weights_NS.view(len(values_BSX), -1, weights_NS.shape[1])
    return mix(weights_BKS, values_BSX).expand(-1, rows // len(values_BSX), -1).flatten(0, 1)
