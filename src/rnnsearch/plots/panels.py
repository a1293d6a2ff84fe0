"""Small multiples: one panel a member, all on the same scales, so that many members stay readable."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnsearch.plots.style import plain

GREY = "#9AA3AD"
WIDTH, HEIGHT = 2.45, 1.75  # of one panel, inches
TITLE = 30  # letters in a line of a panel's title


def columns_of(count: int) -> int:
    """Four panels in a row, or three where that leaves clearly fewer places empty."""
    return 3 if -count % 3 < -count % 4 - 1 else min(4, count)


def grid(count: int, *, x: str, y: str) -> tuple[Figure, list[Axes]]:
    """A figure of at least ``count`` panels with shared scales, in reading order; the axes are named once."""
    columns = columns_of(count)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH * columns + 0.5, HEIGHT * rows + 0.8), layout="constrained")
    panels: list[Axes] = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    figure.supxlabel(x, fontsize=10)
    figure.supylabel(y, fontsize=10)
    return figure, panels


def panel_title(axes: Axes, text: str) -> None:
    """The member's name over its panel, on two lines where it is long."""
    axes.set_title(plain(text, TITLE), fontsize=8.5, loc="left")


def hide_rest(panels: Sequence[Axes], count: int) -> None:
    """Empties the panels after the last member; the panels above them then carry the labels of the axis."""
    for place, axes in enumerate(panels):
        axes.tick_params(labelsize=7.5)
        if place >= count:
            axes.set_visible(False)
            above = panels[place - columns_of(count)]
            above.tick_params(labelbottom=True)
            for label in above.get_xticklabels():
                label.set_in_layout(False)
