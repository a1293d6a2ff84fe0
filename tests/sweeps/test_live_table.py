"""The table of a study's points: what it shows, what it leaves out, and what is said while points come on."""

import io
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from tests.sweeps.trainings import write_point, write_record

from rnnsearch.records.run_record import now
from rnnsearch.sweeps import ledger, live_table
from rnnsearch.sweeps.ledger import Attempt, Point, State

FAILURE = {"type": "ValueError", "message": "no such layer\nmore of it", "traceback": "Traceback ..."}


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_table, "SECONDS", 0.01)


def shown(points: list[Point], states: live_table.States, *, rows: int | None = None) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(live_table.table(points, states, rows=rows))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def many(folder: Path, statuses: dict[str, int]) -> tuple[list[Point], live_table.States]:
    """Points without files, and their states; the later a point, the later it ended."""
    points, states = [], {}
    for status in (kind for kind, count in statuses.items() for _ in range(count)):
        number = len(points)
        point = Point(folder=folder / str(number), key="", member=f"point{number:03d}", seed=0, overrides=())
        ended = f"2026-01-01T{number // 60:02d}:{number % 60:02d}:00Z" if status != "running" else None
        attempts = () if status == "waiting" else (Attempt(started="2026-01-01T00:00:00Z", ended=ended),)
        error = "ValueError: it broke" if status == "failed" else None
        points.append(point)
        states[point.folder] = State(status, attempts=attempts, error=error)
    return points, states


def test_a_long_table_shows_what_runs_what_failed_and_what_ended_last(tmp_path: Path) -> None:
    points, states = many(tmp_path, {"finished": 90, "running": 2, "failed": 3, "waiting": 60})
    text = shown(points, states, rows=10)
    assert len(text.splitlines()) == 1 + 10 + 1
    assert text.count("running") == 2 + 1
    assert text.count("ValueError: it broke") == 3
    assert [f"point{n:03d}" in text for n in (84, 85, 89, 0, 100)] == [False, True, True, False, False]
    counts = "155 points: 2 running, 3 failed, 90 finished, 60 waiting"
    assert text.endswith(
        f"{counts}; the table has 10 of them, what runs or failed first (rnnsearch status rows=null: all)\n"
    )


def test_a_short_table_keeps_the_order(tmp_path: Path) -> None:
    points, states = many(tmp_path, {"waiting": 1, "finished": 1, "running": 1})
    lines = shown(points, states, rows=10).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["point000", "point001", "point002"]


def test_a_row(tmp_path: Path) -> None:
    point = write_point(tmp_path / "a", member="additive, attention_size=8", seed=7, updates=40)
    write_record(point.folder, "finished", {20: 1.5, 40: 12.345}, seconds=1234.5)
    (row,) = [line for line in shown([point], live_table.states_of([point])).splitlines() if "additive" in line]
    assert "additive, attention_size=8" in row
    assert all(word in row.split() for word in ("7", "finished", "40", "12.35", "1,234"))


def test_a_running_point_has_a_bar_and_the_time_since_it_began(tmp_path: Path) -> None:
    began = (datetime.now(UTC) - timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
    point = Point(folder=tmp_path, key="", member="additive", seed=0, overrides=(), updates=100)
    bars = []
    for updates in (10, 90):
        text = shown([point], {tmp_path: State("running", updates=updates, attempts=(Attempt(started=began),))})
        assert any(f"{seconds} s" in text for seconds in range(90, 120))
        bars.append(text.splitlines()[1].count("━"))
    assert 0 < bars[0] <= bars[1]


def test_what_happens_is_said_once_with_where_to_look(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good, bad = write_point(tmp_path / "good"), write_point(tmp_path / "bad")
    caplog.set_level(logging.INFO)
    with live_table.watching([good, bad]):
        for point in (good, bad):
            ledger.add_attempt(point, Attempt(started=now()))
        ledger.end_attempt(bad, Attempt(started=now(), ended=now(), outcome="failed", error=FAILURE))
        write_record(good.folder, "finished", {5: 3.25})
    lines = [record.getMessage() for record in caplog.records]
    assert [lines.count(f"{name} begins") for name in ("good", "bad")] == [1, 1]
    assert lines.count("good is finished, validation BLEU 3.25") == 1
    (failure,) = [line for line in lines if line.startswith("bad failed")]
    assert "ValueError: no such layer" in failure
    assert str(bad.folder / "job.log") in failure
    assert "more of it" not in failure


def test_a_trial_that_goes_on_is_no_further_attempt() -> None:
    began = "2026-01-01T00:00:00Z"
    paused, failed, last = (
        Attempt(started=began, ended=began, outcome=one) for one in ("paused", "failed", "finished")
    )
    assert live_table._note(State("finished", attempts=(paused, paused, last))) == ""
    assert live_table._note(State("finished", attempts=(paused, failed, last))) == "attempt 2"


def test_a_further_attempt_says_with_what(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    point = write_point(tmp_path)
    ledger.add_attempt(point, Attempt(started=now()))
    caplog.set_level(logging.INFO)
    with live_table.watching([point]):
        ledger.add_attempt(point, Attempt(started=now(), overrides=("batches.size=4",)))
    assert [line for line in caplog.messages if "begins" in line] == [
        f"{tmp_path.name} begins again, with batches.size=4"
    ]


def test_points_that_are_done_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points, states = many(tmp_path, {"finished": 3, "pruned": 1, "running": 1, "failed": 1})
    read: list[Path] = []

    def state(point: Point) -> State:
        read.append(point.folder)
        return State("finished")

    monkeypatch.setattr(ledger, "state", state)
    now = live_table.states_of(points, states)
    assert read == [tmp_path / "4", tmp_path / "5"]
    assert list(now) == [point.folder for point in points]


def terminal(file: io.StringIO, height: int) -> Callable[..., Console]:
    return lambda **options: Console(file=file, force_terminal=True, width=120, height=height)


def test_on_a_terminal_the_table_fits_its_height(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points, states = many(tmp_path, {"running": 3, "waiting": 200})
    file = io.StringIO()
    monkeypatch.setattr(ledger, "state", lambda point: states[point.folder])
    monkeypatch.setattr(live_table, "Console", terminal(file, height=12))
    with live_table.watching(points):
        pass
    text = file.getvalue()
    assert "203 points: 3 running, 200 waiting" in text  # rich would cut what is too long at its end
    assert "point007" in text
    assert "point008" not in text


def test_an_error_in_the_block_ends_the_watch(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), live_table.watching([write_point(tmp_path)]):
        raise KeyboardInterrupt


def test_a_failure_is_told_once(tmp_path: Path) -> None:
    told: list[tuple[Point, str]] = []
    point = write_point(tmp_path / "a")
    with live_table.watching([point], lambda failed, state: told.append((failed, state.status))):
        ledger.add_attempt(point, Attempt(started=now(), outcome="failed"))
    assert told == [(point, "failed")]


def test_when_it_ends(tmp_path: Path) -> None:
    points = [write_point(tmp_path / name, updates=10) for name in ("a", "b")]
    states = {
        points[0].folder: State("finished", updates=10, seconds=40.0),
        points[1].folder: State("running", updates=5, attempts=(Attempt(started=now()),)),
    }
    assert re.search(r"1 running, 1 finished; it ends at about .*\d\d:\d\d, in 20 s", shown(points, states))
