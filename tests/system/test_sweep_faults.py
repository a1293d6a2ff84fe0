"""Sweeps that are killed, stopped, or run out of room: real processes, real signals, a real full disk."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.disks import mounted
from tests.system.sweeps import eventually, has_validated, points, results, started, statuses, sweep, trainings, words

from rnnsearch.sweeps import ledger, optuna_study
from rnnsearch.sweeps.hyperparameter_search import read_search

pytestmark = pytest.mark.slow

LONG = "seed=0,1 budget.updates=120 validation.every=4 model.dropout=0.2"
KILLS = 10


@pytest.fixture(scope="module")
def undisturbed(workshop: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], float]:
    """The results of a sweep that nobody disturbs, and the seconds that it takes."""
    output, begin = tmp_path_factory.mktemp("undisturbed") / "out", time.monotonic()
    done = sweep(workshop, output, LONG)
    assert done.returncode == 0, done.stderr
    return results(workshop, output), time.monotonic() - begin


def finishes(workshop: Any, output: Path, expected: dict[str, Any]) -> None:
    """The same command goes on and ends as if nothing had happened."""
    done = sweep(workshop, output, LONG)
    assert done.returncode == 0, done.stderr
    assert set(statuses(output).values()) == {"finished"}
    assert results(workshop, output) == expected
    assert done.stdout == f"{output / 's' / 'report.html'}\n"


def validated(output: Path) -> list[ledger.Point]:
    return [point for point in points(output).values() if has_validated(point)]


def test_a_kill_of_one_training(workshop: Any, tmp_path: Path, undisturbed: tuple[dict[str, Any], float]) -> None:
    output = tmp_path / "out"
    process = started(words(workshop, output, LONG), tmp_path)
    (victim, *_) = eventually(lambda: validated(output))
    (pid,) = [pid for pid, line in trainings(output).items() if victim.folder.name in line]
    os.kill(pid, signal.SIGKILL)
    _, error = process.communicate(timeout=900)
    assert process.returncode == 1
    assert "1 of 2 points are not finished (1 failed)" in error.strip().splitlines()[-1]
    assert sorted(statuses(output).values()) == ["failed", "finished"]
    record = workshop.record(victim.folder)
    assert (record["status"], record["error"]["type"]) == ("failed", "Killed")
    (attempt,) = ledger.read_attempts(victim.folder)
    assert (attempt.outcome, attempt.signal) == ("killed", "SIGKILL")
    finishes(workshop, output, undisturbed[0])
    assert [one.outcome for one in ledger.read_attempts(victim.folder)] == ["killed", "finished"]


def test_kills_of_the_whole_sweep_at_ten_random_times(
    workshop: Any, tmp_path: Path, undisturbed: tuple[dict[str, Any], float]
) -> None:
    output, (expected, seconds), draw = tmp_path / "out", undisturbed, random.Random(0)
    for _ in range(KILLS):
        process = started(words(workshop, output, LONG), tmp_path)
        time.sleep(draw.uniform(0.1, seconds))
        process.kill()
        process.communicate()
        assert eventually(lambda: not trainings(output)), trainings(output)
        for path in output.rglob("*.json"):
            workshop.json(path)
    finishes(workshop, output, expected)
    assert not [*output.rglob("*.part")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_sweep(
    workshop: Any, tmp_path: Path, undisturbed: tuple[dict[str, Any], float], number: signal.Signals
) -> None:
    output = tmp_path / "out"
    process = started(words(workshop, output, LONG), tmp_path)
    assert eventually(lambda: validated(output))
    process.send_signal(number)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 130
    assert out == ""
    assert error.strip().splitlines()[-1] == "rnnsearch sweep: interrupted"
    assert "Traceback" not in error
    assert trainings(output) == {}
    assert set(statuses(output).values()) <= {"interrupted", "waiting", "finished"}
    assert "interrupted" in statuses(output).values()
    begun = [point for point in points(output).values() if ledger.state(point).status == "interrupted"]
    for point in begun:
        assert ledger.read_attempts(point.folder)[-1].outcome == "interrupted"
    finishes(workshop, output, undisturbed[0])


def test_a_training_that_diverges(workshop: Any, tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = sweep(workshop, output, "optimizer.lr=0.001,3e37")
    assert done.returncode == 1
    assert statuses(output) == {"lr=0.001/1": "finished", "lr=3e+37/1": "failed"}
    record = workshop.record(points(output)["lr=3e+37/1"].folder)
    assert record["error"]["type"] == "Diverged"
    assert "Diverged: the loss became" in done.stderr
    again = sweep(workshop, output, "optimizer.lr=0.001,3e37")
    assert again.returncode == 1
    assert "1 of 2 points are not finished (1 diverged)" in again.stderr
    assert "to try one all the same remove its folder" in again.stderr
    assert [len(ledger.read_attempts(point.folder)) for point in points(output).values()] == [1, 1]
    assert workshop.record(points(output)["lr=3e+37/1"].folder) == record


def test_a_search_goes_through_trials_that_diverge(workshop: Any, tmp_path: Path) -> None:
    """Each is told as tried, with its reason, and none is trained again."""
    output, attempts = tmp_path / "out", []
    search = "sweep=optuna_tpe sweep.search.startup=6 sweep.search.trials=6 optimizer=sgd scheduler=none averaging=none"
    for _ in range(2):
        done = sweep(workshop, output, f"{search} optimizer.lr=0.1,1e38 model.dropout=0.1 hydra.launcher.jobs=1")
        assert done.returncode == 0, done.stderr
        attempts.append([len(ledger.read_attempts(point.folder)) for point in ledger.read_points(output / "s")])
        assert (output / "s" / "report.html").is_file()
    assert attempts[0] == attempts[1]
    assert sum(attempts[0]) == 2  # each of the two rates once, however often it is drawn
    diverged = [point for point in ledger.read_points(output / "s") if ledger.has_diverged(point)]
    assert diverged
    study = optuna_study.open_study(read_search(output / "s"), output / "s")
    assert len(study.trials) == 6
    for point in diverged:
        assert point.trial is not None
        assert study.trials[point.trial["number"]].user_attrs["error"].startswith("Diverged: the loss became")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    with mounted(tmp_path / "disk", "4m") as place:
        yield place


def test_a_full_disk(
    workshop: Any, tmp_path: Path, small_disk: Path, undisturbed: tuple[dict[str, Any], float]
) -> None:
    output, ballast = small_disk / "out", small_disk / "ballast"
    ballast.write_bytes(bytes(3_600_000))
    done = sweep(workshop, output, LONG, cwd=tmp_path)
    assert done.returncode == 1
    assert "no space left" in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert trainings(output) == {}
    for path in output.rglob("*.json"):
        workshop.json(path)
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    finishes(workshop, output, undisturbed[0])
