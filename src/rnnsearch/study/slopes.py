"""How much a model loses with length: the primary score per ten source words, as one number with an interval.

The slope is that of the weighted least-squares line through the length buckets: a bucket's place is the mean length of
its sentences, its weight their number, its height BLEU. It is a fixed linear combination of the buckets' BLEU, so that
it is made again in each resample of their sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnsearch.evaluation.significance import Difference, Estimate, estimate, weighted_sum
from rnnsearch.study.measures import TITLES
from rnnsearch.study.statistics import Comparison, paired
from rnnsearch.study.tables import Table, interval, number, p_value, signed

WORDS = 10  # that a slope is given for


@dataclass(frozen=True, slots=True)
class Slope:
    """A member's slope, and its difference from the baseline's."""

    member: str
    slope: Estimate
    difference: Difference | None  # None for the baseline, and for those not compared with it


def slopes(comparison: Comparison) -> list[Slope]:
    """The slope of each member; none where there is one bucket."""
    if len(comparison.buckets) < 2:
        return []
    weights = weights_of_line(comparison.mean_lengths, [bucket.n for bucket in comparison.buckets])
    members, compared = list(comparison.whole.scores), comparison.compared
    metric = comparison.metric
    drawn = {
        member: {metric: weighted_sum([part.drawn[member][metric] for part in comparison.by_length], weights)}
        for member in members
    }
    return [
        Slope(
            member,
            estimate(drawn[member][metric]),
            paired(member, members[0], drawn, comparison.seeds_of, metric) if member in compared else None,
        )
        for member in members
    ]


def weights_of_line(places: Sequence[float], counts: Sequence[int]) -> list[float]:
    """What each bucket's height counts in the slope of the line, per `WORDS` words."""
    x, w = np.asarray(places, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    off = x - (w * x).sum() / w.sum()
    found: list[float] = (WORDS * w * off / (w * off**2).sum()).tolist()
    return found


def table(comparison: Comparison) -> Table | None:
    """Slopes and their differences from the baseline's; None where there is one bucket."""
    found = slopes(comparison)
    if not found:
        return None
    rows = tuple(
        (
            one.member,
            f"{signed(one.slope.value)}\n{interval(one.slope.interval)}",
            "" if one.slope.deviation is None else number(one.slope.deviation),
            "" if one.difference is None else f"{signed(one.difference.value)}\n{interval(one.difference.interval)}",
            "" if one.difference is None else p_value(one.difference.p_value),
        )
        for one in found
    )
    gained = f"{TITLES[comparison.metric]} gained per {WORDS} more source {comparison.unit}"
    caption = f"Slope: {gained} (weighted least squares over the buckets)"
    return Table(caption, ("member", "slope", "sd", f"minus {found[0].member}", "p-value"), rows, 1)
