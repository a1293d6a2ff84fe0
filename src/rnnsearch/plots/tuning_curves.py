"""Loss against a tuned value: a panel a member, a line a judgement."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from rnnsearch.plots import panels
from rnnsearch.plots.style import INK, STYLE, line

RING = 11.0  # points across
MOST = 6  # tried values that are all written at the axis
WIDE = 2.0  # ratio of the largest to the least loss above which the axis of losses is logarithmic
WIDTH, HEIGHT = 3.1, 2.5  # of one panel, inches


@dataclass(frozen=True, slots=True)
class Line:
    """The trials' losses at one judgement, in the order of their values, without trials that did not get so far."""

    label: str
    places: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A member's lines, the values of trials that diverged, and the chosen value."""

    member: str
    lines: tuple[Line, ...]
    diverged: tuple[float, ...]
    chosen: float | None


def by_value(found: Sequence[Panel], *, value: str, quantity: str, logarithmic: bool) -> Figure:
    """Small multiples on common scales; the tuned value's axis is logarithmic, the measure's may be."""
    columns = panels.columns_of(len(found))
    rows = -(-len(found) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * columns + 0.6, HEIGHT * rows + 0.5), layout="constrained")
        axes: list[Axes] = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        for panel_axes, of_member in zip(axes, found, strict=False):
            _draw(panel_axes, of_member)
        _scales(axes[0], found, logarithmic=logarithmic)
        for place, panel_axes in enumerate(axes):
            panel_axes.set_visible(place < len(found))
            panel_axes.set_ylabel("" if place % columns else quantity)
            is_lowest = place + columns >= len(found)
            panel_axes.set_xlabel(value if is_lowest else "")
            panel_axes.tick_params(axis="x", labelbottom=is_lowest, labelsize=8)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=min(2, columns), fontsize=8.5)
        return figure


def _draw(axes: Axes, panel: Panel) -> None:
    for place, of_line in enumerate(panel.lines):
        line(axes, of_line.places, of_line.values, place=place, label=of_line.label)
    last = [of_line for of_line in panel.lines if panel.chosen in of_line.places]
    if last and panel.chosen is not None:
        height = last[-1].values[last[-1].places.index(panel.chosen)]
        axes.plot(
            panel.chosen, height, "o", color=INK, markersize=RING, markerfacecolor="none", zorder=4, clip_on=False
        )
    top = axes.get_xaxis_transform()  # a place along the axis, a share of its height
    if panel.diverged:  # a line of nothing would count as one at the figure's corner
        axes.plot(panel.diverged, [1.0] * len(panel.diverged), "x", color=INK, transform=top, clip_on=False)
    panels.panel_title(axes, panel.member)


def _scales(axes: Axes, of_members: Sequence[Panel], *, logarithmic: bool) -> None:
    """Scales for all panels, which share them; ticks at the tried values if they are few, not at powers of ten."""
    lines = [of_line for of_member in of_members for of_line in of_member.lines]
    tried = sorted(
        {x for of_line in lines for x in of_line.places}.union(*(of_member.diverged for of_member in of_members))
    )
    axes.set_xscale("log")
    axes.margins(0.08)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    if len(tried) <= MOST:
        axes.xaxis.set_major_locator(FixedLocator(tried))
    values = [y for of_line in lines for y in of_line.values]
    if logarithmic and min(values) > 0 and max(values) > WIDE * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
