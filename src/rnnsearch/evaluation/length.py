"""Quality against source length: the buckets of the paper's Figure 2.

A length is the number of words of the raw source; of a script without blanks, of characters. A bucket {low, high} holds
low <= length <= high. Buckets of fewer than `MINIMUM` sentences say little and are merged: the smallest bucket (the
shortest of equals) joins the smaller of its two neighbours (the shorter of equals), until all are large enough or one
is left.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from rnnsearch.data.scripts import Unit
from rnnsearch.evaluation.bleu import bleu_from_statistics, chrf_from_statistics
from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.metrics import AER, BLEU, CHRF, Row, alignment_metrics, attention_metrics
from rnnsearch.evaluation.scoring import EARLIER, Scoring

MINIMUM = 50  # sentences a bucket
NARROW, WIDE = 5, 10  # widths, in units of `length_unit`
ATTENTION = ("entropy", "coverage", "diagonality")
LONGEST_FOR_NARROW = 40  # units; above this 95th percentile of the lengths the wide buckets are used


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
        """The range of lengths, as a reader wants it."""
        return f"{self.low}–{self.high}" if self.low < self.high else str(self.low)


def length_unit(record: Mapping[str, Any]) -> Unit:
    """What a run's source lengths are numbers of: words, or characters of a script without blanks."""
    unit: Unit = ((record.get("data") or {}).get("length_units") or {}).get("source") or "words"
    return unit


def default_edges(lengths: Sequence[int]) -> list[int]:
    """Last lengths of the buckets: 5 words wide where 95 % of the sentences have at most 40 words, else 10."""
    width = NARROW if np.quantile(lengths, 0.95) <= LONGEST_FOR_NARROW else WIDE
    return list(range(width, max(lengths) + width, width))


def buckets(lengths: Sequence[int], *, edges: Sequence[int] | None = None, minimum: int = MINIMUM) -> list[Bucket]:
    """Sorts rows into buckets that end at the edges; sentences beyond the last edge are one more bucket.

    Raises: ValueError when there are no lengths or the edges don't increase.
    """
    if not lengths:
        raise ValueError("no sentences to sort by length; give at least one")
    ends = list(edges) if edges is not None else default_edges(lengths)
    if any(later <= earlier for earlier, later in pairwise(ends)):
        raise ValueError(f"length edges {ends} must increase, such as [5, 10, 20, 30]")
    found = [
        Bucket(low, high, tuple(row for row, length in enumerate(lengths) if low <= length <= high))
        for low, high in _spans(ends, shortest=min(lengths), longest=max(lengths))
    ]
    return merge(found, minimum=minimum)


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
    links aer; with attention entropy, coverage and diagonality, see `metrics`; None where a bucket alone has none.

    Args:
        statistics: counts of bleu and chrf of the rows, if they are known already.
        scoring: else how the rows are scored.
    """
    counts = statistics or {metric.name: metric.sentence_statistics(rows, scoring) for metric in (BLEU, CHRF)}
    found = buckets([row["source_words"] for row in rows], edges=edges, minimum=minimum)
    scored = [_scores([rows[i] for i in bucket.rows]) for bucket in found]
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
        for bucket, scores in zip(found, scored, strict=True)
    ]


def _scores(rows: Sequence[Row]) -> dict[str, float | None]:
    """AER and attention statistics."""
    aligned, attention = alignment_metrics(rows), attention_metrics(rows)
    return {AER.name: aligned[AER.name] if aligned else None, **(attention or dict.fromkeys(ATTENTION))}
