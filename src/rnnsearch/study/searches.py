"""The report's sections on a sweep's or search's settings."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

from rnnsearch.plots import search_charts
from rnnsearch.plots.heat_map import Cell, heat_map
from rnnsearch.plots.search_charts import Axis, Trial
from rnnsearch.study import best_values
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.failures import attempted
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import Measure, primary, score, short_keys
from rnnsearch.study.points import points, scored
from rnnsearch.study.trials import axes, importance_is_installed, importances, trials

PANELS, BESIDE = 12, 6  # heat maps in one figure; heat maps, or columns, that fit half a page
FULL = 0.6  # share of a grid's cells that must be filled; settings that vary together fill half
SHORT, LONGEST = 8, 12  # values along a side of a grid, in a comparison and in a sweep
WIDEST = 12  # columns of all panels beside each other
FRAMED = " The best is framed, with a thin line those that can't be told from it."
MOVES = (
    "A combination is one of the values of all other settings in which two or more values of this one were tried; "
    "there the setting alone moves the score by that of its best value less that of its worst. All are as observed; by "
    "chance another value may lead in new runs."
)

Place: TypeAlias = tuple[str, int, int]  # panel, row, column
Grid: TypeAlias = tuple[Axis, Axis, dict[str, dict[tuple[int, int], Cell]]]


@dataclass(frozen=True)
class Settings:
    """The settings of a study's runs, as its sections show them."""

    study: Study

    @cached_property
    def trials(self) -> list[Trial]:
        """Every run."""
        return trials(self.study)

    @cached_property
    def axes(self) -> list[Axis]:
        """An axis for each setting with several values."""
        return axes(self.trials, (self.study.description.search or {}).get("space"))

    @cached_property
    def names(self) -> dict[str, str]:
        """The settings' short names."""
        return short_keys([axis.key for axis in self.axes])

    @cached_property
    def shares(self) -> dict[str, float] | None:
        """The settings' importance; None if it cannot be computed."""
        possible = len(self.axes) > 1 and importance_is_installed()
        return importances(self.trials, self.axes) if possible else None


def values(settings: Settings) -> Section:
    """How much each setting matters, and its best value within each value of the others."""
    done, measure = scored(points(settings.study)), primary(settings.study)
    over, names = settings.axes, settings.names
    shares, no_shares = attempted("The importance of the settings", lambda: settings.shares)
    candidates = (
        best_values.effects_table(done, over, names, measure, shares) if len(done) > 1 else None,
        best_values.within_table(done, over, names, measure),
        best_values.ranges_table(done, over, names, measure) if is_search(settings.study) else None,
    )
    tables = tuple(table for table in candidates if table is not None)
    notes = (MOVES,) if any(table.header == best_values.EFFECTS for table in tables) else ()
    return Section("Best values", tables=tables, notes=notes, left_out=(no_shares,) if no_shares else ())


def is_search(study: Study) -> bool:
    """Whether its points were chosen by a sampler."""
    return study.description.kind == "search"


def section(settings: Settings, *, near: Sequence[str] | None = None) -> Section:
    """Heat map, parallel coordinates, importance and history, as far as they apply; empty for `compare`'s studies.

    near: of a sweep, the best point and those that can't be told from it, which are marked in its grid; parallel
        coordinates are left out if the grid already shows what they would.
    """
    study = settings.study
    if study.description.kind == "comparison":
        return Section("Settings")
    tried, measure = settings.trials, primary(study)
    over, names = settings.axes, settings.names
    done = [trial for trial in tried if trial.done]
    heat, no_heat = attempted("The heat map", lambda: _heat(done, over, names, measure, near))
    importance, no_importance = attempted("The importance of the settings", lambda: _importance(settings))
    text, bars = importance or ((), [])
    parallel = bool(done) and len(over) > 1 and not (near is not None and heat)
    pictures = [
        *(heat or ()),
        *(_parallel(tried, over, names, measure) if parallel else ()),
        *bars,
        *([_history(tried, measure)] if is_search(study) and done else ()),
    ]
    missing = tuple(sentence for sentence in (no_heat, no_importance) if sentence)
    return Section("Settings", text if over else (), pictures=tuple(pictures), left_out=missing)


def _parallel(
    tried: Sequence[Trial], over: Sequence[Axis], names: Mapping[str, str], measure: Measure
) -> tuple[Picture, ...]:
    best = "yellow" if measure.higher else "yellow, the lowest,"
    stopped = " Dotted: not finished." if not all(trial.done for trial in tried) else ""
    caption = f"A line is one run, from its settings to its {measure.title}; {best} is best.{stopped}"
    look = search_charts.parallel_coordinates
    draw = partial(look, tried, over, names=names, measure=measure.title, higher=measure.higher)
    return (Picture("parallel_coordinates", caption, draw, shades=True),)


