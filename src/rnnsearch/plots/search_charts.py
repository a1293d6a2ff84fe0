"""Figures of sweeps and searches: parallel coordinates, importance, history."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rnnsearch.plots.panels import GREY
from rnnsearch.plots.style import COLOURS, INK, STYLE, panel, plain, value_text

MAP = "viridis"

WHOLE = 1e9  # below this a whole number is written out

MISSING = -0.14  # the place of a setting that a trial lacks, below the axis


@dataclass(frozen=True, slots=True)
class Trial:
    """One run with its settings and its outcome."""

    number: int
    member: str
    seed: int
    state: str  # finished | pruned | failed | interrupted | running | waiting
    settings: Mapping[str, Any]
    value: float | None  # a finished run's score, another's last validation

    @property
    def done(self) -> bool:
        """Whether it finished with a value."""
        return self.state == "finished" and self.value is not None

    @property
    def known(self) -> float:
        """The value, which it must have."""
        assert self.value is not None
        return self.value


@dataclass(frozen=True, slots=True)
class Axis:
    """Where the values of a setting lie between 0 and 1, and the labels there; None lies below."""

    key: str
    numeric: bool
    log: bool
    values: tuple[Any, ...]  # distinct, sorted; without None; text where they are not all numbers

    def number(self, value: Any) -> int:
        """The place of a value among the values."""
        return self.values.index(float(value) if self.numeric else value_text(value))

    def place(self, value: Any) -> float:
        """Between 0 and 1; below the axis for None."""
        if value is None:
            return MISSING
        if not self.numeric:
            return 0.5 if len(self.values) == 1 else self.number(value) / (len(self.values) - 1)
        low, high = self._scaled(self.values[0]), self._scaled(self.values[-1])
        return 0.5 if low == high else (self._scaled(value) - low) / (high - low)

    @property
    def labels(self) -> list[str]:
        """A label for each value, with enough digits to tell them apart."""
        if not self.numeric:
            return [*map(str, self.values)]
        short = [
            f"{value:.0f}" if value.is_integer() and abs(value) < WHOLE else f"{value:.4g}" for value in self.values
        ]
        return short if len(set(short)) == len(short) else [f"{value:.17g}" for value in self.values]

    def label(self, value: Any) -> str:
        """The label of a value; a dash for None."""
        return "–" if value is None else self.labels[self.number(value)]

    def ticks(self) -> list[tuple[float, str]]:
        """Places with labels: every value if they are words or few numbers, else both ends and three between."""
        if not self.numeric or len(self.values) <= 6:
            return [(self.place(value), text) for value, text in zip(self.values, self.labels, strict=True)]
        low, high = self._scaled(self.values[0]), self._scaled(self.values[-1])
        steps = [low + part * (high - low) / 4 for part in range(5)]
        return [(part / 4, f"{math.exp(step) if self.log else step:.3g}") for part, step in enumerate(steps)]

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else float(value)


def parallel_coordinates(
    trials: Sequence[Trial], axes_of: Sequence[Axis], *, names: Mapping[str, str], measure: str, higher: bool = True
) -> Figure:
    """A line a trial through its settings to its value, coloured by the value; grey where it did not finish."""
    done = [trial for trial in trials if trial.done]
    values = [trial.known for trial in done]
    low, high = min(values), max(values)
    scale = Normalize(low, high if high > low else low + 1)
    with mpl.rc_context(STYLE):
        rows = max(len(axis.ticks()) for axis in axes_of)
        figure, axes = panel(max(6.0, 1.7 * (len(axes_of) + 1)), max(4.3, 0.9 + 0.17 * rows))
        colours = mpl.colormaps[MAP if higher else f"{MAP}_r"]
        for trial in trials:
            if not trial.done:
                places = [axis.place(trial.settings.get(axis.key)) for axis in axes_of]
                axes.plot(range(len(places)), places, color=GREY, linewidth=0.9, linestyle=":", zorder=1)
        for trial in sorted(done, key=lambda trial: trial.known if higher else -trial.known):  # best on top
            places = [axis.place(trial.settings.get(axis.key)) for axis in axes_of]
            colour = colours(scale(trial.known))
            axes.plot(range(len(places) + 1), [*places, float(scale(trial.known))], color=colour, linewidth=1.8)
        _parallel_frame(axes, axes_of, names, measure, trials, ticks=_value_ticks(low, high))
        return figure


def _parallel_frame(
    axes: Axes,
    axes_of: Sequence[Axis],
    names: Mapping[str, str],
    measure: str,
    trials: Sequence[Trial],
    *,
    ticks: Sequence[tuple[float, str]],
) -> None:
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_yticks([])
    titles = [names[axis.key] + (" (log scale)" if axis.log else "") for axis in axes_of]
    axes.set_xticks(range(len(axes_of) + 1), [plain(text, 18, 4) for text in [*titles, measure]])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.25, len(axes_of) + 0.35)
    axes.set_ylim(-0.22 if any(t.settings.get(a.key) is None for t in trials for a in axes_of) else -0.06, 1.06)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
    for column, marks in enumerate([*(axis.ticks() for axis in axes_of), ticks]):
        axes.vlines(column, 0, 1, color=INK, linewidth=1.0, zorder=3)
        missing = column < len(axes_of) and any(trial.settings.get(axes_of[column].key) is None for trial in trials)
        for place, text in [*marks, *([(MISSING, "–")] if missing else [])]:
            axes.plot([column], [place], marker="_", color=INK, markersize=6, zorder=3)
            axes.text(column + 0.05, place, plain(text, 20, 1), fontsize=8, va="center", zorder=4, bbox=box)


def _value_ticks(low: float, high: float) -> list[tuple[float, str]]:
    if high == low:
        return [(0.0, f"{low:.2f}")]
    steps = [float(step) for step in MaxNLocator(5).tick_values(low, high) if low <= step <= high]
    return [((step - low) / (high - low), f"{step:g}") for step in steps]


def importance_bars(shares: Mapping[str, float], *, names: Mapping[str, str], measure: str) -> Figure:
    """A bar for each setting with its share, the most important on top."""
    with mpl.rc_context(STYLE):
        figure, axes = panel(5.4, 0.9 + 0.34 * len(shares))
        places = range(len(shares), 0, -1)
        axes.barh(list(places), list(shares.values()), color=COLOURS[1], height=0.62)
        for place, share in zip(places, shares.values(), strict=True):
            axes.text(share + 0.01, place, f"{100 * share:.0f} %", va="center", fontsize=9)
        axes.set_yticks(list(places), [plain(names[key]) for key in shares])
        axes.set_xlim(0, max(shares.values()) * 1.15)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(f"share of the variance of {measure}")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        return figure


def history(trials: Sequence[Trial], *, measure: str, higher: bool = True) -> Figure:
    """Each trial's value in the order of the search; the best so far as a line, unfinished trials marked."""
    done = [trial for trial in trials if trial.done]
    with mpl.rc_context(STYLE):
        figure, axes = panel(6.4, 3.9)
        best = best_so_far([trial.known for trial in done], higher=higher)
        axes.step([t.number for t in done], best, where="post", color=COLOURS[0], linewidth=1.6, label="best so far")
        axes.plot([t.number for t in done], [t.known for t in done], "o", color=COLOURS[1], label="finished")
        for state, mark in (("pruned", "v"), ("failed", "x"), ("interrupted", "s"), ("running", "D")):
            stopped = [trial for trial in trials if trial.state == state]
            valued = [trial for trial in stopped if trial.value is not None]
            style: Any = {"color": "#57606A", "markerfacecolor": "none", "linewidth": 0, "marker": mark}
            axes.plot([t.number for t in valued], [t.known for t in valued], **style, label=state if valued else None)
            without = [trial.number for trial in stopped if trial.value is None]
            if without:
                text = f"{state}, no validation"
                axes.plot(without, [0.02] * len(without), **style, transform=axes.get_xaxis_transform(), label=text)
        axes.set_xlabel("trial")
        axes.set_ylabel(measure)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
        return figure


def best_so_far(values: Sequence[float], *, higher: bool) -> list[float]:
    """The best of the values up to each."""
    return [float(best) for best in (np.maximum if higher else np.minimum).accumulate(values)] if values else []
