from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.transforms import Bbox

from rnnsearch.plots.label_placement import place_labels
from rnnsearch.plots.quality_against_cost import LIGHT, Point, quality_against_cost
from rnnsearch.plots.style import panel
from rnnsearch.records.run_record import Metrics, Record, Results
from rnnsearch.records.study_description import StudyDescription
from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import Measure
from rnnsearch.study.trade_offs import COSTS, as_one, pareto_front, points_of, section, varies

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


@given(POINTS)
def test_the_front_holds_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    def dominated(cost: int, quality: int) -> bool:
        return any(c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in points)

    front = pareto_front([cost for cost, _ in points], [quality for _, quality in points])
    assert sorted(front) == [place for place, point in enumerate(points) if not dominated(*point)]
    assert [points[place] for place in front] == sorted(points[place] for place in front)


def test_the_front_of_a_worked_example() -> None:
    assert pareto_front([3.0, 1.0, 2.0, 2.0, 4.0], [30.0, 10.0, 25.0, 20.0, 29.0]) == [1, 2, 0]


def test_costs_that_differ_by_noise_are_one() -> None:
    assert as_one([100.0, 100.5]) == [100.25, 100.25]
    assert as_one([100.0, 102.0]) == [100.0, 102.0]
    assert as_one([0.0, 0.0]) == [0.0, 0.0]
    assert as_one([]) == []


def test_only_a_cost_that_varies_has_a_figure() -> None:
    assert varies([100.0, 102.0])
    assert not varies([100.0, 100.9])
    assert not varies([])
    assert [p.name for p in section(study_of({("a", 0): (1e6, 20.0), ("b", 0): (2e6, 21.0)})).pictures] == [
        "quality_parameters"
    ]
    assert section(study_of({("a", 0): (1e6, 20.0), ("b", 0): (1.005e6, 21.0)})).empty


def study_of(runs: dict[tuple[str, int], tuple[float, float]]) -> Study:
    """A study whose runs have the given parameters and test BLEU."""
    made = [
        Run(
            member,
            seed,
            Path(),
            "finished",
            Record(parameters=size, results=Results(metrics=Metrics(test={"bleu": bleu}))),
            (),
        )
        for (member, seed), (size, bleu) in runs.items()
    ]
    members = tuple(dict.fromkeys(member for member, _ in runs))
    return Study(Path(), StudyDescription(), members, (0, 1), tuple(made))


def test_points_are_means_over_seeds_with_their_spread() -> None:
    runs = {("a", 0): (1e6, 20.0), ("a", 1): (1e6, 22.0), ("b", 0): (2e6, 20.5), ("c", 0): (3e6, 25.0)}
    a, b, c = points_of(study_of(runs), Measure("bleu", "test"), COSTS[0])
    assert (a.cost, a.quality, a.values) == (1.0, 21.0, (20.0, 22.0))
    assert a.deviation == pytest.approx(2**0.5)
    assert (b.deviation, b.on_front) == (None, False)
    assert a.on_front
    assert c.on_front


def test_dominated_points_are_lighter() -> None:
    points = [Point("a", 1.0, 20.0, None, (20.0,), True), Point("b", 2.0, 19.0, None, (19.0,), False)]
    (axes,) = quality_against_cost(points, cost="parameters", quality="BLEU").axes
    opacities = {line.get_xdata()[0]: line.get_alpha() for line in axes.lines if line.get_marker() in ("o", "s")}
    assert opacities == {1.0: 1.0, 2.0: LIGHT}


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_sixteen_members_do_not_collide(seed: int) -> None:
    generator = np.random.default_rng(seed)
    places = [
        (float(x), float(y)) for x, y in zip(np.repeat([1, 2, 3, 9], 4), generator.normal(30, 3, 16), strict=True)
    ]
    _, axes = panel(6.6, 4.6)
    axes.plot(*zip(*places, strict=True), "o")
    axes.margins(0.14)
    labels = [(x, y, f"additive, {number}") for number, (x, y) in enumerate(places)]
    boxes = place_labels(axes, labels, marks=[(place, place) for place in places], lines=[])
    assert len(boxes) == 16
    assert not [pair for pair in combinations(boxes, 2) if overlap(*pair) > 1.0]
    marks = [Bbox.from_bounds(*(axes.transData.transform(place) - 3), 6, 6) for place in places]
    assert not [box for box in boxes for mark in marks if overlap(box, mark) > 1.0]


def overlap(one: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(one, other)
    return both.width * both.height if both else 0.0
