"""Validation curves from the records."""

import math
from collections.abc import Sequence
from statistics import fmean

from rnnsearch.plots.learning_curves import Curve
from rnnsearch.study.folder import Run

EQUAL = 0.01  # smaller differences in tokens per update count as none: the last batch causes them


def curves_of(runs: Sequence[Run], *, key: str) -> list[Curve]:
    """Validation curves of one quantity, from run records, without the points that lack it."""
    curves = []
    for run in runs:
        record = run.record
        points = record.results.curves.validation
        points = [point for point in points if point.get(key) is not None and math.isfinite(point[key])]
        if points:
            tokens = tuple(point["tokens_seen"] for point in points if point.get("tokens_seen") is not None)
            curves.append(
                Curve(
                    run.member,
                    run.seed,
                    tuple(point["update"] for point in points),
                    tuple(point[key] for point in points),
                    tokens if len(tokens) == len(points) else (),
                    run.status == "finished",
                )
            )
    return curves


def tokens_differ(curves: Sequence[Curve]) -> bool:
    """Whether an update sees more tokens in one member than in another, so that the two axes show different things."""
    finished = [curve for curve in curves if curve.finished] or list(curves)
    rates: dict[str, list[float]] = {}
    for curve in finished:
        if curve.tokens and curve.updates[-1]:
            rates.setdefault(curve.member, []).append(curve.tokens[-1] / curve.updates[-1])
    means = [fmean(of_member) for of_member in rates.values()]
    return bool(means) and max(means) > min(means) * (1 + EQUAL)
