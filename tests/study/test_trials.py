import math
from pathlib import Path

import pytest

from rnnsearch.plots.heat_map import Cell, heat_map
from rnnsearch.plots.search_charts import Axis, Trial, best_so_far, history, parallel_coordinates
from rnnsearch.records.study_description import StudyDescription
from rnnsearch.study import searches, trials
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import short_keys, short_labels
from rnnsearch.study.trials import axes, importances


def made(values: list[float | None], settings: list[dict[str, object]], state: str = "finished") -> list[Trial]:
    return [
        Trial(n, str(n), 0, state if value is not None else "failed", of, value)
        for n, (value, of) in enumerate(zip(values, settings, strict=True))
    ]


GRID = [{"size": size, "cell": cell, "same": 1} for size in (8, 16, 32, 128) for cell in ("gru", "lstm")]


def test_axes_are_the_settings_that_vary_and_logarithmic_over_decades() -> None:
    size, cell = axes(made([1.0] * 8, GRID))
    assert (size.key, size.numeric, size.log) == ("size", True, True)
    assert [size.place(value) for value in (8, 32, 128)] == pytest.approx([0.0, 0.5, 1.0])
    assert size.ticks() == [(pytest.approx(math.log(v / 8) / math.log(16)), str(v)) for v in (8, 16, 32, 128)]
    assert (cell.numeric, cell.ticks()) == (False, [(0.0, "gru"), (1.0, "lstm")])
    assert cell.place(None) < 0


def test_a_narrow_axis_is_logarithmic_only_where_the_search_was() -> None:
    found = made([1.0, 2.0], [{"lr": 0.001}, {"lr": 0.002}])
    assert not axes(found)[0].log
    assert axes(found, {"lr": {"low": 0.001, "high": 0.002, "log": True}})[0].log


def test_truth_values_are_categories_and_a_lacking_setting_is_a_value() -> None:
    flag, size = axes(made([1.0] * 3, [{"f": True, "s": 1}, {"f": False, "s": None}, {"f": False, "s": 1}]))
    assert (flag.numeric, [text for _, text in flag.ticks()]) == (False, ["false", "true"])
    assert size.values == (1,)


def test_many_values_get_five_ticks() -> None:
    axis = Axis("lr", True, False, tuple(range(11)))
    assert axis.ticks() == [(0.0, "0"), (0.25, "2.5"), (0.5, "5"), (0.75, "7.5"), (1.0, "10")]


def test_the_setting_that_decides_is_the_most_important() -> None:
    found = made([float(of["size"]) + (of["cell"] == "gru") for of in GRID], GRID)
    shares = importances(found, axes(found))
    assert shares is not None
    assert list(shares) == ["size", "cell"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["size"] > 0.9
    assert shares == importances(found, axes(found))  # seeded


def test_too_little_has_no_importance() -> None:
    few = made([1.0, 2.0, 3.0, None], GRID[:4])
    assert importances(few, axes(few)) is None
    equal = made([1.0] * 8, GRID)
    assert importances(equal, axes(equal)) is None


def test_without_optuna_the_section_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials.importlib.util, "find_spec", lambda name: None)
    text, pictures = searches._importance(searches.Settings(Study(Path(), StudyDescription(), ("a",), (0,), ())))
    assert "pip install 'rnnsearch[search]'" in text[0]
    assert pictures == []


def test_a_grid_has_means_spread_and_n() -> None:
    found = [*made([1.0] * 8, GRID), *made([3.0] * 8, GRID)]
    grid = searches.grid_of(found, axes(found))
    assert grid is not None
    rows, columns, cells = grid
    assert (rows.key, columns.key) == ("cell", "size")
    assert cells[""][1, 3] == Cell(2.0, pytest.approx(2**0.5), 2)
    assert len(cells[""]) == 8
    figure = heat_map(cells, ("cell", ["gru", "lstm"]), ("size", ["8", "16", "32", "128"]), measure="BLEU")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[:2] == ["2.00", "± 1.41, n = 2"]


def test_a_third_setting_makes_panels_and_a_diagonal_is_no_grid() -> None:
    cube = [{**of, "third": third} for of in GRID for third in (True, False)]
    grid = searches.grid_of(made([1.0] * 16, cube), axes(made([1.0] * 16, cube)))
    assert grid is not None
    assert len(grid[2]) == 2
    together = [{"a": value, "b": value} for value in (1, 2)]
    assert searches.grid_of(made([1.0] * 2, together), axes(made([1.0] * 2, together))) is None


def test_panels_stand_in_rows_in_the_order_of_their_numbers_and_the_best_is_framed() -> None:
    cube = [{"a": a, "b": b, "third": third} for third in (16, 2, 128) for a in range(4) for b in range(4)]
    found = made([float(n) for n in range(48)], cube)
    grid = searches.grid_of(found, axes(found))
    assert grid is not None
    rows, columns, cells = grid
    assert list(cells) == ["third=2", "third=16", "third=128"]
    place = searches.place_of(found[47], axes(found), rows, columns)
    assert place == ("third=128", 3, 3)
    labels = (rows.key, rows.labels), (columns.key, columns.labels)
    figure = heat_map(cells, *labels, measure="BLEU", marked=[place, ("third=2", 0, 0)], across=2)
    shown = [panel for panel in figure.axes if panel.get_visible()]
    assert [panel.get_title() for panel in shown] == list(cells)
    assert [[patch.get_linewidth() for patch in panel.patches] for panel in shown] == [[1.4], [], [3.2]]
    assert [text.get_text() for text in shown[2].texts][-1] == "47.00"  # one run each: no count of them


def test_history_shows_the_best_so_far_and_what_did_not_finish() -> None:
    assert best_so_far([2.0, 1.0, 3.0], higher=True) == [2.0, 2.0, 3.0]
    assert best_so_far([2.0, 1.0, 3.0], higher=False) == [2.0, 1.0, 1.0]
    found = [*made([2.0, 3.0, None], GRID[:3]), Trial(3, "3", 0, "pruned", GRID[3], 1.0)]
    figure = history(found, measure="BLEU")
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["best so far", "finished", "pruned", "failed, no validation"]


def test_parallel_coordinates_end_at_the_value_or_stop_before_it() -> None:
    found = made([1.0, 5.0, None], GRID[:3])
    over = axes(found)
    figure = parallel_coordinates(found, over, names=short_keys([a.key for a in over]), measure="BLEU")
    ends = [list(line.get_ydata()) for line in figure.axes[0].lines[:3]]
    assert [len(of_line) for of_line in ends] == [2, 3, 3]  # the failed one first, below the others
    assert [of_line[-1] for of_line in ends[1:]] == [0.0, 1.0]


def test_names_are_as_short_as_they_stay_distinct() -> None:
    assert short_keys(["model.a.size", "model.b.size"]) == {"model.a.size": "a.size", "model.b.size": "b.size"}
    assert short_keys(["model/context", "optimizer.lr"]) == {"model/context": "context", "optimizer.lr": "lr"}
    assert short_labels(["additive, size=8", "fixed"]) == {"additive, size=8": "additive, 8", "fixed": "fixed"}
    assert short_labels(["a=1", "b=1"]) == {"a=1": "a=1", "b=1": "b=1"}
