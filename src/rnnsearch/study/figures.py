"""The report's figures: functions of data that return a matplotlib Figure. No pyplot, no global state.

Colours are Okabe and Ito's, distinct for the colour-blind; members differ in marker and line style too.
"""

import io
import logging
import re
import warnings
from collections.abc import Sequence
from itertools import accumulate
from typing import Any
from unicodedata import bidirectional, east_asian_width

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rnnsearch.data.scripts import drawn_words
from rnnsearch.data.sentencepiece_tokenizer import texts_of_pieces
from rnnsearch.study import fonts
from rnnsearch.visible import visible

logger = logging.getLogger(__name__)

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
WORD = 60  # letters of a word beside a matrix
LOOK = 1  # raised with each change of how figures look, so that those of earlier reports are drawn anew
DIGEST = "Digest"  # the key in a PNG's text


def attention_matrix(weights_TS: NDArray[np.float64], source: Sequence[str], target: Sequence[str]) -> Figure:
    """Attention weights as a matrix (the paper's Figure 3): a row for each target word, dark is 1.

    The columns run from right to left where the source is written so.
    """
    with mpl.rc_context(STYLE):
        above, beside = ([plain(word, WORD, 1) for word in words] for words in (source, target))
        high, broad = (max(map(_columns, words), default=1) for words in (above, beside))
        figure, axes = panel(1.6 + 0.095 * broad + 0.26 * len(source), 0.9 + 0.095 * high + 0.26 * len(target))
        mesh = axes.pcolormesh(weights_TS, cmap="Blues", vmin=0.0, vmax=1.0, edgecolors="#EEF1F4", linewidth=0.4)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.xaxis.set_inverted(is_right_to_left(source))
        axes.xaxis.tick_top()
        axes.grid(visible=False)
        axes.set_xticks(np.arange(len(source)) + 0.5, above, rotation=90)
        axes.set_yticks(np.arange(len(target)) + 0.5, beside)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color("#AAB2BD")
        columns = max(4, len(source))  # of fewer, the scale would take all the room
        scale = axes.inset_axes((1 + 0.4 / columns, 0.0, 0.55 / columns, 1.0))  # as tall as the matrix
        figure.colorbar(mesh, cax=scale, ticks=[0.0, 0.5, 1.0]).outline.set_visible(False)
        return figure


def is_right_to_left(words: Sequence[str]) -> bool:
    """Whether most letters of a sentence are of a script that is written so (UAX 9: R and AL against L)."""
    kinds = [bidirectional(letter) for word in words for letter in word if word != "</s>"]
    return sum(kind in ("R", "AL") for kind in kinds) > kinds.count("L")


def svg(figure: Figure) -> str:
    """The figure as SVG text, cut to its content so that no label is lost; the same bytes for the same data."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none" if fonts.fit(figure) else "path"}):  # the browser may have the font
        _save(figure, buffer, format="svg", metadata={"Date": None})
    return visible(buffer.getvalue())  # its comments hold what it draws as paths


def png(figure: Figure, digest: str) -> bytes:
    """The figure as a PNG of 160 dots an inch, with the digest of what it shows in it.

    Raises: ValueError where no font has one of its characters.
    """
    if missing := fonts.fit(figure):
        raise ValueError(f"no font here has {' '.join(missing)}; pip install 'rnnsearch[fonts]' brings fonts")
    buffer = io.BytesIO()
    _save(figure, buffer, format="png", dpi=160, metadata={"Software": None, DIGEST: digest})
    return buffer.getvalue()


def _save(figure: Figure, target: Any, **options: Any) -> None:
    with mpl.rc_context(STYLE), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # has been told
        figure.savefig(target, bbox_inches="tight", pad_inches=0.06, facecolor="white", **options)
    for message in sorted({str(warning.message) for warning in caught}):
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
        label=_in_a_legend(plain(label)),
        color=COLOURS[place % len(COLOURS)],
        linestyle=LINES[place % len(LINES)],
        marker=MARKERS[place % len(MARKERS)],
        markersize=4.5,
        linewidth=2.0,
    )


def _in_a_legend(label: str) -> str:
    """The label so that Matplotlib's legends, which leave out what is empty or begins with _, have it."""
    return f" {label}" if not label or label.startswith("_") else label


def plain(text: str, columns: int = 36, lines: int = 2) -> str:
    """A label as it is drawn: on a few lines where it is long, its middle left out where it is longer."""
    shown = visible(text)
    most = columns * lines
    if _columns(shown) > most:
        half = most // 2 - 1
        shown = f"{_cut(shown, half)}…{_cut(shown[::-1], half)[::-1]}"
    found = [""]
    for word in re.findall(r"\S+\s*|\s+", shown):
        while word:
            part = _cut(word, columns)
            starts = bool(found[-1]) and _columns(found[-1] + part) > columns
            found = [*found, part] if starts else [*found[:-1], found[-1] + part]
            word = word[len(part) :]
    return "\n".join(line.rstrip() for line in found)


def _columns(text: str) -> int:
    """How wide a text is, a Chinese character counting as two letters."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _cut(text: str, columns: int) -> str:
    """As much from its beginning as fits."""
    widths = accumulate(_columns(letter) for letter in text)
    return text[: sum(width <= columns for width in widths)]


def words_of_pieces(pieces: Sequence[str]) -> tuple[list[str], list[int]]:
    """Joins pieces to readable words, see `drawn_words`, and gives for each piece the number of its word.

    A piece that starts with SentencePiece's ▁ starts a word; where no piece has one, each piece is a word already. The
    end of sentence is a word of its own.
    """
    marked = any(piece.startswith("▁") for piece in pieces)
    starts = (not marked or piece.startswith("▁") or piece == "</s>" for piece in pieces)
    words, word_of_piece = drawn_words(texts_of_pieces(pieces) if marked else pieces, [*accumulate(starts)])
    return [word or "␣" for word in words], word_of_piece
