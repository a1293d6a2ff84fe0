"""Corpus metrics of lines of translations.<split>.jsonl; those that are resampled as functions of summed counts.

Shape suffixes: N sentences, K sufficient statistics.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

import numpy as np

from rnnsearch.evaluation.alignment_links import aer_of_sums, alignment_score, alignment_statistics, parse_pharaoh
from rnnsearch.evaluation.attention_statistics import AttentionSums, attention_statistics
from rnnsearch.evaluation.corpus_scores import bleu_of_sums, bleu_statistics, chrf_of_sums, chrf_statistics
from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.scoring import EARLIER, Scoring
from rnnsearch.evaluation.significance import Bounds, ScoreOfSums, mean_of_sums, perplexity_of_sums

Row = Mapping[str, Any]  # one line of translations.<split>.jsonl


@dataclass(frozen=True, slots=True)
class SummedMetric:
    """A corpus score as a function of summed sentence statistics."""

    name: str
    counted: Callable[[Sequence[Row], Scoring], Floats]  # rows -> [N, K]
    score: ScoreOfSums
    within: Bounds  # the least and the largest value that it can have

    def sentence_statistics(self, rows: Sequence[Row], scoring: Scoring = EARLIER) -> Floats:
        """The counts of each row, [N, K]; ``scoring`` applies to metrics of text."""
        return self.counted(rows, scoring)


def _of_text(statistics: Callable[[Sequence[str], Sequence[str], Scoring], Floats]) -> Callable[..., Floats]:
    def counted(rows: Sequence[Row], scoring: Scoring) -> Floats:
        return statistics([row["hypothesis"] for row in rows], [row["reference"] for row in rows], scoring)

    return counted


def _likelihood(rows: Sequence[Row], _: Scoring) -> Floats:
    counts = np.array([(row["nll"], row["tokens"]) for row in rows], dtype=np.float64)
    return np.where(np.isfinite(counts), counts, np.nan)  # with infinite ones no resample has a mean either


def _links(rows: Sequence[Row], _: Scoring) -> Floats:
    counts = [alignment_statistics(parse_pharaoh(row["links"]).sure, parse_pharaoh(row["gold"])) for row in rows]
    return np.array(counts, dtype=np.float64)


BLEU = SummedMetric("bleu", _of_text(bleu_statistics), bleu_of_sums, (0.0, 100.0))
CHRF = SummedMetric("chrf", _of_text(chrf_statistics), chrf_of_sums, (0.0, 100.0))
NLL = SummedMetric("nll", _likelihood, mean_of_sums, (0.0, inf))
PERPLEXITY = SummedMetric("perplexity", _likelihood, perplexity_of_sums, (1.0, inf))
AER = SummedMetric("aer", _links, aer_of_sums, (0.0, 1.0))
WAYS = {"aer": "attention", "aer_saliency": "saliency"}  # name of AER in comparisons -> how its links were made


def text_counts(rows: Sequence[Row], scoring: Scoring = EARLIER) -> dict[str, Floats]:
    """The counts of BLEU and chrF of each row, by the metric's name, [N, K]."""
    return {metric.name: metric.sentence_statistics(rows, scoring) for metric in (BLEU, CHRF)}


def links_by(method: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows with the links that were made by ``method``, None if there are none."""
    return [{**row, "links": _made(method, row), "links_method": method} for row in rows]


def _made(method: str, row: Row) -> Any:
    if (key := f"links_{method}") in row:
        return row[key]
    return row.get("links") if row.get("links_method", "attention") == method else None  # older rows lack the method


def alignment_metrics(rows: Sequence[Row]) -> dict[str, Any] | None:
    """AER, precision and recall over the sentences that have both gold links and links, and how the latter were made.

    None if there is nothing to score: no such sentence, no sure gold link, or no predicted one.
    """
    if not is_aligned(rows):
        return None
    linked = _linked(rows)
    predicted = [parse_pharaoh(row["links"]).sure for row in linked]
    gold = [parse_pharaoh(row["gold"]) for row in linked]
    return {
        "method": linked[0].get("links_method"),
        **asdict(alignment_score(predicted, gold)),
        "sentences": len(linked),
    }


def is_aligned(rows: Sequence[Row]) -> bool:
    """Whether `alignment_metrics` has something to score."""
    linked = _linked(rows)
    return all(any(parse_pharaoh(row[key]).sure for row in linked) for key in ("links", "gold"))


def _linked(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.get("gold") is not None and row.get("links") is not None]


def attention_metrics(rows: Sequence[Row]) -> dict[str, float | None] | None:
    """Entropy (nats), coverage and diagonality of the attention weights over words; None for a model without them."""
    sums = [AttentionSums(**row["attention"]) for row in rows if row.get("attention") is not None]
    return asdict(attention_statistics(sums)) if sums else None
