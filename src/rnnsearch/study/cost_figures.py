"""Quality against cost, and the placing of labels so that none covers another or a point."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import Bbox

from rnnsearch.study.figures import COLOURS, INK, STYLE, panel, plain

LABELLED = 20  # points that are all labelled; of more, those on the front and the first
LIGHT = 0.38  # opacity of what is dominated
DECADE = 8.0  # ratio of the largest to the smallest cost from which the axis is logarithmic


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
        place_labels(axes, [(p.cost, p.quality) for p in points], [(p.cost, p.quality, p.label) for p in chosen])
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
        room = max(0.14 * (high - low), 0.1 * high)  # equal costs are not blown up to look different
        axes.set_xlim(max(0.0, low - room), high + room)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))


def place_labels(
    axes: Axes, points: Sequence[tuple[float, float]], labels: Sequence[tuple[float, float, str]]
) -> list[Bbox]:
    """Writes each label near its point where it covers no point and no other label, with a line where it is far.

    Tries places round the point, the nearest first; where all are taken, takes that which covers least. Returns the
    labels' boxes in pixels.
    """
    figure = axes.figure
    canvas: Any = FigureCanvasAgg(figure)  # type: ignore[arg-type]
    canvas.draw()  # settles the layout, so that pixels can be counted
    figure.set_layout_engine("none")  # type: ignore[union-attr]
    frame = axes.get_window_extent()
    marks = [axes.transData.transform(point) for point in points]
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in marks]
    boxes: list[Bbox] = []
    for cost, quality, text in sorted(labels, key=lambda label: (-label[1], label[0], label[2])):
        written = axes.annotate(plain(text), (cost, quality), fontsize=8, color=INK, va="bottom", zorder=4)
        size = written.get_window_extent(canvas.get_renderer())
        centre = axes.transData.transform((cost, quality))
        box, distance = _best_place(centre, size.width, size.height, taken, frame)
        x, y = axes.transData.inverted().transform((box.x0, box.y0))
        written.set_position((float(x), float(y)))
        if distance > 0:
            _lead(axes, centre, box)
        taken.append(box)
        boxes.append(box)
    return boxes


def _best_place(
    centre: np.ndarray, width: float, height: float, taken: Sequence[Bbox], frame: Bbox
) -> tuple[Bbox, int]:
    """The box round the point that covers least, and the number of its ring; 0 is beside the point."""
    best: tuple[float, int, Bbox] | None = None
    for ring, (dx, dy) in product(range(6), ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))):
        away = 8 + 15 * ring
        x = centre[0] + dx * away - (0 if dx > 0 else width if dx < 0 else width / 2)
        y = centre[1] + dy * away - (0 if dy > 0 else height if dy < 0 else height / 2)
        box = Bbox.from_bounds(x, y, width, height)
        inside = Bbox.intersection(box, frame)
        outside = width * height - (inside.width * inside.height if inside else 0.0)
        covered = sum((both.width * both.height if (both := Bbox.intersection(box, other)) else 0.0) for other in taken)
        if best is None or 3 * outside + covered < best[0] - 1.0:
            best = (3 * outside + covered, ring, box)
    assert best is not None
    return best[2], best[1]


def _lead(axes: Axes, centre: np.ndarray, box: Bbox) -> None:
    """A thin line from the point to the nearest edge of its label."""
    end = (min(max(centre[0], box.x0), box.x1), min(max(centre[1], box.y0), box.y1))
    xs, ys = zip(*axes.transData.inverted().transform(np.array([centre, end])), strict=True)
    axes.plot(xs, ys, color="#8A939C", linewidth=0.6, zorder=1, scalex=False, scaley=False)
