"""Validation curves out of the records."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from rnnsearch.study.folder import Run

EQUAL = 0.01  # tokens an update that differ by less are the same: what is left is the last batch


@dataclass(frozen=True, slots=True)
class Curve:
    """One run's validation curve."""

    member: str
    seed: int
    updates: tuple[float, ...]
    values: tuple[float, ...]
    tokens: tuple[float, ...] = ()  # seen at those updates; empty where a record lacks them
    finished: bool = True

    def at(self, axis: str) -> tuple[float, ...]:
        """Its places on an axis: updates or tokens."""
        return self.tokens if axis == "tokens" else self.updates


def curves_of(runs: Sequence[Run], *, key: str) -> list[Curve]:
    """Validation curves of one quantity out of run records, without the points that lack it."""
    found = []
    for run in runs:
        record = run.record
        points = record.get("results", {}).get("curves", {}).get("validation", [])
        points = [point for point in points if point.get(key) is not None and math.isfinite(point[key])]
        if points:
            tokens = tuple(point["tokens_seen"] for point in points if point.get("tokens_seen") is not None)
            found.append(
                Curve(
                    run.member,
                    run.seed,
                    tuple(point["update"] for point in points),
                    tuple(point[key] for point in points),
                    tokens if len(tokens) == len(points) else (),
                    run.status == "finished",
                )
            )
    return found


def tokens_differ(curves: Sequence[Curve]) -> bool:
    """Whether an update sees more tokens in one member than in another, so that the two axes tell different things."""
    finished = [curve for curve in curves if curve.finished] or list(curves)
    rates: dict[str, list[float]] = {}
    for curve in finished:
        if curve.tokens and curve.updates[-1]:
            rates.setdefault(curve.member, []).append(curve.tokens[-1] / curve.updates[-1])
    means = [fmean(of_member) for of_member in rates.values()]
    return bool(means) and max(means) > min(means) * (1 + EQUAL)


def mean_curve(curves: Sequence[Curve], axis: str = "updates") -> tuple[list[float], list[float]]:
    """Mean over finished runs (over all where none is) at the updates that all of them have: places and values."""
    places, values = shared_points(curves, axis)
    return places.mean(axis=0).tolist(), values.mean(axis=0).tolist()


def range_curve(curves: Sequence[Curve], axis: str = "updates") -> tuple[list[float], list[float], list[float]]:
    """As `mean_curve`, with the lowest and the highest value instead of the mean."""
    places, values = shared_points(curves, axis)
    return places.mean(axis=0).tolist(), values.min(axis=0).tolist(), values.max(axis=0).tolist()


def shared_points(curves: Sequence[Curve], axis: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places on the axis and values at the updates that all runs have, each [runs, updates]."""
    counted = [curve for curve in curves if curve.finished] or list(curves)
    shared = sorted(set.intersection(*(set(curve.updates) for curve in counted)))
    rows = [[curve.updates.index(update) for update in shared] for curve in counted]
    places = [[curve.at(axis)[row] for row in of_run] for curve, of_run in zip(counted, rows, strict=True)]
    values = [[curve.values[row] for row in of_run] for curve, of_run in zip(counted, rows, strict=True)]
    return np.asarray(places, dtype=np.float64), np.asarray(values, dtype=np.float64)
