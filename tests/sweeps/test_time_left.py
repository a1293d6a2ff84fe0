"""When a running sweep will end."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rnnsearch.sweeps.ledger import Attempt, Point, State
from rnnsearch.sweeps.time_left import in_words, seconds_left, span

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def point(name: str, member: str = "a", updates: int | None = 100) -> Point:
    return Point(folder=Path(name), key=name, member=member, seed=0, overrides=(), updates=updates)


def running(seconds: float, updates: int = 0) -> State:
    began = (NOW - timedelta(seconds=seconds)).isoformat()
    return State("running", updates=updates, attempts=(Attempt(started=began),))


def finished(seconds: float) -> State:
    return State("finished", updates=100, seconds=seconds)


def left(states: dict[Point, State]) -> float | None:
    return seconds_left([*states], {one.folder: state for one, state in states.items()}, NOW)


def test_by_its_own_updates() -> None:
    assert left({point("1"): running(30, updates=25)}) == pytest.approx(90)
    assert left({point("1"): running(30, updates=25), point("2"): State("waiting")}) == pytest.approx(90 + 120)


def test_by_points_that_have_ended() -> None:
    done = {point("1"): finished(100), point("2", "b"): finished(300)}
    assert left({**done, point("3"): running(40)}) == pytest.approx(60)  # as its member's
    assert left({**done, point("3", "b"): running(40)}) == pytest.approx(260)
    assert left({**done, point("3", "c"): running(40)}) == pytest.approx(200 - 0)  # as all that have ended
    assert left({**done, point("3", "b"): running(40, updates=50)}) == pytest.approx(150)
    assert left({**done, point("3"): running(500)}) == 0


def test_as_many_at_a_time_as_now() -> None:
    states = {point("0"): finished(100), point("1"): running(90), point("2"): running(50)}
    states |= {point(f"w{number}"): State("waiting") for number in range(3)}
    # slots are free after 10 and 50 s: 10 + 100, 50 + 100, then 110 + 100
    assert left(states) == pytest.approx(210)
    assert left({**states, point("f"): State("failed"), point("p"): State("pruned")}) == pytest.approx(210)


def test_while_nothing_tells_it() -> None:
    assert left({point("1"): running(30)}) is None
    assert left({point("1", updates=None): running(30, updates=25)}) is None
    assert left({point("1"): State("waiting")}) is None
    assert left({point("1"): finished(3)}) is None
    assert left({}) is None


def test_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    local = NOW.astimezone()
    assert in_words(60, NOW) == f"it ends at about {local + timedelta(minutes=1):%H:%M}, in 60 s"
    assert f"{local + timedelta(days=2):%d %b %H:%M}, in 2.0 days" in in_words(2 * 86_400, NOW)
    assert [span(value) for value in (0.4, 89, 91, 5400, 36 * 3600)] == ["0 s", "89 s", "2 min", "1.5 h", "1.5 days"]
