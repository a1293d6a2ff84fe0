"""Quality against cost: parameters, training time and tokens, with the Pareto front."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from rnnsearch.plots.quality_against_cost import Point, quality_against_cost
from rnnsearch.records.run_record import Record
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import Measure, primary, score, short_labels

EQUAL = 0.01  # smaller differences in cost count as none: they are noise of the clock or of the last batch


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost of a run: its name, its axis and how to read it from a record."""

    name: str
    axis: str
    of: Callable[[Record], float | None]
    scale: float = 1.0  # of the axis


COSTS = (
    Cost("parameters", "parameters, millions", lambda record: record.parameters, 1e-6),
    Cost("time", "training time, minutes", lambda record: record.trained_seconds, 1 / 60),
    Cost("tokens", "target tokens seen, millions", lambda record: record.tokens_seen, 1e-6),
)


def section(study: Study) -> Section:
    """A figure for each cost that varies; empty if the study measures speed, which is itself a cost."""
    measure = primary(study)
    pictures, notes = [], []
    for cost in COSTS if measure.split != "training" else ():
        points = points_of(study, measure, cost)
        if not varies([point.cost for point in points]):
            continue
        caption = f"{measure.title[0].upper()}{measure.title[1:]} against {cost.axis.split(',')[0]}."
        draw = partial(quality_against_cost, points, cost=cost.axis, quality=measure.title, higher=measure.higher)
        pictures.append(Picture(f"quality_{cost.name}", caption, draw))
    if pictures:
        notes.append(
            "A point is a member's mean over its seeds, the bar their standard deviation, the dots the seeds. On the "
            "line are the members that none beats at the same or a lower cost (the Pareto front); the others are "
            "lighter. Means that lie within each other's bars are not told apart. Time is comparable only where the "
            "runs had the same machine to themselves."
        )
    return Section("Quality against cost", pictures=tuple(pictures), notes=tuple(notes))


def points_of(study: Study, measure: Measure, cost: Cost) -> list[Point]:
    """The members that have both numbers, on the front or not."""
    labels, entries = short_labels(study.members), []
    for member in study.members:
        pairs = [
            (paid * cost.scale, value)
            for run in study.runs
            if run.member == member
            and (value := measure.of(run)) is not None
            and (paid := cost.of(run.record)) is not None
        ]
        if pairs:
            entries.append((labels[member], fmean(paid for paid, _ in pairs), score([value for _, value in pairs])))
    front = pareto_front(
        as_one([paid for _, paid, _ in entries]), [measure.better(quality.mean) for _, _, quality in entries]
    )
    return [
        Point(label, paid, quality.mean, quality.deviation, quality.values, on_front=place in front)
        for place, (label, paid, quality) in enumerate(entries)
    ]


def pareto_front(costs: Sequence[float], qualities: Sequence[float]) -> list[int]:
    """Places of the points that no other dominates, the cheapest first.

    A point dominates another if it costs no more, is no worse, and is cheaper or better.
    """
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -qualities[place], place))
    front: list[int] = []
    for place in order:
        best = front[-1] if front else None
        equal = best is not None and (costs[place], qualities[place]) == (costs[best], qualities[best])
        if best is None or equal or qualities[place] > qualities[best]:
            front.append(place)
    return front


def varies(costs: Sequence[float]) -> bool:
    """Whether they differ by more than noise."""
    return bool(costs) and (max(costs) > min(costs) * (1 + EQUAL) if min(costs) > 0 else max(costs) > min(costs))


def as_one(costs: Sequence[float]) -> list[float]:
    """The costs, all replaced by their mean if they differ only by noise."""
    return list(costs) if not costs or varies(costs) else [fmean(costs)] * len(costs)
