"""Amounts of data in a report: crossings by a worked example and a simulation, the section of a small sweep."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.study.many import comparison_of, write_sweep

from rnnsearch.study.amounts import lines_of, section
from rnnsearch.study.crossings import crossings
from rnnsearch.study.folder import Study, read_study
from rnnsearch.study.statistics import Comparison

AMOUNTS = (100, 1000, 10_000)
RECORDED = {"fixed": (22, 22, 25), "additive": (20, 21, 28)}
SCORES = st.lists(st.integers(-3, 3), min_size=3, max_size=3)


def lines(*means: list[float], noise: float = 0.0, seeds: int = 1, draw: int = 0) -> list[np.ndarray]:
    chance = np.random.default_rng(draw)
    return [np.array(mean, float)[:, None] + noise * chance.standard_normal((len(mean), seeds)) for mean in means]


def test_a_worked_example() -> None:
    """Gaps of -2, -1 and +3: a quarter of the way from 1,000 to 10,000, on the logarithm."""
    [crossing] = crossings(AMOUNTS, *lines([0, 1, 8], [2, 2, 5]))
    assert crossing.at == pytest.approx(10**3.25)
    assert crossing.rises
    assert (crossing.low, crossing.high) == (None, None)
    assert [c.rises for c in crossings(AMOUNTS, *lines([2, 2, 5], [0, 1, 8]))] == [False]


@pytest.mark.parametrize(
    ("first", "places"),
    [
        ([1, 2, 3], []),  # always above
        ([0, 1, 2], []),  # from level to above is no crossing
        ([-1, 0, 1], [1000]),  # through a place where they are level
        ([-1, 1, -1], [10**2.5, 10**3.5]),
        ([0, 0, 0], []),
    ],
)
def test_touching_is_no_crossing(first: list[float], places: list[float]) -> None:
    found = crossings(AMOUNTS, *lines(first, [0, 0, 0]))
    assert [crossing.at for crossing in found] == pytest.approx(places)


@given(SCORES, SCORES)
def test_crossings_alternate_and_swap_with_the_lines(first: list[float], second: list[float]) -> None:
    found = crossings(AMOUNTS, *lines(first, second))
    assert all(one.rises != other.rises for one, other in pairwise(found))
    turned = crossings(AMOUNTS, *lines(second, first))
    assert [(c.at, not c.rises) for c in turned] == [(c.at, c.rises) for c in found]
    assert all(AMOUNTS[0] < crossing.at < AMOUNTS[-1] for crossing in found)


def test_the_interval_covers_the_place_and_shrinks_with_the_noise() -> None:
    """A bootstrap over eight seeds covers somewhat less often than 95 % of the time."""
    widths = []
    for noise in (0.05, 0.5):
        draws = [lines([0, 1, 8], [2, 2, 5], noise=noise, seeds=8, draw=draw) for draw in range(20)]
        drawn = [crossings(AMOUNTS, *draw) for draw in draws]
        intervals = [(c.low, c.high) for [c] in drawn if c.low is not None and c.high is not None]
        assert sum(low < 10**3.25 < high for low, high in intervals) >= 15
        widths.append(np.mean([math.log(high / low) for low, high in intervals]))
    assert widths[0] < widths[1]


def test_seeds_that_cross_elsewhere_give_no_interval() -> None:
    first = np.array([[-1.0, 9.0, -8.3], [-1.0, 4.0, -2.0]])  # by their mean they cross, in most draws they don't so
    [crossing] = crossings((1, 10), first, np.zeros((2, 3)))
    assert (crossing.low, crossing.high, crossing.share) == (None, None, 0.0)


def swept(
    make_study: Callable[..., Path], folder: Path, recorded: Mapping[str, Sequence[float]] = RECORDED
) -> tuple[Study, Comparison]:
    """Two contexts with three amounts each; what they record crosses as in the worked example."""
    members = {
        f"{context}, first={first}": {"model/context": context, "filters.first": first}
        for first in AMOUNTS
        for context in ("fixed", "additive")
    }
    write_sweep(make_study, folder, members=members)
    for path in folder.glob("*/record.json"):
        context, count = path.parent.name.partition("-seed")[0].split(", first=")
        record = json.loads(path.read_text(encoding="utf-8"))
        record["data"]["pairs"]["train"] = int(count)
        record["results"]["metrics"]["test"]["bleu"] = recorded[context][AMOUNTS.index(int(count))]
        path.write_text(json.dumps(record), encoding="utf-8")
    study = read_study(folder)
    return study, comparison_of(study, resamples=20)


def test_the_section_of_a_sweep(make_study: Callable[..., Path], tmp_path: Path) -> None:
    study, comparison = swept(make_study, tmp_path / "amounts")
    found = lines_of(study, comparison)
    assert [(line.label, tuple(line.members)) for line in found] == [("fixed", AMOUNTS), ("additive", AMOUNTS)]
    made = section(study, comparison)
    [picture] = made.pictures
    [sentence] = made.text
    assert sentence.startswith("additive overtakes fixed at about 1,800 training pairs (95 % interval over")
    assert len(made.tables[0].rows) == 6
    figure = picture.draw()
    [axes] = figure.axes
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "1,000", "10,000"]


@pytest.mark.parametrize(
    ("fixed", "additive", "told"),
    [
        ((1, 12, 15), (2, 11, 18), "additive overtakes fixed at about 1,800 training pairs"),  # not fixed before that
        ((1, 2, 15), (2, 1, 18), "fixed and additive are not compared."),
    ],
)
def test_amounts_at_which_nothing_is_learnt_say_nothing(
    fixed: list[float], additive: list[float], told: str, make_study: Callable[..., Path], tmp_path: Path
) -> None:
    made = section(*swept(make_study, tmp_path / "amounts", {"fixed": fixed, "additive": additive}))
    [sentence] = made.text
    assert sentence.startswith(told)
    assert sentence.endswith(" Amounts at which both have under 10 BLEU are left out.")
    assert ("Dotted" in made.pictures[0].caption) == ("overtakes" in told)
    assert "fixed overtakes" not in sentence


def test_a_study_of_one_amount_has_no_section(make_study: Callable[..., Path], tmp_path: Path) -> None:
    study = read_study(make_study(tmp_path / "one", sentences=20, seeds=(0,)))
    assert section(study, comparison_of(study, resamples=20)).empty
