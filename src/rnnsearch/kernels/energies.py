"""Energies of additive attention for many queries of one memory, without a tanh.

tanh(q + k) = 1 - 2 / (1 + e^{2q} e^{2k}), so with e^{2k} kept once a sentence and e^{2q} once a step, an energy costs a
multiply-add and a reciprocal for each hidden unit: v · tanh(q + k) = Σ_a v_a - 2 Σ_a v_a / (1 + e^{2q_a} e^{2k_a}).

B sentences, K queries of a sentence, S source, A alignment hidden layer.
"""

import torch
from torch import Tensor

LARGEST = {torch.float32: 40.0, torch.float64: 350.0}  # |x| above this is cut, so that e^{2x} is finite and not zero
AT_ONCE = {"cpu": 2**19}  # hidden values in memory together: what a cache holds, or else a share of a GPU's memory
PLENTY = 2**26


def exponentials(values: Tensor) -> Tensor:
    """e^{2x}, |x| cut at `LARGEST`, in float32 at least."""
    wide = values.to(torch.promote_types(values.dtype, torch.float32))
    largest = LARGEST[wide.dtype]
    return (2 * wide.clamp(-largest, largest)).exp()


def additive_energies(queries_BKA: Tensor, exponentials_BSA: Tensor, v_A: Tensor) -> Tensor:
    """Σ_a v_a tanh(q_a + k_a) for every query and key of a sentence, ``[B, K, S]`` in the queries' dtype.

    Args:
        queries_BKA: q; a single sentence's serve all (B = 1).
        exponentials_BSA: `exponentials` of the keys k.
        v_A: v.
    """
    factors_BK1A = exponentials(queries_BKA).unsqueeze(2)
    keys_B1SA, v_A = exponentials_BSA.unsqueeze(1), v_A.to(exponentials_BSA.dtype)
    factors_BK1A = factors_BK1A.expand(len(keys_B1SA), -1, -1, -1)
    room = AT_ONCE.get(v_A.device.type, PLENTY)
    size = max(1, room // max(1, factors_BK1A[0].numel() * keys_B1SA.shape[2]))
    one = v_A.new_ones(())
    with torch.autocast(v_A.device.type, enabled=False):
        parts = zip(torch.split(factors_BK1A, size), torch.split(keys_B1SA, size), strict=True)
        sums = [torch.addcmul(one, factors, keys).reciprocal_() @ v_A for factors, keys in parts]
    return (v_A.sum() - 2 * torch.cat(sums)).to(queries_BKA.dtype)
