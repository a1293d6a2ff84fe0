"""The best value of each setting within each value of the others, by hand."""

from itertools import product
from typing import Any

import pytest

from rnnsearch.plots.search_charts import Axis, Trial
from rnnsearch.study.best_values import contests, effects_table, ranges_table, within_table
from rnnsearch.study.measures import Measure, Score
from rnnsearch.study.points import Point
from rnnsearch.study.trials import axes

BLEU = Measure("bleu", "test")
NAMES = {"context": "context", "lr": "lr", "size": "size", "cell": "cell"}


def made(
    scores: list[float], settings: list[dict[str, Any]], measure: Measure = BLEU
) -> tuple[list[Point], list[Axis]]:
    """Points, the best first, and their axes."""
    found = [
        Point(str(n), of, Score(mean, None, (mean,)), (), ())
        for n, (mean, of) in enumerate(zip(scores, settings, strict=True))
    ]
    over = axes([Trial(n, str(n), 0, "finished", of, 1.0) for n, of in enumerate(settings)])
    return sorted(found, key=lambda point: -measure.better(point.mean)), over


GRID = [{"context": context, "lr": lr} for context, lr in product(("fixed", "additive"), (0.004, 0.008, 0.016))]
SCORES = [6.0, 9.0, 12.0, 60.0, 70.0, 50.0]  # fixed is best at 0.016, additive at 0.008


def test_rates_that_are_best_for_each_context() -> None:
    found, over = made(SCORES, GRID)
    table = within_table(found, over, NAMES, BLEU)
    assert table is not None
    assert table.rows == (
        ("context", "additive", "3 of 3", "everywhere", "38.00 to 61.00"),
        ("", "fixed", "0 of 3", "nowhere", "–"),
        ("lr", "0.008", "1 of 2", "additive", "10.00"),
        ("", "0.016\nthe highest tried", "1 of 2", "fixed", "3.00"),
        ("", "0.004", "0 of 2", "nowhere", "–"),
    )


def test_how_far_a_setting_alone_moves_the_score() -> None:
    found, over = made(SCORES, GRID)
    table = effects_table(found, over, NAMES, BLEU, {"context": 0.9, "lr": 0.1})
    assert table is not None
    assert table.rows == (
        ("context", "additive", "90 %", "54.00", "61.00", "3"),  # 54, 61 and 38
        ("lr", "0.008", "10 %", "13.00", "20.00", "2"),  # 6 of fixed, 20 of additive
    )


def test_lower_is_better_where_it_is() -> None:
    falling = Measure("nll", "test")
    found, over = made(SCORES, GRID, falling)
    [first, *_] = contests(found, over[0], [over[1]], falling)
    assert (first.winner, first.lead, first.spread) == ("fixed", 54.0, 54.0)


def test_a_point_without_a_setting_takes_part_for_every_value_of_it() -> None:
    settings: list[dict[str, Any]] = [
        {"context": "fixed"},
        *({"context": "additive", "size": size} for size in (8, 16)),
    ]
    found, over = made([20.0, 10.0, 30.0], settings)
    context, size = over
    assert {contest.where: contest.winner for contest in contests(found, context, [size], BLEU)} == {
        ("8",): "fixed",
        ("16",): "additive",
    }
    assert [contest.where for contest in contests(found, size, [context], BLEU)] == [("additive",)]


def test_one_value_stands_for_all_combinations_that_have_it() -> None:
    settings = [{**of, "cell": cell} for of in GRID for cell in ("gru", "lstm")]
    found, over = made([score + n % 2 for score in SCORES for n in range(2)], settings)
    table = within_table(found, over, NAMES, BLEU)
    assert table is not None
    assert [row[2:4] for row in table.rows if row[1].startswith("0.0")] == [
        ("2 of 4", "additive"),
        ("2 of 4", "fixed"),
        ("0 of 4", "nowhere"),
    ]


def test_of_one_other_setting_the_values_stand_together() -> None:
    settings = [{"lr": lr, "size": size} for size in (16, 8, 4) for lr in (0.1, 0.2)]
    found, over = made([1.0, 2.0, 1.0, 2.0, 2.0, 1.0], settings)
    table = within_table(found, [over[1], over[0]], NAMES, BLEU)
    assert table is not None
    assert [row[1:4] for row in table.rows if row[1] in ("0.1", "0.2")] == [
        ("0.1", "1 of 3", "size=4"),
        ("0.2", "2 of 3", "size=8, 16"),
    ]


@pytest.mark.parametrize("count", [3, 40])
def test_of_what_a_sampler_drew_the_range_of_the_best_is_told(count: int) -> None:
    settings = [{"lr": 0.001 * (n + 1), "cell": "gru" if n % 2 else "lstm"} for n in range(count)]
    found, over = made([float(n) for n in range(count)], settings)
    table = ranges_table(found, over, NAMES, BLEU)
    if count == 3:
        assert table is None
        return
    assert table is not None
    assert table.rows == (
        ("lr", "0.031 to 0.04", "0.001 to 0.04"),
        ("cell", "gru in 5, lstm in 5", "gru in 20, lstm in 20"),
    )
    within = within_table(found, over, NAMES, BLEU)
    assert within is None  # each rate was drawn once
