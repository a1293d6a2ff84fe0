"""When training ends."""

import pytest

from rnnsearch.training.budget import Budget


def test_the_first_limit_counts() -> None:
    budget = Budget(updates=10, tokens=1000, seconds=None)
    assert budget.progress(updates=5, tokens=100, seconds=1e9) == 0.5
    assert budget.progress(updates=5, tokens=900, seconds=0.0) == 0.9
    assert budget.progress(updates=11, tokens=0, seconds=0.0) == 1.1


@pytest.mark.parametrize(("limit", "used"), [("updates", 3), ("tokens", 70), ("seconds", 1.5)])
def test_each_limit_alone(limit: str, used: float) -> None:
    limits: dict[str, float | None] = {"updates": None, "tokens": None, "seconds": None}
    budget = Budget(**(limits | {limit: 2 * used}))  # type: ignore[arg-type]
    assert budget.progress(**({"updates": 0, "tokens": 0, "seconds": 0} | {limit: used})) == 0.5  # type: ignore[arg-type]


def test_no_limit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"training would never end; set budget\.updates, tokens or seconds"):
        Budget(updates=None, tokens=None, seconds=None)


@pytest.mark.parametrize("key", ["updates", "tokens", "seconds"])
@pytest.mark.parametrize("value", [0, -3])
def test_limits_are_positive(key: str, value: int) -> None:
    limits: dict[str, int | None] = {"updates": None, "tokens": None, "seconds": None}
    with pytest.raises(ValueError, match=f"budget.{key}={value}: a budget is positive"):
        Budget(**(limits | {key: value}))
