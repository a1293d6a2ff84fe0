"""`rnnsearch sweep` with real trainings: what runs, what runs again, what is left."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.system.sweeps import eventually, points, results, started, statuses, sweep, trainings, words

from rnnsearch.sweeps import ledger

FIRST = (
    "study=NAME data=controlled data.train_pairs=2000 data.test_pairs=100 model=tiny trainer=cpu trainer.max_steps=5"
)


def attempts(output: Path, study: str = "s") -> dict[str, int]:
    return {name: len(ledger.read_attempts(point.folder)) for name, point in points(output, study).items()}


@pytest.mark.slow
def test_a_poisoned_point_stops_no_other_and_is_tried_again(workshop: Any, tmp_path: Path) -> None:
    """Its values are right by themselves, so that it fails as it reads its data: no pair has so few words."""
    output, axes = tmp_path / "out", "filters.max_length=100,1"
    first = sweep(workshop, output, axes)
    assert first.returncode == 1
    assert first.stdout == f"{output / 's' / 'report.html'}\n"
    bad, good = "max_length=1/1", "max_length=100/1"
    assert statuses(output) == {bad: "failed", good: "finished"}
    error = ledger.read_attempts(points(output)[bad].folder)[-1].error
    assert error
    assert error["message"] in first.stderr
    assert "Traceback" in error["traceback"]
    assert "1 of 2 points are not finished (1 failed)" in first.stderr.strip().splitlines()[-1]
    assert "Traceback" not in first.stderr
    again = sweep(workshop, output, axes)
    assert again.returncode == 1
    assert attempts(output) == {bad: 2, good: 1}
    assert trainings(output) == {}


@pytest.mark.slow
def test_a_first_sweep_again_and_with_another_seed(tmp_path: Path) -> None:
    axes = "model/context=additive,fixed model.context.attention_size=8,16"

    def run(seeds: str) -> tuple[int, str, dict[str, int]]:
        process = started(["sweep", *FIRST.split(), *axes.split(), f"seed={seeds}"], tmp_path)
        out, _ = process.communicate(timeout=900)
        return process.returncode, out, attempts(tmp_path / "outputs", "NAME")

    report = "outputs/NAME/report.html\n"
    code, out, tries = run("0")
    assert (code, set(tries.values()), len(tries)) == (0, {1}, 3)
    assert out.endswith(report)
    assert run("0") == (code, out, tries)
    code, out, tries = run("0,1")
    assert (code, set(tries.values()), len(tries)) == (0, {1}, 6)
    study = json.loads((tmp_path / "outputs" / "NAME" / "study.json").read_text())
    assert study["seeds"] == [0, 1]
    assert len(study["runs"]) == 6
    assert {path.suffix for path in (tmp_path / "outputs" / "NAME").glob("report.*")} >= {".html", ".md"}


@pytest.mark.slow
def test_two_ranks_on_the_processor(workshop: Any, tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = sweep(workshop, output, "trainer=cpu,ddp_cpu hydra.launcher.jobs=2", SLURM_NTASKS="4", SLURM_PROCID="1")
    assert done.returncode == 0, done.stderr
    assert statuses(output) == {"cpu/1": "finished", "ddp_cpu/1": "finished"}
    one, two = (workshop.record(points(output)[name].folder) for name in ("cpu/1", "ddp_cpu/1"))
    assert one["results"]["weights_sha256"] != two["results"]["weights_sha256"]
    assert len([*output.rglob("record.json")]) == 2
    assert sorted(path.name for path in output.iterdir()) == ["s"]
    assert trainings(output) == {}


@pytest.mark.slow
def test_relative_folders_with_odd_names(workshop: Any, tmp_path: Path) -> None:
    (tmp_path / "it's é").mkdir()
    arguments = [*words(workshop, tmp_path, "seed=0")[:-1], 'paths.output="a b, c=d"']
    process = started(arguments, tmp_path / "it's é")
    _, error = process.communicate(timeout=900)
    assert process.returncode == 0, error
    (point,) = ledger.read_points(tmp_path / "it's é" / "a b, c=d" / "s")
    assert ledger.state(point).status == "finished"
    assert [path.name for path in tmp_path.iterdir()] == ["it's é"]


@pytest.mark.slow
def test_two_studies_that_share_a_cache_at_once(workshop: Any, tmp_path: Path) -> None:
    """Both find nothing prepared; the data are prepared once, and both finish with the same results."""
    cache = workshop.quoted("paths.cache", tmp_path / "cache")
    processes = [started([*words(workshop, tmp_path / name, "seed=0,1"), cache], tmp_path) for name in ("one", "two")]
    for process in processes:
        _, error = process.communicate(timeout=900)
        assert process.returncode == 0, error
    assert results(workshop, tmp_path / "one") == results(workshop, tmp_path / "two")
    assert not [*(tmp_path / "cache").rglob("*.partial")]


@pytest.mark.slow
def test_two_sweeps_of_one_study_at_once(workshop: Any, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = started(words(workshop, output, "seed=0,1"), tmp_path)
    assert eventually(lambda: trainings(output))
    first.send_signal(signal.SIGSTOP)  # or it might have ended before the second one begins
    second = sweep(workshop, output, "seed=0,1")
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    assert second.stderr.count("another sweep is at work in") == 1
    assert len(second.stderr.strip().splitlines()) == 1
    _, error = first.communicate(timeout=900)
    assert first.returncode == 0, error
    assert set(attempts(output).values()) == {1}
