"""What attention weights may be at test time in the place of the learnt ones: one equation a condition.

At step i, counted from 0, a sentence has learnt weights α_ij over S real source tokens j, the end of sentence the last
of them; m_i = Σ_j α_ij. A condition changes where it looks, not how much it looks in all: every row keeps its m_i,
which is 1, or 1 / P for each of P heads of a recurrent decoder (less for slots with model.context.normalized=slots).

    uniform    m_i / S                                             (Wiegreffe and Pinter 2019, arXiv 1908.04626)
    permuted   α_i π(j), π drawn for the sentence and the step   (Jain and Wallace 2019, arXiv 1902.10186)
    erased     0 at k = argmax_j α_ij, the leftmost of equals, and m_i α_ij / Σ_{l≠k} α_il elsewhere
               (Serrano and Smith 2019, arXiv 1906.03731); m_i / (S - 1) elsewhere if that sum is 0; α_ij if S = 1
    diagonal   m_i at j = ⌊(i + ½) S / T⌋, at most S - 1, else 0, T being the target's tokens with its end of sentence:
               the source token that holds the middle of target token i where both sentences are equally long (as
               the monotonic alignment of Luong et al. 2015, arXiv 1508.04025, section 3.2, and the diagonal of
               Dyer et al. 2013, N13-1073). In search nobody knows T, and T = ρ S, ρ being target tokens a source
               token of the training pairs
    other_run  m_i β_ij / Σ_l β_il, β the weights of another model for the same words

π depends on a seed, the source's ids and i alone, so that it is the same in every batch and beam, in all heads and
layers, in search and with the target given. Padding has no weight.

B sentences, S source, T target, X rows of a step: the hypotheses of a sentence, times heads.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

CONDITIONS = ("learned", "uniform", "permuted", "erased", "diagonal", "other_run")


@dataclass(frozen=True)
class Known:
    """What conditions know of the sentences of a batch besides the learnt weights.

    Attributes:
        mask_BS: the real source tokens.
        sources: their ids, of each sentence.
        targets_B: target tokens, the end of sentence counted; None in search.
        others_BTS: the weights of another model; None without one.
    """

    mask_BS: Tensor
    sources: tuple[tuple[int, ...], ...]
    targets_B: Tensor | None = None
    others_BTS: Tensor | None = None

    def select(self, index_N: Tensor) -> "Known":
        """The sentences ``index_N``."""
        sources = tuple(self.sources[row] for row in index_N.tolist())
        targets, others = (None if part is None else part[index_N] for part in (self.targets_B, self.others_BTS))
        return Known(self.mask_BS[index_N], sources, targets, others)


class Condition(Protocol):
    """Weights in the place of the learnt ones."""

    def __call__(self, learned_BXS: Tensor, known: Known, step: int) -> Tensor:
        """The weights of a step, ``[B, X, S]``, 0 at padding."""


def uniform(learned_BXS: Tensor, known: Known, step: int) -> Tensor:
    """The same weight for every real token."""
    real_B1S = known.mask_BS.unsqueeze(1)
    return learned_BXS.sum(-1, keepdim=True) * (real_B1S / real_B1S.sum(-1, keepdim=True)).to(learned_BXS.dtype)


@dataclass(frozen=True)
class Permuted:
    """The learnt weights, each at another token's place."""

    seed: int

    def __call__(self, learned_BXS: Tensor, known: Known, step: int) -> Tensor:
        """The weights of a step, ``[B, X, S]``."""
        order_BS = np.tile(np.arange(learned_BXS.shape[-1]), (len(learned_BXS), 1))
        for order_S, ids in zip(order_BS, known.sources, strict=True):
            order_S[: len(ids)] = self.order(ids, step)
        places_B1S = torch.from_numpy(order_BS).to(learned_BXS.device).unsqueeze(1)
        return learned_BXS.gather(-1, places_B1S.expand_as(learned_BXS))

    def order(self, ids: tuple[int, ...], step: int) -> np.ndarray:
        """π of a sentence and a step, ``[S]``."""
        words = np.random.SeedSequence([self.seed, step, *ids])
        return np.random.Generator(np.random.Philox(words)).permutation(len(ids))


def erased(learned_BXS: Tensor, known: Known, step: int) -> Tensor:
    """Without the strongest token, whose weight the others share in their proportions."""
    strongest_BX1 = learned_BXS.argmax(-1, keepdim=True)
    rest_BXS = learned_BXS.scatter(-1, strongest_BX1, 0.0)
    others_BXS = known.mask_BS.unsqueeze(1).expand_as(rest_BXS).scatter(-1, strongest_BX1, value=False)
    rest_BXS = rest_BXS.where(rest_BXS.sum(-1, keepdim=True) > 0, others_BXS.to(rest_BXS.dtype))
    total_BX1 = rest_BXS.sum(-1, keepdim=True)
    shared_BXS = learned_BXS.sum(-1, keepdim=True) * (rest_BXS / total_BX1)
    return shared_BXS.where(total_BX1 > 0, learned_BXS)


@dataclass(frozen=True)
class Diagonal:
    """All weight on one token, from the first at the first step to the last at the last.

    Args:
        ratio: ρ, target tokens a source token; only search needs it.
    """

    ratio: float | None = None

    def __call__(self, learned_BXS: Tensor, known: Known, step: int) -> Tensor:
        """The weights of a step, ``[B, X, S]``."""
        sources_B = known.mask_BS.sum(-1)
        if known.targets_B is not None:
            place_B = (2 * step + 1) * sources_B // (2 * known.targets_B)
        else:
            assert self.ratio is not None
            place_B = torch.full_like(sources_B, math.floor((step + 0.5) / self.ratio))
        place_B11 = place_B.minimum(sources_B - 1).view(-1, 1, 1)
        rest_BXS = torch.zeros_like(learned_BXS)
        return rest_BXS.scatter(-1, place_B11.expand(-1, rest_BXS.shape[1], -1), learned_BXS.sum(-1, keepdim=True))


def of_other_run(learned_BXS: Tensor, known: Known, step: int) -> Tensor:
    """The weights of another model."""
    assert known.others_BTS is not None
    other_B1S = known.others_BTS[:, step].unsqueeze(1).to(learned_BXS.dtype)
    return learned_BXS.sum(-1, keepdim=True) * (other_B1S / other_B1S.sum(-1, keepdim=True))
