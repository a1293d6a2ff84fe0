"""Labels of points in a figure, placed so that none covers another, a point, its bar or a line."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from rnnsearch.plots import fonts
from rnnsearch.plots.style import INK, plain

Pixels = NDArray[np.float64]  # a place [2], or corners of boxes [N, 4]
Place = tuple[float, float]  # in the units of the axes
WAYS = tuple(way for way in product((1, -1, 0), (0, 1, -1)) if way != (0, 0))  # right of the point first
RINGS, FIRST, STEP = 7, 8.0, 13.0  # distances that are tried, pixels
MARK, LINE = 5.0, 2.0  # half the width of a point with its bar, and of a line


def place_labels(
    axes: Axes,
    labels: Sequence[tuple[float, float, str]],
    *,
    marks: Sequence[tuple[Place, Place]],
    lines: Sequence[tuple[Place, Place]],
) -> list[Bbox]:
    """Writes each label near its point, with a thin line to the point if it is not beside it.

    Places around the point are tried, the nearest first; if none is free, the one that covers least wins.

    Args:
        labels: x, y, text.
        marks: lower and upper end of each point's bar; both are the point if it has no bar.
        lines: pieces of straight lines.
    Returns: the labels' boxes in pixels, in the order of placement: from the top.
    """
    figure: Any = axes.figure
    canvas: Any = FigureCanvasAgg(figure)
    fonts.fit(figure)
    canvas.draw()  # settles the layout, so that pixels can be counted
    figure.set_layout_engine("none")
    taken = [_round_mark(axes, *mark).extents for mark in marks]
    taken += [box.extents for line in lines for box in _along(axes, *line)]
    boxes: list[Bbox] = []
    for x, y, text in sorted(labels, key=lambda label: (-label[1], label[0], label[2])):
        halo = [withStroke(linewidth=2.2, foreground="white")]
        written = axes.annotate(plain(text), (x, y), fontsize=8, color=INK, va="bottom", zorder=4, path_effects=halo)
        fonts.fit(figure)
        size = written.get_window_extent(canvas.get_renderer())
        centre = axes.transData.transform((x, y))
        box, ring = _best_place(
            centre, size.width, size.height, np.array(taken).reshape(-1, 4), axes.get_window_extent()
        )
        left, bottom = axes.transData.inverted().transform((box.x0, box.y0))
        written.set_position((float(left), float(bottom)))
        if ring > 0:
            _lead(axes, centre, box)
        taken.append(box.extents)
        boxes.append(box)
    return boxes


def _round_mark(axes: Axes, low: Place, high: Place) -> Bbox:
    ends = axes.transData.transform(np.array([low, high]))
    return Bbox([ends.min(axis=0) - MARK, ends.max(axis=0) + MARK])


def _along(axes: Axes, start: Place, end: Place) -> list[Bbox]:
    """Small boxes that cover a line."""
    ends = axes.transData.transform(np.array([start, end]))
    count = int(np.ceil(np.linalg.norm(ends[1] - ends[0]) / (2 * LINE))) + 1
    return [Bbox([place - LINE, place + LINE]) for place in np.linspace(ends[0], ends[1], count)]


def _best_place(centre: Pixels, width: float, height: float, taken_N4: Pixels, frame: Bbox) -> tuple[Bbox, int]:
    """The box around the point that covers least, and the number of its ring; 0 is beside the point."""
    best: tuple[float, int, Bbox] | None = None
    for ring, (dx, dy) in product(range(RINGS), WAYS):
        away = FIRST + STEP * ring
        x = centre[0] + dx * away - (0 if dx > 0 else width if dx < 0 else width / 2)
        y = centre[1] + dy * away - (0 if dy > 0 else height if dy < 0 else height / 2)
        box = Bbox.from_bounds(x, y, width, height)
        outside = width * height - _shared(box, np.array([frame.extents]))
        covered = 3 * outside + _shared(box, taken_N4)
        if best is None or covered < best[0] - 1.0:  # a farther place must be better
            best = (covered, ring, box)
    assert best is not None
    return best[2], best[1]


def _shared(box: Bbox, others_N4: Pixels) -> float:
    """What a box shares with others, each left, bottom, right and top: summed areas."""
    sides_N2 = np.minimum(box.max, others_N4[:, 2:]) - np.maximum(box.min, others_N4[:, :2])
    return float(sides_N2.clip(min=0.0).prod(axis=1).sum())


def _lead(axes: Axes, centre: Pixels, box: Bbox) -> None:
    """A thin line from the point to the nearest edge of its label."""
    end = (min(max(centre[0], box.x0), box.x1), min(max(centre[1], box.y0), box.y1))
    xs, ys = zip(*axes.transData.inverted().transform(np.array([centre, end])), strict=True)
    axes.plot(xs, ys, color="#8A939C", linewidth=0.6, zorder=1, scalex=False, scaley=False)
