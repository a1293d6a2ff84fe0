"""The report's sections on a sweep's or search's settings."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

from rnnsearch.study import search_figures
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.failures import attempted
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import Measure, primary, score, short_keys
from rnnsearch.study.search_figures import Cell
from rnnsearch.study.trials import Axis, Trial, axes, importance_is_installed, importances, trials

PANELS = 6  # heat maps side by side
FULL = 0.6  # share of a grid's cells that must be there; settings that go together fill half


def section(study: Study) -> Section:
    """Heat map, parallel coordinates, importance and history, as far as they apply; empty for a comparison."""
    if study.description.get("kind", "comparison") == "comparison":
        return Section("Settings")
    found, measure = trials(study), primary(study)
    over = axes(found, (study.description.get("search") or {}).get("space"))
    names = short_keys([axis.key for axis in over])
    done = [trial for trial in found if trial.done]
    heat, no_heat = attempted("The heat map", lambda: _heat(done, over, names, measure))
    importance, no_importance = attempted(
        "The importance of the settings", lambda: _importance(found, over, names, measure)
    )
    text, bars = importance or ((), [])
    pictures = [
        *(heat or ()),
        *(_parallel(found, over, names, measure) if done and len(over) > 1 else ()),
        *bars,
        *([_history(found, measure)] if study.description.get("kind") == "search" and done else ()),
    ]
    missing = tuple(sentence for sentence in (no_heat, no_importance) if sentence)
    return Section("Settings", text if over else (), pictures=tuple(pictures), left_out=missing)


def _parallel(
    found: Sequence[Trial], over: Sequence[Axis], names: Mapping[str, str], measure: Measure
) -> tuple[Picture, ...]:
    best = "yellow" if measure.higher else "yellow, the lowest,"
    stopped = " Dotted: not finished." if not all(trial.done for trial in found) else ""
    caption = f"A line is one run, from its settings to its {measure.title}; {best} is best.{stopped}"
    look = search_figures.parallel_coordinates
    draw = partial(look, found, over, names=names, measure=measure.title, higher=measure.higher)
    return (Picture("parallel_coordinates", caption, draw, shades=True),)


def _importance(
    found: Sequence[Trial], over: Sequence[Axis], names: Mapping[str, str], measure: Measure
) -> tuple[tuple[str, ...], list[Picture]]:
    if not importance_is_installed():
        return (
            "Importance of the settings needs Optuna and scikit-learn: pip install 'rnnsearch[search]', and make the "
            "report again.",
        ), []
    shares = importances(found, over) if len(over) > 1 else None
    if not shares:
        return (), []
    done = sum(trial.done for trial in found)
    text = (
        f"Importance is the share of the variance of {measure.title} over the {done} finished runs that a setting "
        "accounts for, alone and together with others, in a random forest fitted to them (fANOVA). It speaks of the "
        "values tried here and not of others, says nothing of direction or cause, and from few runs it is rough: "
        "seeds and chance count in it."
    )
    draw = partial(search_figures.importance_bars, shares, names=names, measure=measure.title)
    return (text,), [Picture("importance", "Importance of the settings (fANOVA).", draw)]


def _history(found: Sequence[Trial], measure: Measure) -> Picture:
    caption = f"{measure.title[0].upper()}{measure.title[1:]} of each trial in the order of the search."
    draw = partial(search_figures.history, found, measure=measure.title, higher=measure.higher)
    return Picture("search_history", caption, draw)


def _heat(
    done: Sequence[Trial], over: Sequence[Axis], names: Mapping[str, str], measure: Measure
) -> tuple[Picture, ...]:
    grid = grid_of(done, over)
    if grid is None:
        return ()
    rows, columns, cells = grid
    draw = partial(
        search_figures.heat_map,
        cells,
        (names[rows.key], rows.labels),
        (names[columns.key], columns.labels),
        measure=measure.title,
        higher=measure.higher,
    )
    caption = f"Mean {measure.title} over seeds at each point of the grid, standard deviation and number of runs."
    return (Picture("grid", caption, draw, wide=len(cells) > 1, shades=True),)


def grid_of(
    done: Sequence[Trial], over: Sequence[Axis]
) -> tuple[Axis, Axis, dict[str, dict[tuple[int, int], Cell]]] | None:
    """Rows, columns and cells of two settings, one panel for each combination of the others; None if it is no grid.

    The two settings with the most values are rows and columns; it is a grid when most cells hold runs.
    """
    usable = [axis for axis in over if len(axis.values) <= 8]
    if len(usable) < 2 or len(usable) < len(over):
        return None
    columns, rows, *others = sorted(usable, key=lambda axis: (-len(axis.values), axis.key))
    names = short_keys([axis.key for axis in others])
    values: dict[str, dict[tuple[int, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in done:
        asked = trial.settings
        if asked.get(rows.key) is None or asked.get(columns.key) is None:
            continue
        title = ", ".join(f"{names[axis.key]}={axis.label(asked.get(axis.key))}" for axis in others)
        place = (rows.number(asked[rows.key]), columns.number(asked[columns.key]))
        values[title][place].append(trial.known)
    total = len(values) * len(rows.values) * len(columns.values)
    if not 1 <= len(values) <= PANELS or sum(map(len, values.values())) < FULL * total:
        return None
    cells = {title: {place: _cell(of) for place, of in sorted(values[title].items())} for title in sorted(values)}
    return rows, columns, cells


def _cell(values: Sequence[float]) -> Cell:
    found = score(values)
    return Cell(found.mean, found.deviation, len(values))
