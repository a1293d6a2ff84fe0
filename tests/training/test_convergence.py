"""Training until validation gets no better: the rule, worked out by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from rnnsearch.training.convergence import Convergence, ConvergenceState, check_decays
from rnnsearch.training.schedules import Constant, Cosine, InverseSquareRoot, Plateau, Schedule, Step

RULE = Convergence(patience=2, least=0.1, decay=0.25)


def watched(likelihoods: Sequence[float], *, every: int = 10, cap: int = 1000) -> ConvergenceState:
    """The state after validations every so many updates."""
    state = ConvergenceState()
    for number, nll in enumerate(likelihoods, start=1):
        for update in range((number - 1) * every + 1, number * every + 1):
            RULE.mind_cap(state, update=update, used=update / cap)
        RULE.watch(state, nll, update=number * every, used=number * every / cap)
    return state


def test_the_decay_begins_after_patience_validations_without_a_fall_of_the_least() -> None:
    assert watched([5.0, 4.0, 3.95]).decay_from is None
    assert watched([5.0, 4.0, 3.95, 3.89, 3.85]).decay_from is None  # the fourth fell by 0.11
    state = watched([5.0, 4.0, 3.95, 3.91, 1.0])
    # a quarter of 40; what follows is not looked at
    assert (state.decay_from, state.length, state.best) == (40, 10, 4.0)


def test_a_slow_creep_is_a_fall_once_it_adds_up() -> None:
    assert watched([4.0, 3.95, 3.89, 3.85, 3.78]).decay_from is None
    assert watched([4.0, 3.95, 3.91]).decay_from == 30


def test_the_decay_runs_from_0_to_1_and_ends_the_training() -> None:
    state = watched([5.0, 4.0, 4.0, 4.0])
    behind = [RULE.decayed(state, update=update, used=update / 1000) for update in (40, 45, 50, 60)]
    assert behind == [pytest.approx(share) for share in (0.0, 0.5, 1.0, 1.0)]
    assert [RULE.is_converged(state, update=update) for update in (49, 50)] == [False, True]
    assert RULE.progress(state, update=40, used=0.04) == pytest.approx(0.8)
    assert RULE.progress(state, update=50, used=0.05) == 1.0


def test_near_the_cap_the_decay_begins_by_itself_and_ends_with_it() -> None:
    state = watched([5.0 - number for number in range(8)], cap=100)
    assert (state.decay_from, state.length) == (80, None)  # 80 and a quarter of it are 100
    behind = [RULE.decayed(state, update=update, used=update / 100) for update in (80, 90, 100)]
    assert behind == [pytest.approx(share) for share in (0.0, 0.5, 1.0)]
    assert not RULE.is_converged(state, update=100)
    assert RULE.progress(state, update=90, used=0.9) == 0.9


def test_a_cap_that_was_raised_takes_its_decay_back_but_not_that_of_convergence() -> None:
    state = watched([5.0 - number for number in range(8)], cap=100)
    RULE.mind_cap(state, update=90, used=90 / 200)
    assert state.decay_from is None
    state = watched([5.0, 4.0, 4.0, 4.0], cap=60)
    assert state.decay_from == 40
    RULE.mind_cap(state, update=41, used=41 / 200)
    assert state.decay_from == 40


def test_a_cap_in_another_unit_that_comes_early_ends_the_decay_at_its_end() -> None:
    state = ConvergenceState(best=4.0, decay_from=40, used=0.7, length=10)
    assert RULE.decayed(state, update=45, used=0.94) == pytest.approx(0.8)  # (0.94 - 0.7) / 0.3
    assert RULE.decayed(state, update=46, used=1.0) == 1.0
    assert not RULE.is_converged(state, update=46)


def test_a_cap_below_one_update_is_used_up_at_once() -> None:
    state = ConvergenceState()
    RULE.mind_cap(state, update=1, used=3.0)
    assert RULE.decayed(state, update=1, used=3.0) == 1.0


@pytest.mark.parametrize("schedule", [Cosine(warmup=200, final=0.02), Cosine(warmup=0, final=0.0)])
def test_a_schedule_that_falls_with_the_budget_will_do(schedule: Schedule) -> None:
    check_decays(schedule)


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(warmup=0),
        InverseSquareRoot(warmup=100),
        Step(warmup=0, every=10, gamma=0.5),
        Plateau(warmup=0, shrink=0.5, patience=2),
    ],
)
def test_one_that_falls_by_itself_or_not_at_all_is_refused(schedule: Schedule) -> None:
    with pytest.raises(
        ValueError, match=rf"{type(schedule).__name__} falls by a rule of its own or not at all; take s"
    ):
        check_decays(schedule)


@pytest.mark.parametrize(("key", "value"), [("patience", 0), ("least", -0.1), ("decay", 0.0)])
def test_numbers_out_of_bounds_are_refused(key: str, value: float) -> None:
    numbers: dict[str, Any] = {"patience": 2, "least": 0.1, "decay": 0.25, key: value}
    with pytest.raises(ValueError, match=rf"convergence\.{key}={value}: must be"):
        Convergence(**numbers)
