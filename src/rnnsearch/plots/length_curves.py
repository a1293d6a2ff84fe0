"""Score against source length, or word frequency: one panel for a few members, a panel each for many."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnsearch.plots.panels import GREY, grid, hide_rest, panel_title
from rnnsearch.plots.style import COLOURS, INK, STYLE, line, panel, plain

NARROW, BROAD = 0.62, 0.85  # inches of a bucket, by how long its label is
FEW = 4  # members in one panel: their bands overlap


@dataclass(frozen=True, slots=True)
class Band:
    """One member's score in each length bucket with the ends of its interval."""

    member: str
    scores: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def score_by_length(
    labels: Sequence[str],
    counts: Sequence[int],
    bands: Sequence[Band],
    *,
    quantity: str,
    unit: str = "words",
    trained: float | None = None,
) -> Figure:
    """Score against source length with bands (the paper's Figure 2); labels and n under each bucket.

    unit: of the lengths.
    trained: place of the longest training length on the axis of bucket numbers, if known.
    """
    axis = f"source length in {unit}"
    return _by_bucket(
        labels, counts, bands, quantity=quantity, axis=axis, counted="sentences", trained=trained, each=NARROW
    )


def score_by_frequency(
    labels: Sequence[str], counts: Sequence[int] | None, bands: Sequence[Band], *, quantity: str
) -> Figure:
    """Score of words against how often training showed them, with bands.

    counts: words of the references in each bucket; None if they are not the same for all members.
    """
    axis = "how often training showed a word"
    return _by_bucket(labels, counts, bands, quantity=quantity, axis=axis, counted="words", trained=None, each=BROAD)


def _by_bucket(
    labels: Sequence[str],
    counts: Sequence[int] | None,
    bands: Sequence[Band],
    *,
    quantity: str,
    axis: str,
    counted: str,
    trained: float | None,
    each: float,
) -> Figure:
    if len(bands) > FEW:
        return _multiples(labels, bands, quantity=quantity, axis=axis, trained=trained)
    with mpl.rc_context(STYLE):
        figure, axes = panel(max(5.4, 1.2 + each * len(labels)), 4.0)
        places = list(range(len(labels)))
        for place, band in enumerate(bands):
            _fill(axes, band, COLOURS[place % len(COLOURS)], opacity=0.18)
            line(axes, places, band.scores, place=place, label=band.member)
        ticks = labels if counts is None else [f"{a}\nn = {n:,}" for a, n in zip(labels, counts, strict=True)]
        axes.set_xticks(places, ticks)
        axes.set_xlim(-0.4, len(labels) - 0.6)
        axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(axis if counts is None else f"{axis}, and number of {counted}")
        axes.set_ylabel(quantity)
        if trained is not None:
            axes.axvline(trained, color=INK, linestyle=":", linewidth=1.3, label="longest training sentence")
        columns = 3 if max(len(band.member) for band in bands) < 15 else 2 if len(bands) < 3 else 1
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=columns)
        return figure


def _multiples(
    labels: Sequence[str], bands: Sequence[Band], *, quantity: str, axis: str, trained: float | None
) -> Figure:
    """A panel for each member except the first, whose line and band stand grey in every panel."""
    with mpl.rc_context(STYLE):
        figure, panels = grid(len(bands) - 1, x=axis, y=quantity)
        places = list(range(len(labels)))
        for axes, band in zip(panels, bands[1:], strict=False):
            _fill(axes, bands[0], GREY, opacity=0.3)
            axes.plot(places, bands[0].scores, color=GREY, linewidth=1.4, linestyle="--")
            _fill(axes, band, COLOURS[1], opacity=0.22)
            axes.plot(places, band.scores, color=COLOURS[1], linewidth=1.8, marker="o", markersize=2.5)
            if trained is not None:
                axes.axvline(trained, color=INK, linestyle=":", linewidth=1.0)
            axes.set_xticks(places, labels, rotation=90, fontsize=7.5)
            axes.grid(visible=False, axis="x")
            panel_title(axes, band.member)
        panels[0].set_xlim(-0.4, len(labels) - 0.6)
        panels[0].set_ylim(bottom=max(0.0, panels[0].get_ylim()[0]))
        hide_rest(panels, len(bands) - 1)
        figure.legend(
            [mpl.lines.Line2D([], [], color=GREY, linestyle="--"), mpl.lines.Line2D([], [], color=COLOURS[1])],
            [plain(f"{bands[0].member} (baseline)"), "the member of the panel"],
            loc="outside upper left",
            ncols=2,
        )
        return figure


def _fill(axes: Axes, band: Band, colour: str, *, opacity: float) -> None:
    if len(band.scores) > 1:
        axes.fill_between(range(len(band.scores)), band.low, band.high, color=colour, alpha=opacity, linewidth=0)
    else:
        axes.vlines([0.0], band.low, band.high, color=colour, linewidth=2)


def trained_place(buckets: Sequence[tuple[int, int]], length: float) -> float | None:
    """Where a length lies on the axis of bucket numbers; None when no tested sentence is longer."""
    for place, (low, high) in enumerate(buckets):
        if low <= length < high or (length < low and place > 0):
            return place - 0.5 + max(0.0, (length + 1 - low) / (high + 1 - low))
        if length == high and place + 1 < len(buckets):
            return place + 0.5
    return None