def _importance(settings: Settings) -> tuple[tuple[str, ...], list[Picture]]:
    if not importance_is_installed():
        return (
            "Importance of the settings needs Optuna and scikit-learn: pip install 'rnnsearch[search]', and make the "
            "report again.",
        ), []
    if not (shares := settings.shares):
        return (), []
    measure, done = primary(settings.study), sum(trial.done for trial in settings.trials)
    text = (
        f"Importance is the share of the variance of {measure.title} over the {done} finished runs that a setting "
        "accounts for, alone and together with others, in a random forest fitted to them (fANOVA). It speaks of the "
        "values tried here and not of others, says nothing of direction or cause, and from few runs it is rough: "
        "seeds and chance count in it."
    )
    draw = partial(search_charts.importance_bars, shares, names=settings.names, measure=measure.title)
    return (text,), [Picture("importance", "Importance of the settings (fANOVA).", draw)]


def _history(tried: Sequence[Trial], measure: Measure) -> Picture:
    caption = f"{measure.title[0].upper()}{measure.title[1:]} of each trial in the order of the search."
    draw = partial(search_charts.history, tried, measure=measure.title, higher=measure.higher)
    return Picture("search_history", caption, draw)


def _heat(
    done: Sequence[Trial], over: Sequence[Axis], names: Mapping[str, str], measure: Measure, near: Sequence[str] | None
) -> tuple[Picture, ...]:
    grid = grid_of(done, over, most=LONGEST if near is not None else SHORT)
    if grid is None:
        return ()
    rows, columns, cells = grid
    more: dict[str, Any] = {"marked": _marked(done, over, grid, near)} if near is not None else {}
    if near is not None or len(cells) > BESIDE:
        more["across"] = min(BESIDE, max(1, WIDEST // len(columns.values)))
    draw = partial(
        heat_map,
        cells,
        (names[rows.key], rows.labels),
        (names[columns.key], columns.labels),
        measure=measure.title,
        higher=measure.higher,
        **more,
    )
    of_means = f"Mean {measure.title} over seeds at each point of the grid, standard deviation and number of runs."
    alone = all(cell.n == 1 for of_panel in cells.values() for cell in of_panel.values())
    caption = f"{measure.title[0].upper()}{measure.title[1:]} at each point of the grid." if alone else of_means
    caption += FRAMED if len(near or ()) > 1 else " The best is framed." if near else ""
    wide = len(cells) > 1 or (near is not None and len(columns.values) > BESIDE)
    return (Picture("grid", caption, draw, wide=wide, shades=True),)


def _marked(done: Sequence[Trial], over: Sequence[Axis], grid: Grid, near: Sequence[str]) -> list[Place]:
    """The cells of some members, in their order."""
    placed = {trial.member: place_of(trial, over, grid[0], grid[1]) for trial in done}
    return [place for member in near if (place := placed.get(member)) is not None]


def grid_of(done: Sequence[Trial], over: Sequence[Axis], *, most: int = SHORT) -> Grid | None:
    """Rows, columns and cells of two settings, one panel for each combination of the others; None if it is no grid.

    The two settings with the most values become rows and columns; it is a grid if most cells hold runs.

    Args:
        most: the most values that a setting may have.
    """
    usable = [axis for axis in over if len(axis.values) <= most]
    if len(usable) < 2 or len(usable) < len(over):
        return None
    columns, rows, *others = sorted(usable, key=lambda axis: (-len(axis.values), axis.key))
    values: dict[str, dict[tuple[int, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in sorted(done, key=lambda trial: [axis.place(trial.settings.get(axis.key)) for axis in others]):
        if (place := place_of(trial, over, rows, columns)) is not None:
            values[place[0]][place[1:]].append(trial.known)
    total = len(values) * len(rows.values) * len(columns.values)
    if not 1 <= len(values) <= PANELS or sum(map(len, values.values())) < FULL * total:
        return None
    cells = {title: {place: _cell(of) for place, of in sorted(of_panel.items())} for title, of_panel in values.items()}
    return rows, columns, cells


def place_of(trial: Trial, over: Sequence[Axis], rows: Axis, columns: Axis) -> Place | None:
    """Panel, row and column of a trial; None where it lacks one of the two settings."""
    asked = trial.settings
    if asked.get(rows.key) is None or asked.get(columns.key) is None:
        return None
    others = sorted(
        (axis for axis in over if axis not in (rows, columns)), key=lambda axis: (-len(axis.values), axis.key)
    )
    names = short_keys([axis.key for axis in others])
    title = ", ".join(f"{names[axis.key]}={axis.label(asked.get(axis.key))}" for axis in others)
    return title, rows.number(asked[rows.key]), columns.number(asked[columns.key])


def _cell(values: Sequence[float]) -> Cell:
    summary = score(values)
    return Cell(summary.mean, summary.deviation, len(values))
