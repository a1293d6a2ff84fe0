"""What a search should find: scores by forced decoding, and all allowed translations by enumeration, on lists."""

import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rnnsearch.data.batching import pad
from rnnsearch.data.tokenizer import BOS, EOS, PAD, UNK
from rnnsearch.model.translator import Translator

Ids = Sequence[int]


@dataclass(frozen=True)
class Forced:
    """log p of a complete sentence, and its coverage Σ_j log min(Σ_i α_ij, 1); None without weights."""

    log_prob: float
    coverage: float | None


@torch.no_grad()
def force(members: Sequence[Translator], source: list[int], targets: Sequence[Ids]) -> list[Forced]:
    """Forced decoding of every target for one source, by the unrolled model, or by the mixture of several."""
    source_BS, mask_BS = pad([source] * len(targets))
    target_in_BT, _ = pad([[BOS, *ids] for ids in targets], ends=0)
    probs, weights = [], []
    for member in members:
        readouts_BTR, weights_BTS = member(source_BS, mask_BS, target_in_BT)
        probs.append(member.logits(readouts_BTR).softmax(-1))
        weights.append(weights_BTS)
    probs_BTV = sum(probs) / len(probs)
    weights_BTS = None if any(part is None for part in weights) else sum(weights) / len(weights)
    found = []
    for row, ids in enumerate(targets):
        log_prob = math.fsum(math.log(probs_BTV[row, i, word]) for i, word in enumerate((*ids, EOS)))
        coverage = None
        if weights_BTS is not None:
            covered_S = weights_BTS[row, : len(ids) + 1, : len(source)].sum(0).tolist()
            coverage = math.fsum(math.log(min(max(total, sys.float_info.min), 1.0)) for total in covered_S)
        found.append(Forced(log_prob, coverage))
    return found


def score(
    forced: Forced, ids: Ids, *, normalization: str, length_alpha: float = 0.6, coverage_penalty: float = 0.0
) -> float:
    """Wu et al. 2016, equation 14, or its simpler relatives."""
    tokens = len(ids) + 1
    divisor = {"none": 1.0, "average": tokens, "gnmt": (5 + tokens) ** length_alpha / (5 + 1) ** length_alpha}
    penalty = coverage_penalty * forced.coverage if coverage_penalty else 0.0
    return forced.log_prob / divisor[normalization] + penalty


@dataclass(frozen=True)
class Rules:
    """The constraints on one sentence."""

    least: int
    cap: int
    prefix: Ids = ()
    ngram: int = 0
    unknown: bool = True

    def allow(self, ids: Ids) -> bool:
        cap = max(self.cap, len(self.prefix))
        free = range(len(self.prefix), len(ids))  # places that the prefix does not decide
        return (
            tuple(ids[: len(self.prefix)]) == tuple(self.prefix)
            and min(self.least, cap) <= len(ids) <= cap
            and (self.unknown or all(ids[place] != UNK for place in free))
            and not any(self._repeats(ids[: place + 1]) for place in free)
        )

    def _repeats(self, ids: Ids) -> bool:
        if not self.ngram:
            return False
        before = [tuple(ids[i : i + self.ngram]) for i in range(len(ids) - self.ngram)]
        return tuple(ids[-self.ngram :]) in before if len(ids) >= self.ngram else False


def every_translation(vocabulary: int, longest: int) -> list[tuple[int, ...]]:
    """All sequences of up to ``longest`` words."""
    words = [word for word in range(vocabulary) if word not in (PAD, BOS, EOS)]
    return [ids for length in range(longest + 1) for ids in itertools.product(words, repeat=length)]
