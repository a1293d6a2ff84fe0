"""How much a model loses with length: the primary score per ten source words, as one number with an interval.

The slope is that of the weighted least-squares line through the length buckets: a bucket's place is the mean length of
its sentences, its weight their number, its height the score. As a fixed linear combination of these heights it is
computed anew for each resample of their sentences. The slope is also given as a share of the mean height, for a model
cannot lose more than it has: one at 3 BLEU falls by next to nothing, and is at the floor.

Sentences longer than those trained on are left out: what a model does beyond them is another question.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnsearch.evaluation.significance import Difference, Estimate, Resampled, estimate, weighted_sum
from rnnsearch.records.metrics import TITLES
from rnnsearch.study.plan import Pair
from rnnsearch.study.statistics import Comparison, paired
from rnnsearch.study.tables import NOTHING, Table, interval, number, signed

WORDS = 10  # that a slope is given for
ABSOLUTE, RELATIVE = "slope", "relative"


@dataclass(frozen=True, slots=True)
class Slope:
    """A member's slope, and the same in percent of its mean score.

    Attributes:
        shortest: its score on the shortest sentences.
        at_floor: whether that score is too low for a comparison, so that there is nothing to lose.
    """

    slope: Estimate
    relative: Estimate
    shortest: float
    at_floor: bool


@dataclass(frozen=True, slots=True)
class Slopes:
    """Of all members, and the differences of the pairs that are compared."""

    members: dict[str, Slope]
    pairs: dict[Pair, dict[str, Difference]]


def slopes(comparison: Comparison) -> Slopes | None:
    """Slopes over the trained lengths; None if those are one bucket. All differences, of both kinds, hold together."""
    if len(comparison.trained) < 2:
        return None
    places = [bucket.mean for bucket in comparison.trained]
    counts = [bucket.part.sentences for bucket in comparison.trained]
    line, level = weights_of_line(places, counts), [count / sum(counts) for count in counts]
    drawn: dict[str, dict[str, Resampled]] = {}
    for member in comparison.whole.scores:
        heights = [bucket.part.drawn[member][comparison.metric] for bucket in comparison.trained]
        slope, mean = weighted_sum(heights, line), weighted_sum(heights, level)
        drawn[member] = {ABSOLUTE: slope, RELATIVE: _percent(slope, mean)}
    times = 2 * len(comparison.pairs)
    return Slopes(
        {member: _slope(comparison, member, of_member) for member, of_member in drawn.items()},
        {
            pair: {
                way: gap
                for way in (ABSOLUTE, RELATIVE)
                if (gap := paired(pair, drawn, comparison.seeds_of, way, together=times))
            }
            for pair in comparison.compared
        },
    )


def _slope(comparison: Comparison, member: str, drawn: dict[str, Resampled]) -> Slope:
    shortest = comparison.trained[0].part.scores[member][comparison.metric].value
    return Slope(estimate(drawn[ABSOLUTE]), estimate(drawn[RELATIVE]), shortest, shortest < comparison.weak)


def _percent(part: Resampled, whole: Resampled) -> Resampled:
    """A ratio of scores and of draws, in percent; NaN for a model that scores 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return Resampled(100 * part.score_S / whole.score_S, 100 * part.draws_RS / whole.draws_RS)


def weights_of_line(places: Sequence[float], counts: Sequence[int]) -> list[float]:
    """The weight of each bucket's height in the slope of the line, per `WORDS` words."""
    x, w = np.asarray(places, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    off = x - (w * x).sum() / w.sum()
    weights: list[float] = (WORDS * w * off / (w * off**2).sum()).tolist()
    return weights


def table(comparison: Comparison, *, longest: int | None) -> Table | None:
    """Slopes of the members and differences of the pairs; None if the trained lengths are one bucket.

    longest: the longest length trained on; None if that isn't known.
    """
    fitted = slopes(comparison)
    if fitted is None:
        return None
    name, unit = TITLES[comparison.metric], comparison.unit
    rows: list[tuple[str, ...]] = [
        (member, _cell(slope.slope), _cell(slope.relative), _floor(slope, name))
        for member, slope in fitted.members.items()
    ]
    for (system, baseline), ways in fitted.pairs.items():
        low = " and ".join(member for member in (system, baseline) if fitted.members[member].at_floor)
        cells = (_cell(ways[way]) for way in (ABSOLUTE, RELATIVE))
        rows.append((f"{system} − {baseline}", *cells, f"{low} at the floor" if low else ""))
    trained = f", sentences of at most {longest} {unit}, the longest trained on" if longest is not None else ""
    caption = f"Slope: {name} gained per {WORDS} more source {unit} (weighted least squares over the buckets{trained})"
    return Table(caption, ("", "slope", "in % of the mean", f"{name} at the shortest"), tuple(rows), 1)


def _cell(slope: Estimate) -> str:
    if not np.isfinite(slope.value):
        return NOTHING
    return f"{signed(slope.value)}\n{interval(slope.interval)}"


def _floor(slope: Slope, name: str) -> str:
    return number(slope.shortest) + (f"\nat the floor: with so little {name} it can't fall" if slope.at_floor else "")
