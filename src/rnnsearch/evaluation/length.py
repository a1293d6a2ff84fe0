"""Quality against source length: the buckets of the paper's Figure 2.

A length is the number of words of the raw source, or of characters in a script without blanks. A bucket {low, high}
holds low <= length <= high. Buckets of fewer than `MINIMUM` sentences say little and are merged: the smallest bucket
(in a tie, the one of shorter sentences) joins the smaller of its two neighbours (in a tie, the shorter), until all are
large enough or one is left.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rnnsearch.data.scripts import Unit
from rnnsearch.evaluation.corpus_scores import bleu_from_statistics, chrf_from_statistics
from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.scoring import EARLIER, Scoring
from rnnsearch.evaluation.summed_metrics import AER, BLEU, CHRF, Row, alignment_metrics, attention_metrics, text_counts

MINIMUM = 50  # sentences a bucket
NARROW, WIDE = 5, 10  # widths, in units of `length_unit`
ATTENTION = ("entropy", "coverage", "diagonality")
LONGEST_FOR_NARROW = 40  # units; if the 95th percentile of the lengths is higher, the wide buckets are used


@dataclass(frozen=True, slots=True)
class Bucket:
    """Sentences of a length of low..high (both inclusive), as row numbers."""

    low: int
    high: int
    rows: tuple[int, ...]

    @property
    def n(self) -> int:
        """Number of sentences."""
        return len(self.rows)

    @property
    def label(self) -> str:
        """The range of lengths, for a reader."""
        return f"{self.low}–{self.high}" if self.low < self.high else str(self.low)


def length_unit(units: Mapping[str, str]) -> Unit:
    """The unit of a run's source lengths, by its record: words, or characters of a script without blanks."""
    return "characters" if units.get("source") == "characters" else "words"


def default_edges(lengths: Sequence[int]) -> list[int]:
    """Last lengths of the buckets: 5 words wide if 95 % of the sentences have at most 40 words, else 10."""
    width = NARROW if np.quantile(lengths, 0.95) <= LONGEST_FOR_NARROW else WIDE
    return list(range(width, max(lengths) + width, width))


def buckets(lengths: Sequence[int], *, edges: Sequence[int] | None = None, minimum: int = MINIMUM) -> list[Bucket]:
    """Sorts rows into buckets that end at the edges; sentences beyond the last edge form one more bucket.

    Raises: ValueError when there are no lengths or the edges don't increase.
    """
    if not lengths:
        raise ValueError("no sentences to sort by length; give at least one")
    ends = list(edges) if edges is not None else default_edges(lengths)
    if any(later <= earlier for earlier, later in pairwise(ends)):
        raise ValueError(f"length edges {ends} must increase, such as [5, 10, 20, 30]")
    unmerged = [
        Bucket(low, high, tuple(row for row, length in enumerate(lengths) if low <= length <= high))
        for low, high in _spans(ends, shortest=min(lengths), longest=max(lengths))
    ]
    return merge(unmerged, minimum=minimum)


def _spans(ends: Sequence[int], *, shortest: int, longest: int) -> list[tuple[int, int]]:
    ends = [*(end for end in ends if end < longest), longest]
    spans = zip([1, *(end + 1 for end in ends)], ends, strict=False)
    spans_kept = [(low, high) for low, high in spans if high >= shortest]
    return [(min(shortest, spans_kept[0][0]), spans_kept[0][1]), *spans_kept[1:]]  # an empty source has length 0


def merge(found: Sequence[Bucket], *, minimum: int = MINIMUM) -> list[Bucket]:
    """Joins buckets of fewer than `minimum` sentences with a neighbour, by the rule at the top of this file."""
    merged = list(found)
    while len(merged) > 1 and min(bucket.n for bucket in merged) < minimum:
        place = min(range(len(merged)), key=lambda i: merged[i].n)
        neighbours = [i for i in (place - 1, place + 1) if 0 <= i < len(merged)]
        left, right = sorted((place, min(neighbours, key=lambda i: merged[i].n)))
        rows = tuple(sorted(merged[left].rows + merged[right].rows))
        merged[left : right + 1] = [Bucket(merged[left].low, merged[right].high, rows)]
    return merged


def by_length(
    rows: Sequence[Row],
    *,
    edges: Sequence[int] | None = None,
    minimum: int = MINIMUM,
    statistics: Mapping[str, Floats] | None = None,
    scoring: Scoring = EARLIER,
) -> list[dict[str, int | float | None]]:
    """Corpus BLEU, corpus chrF and nats a token of each length bucket; AER and attention statistics where measured.

    Each row has hypothesis, reference, source_words, nll (sum over reference tokens, nats) and tokens, and may have
    gold, links and attention. Returns objects of low, high (lengths, both inclusive), n, bleu, chrf, nll; with gold
    links aer; with attention what `attention_statistics` has; None in a bucket that has none.

    Args:
        statistics: counts of bleu and chrf of the rows, if they are known already.
        scoring: else how the rows are scored.
    """
    counts = statistics or text_counts(rows, scoring)
    bucketed = buckets([row["source_words"] for row in rows], edges=edges, minimum=minimum)
    scored = [_scores([rows[i] for i in bucket.rows]) for bucket in bucketed]
    measured = [key for key in (AER.name, *ATTENTION) if any(scores[key] is not None for scores in scored)]
    return [
        {
            "low": bucket.low,
            "high": bucket.high,
            "n": bucket.n,
            "bleu": bleu_from_statistics(counts[BLEU.name][list(bucket.rows)].sum(axis=0)),
            "chrf": chrf_from_statistics(counts[CHRF.name][list(bucket.rows)].sum(axis=0)),
            "nll": math.fsum(rows[i]["nll"] for i in bucket.rows) / sum(rows[i]["tokens"] for i in bucket.rows),
            **{key: scores[key] for key in measured},
        }
        for bucket, scores in zip(bucketed, scored, strict=True)
    ]


def _scores(rows: Sequence[Row]) -> dict[str, float | None]:
    """AER and attention statistics."""
    aligned, attention = alignment_metrics(rows), attention_metrics(rows)
    return {AER.name: aligned[AER.name] if aligned else None, **(attention or dict.fromkeys(ATTENTION))}
