from pathlib import Path

import pytest

from rnnsearch.plots import learning_curves
from rnnsearch.plots.learning_curves import (
    Curve,
    best_of,
    best_of_many,
    look_for,
    mean_curve,
    range_curve,
    small_multiples,
)
from rnnsearch.plots.panels import GREY, columns_of
from rnnsearch.records.run_record import Curves, Record, Results
from rnnsearch.study.curves import curves_of, tokens_differ
from rnnsearch.study.folder import Run


def test_places_against_tokens_are_means_too() -> None:
    curves = [Curve("a", 0, (10, 20), (1.0, 2.0), (100, 200)), Curve("a", 1, (10, 20), (3.0, 6.0), (104, 208))]
    assert mean_curve(curves, "tokens") == ([102, 204], [2.0, 4.0])
    assert range_curve(curves) == ([10, 20], [1.0, 2.0], [3.0, 6.0])


def test_a_run_that_broke_off_does_not_shorten_the_mean() -> None:
    broken = Curve("a", 1, (10,), (9.0,), finished=False)
    assert mean_curve([Curve("a", 0, (10, 20), (1.0, 2.0)), broken]) == ([10, 20], [1.0, 2.0])
    assert mean_curve([broken]) == ([10], [9.0])


def test_curves_know_their_tokens_and_whether_they_ended() -> None:
    points = [{"update": 1, "tokens_seen": 50, "nll": 2.0}, {"update": 2, "tokens_seen": 90, "nll": None}]
    run = Run("a", 0, Path("a"), "pruned", Record(results=Results(curves=Curves(validation=points))), ())
    (curve,) = curves_of([run], key="nll")
    assert (curve.updates, curve.tokens, curve.values, curve.finished) == ((1,), (50,), (2.0,), False)


def test_tokens_are_told_only_where_an_update_sees_more_of_them_in_one_member() -> None:
    a, b = Curve("a", 0, (10, 20), (1.0, 2.0), (100, 200)), Curve("b", 0, (20, 40), (1.0, 2.0), (200, 401))
    broken = Curve("b", 1, (20,), (1.0,), (300,), finished=False)
    assert not tokens_differ([a, b, broken])
    assert tokens_differ([a, Curve("b", 0, (10, 20), (1.0, 2.0), (200, 400))])
    assert not tokens_differ([Curve("a", 0, (10, 20), (1.0, 2.0))])
    assert not tokens_differ([])


@pytest.mark.parametrize(("members", "look"), [(2, "learning_curves"), (8, "small_multiples"), (60, "best_of_many")])
def test_the_look_suits_the_number_of_members(members: int, look: str) -> None:
    assert look_for(members)[0] is getattr(learning_curves, look)


def many(count: int) -> list[Curve]:
    return [Curve(f"m{n}", seed, (1, 2), (float(n), n + seed + 1.0)) for n in range(count) for seed in (0, 1)]


def test_a_panel_each_with_the_others_in_grey() -> None:
    members = [f"m{n}" for n in range(7)]
    figure = small_multiples(many(7), members=members, quantity="loss", best="m3")
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == ["m0", "m1", "m2", "m3 (best)", "m4", "m5", "m6"]
    assert all(len(axes.lines) == 7 for axes in shown)
    assert list(shown[2].lines[-1].get_ydata()) == [2.0, 3.5]


def test_of_very_many_the_first_and_the_best_are_named() -> None:
    figure = best_of_many(many(30), members=[f"m{n}" for n in range(30)], quantity="loss", best="m29")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["m0", "m29 (best)"]


def test_of_a_sweep_the_best_few_are_named_and_the_others_grey() -> None:
    look, _ = best_of(30)
    figure = look(many(30), members=[f"m{n}" for n in reversed(range(30))], quantity="loss", best="m29")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["m29", "m28", "m27", "m26"]
    assert [line.get_color() for line in figure.axes[0].lines].count(GREY) == 26


@pytest.mark.parametrize(("count", "columns"), [(2, 2), (5, 3), (6, 3), (7, 4), (9, 3), (10, 4), (16, 4)])
def test_panels_fill_their_rows(count: int, columns: int) -> None:
    assert columns_of(count) == columns
