"""Quality and length of translations against the width of the beam that found them."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from rnnsearch.plots.style import COLOURS, INK, STYLE, line

FEW = len(COLOURS)  # lines that can be told apart


@dataclass(frozen=True, slots=True)
class BeamCurve:
    """One line: at each beam size the score, the ends of its interval, and the length ratio."""

    label: str
    beams: tuple[int, ...]
    scores: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    ratios: tuple[float, ...]


def beam_curves(curves: Sequence[BeamCurve], *, quantity: str) -> Figure:
    """Two panels over a logarithmic axis of beam sizes: the score with its band, and the length ratio."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.2, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        for place, curve in enumerate(curves):
            colour = COLOURS[place % len(COLOURS)]
            left.fill_between(curve.beams, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
            line(left, curve.beams, curve.scores, place=place, label=curve.label)
            line(right, curve.beams, curve.ratios, place=place, label=curve.label)
        right.axhline(1.0, color=INK, linestyle=":", linewidth=1.3)
        beams = sorted({beam for curve in curves for beam in curve.beams})
        for axes in (left, right):
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xticks(beams, [str(beam) for beam in beams])
            axes.set_xlabel("beam size")
        left.set_ylabel(quantity)
        right.set_ylabel("tokens by the reference's tokens")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
        return figure
