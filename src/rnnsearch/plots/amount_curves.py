"""Quality against the number of training pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from rnnsearch.plots.style import COLOURS, INK, STYLE, line, panel

FEW = len(COLOURS)  # lines that can be told apart
MANY_TICKS = 12


@dataclass(frozen=True, slots=True)
class AmountCurve:
    """One line: at each number of training pairs, rising, the score and the ends of its interval."""

    label: str
    pairs: tuple[int, ...]
    scores: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def amount_curves(curves: Sequence[AmountCurve], *, quantity: str, crossings: Sequence[float] = ()) -> Figure:
    """Scores with their bands over a logarithmic axis of training pairs; dotted where two lines cross."""
    with mpl.rc_context(STYLE):
        figure, axes = panel(6.4, 4.2)
        for place, curve in enumerate(curves):
            colour = COLOURS[place % len(COLOURS)]
            axes.fill_between(curve.pairs, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
            line(axes, curve.pairs, curve.scores, place=place, label=curve.label)
        for pairs in crossings:
            axes.axvline(pairs, color=INK, linestyle=":", linewidth=1.3)
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        amounts = sorted({pairs for curve in curves for pairs in curve.pairs})
        ticks = amounts[:: -(-len(amounts) // MANY_TICKS)]
        axes.set_xticks(ticks, [f"{pairs:,}" for pairs in ticks], rotation=30 if len(ticks) > 6 else 0)
        axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
        axes.set_xlabel("training pairs")
        axes.set_ylabel(quantity)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
        return figure
