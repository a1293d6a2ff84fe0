"""Figures of sweeps and searches: parallel coordinates, importance, history, heat maps of grids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rnnsearch.study.figures import COLOURS, INK, STYLE, panel, plain
from rnnsearch.study.panels import GREY
from rnnsearch.study.trials import MISSING, Axis, Trial

MAP = "viridis"
LARGE = 1000.0  # numbers that are written without decimals
CELL, ROW = 14, 24  # letters of a label under a column and beside a row of a heat map


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a grid: mean over n runs, and their standard deviation where there are several."""

    mean: float
    deviation: float | None
    n: int


def parallel_coordinates(
    trials: Sequence[Trial], axes_of: Sequence[Axis], *, names: Mapping[str, str], measure: str, higher: bool = True
) -> Figure:
    """A line a trial through its settings to its value, coloured by the value; grey where it did not finish."""
    done = [trial for trial in trials if trial.done]
    values = [trial.known for trial in done]
    low, high = min(values), max(values)
    scale = Normalize(low, high if high > low else low + 1)
    with mpl.rc_context(STYLE):
        rows = max(len(axis.ticks()) for axis in axes_of)
        figure, axes = panel(max(6.0, 1.7 * (len(axes_of) + 1)), max(4.3, 0.9 + 0.17 * rows))
        colours = mpl.colormaps[MAP if higher else f"{MAP}_r"]
        for trial in trials:
            if not trial.done:
                places = [axis.place(trial.settings.get(axis.key)) for axis in axes_of]
                axes.plot(range(len(places)), places, color=GREY, linewidth=0.9, linestyle=":", zorder=1)
        for trial in sorted(done, key=lambda trial: trial.known if higher else -trial.known):  # best on top
            places = [axis.place(trial.settings.get(axis.key)) for axis in axes_of]
            colour = colours(scale(trial.known))
            axes.plot(range(len(places) + 1), [*places, float(scale(trial.known))], color=colour, linewidth=1.8)
        _parallel_frame(axes, axes_of, names, measure, trials, ticks=_value_ticks(low, high))
        return figure


def _parallel_frame(
    axes: Axes,
    axes_of: Sequence[Axis],
    names: Mapping[str, str],
    measure: str,
    trials: Sequence[Trial],
    *,
    ticks: Sequence[tuple[float, str]],
) -> None:
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_yticks([])
    titles = [names[axis.key] + (" (log scale)" if axis.log else "") for axis in axes_of]
    axes.set_xticks(range(len(axes_of) + 1), [plain(text, 18, 4) for text in [*titles, measure]])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.25, len(axes_of) + 0.35)
    axes.set_ylim(-0.22 if any(t.settings.get(a.key) is None for t in trials for a in axes_of) else -0.06, 1.06)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
    for column, marks in enumerate([*(axis.ticks() for axis in axes_of), ticks]):
        axes.vlines(column, 0, 1, color=INK, linewidth=1.0, zorder=3)
        missing = column < len(axes_of) and any(trial.settings.get(axes_of[column].key) is None for trial in trials)
        for place, text in [*marks, *([(MISSING, "–")] if missing else [])]:
            axes.plot([column], [place], marker="_", color=INK, markersize=6, zorder=3)
            axes.text(column + 0.05, place, plain(text, 20, 1), fontsize=8, va="center", zorder=4, bbox=box)


def _value_ticks(low: float, high: float) -> list[tuple[float, str]]:
    if high == low:
        return [(0.0, f"{low:.2f}")]
    steps = [float(step) for step in MaxNLocator(5).tick_values(low, high) if low <= step <= high]
    return [((step - low) / (high - low), f"{step:g}") for step in steps]


def importance_bars(shares: Mapping[str, float], *, names: Mapping[str, str], measure: str) -> Figure:
    """A bar for each setting with its share, the most important on top."""
    with mpl.rc_context(STYLE):
        figure, axes = panel(5.4, 0.9 + 0.34 * len(shares))
        places = range(len(shares), 0, -1)
        axes.barh(list(places), list(shares.values()), color=COLOURS[1], height=0.62)
        for place, share in zip(places, shares.values(), strict=True):
            axes.text(share + 0.01, place, f"{100 * share:.0f} %", va="center", fontsize=9)
        axes.set_yticks(list(places), [plain(names[key]) for key in shares])
        axes.set_xlim(0, max(shares.values()) * 1.15)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(f"share of the variance of {measure}")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        return figure


def history(trials: Sequence[Trial], *, measure: str, higher: bool = True) -> Figure:
    """Each trial's value in the order of the search, the best so far as a line, those that did not finish marked."""
    done = [trial for trial in trials if trial.done]
    with mpl.rc_context(STYLE):
        figure, axes = panel(6.4, 3.9)
        best = best_so_far([trial.known for trial in done], higher=higher)
        axes.step([t.number for t in done], best, where="post", color=COLOURS[0], linewidth=1.6, label="best so far")
        axes.plot([t.number for t in done], [t.known for t in done], "o", color=COLOURS[1], label="finished")
        for state, mark in (("pruned", "v"), ("failed", "x"), ("interrupted", "s"), ("running", "D")):
            stopped = [trial for trial in trials if trial.state == state]
            valued = [trial for trial in stopped if trial.value is not None]
            style: Any = {"color": "#57606A", "markerfacecolor": "none", "linewidth": 0, "marker": mark}
            axes.plot([t.number for t in valued], [t.known for t in valued], **style, label=state if valued else None)
            without = [trial.number for trial in stopped if trial.value is None]
            if without:
                text = f"{state}, no validation"
                axes.plot(without, [0.02] * len(without), **style, transform=axes.get_xaxis_transform(), label=text)
        axes.set_xlabel("trial")
        axes.set_ylabel(measure)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
        return figure


