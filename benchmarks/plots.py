"""The page's figures: functions of rows that return a matplotlib Figure. No pyplot, no global state."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.systems import RUNGS, SINGLE

Rows = Sequence[Mapping[str, Any]]

# Okabe and Ito's colours, distinct for the colour-blind; a system has the same on every figure
COLOURS = {
    "ours": "#D55E00", "ours_plain": "#E69F00", "plain_loop": "#0072B2", "joeynmt": "#009E73",
    "opennmt": "#CC79A7", "products_at_once": "#777777", "joblib": "#56B4E9",
}  # fmt: skip
COLOURS |= dict(zip(RUNGS, ("#E69F00", "#0072B2", "#009E73", "#CC79A7", "#777777", "#56B4E9"), strict=True))
MARKERS = {"ours": "o", "ours_plain": "s", "plain_loop": "^", "joeynmt": "D", "opennmt": "v", "products_at_once": "X"}
MARKERS |= dict(zip(RUNGS, "s^DvXP", strict=True))
NAMES = {
    "ours": "ours", "ours_plain": "ours, plain path", "plain_loop": "plain loop", "joeynmt": "JoeyNMT",
    "opennmt": "OpenNMT-py", "joeynmt_modules": "JoeyNMT's modules", "opennmt_modules": "OpenNMT-py's modules",
    "products_at_once": "our products, all steps at once", "joblib": "Hydra's joblib launcher",
}  # fmt: skip
STYLE: Any = {
    "font.family": "DejaVu Sans", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#E3E6EA", "legend.frameon": False,
}  # fmt: skip


def name_of(system: str) -> str:
    """A system as the page calls it."""
    return NAMES.get(system.removesuffix(SINGLE), system) + (", float32" if system.endswith(SINGLE) else "")


def curves(rows: Rows, *, over: str, title: str, logarithmic: bool) -> Figure:
    """Values against length or batch size, a line a system, lowest and highest as bars.

    Args:
        rows: of one quantity.
        over: ``length`` or ``batch``.
        title: of the figure.
        logarithmic: whether the values' axis is.
    """
    with mpl.rc_context(STYLE):
        figure, axes = _figure(title, height=4.2)
        for system in _systems(rows):
            own = sorted((row for row in rows if row["system"] == system), key=lambda row: _place(row, over))
            axes.errorbar(
                [_place(row, over) for row in own], [row["value"] for row in own], yerr=_bars(own), capsize=3,
                color=_of(COLOURS, system), marker=_of(MARKERS, system), label=name_of(system),
                linestyle="--" if system.endswith(SINGLE) else "-",
            )  # fmt: skip
        places = sorted({_place(row, over) for row in rows})
        if over == "batch":
            axes.set_xscale("log")
        axes.set_xticks(places, [str(place) for place in places])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("words a sentence, source and target" if over == "length" else "sentence pairs a batch")
        axes.set_ylabel(rows[0]["unit"])
        if logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return figure


def bars(rows: Rows, *, title: str) -> Figure:
    """Values of one quantity, a bar a system, lowest and highest as whiskers, how much better ours is beside it."""
    with mpl.rc_context(STYLE):
        figure, axes = _figure(title, height=0.9 + 0.5 * len(rows))
        places = range(len(rows))
        axes.barh(
            places, [row["value"] for row in rows], xerr=_bars(rows), capsize=3, height=0.6,
            color=[_of(COLOURS, row["system"]) for row in rows],
        )  # fmt: skip
        axes.set_yticks(places, [name_of(row["system"]) for row in rows])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(rows[0]["unit"])
        axes.margins(x=0.4)
        for place, row in zip(places, rows, strict=True):
            better = row["ours_is_better_by"]
            note = "" if better is None or row["system"] == "ours" else f"  (ours {better:.2f}× better)"
            axes.text(row["spread"][1], place, f"  {_number(row['value'])}{note}", va="center")
        return figure


def _figure(title: str, *, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.2, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontweight="bold")
    return figure, axes


def _systems(rows: Rows) -> list[str]:
    return list(dict.fromkeys(row["system"] for row in rows))


def _place(row: Mapping[str, Any], over: str) -> int:
    return int(row["length"] if over == "length" else row["sizes"]["batch"])


def _bars(rows: Rows) -> list[list[float]]:
    """Distances from the value down to the lowest and up to the highest."""
    return [[row["value"] - row["spread"][0] for row in rows], [row["spread"][1] - row["value"] for row in rows]]


def _of(table: Mapping[str, str], system: str) -> str:
    return table[system.removesuffix(SINGLE).removesuffix("_modules")]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
