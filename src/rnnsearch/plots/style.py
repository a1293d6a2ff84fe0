"""What figures share: colours, labels, panels and axes. No pyplot, no global state.

Colours are Okabe and Ito's, distinct for the colour-blind; members differ in marker and line style too.
"""

import json
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any
from unicodedata import east_asian_width

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnsearch.plots import fonts
from rnnsearch.records.visible import visible_line

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("--", "-", "-.", ":", "--", "-", "-.")
STYLE: Any = {
    "font.family": fonts.BASE,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E6EA",
    "legend.frameon": False,
    "text.parse_math": False,  # a pair of dollars in a label would start a formula
    "svg.hashsalt": "rnnsearch",
}
INK = "#1B1F24"


def panel(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one panel; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def line(axes: Axes, places: Sequence[float], values: Sequence[float], *, place: int, label: str) -> None:
    """A member's line in the colour, marker and style of its place."""
    axes.plot(
        places,
        values,
        label=_in_a_legend(plain(label)),
        color=COLOURS[place % len(COLOURS)],
        linestyle=LINES[place % len(LINES)],
        marker=MARKERS[place % len(MARKERS)],
        markersize=4.5,
        linewidth=2.0,
    )


def _in_a_legend(label: str) -> str:
    """The label, changed so that Matplotlib's legends show it even if it is empty or begins with _."""
    return f" {label}" if not label or label.startswith("_") else label


def plain(text: str, columns: int = 36, lines: int = 2) -> str:
    """A label as it is drawn: on a few lines if it is long, without its middle if it is longer still."""
    text = visible_line(text)
    most = columns * lines
    if drawn_columns(text) > most:
        half = most // 2 - 1
        text = f"{_cut(text, half)}…{_cut(text[::-1], half)[::-1]}"
    wrapped = [""]
    for word in re.findall(r"\S+\s*|\s+", text):
        while word:
            part = _cut(word, columns)
            starts = bool(wrapped[-1]) and drawn_columns(wrapped[-1] + part) > columns
            wrapped = [*wrapped, part] if starts else [*wrapped[:-1], wrapped[-1] + part]
            word = word[len(part) :]
    return "\n".join(line.rstrip() for line in wrapped)


def drawn_columns(text: str) -> int:
    """How wide a text is, a Chinese character counting as two letters."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _cut(text: str, columns: int) -> str:
    """As much of its beginning as fits."""
    widths = accumulate(drawn_columns(letter) for letter in text)
    return text[: sum(width <= columns for width in widths)]


def value_text(value: Any) -> str:
    """A value of a config as a user writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