def best_so_far(values: Sequence[float], *, higher: bool) -> list[float]:
    """The best of the values up to each."""
    return [float(best) for best in (np.maximum if higher else np.minimum).accumulate(values)] if values else []


def heat_map(
    cells: Mapping[str, Mapping[tuple[int, int], Cell]],
    rows: tuple[str, Sequence[str]],
    columns: tuple[str, Sequence[str]],
    *,
    measure: str,
    higher: bool = True,
    marked: Sequence[tuple[str, int, int]] = (),
    across: int | None = None,
) -> Figure:
    """Mean, standard deviation and n in each cell of a grid; a panel for each value of what else was varied.

    Args:
        cells: panel's title -> (row, column) -> cell.
        rows: name and labels; columns too.
        marked: cells that are framed (panel, row, column), the first with a thick line.
        across: panels beside each other; all by default.
    """
    every = [cell for of_panel in cells.values() for cell in of_panel.values()]
    means, alone = [cell.mean for cell in every], all(cell.n == 1 for cell in every)
    scale = Normalize(min(means), max(means) if max(means) > min(means) else min(means) + 1)
    colours = mpl.colormaps[MAP if higher else f"{MAP}_r"]
    tall, broad, beside = len(rows[1]), len(columns[1]), min(across or len(cells), len(cells))
    below = -(-len(cells) // beside)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=_size(rows[1], broad * beside, tall * below, below), layout="constrained")
        panels = list(figure.subplots(below, beside, squeeze=False, sharex=below > 1, sharey=True).flat)
        for place, (axes, (title, of_panel)) in enumerate(zip(panels, cells.items(), strict=False)):
            frames = [(row, column, one == marked[0]) for one in marked for name, row, column in [one] if name == title]
            _heat_panel(axes, of_panel, (rows[1], columns[1]), (scale, colours), frames, alone=alone)
            axes.set_title(plain(title, CELL * broad, 3), fontsize=9.5)
            last = place + beside >= len(cells)
            axes.tick_params(labelbottom=last)
            axes.set_xlabel(plain(columns[0]) if last else "")
        for axes in panels[len(cells) :]:
            axes.set_visible(False)
        for axes in panels[::beside]:
            axes.set_ylabel(plain(rows[0]))
        figure.suptitle(measure if alone else f"mean {measure} ± sd", fontsize=9.5, x=0.02, ha="left")
        return figure


def _size(rows: Sequence[str], columns: int, cells: int, panels: int) -> tuple[float, float]:
    """Inches of a figure of so many columns beside each other, and cells and panels below each other."""
    margin = 0.085 * max(len(line) for text in rows for line in plain(text, ROW).split("\n"))
    return 1.05 * columns + margin + 0.9, 0.68 * cells + (0.5 * panels if panels > 1 else 0.0) + 1.6


def _heat_panel(
    axes: Axes,
    cells: Mapping[tuple[int, int], Cell],
    labels: tuple[Sequence[str], Sequence[str]],
    shades: tuple[Normalize, Colormap],
    frames: Sequence[tuple[int, int, bool]],
    *,
    alone: bool,
) -> None:
    (rows, columns), (scale, colours) = labels, shades
    image = np.full((len(rows), len(columns)), np.nan)
    for (row, column), cell in cells.items():
        image[row, column] = cell.mean
        _write(axes, row, column, cell, colours(scale(cell.mean)), alone=alone)
    axes.pcolormesh(image, cmap=colours, norm=scale, edgecolors="white", linewidth=2)
    for row, column, best in frames:
        inset, width = (0.03, 3.2) if best else (0.05, 1.4)
        side = 1 - 2 * inset
        axes.add_patch(Rectangle((column + inset, row + inset), side, side, fill=False, color=COLOURS[0], lw=width))
    axes.set_xticks(np.arange(len(columns)) + 0.5, [plain(text, CELL, 3) for text in columns])
    axes.set_yticks(np.arange(len(rows)) + 0.5, [plain(text, ROW) for text in rows])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)


def _write(
    axes: Axes, row: int, column: int, cell: Cell, colour: tuple[float, float, float, float], *, alone: bool
) -> None:
    ink = "white" if float(np.dot(colour[:3], (0.299, 0.587, 0.114))) < 0.55 else INK
    below = f"n = {cell.n}" if cell.deviation is None else f"± {cell.deviation:.2f}, n = {cell.n}"
    mean = f"{cell.mean:,.0f}" if cell.mean >= LARGE else f"{cell.mean:.2f}"
    if alone:
        axes.text(column + 0.5, row + 0.5, mean, ha="center", va="center", color=ink, fontsize=10.5)
        return
    axes.text(column + 0.5, row + 0.42, mean, ha="center", va="bottom", color=ink, fontsize=10.5)
    axes.text(column + 0.5, row + 0.38, below, ha="center", va="top", color=ink, fontsize=7)
