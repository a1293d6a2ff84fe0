"""When training ends."""

from typing import Any

import pytest

from rnnsearch.training.budget import Budget

NONE: dict[str, Any] = {"updates": None, "tokens": None, "seconds": None, "flops": None, "flops_per_token": 3.0}


def test_the_first_limit_counts() -> None:
    budget = Budget(**NONE | {"updates": 10, "tokens": 1000})
    assert budget.progress(updates=5, tokens=100, seconds=1e9) == 0.5
    assert budget.progress(updates=5, tokens=900, seconds=0.0) == 0.9
    assert budget.progress(updates=11, tokens=0, seconds=0.0) == 1.1


@pytest.mark.parametrize(("limit", "used"), [("updates", 3), ("tokens", 70), ("seconds", 1.5)])
def test_each_limit_alone(limit: str, used: float) -> None:
    budget = Budget(**NONE | {limit: 2 * used})
    done: dict[str, Any] = {"updates": 0, "tokens": 0, "seconds": 0} | {limit: used}
    assert budget.progress(**done) == 0.5


def test_operations_are_those_of_the_target_tokens() -> None:
    budget = Budget(**NONE | {"flops": 600.0})
    assert budget.progress(updates=0, tokens=50, seconds=0.0) == 0.25


def test_operations_that_nobody_counted_are_no_limit() -> None:
    budget = Budget(**NONE | {"updates": 10, "flops_per_token": None})
    assert budget.progress(updates=5, tokens=50, seconds=0.0) == 0.5


def test_no_limit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"training would never end; set budget\.updates, tokens, seconds or flops"):
        Budget(**NONE)


@pytest.mark.parametrize("key", ["updates", "tokens", "seconds", "flops"])
@pytest.mark.parametrize("value", [0, -3])
def test_limits_are_positive(key: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"budget.{key}={value}: a budget is positive"):
        Budget(**NONE | {key: value})
