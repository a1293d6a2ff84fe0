"""Every member's score with its interval and its seeds: the answer at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

from rnnsearch.plots.style import COLOURS, INK, STYLE, panel, plain


@dataclass(frozen=True, slots=True)
class Bar:
    """A member's score, the ends of its interval, and the score of each seed."""

    member: str
    score: float
    low: float
    high: float
    seeds: tuple[float, ...]


def scores(bars: Sequence[Bar], *, quantity: str) -> Figure:
    """A row a member, the best on top; a line through all rows marks the first member's score."""
    ordered = sorted(bars, key=lambda bar: -bar.score)
    with mpl.rc_context(STYLE):
        names = [plain(bar.member) for bar in reversed(ordered)]
        lines = max(name.count("\n") + 1 for name in names)
        figure, axes = panel(6.6, 1.0 + (0.13 + 0.17 * lines) * len(bars))
        axes.axvline(bars[0].score, color=COLOURS[0], linewidth=1.0, linestyle="--", zorder=1)
        for row, bar in enumerate(reversed(ordered)):
            colour = COLOURS[0] if bar is bars[0] else COLOURS[1]
            axes.hlines(row, bar.low, bar.high, color=colour, linewidth=2.2)
            axes.plot(bar.score, row, "s" if bar is bars[0] else "o", color=colour, markersize=6.5)
            if len(bar.seeds) > 1:
                axes.plot(bar.seeds, [row] * len(bar.seeds), "|", color=INK, markersize=9, markeredgewidth=0.9)
            axes.annotate(
                f"{bar.score:.2f}", (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=INK
            )
        axes.set_yticks(range(len(bars)), names)
        axes.set_ylim(-0.6, len(bars) - 0.4)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(quantity)
        return figure
