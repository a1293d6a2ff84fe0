"""The report's figures: functions of data that return a matplotlib Figure. No pyplot, no global state.

Colours are Okabe and Ito's, distinct for the colour-blind; members differ in marker and line style too.
"""

import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rnnsearch.visible import visible

logger = logging.getLogger(__name__)

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("--", "-", "-.", ":", "--", "-", "-.")
STYLE: Any = {
    "font.family": "DejaVu Sans",  # has Greek, Cyrillic and German; comes with matplotlib
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E6EA",
    "legend.frameon": False,
    "svg.fonttype": "path",  # looks the same where the font is missing
    "svg.hashsalt": "rnnsearch",
}
INK = "#1B1F24"


def attention_matrix(weights_TS: NDArray[np.float64], source: Sequence[str], target: Sequence[str]) -> Figure:
    """Attention weights as a matrix (the paper's Figure 3): a row for each target word, dark is 1."""
    with mpl.rc_context(STYLE):
        longest = max((len(word) for word in source), default=1)
        figure, axes = panel(1.6 + 0.26 * len(source), 0.9 + 0.075 * longest + 0.26 * len(target))
        mesh = axes.pcolormesh(weights_TS, cmap="Blues", vmin=0.0, vmax=1.0, edgecolors="#EEF1F4", linewidth=0.4)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.xaxis.tick_top()
        axes.grid(visible=False)
        axes.set_xticks(np.arange(len(source)) + 0.5, source, rotation=90, parse_math=False)
        axes.set_yticks(np.arange(len(target)) + 0.5, target, parse_math=False)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color("#AAB2BD")
        scale = axes.inset_axes((1 + 0.4 / len(source), 0.0, 0.55 / len(source), 1.0))  # as tall as the matrix
        figure.colorbar(mesh, cax=scale, ticks=[0.0, 0.5, 1.0]).outline.set_visible(False)
        return figure


def svg(figure: Figure) -> str:
    """The figure as SVG text, cut to its content so that no label is lost; the same bytes for the same data."""
    buffer = io.StringIO()
    _save(figure, buffer, format="svg", metadata={"Date": None})
    return visible(buffer.getvalue())  # its comments hold what it draws as paths


def save_png(figure: Figure, path: Path) -> None:
    """Writes the figure as a PNG of 160 dots an inch."""
    _save(figure, path, format="png", dpi=160, metadata={"Software": None})


def _save(figure: Figure, target: Any, **options: Any) -> None:
    with mpl.rc_context(STYLE), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(target, bbox_inches="tight", pad_inches=0.06, facecolor="white", **options)
    for message in {str(warning.message) for warning in caught}:  # a script that DejaVu Sans lacks, say
        logger.warning("figure: %s", message)


def panel(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one panel; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def line(axes: Axes, places: Sequence[float], values: Sequence[float], *, place: int, label: str) -> None:
    """A member's line in the colour, marker and style of its place."""
    axes.plot(
        places,
        values,
        label=plain(label),
        color=COLOURS[place % len(COLOURS)],
        linestyle=LINES[place % len(LINES)],
        marker=MARKERS[place % len(MARKERS)],
        markersize=4.5,
        linewidth=2.0,
    )


def plain(text: str) -> str:
    """Text that is not read as a formula."""
    return visible(text).replace("$", r"\$")  # a pair of dollars would start a formula


def words_of_pieces(pieces: Sequence[str]) -> tuple[list[str], list[int]]:
    """Joins pieces to readable words: words, and for each piece the number of its word.

    A piece that starts with SentencePiece's ▁ starts a word; where no piece has one, each piece is a word already. The
    end of sentence is a word of its own.
    """
    marked = any(piece.startswith("▁") for piece in pieces)
    words: list[str] = []
    word_of_piece: list[int] = []
    for piece in pieces:
        starts = not marked or piece.startswith("▁") or not words or piece == "</s>"
        if starts:
            words.append("")
        words[-1] += piece.removeprefix("▁")
        word_of_piece.append(len(words) - 1)
    return [word or "␣" for word in words], word_of_piece
