"""How far several changes move a system from where it stands: a panel a measure, a row a change."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

from rnnsearch.plots.style import COLOURS, INK, STYLE, plain

WIDTH = 3.6  # of a panel, inches


@dataclass(frozen=True, slots=True)
class Shift:
    """A change, the difference that it makes, and the ends of the difference's interval."""

    name: str
    difference: float
    low: float
    high: float


def shifts(panels: Sequence[tuple[str, float, Sequence[Shift]]]) -> Figure:
    """A panel for each measure: its title, its value without a change, and the changes; a dashed line is no change."""
    names = list(dict.fromkeys(shift.name for _, _, of_panel in panels for shift in of_panel))
    with mpl.rc_context(STYLE):
        size = (WIDTH * len(panels) + 1.0, 1.1 + 0.32 * len(names))
        figure = Figure(figsize=size, layout="constrained")
        columns = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, value, of_panel) in zip(columns, panels, strict=True):
            axes.axvline(0.0, color=INK, linewidth=1.0, linestyle="--", zorder=1)
            for shift in of_panel:
                row = names.index(shift.name)
                axes.hlines(row, shift.low, shift.high, color=COLOURS[1], linewidth=2.2)
                axes.plot(shift.difference, row, "o", color=COLOURS[1], markersize=6.5)
            axes.set_xlabel(f"{title}: difference from {value:.2f}")
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
        columns[0].set_yticks(range(len(names)), [plain(name) for name in names])
        columns[0].set_ylim(len(names) - 0.4, -0.6)
        return figure
