"""The report's section on amounts of data: quality against the number of training pairs, and where lines cross."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.significance import Interval
from rnnsearch.plots.amount_curves import FEW, AmountCurve, amount_curves
from rnnsearch.records.metrics import TITLES
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.crossings import Crossing, crossings
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import Measure, settings
from rnnsearch.study.spread import over
from rnnsearch.study.statistics import Comparison
from rnnsearch.study.tables import Table, interval, number

KEYS = ("filters.first", "data.train_pairs")


@dataclass(frozen=True, slots=True)
class Line:
    """The members that differ in nothing but the number of training pairs, by that, rising."""

    label: str
    members: Mapping[int, str]


def section(study: Study, comparison: Comparison) -> Section:
    """A figure with a line for whatever else varies, its crossings in words, and a table; empty for one amount."""
    lines = lines_of(study, comparison)
    if not lines:
        return Section("Amount of data")
    name = TITLES[comparison.metric]
    curves = [_curve(line, comparison) for line in lines]
    told = [_told(pair, study, comparison) for pair in combinations(lines[:FEW], 2)]
    caption = (
        f"Test {name} against the number of training pairs, on a logarithmic axis; bands are 95 % intervals over "
        f"{over(comparison)}."
    )
    caption += " Dotted: where lines cross." if any(at for _, at in told) else ""
    caption += f" Shown are the first {FEW} of {len(lines)} lines." if len(lines) > FEW else ""
    at = tuple(crossing.at for _, of_pair in told for crossing in of_pair)
    draw = partial(amount_curves, curves[:FEW], quantity=f"test {name}", crossings=at)
    return Section(
        "Amount of data",
        text=tuple(sentence for sentence, _ in told if sentence),
        tables=(_table(curves, name),),
        pictures=(Picture("amount_of_data", caption, draw),),
    )


def lines_of(study: Study, comparison: Comparison) -> list[Line]:
    """A line for each of the other settings, where two or more amounts were tried with them."""
    members: dict[str, dict[int, str]] = defaultdict(dict)
    for member, values in settings(study).items():
        pairs = _pairs(study, member, values.get(KEYS[0]))
        if not values.keys().isdisjoint(KEYS) and pairs is not None and member in comparison.whole.scores:
            rest = ", ".join(str(value) for key, value in values.items() if key not in KEYS)
            members[rest or "all"][pairs] = member
    return [Line(rest, dict(sorted(of.items()))) for rest, of in members.items() if len(of) > 1]


def _pairs(study: Study, member: str, asked: object) -> int | None:
    """What the member was trained on, as its runs counted it; of streamed pairs, as many as were asked for."""
    counted = {run.record.data.pairs.get("train") for run in study.compared(member)} - {None}
    return counted.pop() if len(counted) == 1 else asked if isinstance(asked, int) else None


def _curve(line: Line, comparison: Comparison) -> AmountCurve:
    estimates = [comparison.whole.scores[member][comparison.metric] for member in line.members.values()]
    return AmountCurve(
        label=line.label,
        pairs=tuple(line.members),
        scores=tuple(estimate.value for estimate in estimates),
        low=tuple(estimate.interval.low for estimate in estimates),
        high=tuple(estimate.interval.high for estimate in estimates),
    )


def _told(pair: tuple[Line, Line], study: Study, comparison: Comparison) -> tuple[str, list[Crossing]]:
    """Where two lines cross, in words; nothing for those that share no two amounts and a seed.

    Amounts at which the better of them has not learnt to translate are left out, as in all comparisons.
    """
    labels, metric = (pair[0].label, pair[1].label), comparison.metric
    shared = [pairs for pairs in pair[0].members if pairs in pair[1].members]
    values = [_values(study, line, shared, metric) for line in pair]
    seeds = [seed for seed in study.seeds if all(seed in of_point for of_line in values for of_point in of_line)]
    if len(shared) < 2 or not seeds:
        return "", []
    scores_2PN = np.array([[[of_point[seed] for seed in seeds] for of_point in of_line] for of_line in values])
    tells_P = scores_2PN.mean(2).max(0) >= comparison.weak
    weak = (
        ""
        if tells_P.all()
        else f" Amounts at which both have under {comparison.weak:.0f} {TITLES[metric]} are left out."
    )
    if tells_P.sum() < 2:
        return f"{labels[0]} and {labels[1]} are not compared.{weak}", []
    amounts, (first, second) = np.array(shared)[tells_P].tolist(), scores_2PN[:, tells_P]
    found = crossings(amounts, first, second)
    if not found:
        return _apart(labels, amounts, first.mean(1) - second.mean(1)) + weak, []
    return " ".join(_sentence(labels, crossing, len(seeds)) for crossing in found) + weak, found


def _values(study: Study, line: Line, amounts: Sequence[int], metric: str) -> list[dict[int, float]]:
    """At each amount the score of each seed."""
    measure = Measure(metric, "test")
    return [
        {run.seed: value for run in study.compared(line.members[pairs]) if (value := measure.of(run)) is not None}
        for pairs in amounts
    ]


def _apart(labels: tuple[str, str], amounts: Sequence[int], gaps: Floats) -> str:
    if not gaps.any():
        return f"{labels[0]} and {labels[1]} are equal at every amount."
    above, below = labels if gaps.sum() > 0 else labels[::-1]
    return (
        f"{above} and {below} do not cross in this range: {above} is ahead, or level, from {amounts[0]:,} to "
        f"{amounts[-1]:,} training pairs."
    )


def _sentence(labels: tuple[str, str], crossing: Crossing, seeds: int) -> str:
    above, below = labels if crossing.rises else labels[::-1]
    said = f"{above} overtakes {below} at about {_about(crossing.at)} training pairs"
    if seeds == 1:
        return f"{said} (by one seed, so without an interval)."
    if crossing.low is None or crossing.high is None:
        return f"{said}; over {seeds} seeds the place is not determined: other draws cross elsewhere, or not at all."
    some = f"; {crossing.share:.0%} of the resamples cross so once" if crossing.share < 1 else ""
    return f"{said} (95 % interval over {seeds} seeds: {_about(crossing.low)} to {_about(crossing.high)}{some})."


def _about(pairs: float) -> str:
    """Two significant digits."""
    return f"{float(f'{pairs:.2g}'):,.0f}"


def _table(curves: Sequence[AmountCurve], name: str) -> Table:
    rows = tuple(
        (curve.label, f"{pairs:,}", number(score), interval(Interval(low, high)))
        for curve in curves
        for pairs, score, low, high in zip(curve.pairs, curve.scores, curve.low, curve.high, strict=True)
    )
    return Table(f"Test {name} by training pairs", ("", "training pairs", name, "95 % interval"), rows)
