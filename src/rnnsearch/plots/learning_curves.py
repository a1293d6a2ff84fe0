"""Learning curves: colours for a few members, a panel each for more, the best ones picked out of very many."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from rnnsearch.plots.panels import GREY, grid, hide_rest, panel_title
from rnnsearch.plots.style import COLOURS, STYLE, line, panel

FEW, PANELS = 4, 24  # members with a colour each, members with a panel each
MANY = " Coloured: the first member and the best; grey: the others."
BEST = f" Coloured: the best {FEW}; grey: the others."


@dataclass(frozen=True, slots=True)
class Curve:
    """One run's validation curve."""

    member: str
    seed: int
    updates: tuple[float, ...]
    values: tuple[float, ...]
    tokens: tuple[float, ...] = ()  # seen at those updates; empty where a record lacks them
    finished: bool = True

    def at(self, axis: str) -> tuple[float, ...]:
        """Its places on an axis: updates or tokens."""
        return self.tokens if axis == "tokens" else self.updates


def look_for(members: int) -> tuple[Callable[..., Figure], str]:
    """The figure that suits so many members, and what its caption has to say."""
    if members <= FEW:
        return learning_curves, ""
    if members <= PANELS:
        return small_multiples, " One panel a member, its band from the lowest to the highest seed; grey: the others."
    return best_of_many, MANY


def best_of(members: int) -> tuple[Callable[..., Figure], str]:
    """The same for a sweep, whose members come the best first: colours for all of a few, or for the best of many."""
    return (learning_curves, "") if members <= FEW else (partial(best_of_many, first=FEW), BEST)


def learning_curves(
    curves: Sequence[Curve],
    *,
    members: Sequence[str],
    quantity: str,
    axis: str = "updates",
    words: str = "updates",
    best: str = "",
) -> Figure:
    """Validation curves: a thin line for each seed, a thick one for the mean over seeds."""
    with mpl.rc_context(STYLE):
        figure, axes = panel(5.4, 3.7)
        for place, member in enumerate(members):
            of_member = [curve for curve in curves if curve.member == member]
            if not of_member:
                continue
            if len(of_member) > 1:
                for curve in of_member:
                    colour = COLOURS[place % len(COLOURS)]
                    axes.plot(curve.at(axis), curve.values, color=colour, linewidth=0.8, alpha=0.45)
            line(axes, *mean_curve(of_member, axis), place=place, label=member)
            _crosses(axes, of_member, axis, COLOURS[place % len(COLOURS)])
        axes.set_xlabel(words)
        axes.set_ylabel(quantity)
        _count_axis(axes, 6)
        axes.legend()
        return figure


def small_multiples(
    curves: Sequence[Curve],
    *,
    members: Sequence[str],
    quantity: str,
    axis: str = "updates",
    words: str = "updates",
    best: str = "",
) -> Figure:
    """A panel for each member: its mean and the range over its seeds, before the others' means in grey."""
    drawn = [member for member in members if any(curve.member == member for curve in curves)]
    of_members = {member: [curve for curve in curves if curve.member == member] for member in drawn}
    means = {member: mean_curve(of_member, axis) for member, of_member in of_members.items()}
    with mpl.rc_context(STYLE):
        figure, panels = grid(len(drawn), x=words, y=quantity)
        for axes, member in zip(panels, drawn, strict=False):
            for other in drawn:
                if other != member:
                    axes.plot(*means[other], color=GREY, linewidth=0.7, alpha=0.55)
            colour = COLOURS[1] if member != members[0] else COLOURS[0]
            places, low, high = range_curve(of_members[member], axis)
            axes.fill_between(places, low, high, color=colour, alpha=0.25, linewidth=0)
            axes.plot(*means[member], color=colour, linewidth=2.0, marker="o", markersize=2.5)
            _crosses(axes, of_members[member], axis, colour)
            panel_title(axes, member + (" (best)" if member == best else ""))
            _count_axis(axes, 3)
        hide_rest(panels, len(drawn))
        return figure


def best_of_many(
    curves: Sequence[Curve],
    *,
    members: Sequence[str],
    quantity: str,
    axis: str = "updates",
    words: str = "updates",
    best: str = "",
    first: int | None = None,
) -> Figure:
    """All means in grey, the first member and the best in colour; with ``first``, that many first members instead.

    The legend stands above, where it covers no curve.
    """
    both = {best: f"{best} (best)", members[0]: members[0]}
    labels = dict(reversed(both.items())) if first is None else {member: member for member in members[:first]}
    with mpl.rc_context(STYLE):
        figure, axes = panel(6.4, 4.2 + 0.3 * len(labels))
        of_members = {member: [curve for curve in curves if curve.member == member] for member in members}
        for member, of_member in of_members.items():
            if of_member and member not in labels:
                axes.plot(*mean_curve(of_member, axis), color=GREY, linewidth=0.9, alpha=0.6)
                _crosses(axes, of_member, axis, GREY)
        for place, (member, label) in enumerate(labels.items()):
            if highlighted := of_members.get(member):
                line(axes, *mean_curve(highlighted, axis), place=place, label=label)
        axes.set_xlabel(words)
        axes.set_ylabel(quantity)
        _count_axis(axes, 6)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", fontsize=9)
        return figure


def _crosses(axes: Axes, curves: Sequence[Curve], axis: str, colour: str) -> None:
    for curve in curves:
        if not curve.finished:
            axes.plot(curve.at(axis), curve.values, color=colour, linewidth=0.8, linestyle=":")
            axes.plot(curve.at(axis)[-1:], curve.values[-1:], color=colour, marker="x", markersize=6, linewidth=0)


def _count_axis(axes: Axes, ticks: int) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _count(value)))


def _count(value: float) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value:,.0f}"


def mean_curve(curves: Sequence[Curve], axis: str = "updates") -> tuple[list[float], list[float]]:
    """Mean over finished runs (over all if none is) at the updates that all of them have: places and values."""
    places, values = shared_points(curves, axis)
    return places.mean(axis=0).tolist(), values.mean(axis=0).tolist()


def range_curve(curves: Sequence[Curve], axis: str = "updates") -> tuple[list[float], list[float], list[float]]:
    """As `mean_curve`, with the lowest and the highest value instead of the mean."""
    places, values = shared_points(curves, axis)
    return places.mean(axis=0).tolist(), values.min(axis=0).tolist(), values.max(axis=0).tolist()


def shared_points(curves: Sequence[Curve], axis: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places on the axis and values at the updates that all runs have, each [runs, updates]."""
    counted = [curve for curve in curves if curve.finished] or list(curves)
    shared = sorted(set.intersection(*(set(curve.updates) for curve in counted)))
    rows = [[curve.updates.index(update) for update in shared] for curve in counted]
    places = [[curve.at(axis)[row] for row in of_run] for curve, of_run in zip(counted, rows, strict=True)]
    values = [[curve.values[row] for row in of_run] for curve, of_run in zip(counted, rows, strict=True)]
    return np.asarray(places, dtype=np.float64), np.asarray(values, dtype=np.float64)
