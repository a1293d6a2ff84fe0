"""Factors on the learning rate, worked out by hand."""

import math

import pytest

from rnnsearch.training.schedules import Constant, Cosine, InverseSquareRoot, Plateau, PlateauState, Schedule, Step

SCHEDULES: dict[str, Schedule] = {
    "constant": Constant(warmup=4),
    "cosine": Cosine(warmup=4, final=0.1),
    "inverse square root": InverseSquareRoot(warmup=4),
    "step": Step(warmup=4, every=10, gamma=0.5),
    "plateau": Plateau(warmup=4, shrink=0.5, patience=2),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_the_warm_up_is_linear(schedule: Schedule) -> None:
    assert [schedule.factor(update, 0.0) for update in range(4)] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("schedule", "update", "progress", "expected"),
    [
        (Constant(warmup=0), 0, 0.0, 1.0),
        (Constant(warmup=4), 10**6, 0.9, 1.0),
        (Cosine(warmup=0, final=0.2), 5, 0.0, 1.0),
        (Cosine(warmup=0, final=0.2), 5, 0.5, 0.6),
        (Cosine(warmup=0, final=0.2), 5, 1.0, 0.2),
        (Cosine(warmup=0, final=0.2), 5, 1.7, 0.2),
        (InverseSquareRoot(warmup=4), 15, 0.0, 0.5),
        (InverseSquareRoot(warmup=0), 3, 0.0, 0.5),
        (Step(warmup=0, every=10, gamma=0.5), 9, 0.0, 1.0),
        (Step(warmup=0, every=10, gamma=0.5), 10, 0.0, 0.5),
        (Step(warmup=0, every=10, gamma=0.5), 29, 0.0, 0.25),
    ],
)
def test_worked_examples(schedule: Schedule, update: int, progress: float, expected: float) -> None:
    assert schedule.factor(update, progress) == pytest.approx(expected, rel=1e-12)


def test_the_plateau_falls_after_patience_validations_without_a_better_one() -> None:
    rule, state = Plateau(warmup=0, shrink=0.1, patience=2), PlateauState()
    falls = []
    for nll in (5.0, 4.0, 4.0, 4.5, 3.9, 3.95, 3.8, 3.8, 3.8, 3.8, 3.8):
        rule.watch(state, nll)
        falls.append(state.falls)
    assert falls == [0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3]
    assert rule.shrunk(state) == pytest.approx(0.001)
    assert state.best == 3.8
    assert not math.isinf(state.best)
