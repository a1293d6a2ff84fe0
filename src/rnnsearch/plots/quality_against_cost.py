"""Quality against cost with the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from rnnsearch.plots.label_placement import place_labels
from rnnsearch.plots.style import COLOURS, STYLE, panel

LABELLED = 20  # up to so many points are all labelled; of more, those on the front and the first
LIGHT = 0.38  # opacity of dominated points
DECADE = 8.0  # ratio of the largest to the smallest cost from which on the axis is logarithmic


@dataclass(frozen=True, slots=True)
class Point:
    """A member: what it costs and how good it is."""

    label: str
    cost: float
    quality: float
    deviation: float | None
    values: tuple[float, ...]  # of its seeds
    on_front: bool


def quality_against_cost(points: Sequence[Point], *, cost: str, quality: str, higher: bool = True) -> Figure:
    """Members as points with spread, the Pareto front as a line; the dominated ones lighter."""
    with mpl.rc_context(STYLE):
        figure, axes = panel(6.6, 4.6)
        for place, point in enumerate(points):
            _draw(axes, point, first=place == 0)
        front = sorted((point for point in points if point.on_front), key=lambda point: (point.cost, point.quality))
        axes.plot([p.cost for p in front], [p.quality for p in front], color=COLOURS[1], linewidth=1.3, zorder=2)
        _cost_axis(axes, [point.cost for point in points])
        axes.margins(y=0.14)
        axes.set_xlabel(cost)
        axes.set_ylabel(quality)
        better = "↖ better and cheaper" if higher else "↙ better and cheaper"
        axes.set_title(better, loc="left", fontsize=8.5, color="#57606A")
        chosen = [p for n, p in enumerate(points) if len(points) <= LABELLED or p.on_front or n == 0]
        bars = [((p.cost, p.quality - (p.deviation or 0)), (p.cost, p.quality + (p.deviation or 0))) for p in points]
        steps = pairwise((p.cost, p.quality) for p in front)
        place_labels(axes, [(p.cost, p.quality, p.label) for p in chosen], marks=bars, lines=list(steps))
        return figure


def _draw(axes: Axes, point: Point, *, first: bool) -> None:
    colour = COLOURS[1] if point.on_front else "#57606A"
    opacity = 1.0 if point.on_front else LIGHT
    if point.deviation:
        axes.errorbar(
            point.cost, point.quality, yerr=point.deviation, color=colour, alpha=opacity, linewidth=1.4, capsize=2.5
        )
    if len(point.values) > 1:
        axes.plot([point.cost] * len(point.values), point.values, ".", color=colour, alpha=opacity * 0.7, markersize=3)
    shape, face = ("s", "white") if first else ("o", colour)
    axes.plot(
        point.cost, point.quality, shape, color=colour, markerfacecolor=face, alpha=opacity, markersize=6.5, zorder=3
    )


def _cost_axis(axes: Axes, costs: Sequence[float]) -> None:
    low, high = min(costs), max(costs)
    if low > 0 and high / low >= DECADE:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.35, high * 1.35)
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        room = max(0.14 * (high - low), 0.1 * high) or 1.0  # equal costs are not blown up to look different
        axes.set_xlim(max(0.0, low - room), high + room)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
