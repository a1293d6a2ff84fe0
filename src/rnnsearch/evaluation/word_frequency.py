"""How well words are translated that training showed never, once, or often (Neubig et al. 2019, compare-mt).

The words of translations and references fall into buckets by how often the training targets have them. In each bucket a
word of a sentence is matched as often as translation and reference both have it; summed over sentences, precision is
the share of the translations' words that are matched, recall that of the references', F1 their harmonic mean.

Shape suffixes: N sentences, B buckets, K = 3 counts (matched, of the translation, of the reference), S seeds,
R resamples.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnsearch.data.normalization import normalized
from rnnsearch.data.scripts import bare_words
from rnnsearch.data.seen_words import Lookup
from rnnsearch.evaluation.error_model import ERROR, Floats
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.significance import Resampled, resampled_sums
from rnnsearch.evaluation.summed_metrics import Row

SIDES = ("hypothesis", "reference")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Words that were seen low to high times, both inclusive; without an end if high is None."""

    low: int
    high: int | None

    @property
    def label(self) -> str:
        """The range, for a reader."""
        if self.high is None:
            return f"over {self.low - 1:,}"
        return f"{self.low:,}–{self.high:,}" if self.low < self.high else f"{self.low:,}"


ENDS = (0, 1, 5, 10, 100, 1000)
BUCKETS = (
    Bucket(0, 0), Bucket(1, 1), Bucket(2, 5), Bucket(6, 10), Bucket(11, 100), Bucket(101, 1000), Bucket(1001, None)
)  # fmt: skip


def words_of(rows: Sequence[Row], scoring: Scoring) -> set[str]:
    """Every word of translations and references, in the Unicode form in which they are scored."""
    return {word for row in rows for side in SIDES for word in _words(row, side, scoring)}


def word_counts(rows: Sequence[Row], seen: Mapping[str, int], scoring: Scoring) -> Floats:
    """Of each sentence and bucket the matched words, the translation's and the reference's, [N, B, K].

    Args:
        seen: how often training showed each word; one that is missing was never seen.
    """
    counts_NBK = np.zeros((len(rows), len(BUCKETS), 3))
    for counts_BK, row in zip(counts_NBK, rows, strict=True):
        hypothesis, reference = (Counter(_words(row, side, scoring)) for side in SIDES)
        for word in hypothesis | reference:
            own, wanted = hypothesis[word], reference[word]
            counts_BK[bisect_left(ENDS, seen.get(word, 0))] += (min(own, wanted), own, wanted)
    return counts_NBK


def _words(row: Row, side: str, scoring: Scoring) -> list[str]:
    return bare_words(normalized(row[side], scoring.normalization))


def f1_of_sums(sums: Floats) -> Floats:
    """F1 (0 to 1) of summed counts ``[..., K]``: 2 matched / (translation's + reference's); 0 where there are none."""
    both = sums[..., 1] + sums[..., 2]
    return np.asarray(2 * sums[..., 0] / np.where(both == 0, 1.0, both))


def resample_buckets(counts_SNBK: Floats, *, resamples: int, seed: int) -> list[Resampled]:
    """F1 in each bucket, of each seed, whole and on resamples of the sentences, the same for all buckets."""
    seeds, sentences, buckets, size = counts_SNBK.shape
    drawn = resampled_sums(counts_SNBK.reshape(seeds, sentences, -1), seed=seed, resamples=resamples)
    score_SB = f1_of_sums(counts_SNBK.sum(axis=1))
    draws_RSB = f1_of_sums(drawn.reshape(resamples, seeds, buckets, size))
    return [Resampled(score_SB[:, place], draws_RSB[:, :, place]) for place in range(buckets)]


def by_frequency(
    rows: Sequence[Row], lookup: Lookup, scoring: Scoring, *, resamples: int, seed: int
) -> list[dict[str, Any]]:
    """Each bucket's number of words in the references, precision, recall and F1 with its 95 % bootstrap interval.

    A bucket without words is left out; precision is None where translations have none of its words, recall where
    references have none.
    """
    counts_NBK = word_counts(rows, lookup(words_of(rows, scoring)), scoring)
    drawn = resample_buckets(counts_NBK[None], resamples=resamples, seed=seed)
    return list(_scores(counts_NBK.sum(axis=0), drawn))


def _scores(sums_BK: Floats, drawn: Sequence[Resampled]) -> Iterator[dict[str, Any]]:
    for bucket, (matched, own, wanted), of_bucket in zip(BUCKETS, sums_BK.tolist(), drawn, strict=True):
        if own or wanted:
            interval = np.quantile(of_bucket.draws_RS[:, 0], [ERROR / 2, 1 - ERROR / 2])
            yield {
                "low": bucket.low,
                "high": bucket.high,
                "words": int(wanted),
                "precision": matched / own if own else None,
                "recall": matched / wanted if wanted else None,
                "f1": float(of_bucket.score_S[0]),
                "f1_interval": interval.tolist(),
            }
