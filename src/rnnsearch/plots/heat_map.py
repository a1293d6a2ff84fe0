"""Heat maps of grids: mean, spread and count in each cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rnnsearch.plots.search_charts import MAP
from rnnsearch.plots.style import COLOURS, INK, STYLE, plain

LARGE = 1000.0  # from here on numbers are written without decimals
CELL = 14  # letters of a label under a column
ROW = 24  # and beside a row


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a grid: the mean over n runs, and their standard deviation if there are several."""

    mean: float
    deviation: float | None
    n: int


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
    """Mean, standard deviation and n in each cell of a grid; a panel for each combination of the other settings.

    Args:
        cells: panel's title -> (row, column) -> cell.
        rows: name and labels; columns too.
        marked: cells to frame (panel, row, column), the first with a thick line.
        across: panels side by side; all by default.
    """
    all_cells = [cell for of_panel in cells.values() for cell in of_panel.values()]
    means, alone = [cell.mean for cell in all_cells], all(cell.n == 1 for cell in all_cells)
    scale = Normalize(min(means), max(means) if max(means) > min(means) else min(means) + 1)
    colours = mpl.colormaps[MAP if higher else f"{MAP}_r"]
    tall, broad, beside = len(rows[1]), len(columns[1]), min(across or len(cells), len(cells))
    below = -(-len(cells) // beside)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=_size(rows[1], broad * beside, tall * below, below), layout="constrained")
        panels = list(figure.subplots(below, beside, squeeze=False, sharex=below > 1, sharey=True).flat)
        for place, (axes, (title, of_panel)) in enumerate(zip(panels, cells.items(), strict=False)):
            frames = [(row, column, (name, row, column) == marked[0]) for name, row, column in marked if name == title]
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
    """A figure's size in inches, from its columns side by side, and its cells and panels on top of each other."""
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
