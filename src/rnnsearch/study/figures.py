"""The report's figures: functions of data that return a matplotlib Figure. No pyplot, no global state.

Colours are Okabe and Ito's, distinct for the colour-blind; members differ in marker and line style too.
"""

import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class Curve:
    """One run's validation curve."""

    member: str
    seed: int
    updates: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """One member's score in each length bucket with the ends of its interval."""

    member: str
    scores: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def learning_curves(curves: Sequence[Curve], *, members: Sequence[str], quantity: str) -> Figure:
    """Validation curves against updates: a thin line for each seed, a thick one for the mean over seeds."""
    with mpl.rc_context(STYLE):
        figure, axes = _panel(5.4, 3.7)
        for place, member in enumerate(members):
            colour = COLOURS[place % len(COLOURS)]
            of_member = [curve for curve in curves if curve.member == member]
            if not of_member:
                continue
            if len(of_member) > 1:
                for curve in of_member:
                    axes.plot(curve.updates, curve.values, color=colour, linewidth=0.8, alpha=0.45)
            updates, means = mean_curve(of_member)
            _line(axes, updates, means, place=place, label=member)
        axes.set_xlabel("updates")
        axes.set_ylabel(quantity)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.legend()
        return figure


def mean_curve(curves: Sequence[Curve]) -> tuple[list[float], list[float]]:
    """Mean over runs at the updates that all of them have."""
    values = [dict(zip(curve.updates, curve.values, strict=True)) for curve in curves]
    shared = sorted(set.intersection(*(set(of_run) for of_run in values)))
    return shared, [float(np.mean([of_run[update] for of_run in values])) for update in shared]


def score_by_length(
    labels: Sequence[str],
    counts: Sequence[int],
    bands: Sequence[Band],
    *,
    quantity: str,
    trained: float | None = None,
) -> Figure:
    """Score against source length with bands (the paper's Figure 2); labels and n under each bucket.

    trained: place of the longest training length on the axis of bucket numbers, where there is one.
    """
    with mpl.rc_context(STYLE):
        figure, axes = _panel(max(5.4, 1.2 + 0.62 * len(labels)), 4.0)
        places = list(range(len(labels)))
        for place, band in enumerate(bands):
            colour = COLOURS[place % len(COLOURS)]
            if len(labels) > 1:
                axes.fill_between(places, band.low, band.high, color=colour, alpha=0.18, linewidth=0)
            else:
                axes.vlines([0.0], band.low, band.high, color=colour, linewidth=2)
            _line(axes, places, band.scores, place=place, label=band.member)
        axes.set_xticks(places, [f"{label}\nn = {count:,}" for label, count in zip(labels, counts, strict=True)])
        axes.set_xlim(-0.4, len(labels) - 0.6)
        axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("source length in words, and number of sentences")
        axes.set_ylabel(quantity)
        if trained is not None:
            axes.axvline(trained, color=INK, linestyle=":", linewidth=1.3, label="longest training sentence")
        columns = 3 if max(len(band.member) for band in bands) < 15 else 2
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=columns)
        return figure


def attention_matrix(weights_TS: NDArray[np.float64], source: Sequence[str], target: Sequence[str]) -> Figure:
    """Attention weights as a matrix (the paper's Figure 3): a row for each target word, dark is 1."""
    with mpl.rc_context(STYLE):
        longest = max((len(word) for word in source), default=1)
        figure, axes = _panel(1.6 + 0.26 * len(source), 0.9 + 0.075 * longest + 0.26 * len(target))
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
    return buffer.getvalue()


def save_png(figure: Figure, path: Path) -> None:
    """Writes the figure as a PNG of 160 dots an inch."""
    _save(figure, path, format="png", dpi=160, metadata={"Software": None})


def _save(figure: Figure, target: Any, **options: Any) -> None:
    with mpl.rc_context(STYLE), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(target, bbox_inches="tight", pad_inches=0.06, facecolor="white", **options)
    for message in {str(warning.message) for warning in caught}:  # a script that DejaVu Sans lacks, say
        logger.warning("figure: %s", message)


def _panel(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _line(axes: Axes, places: Sequence[float], values: Sequence[float], *, place: int, label: str) -> None:
    axes.plot(
        places,
        values,
        label=_plain(label),
        color=COLOURS[place % len(COLOURS)],
        linestyle=LINES[place % len(LINES)],
        marker=MARKERS[place % len(MARKERS)],
        markersize=4.5,
        linewidth=2.0,
    )


def _plain(text: str) -> str:
    return text.replace("$", r"\$")  # a pair of dollars would start a formula


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


def trained_place(buckets: Sequence[tuple[int, int]], length: float) -> float | None:
    """Where a length lies on the axis of bucket numbers; None when no tested sentence is longer."""
    for place, (low, high) in enumerate(buckets):
        if low <= length < high or (length < low and place > 0):
            return place - 0.5 + max(0.0, (length + 1 - low) / (high + 1 - low))
        if length == high and place + 1 < len(buckets):
            return place + 0.5
    return None


def curves_of(records: Mapping[tuple[str, int], Mapping[str, Any]], *, key: str) -> list[Curve]:
    """Validation curves of one quantity out of run records, without the points that lack it."""
    found = []
    for (member, seed), record in records.items():
        points = record.get("results", {}).get("curves", {}).get("validation", [])
        points = [point for point in points if point.get(key) is not None]
        if points:
            updates, values = tuple(point["update"] for point in points), tuple(point[key] for point in points)
            found.append(Curve(member, seed, updates, values))
    return found
