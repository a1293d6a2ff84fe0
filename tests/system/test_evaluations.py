"""Studies of trained runs, and sweeps over what is read after training alone: nothing is trained twice."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.system.sweeps import points, results, started, sweep

from rnnsearch.study.folder import read_study
from rnnsearch.sweeps import ledger


def decode(workshop: Any, output: Path, *words: str) -> tuple[int, str]:
    """A sweep over trained runs; its exit code and what it said."""
    process = started(["sweep", "study=s", *words, workshop.quoted("paths.output", output)], output.parent)
    _, error = process.communicate(timeout=900)
    return process.returncode, error


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copied"))


def test_a_beam_of_a_trained_run(workshop: Any, trained: Path, tmp_path: Path, capfd: Any) -> None:
    """The point's figures are those of evaluate."""
    assert workshop.main("sweep", "study=s", f"runs=[{trained}]", "search.beam_size=3", f"paths.output={tmp_path}") == 0
    (point,) = points(tmp_path).values()
    capfd.readouterr()
    assert workshop.main("evaluate", f"run={trained}", "search.beam_size=3", f"folder={tmp_path / 'alone'}") == 0
    alone, record = json.loads(capfd.readouterr().out), workshop.record(point.folder)
    metrics = record["results"]["metrics"]["test"]
    assert {key: alone[key] for key in metrics} == metrics
    assert workshop.record(tmp_path / "alone")["results"] == record["results"]
    assert record["evaluation_of"]["id"] == workshop.record(trained)["id"]
    assert record["results"]["weights_sha256"] == workshop.record(trained)["results"]["weights_sha256"]


@pytest.mark.slow
def test_beams_of_a_trained_run(workshop: Any, copied: Path, tmp_path: Path, capfd: Any) -> None:
    """Each point's figures are those of evaluate; a moved run is the same, and a new beam is one more point."""
    output, moved = tmp_path / "out", tmp_path / "moved"
    code, error = decode(workshop, output, f"runs=[{copied}]", "search.beam_size=1,3")
    assert code == 0, error
    assert "2 points, 0 of them to be trained" in error
    first = points(output)
    assert first.keys() == {"beam_size=1/1", "beam_size=3/1"}
    for name, point in first.items():
        assert f"beam_size={workshop.json(point.folder / 'job.json')['evaluates']['search']['beam_size']}" in name
    shutil.move(copied, moved)
    code, error = decode(workshop, output, f"runs=[{moved}]", "search.beam_size=1,2,3")
    assert code == 0, error
    tries = {name: len(ledger.read_attempts(point.folder)) for name, point in points(output).items()}
    assert tries == {"beam_size=1/1": 1, "beam_size=2/1": 1, "beam_size=3/1": 1}
    study = read_study(output / "s")
    assert {*study.members} == {"beam_size=1", "beam_size=2", "beam_size=3"}
    assert all(run.comparable for run in study.runs)
    assert "## Beam size" in (output / "s" / "report.md").read_text(encoding="utf-8")
    assert workshop.main("reproduce", f"run={points(output)['beam_size=1/1'].folder}") == 1
    assert "nothing was trained in" in capfd.readouterr().err


@pytest.mark.slow
def test_a_sweep_over_beams_trains_once(workshop: Any, tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = sweep(workshop, output, "search.beam_size=1,2 test=true")
    assert done.returncode == 0, done.stderr
    assert "2 points, 1 of them to be trained" in done.stderr
    assert [point.evaluates is None for point in points(output).values()].count(True) == 1
    weights = {values["weights_sha256"] for values in results(workshop, output).values()}
    assert len(weights) == 1
    again = sweep(workshop, output, "search.beam_size=1,2 test=true")
    assert again.returncode == 0, again.stderr
    assert {len(ledger.read_attempts(point.folder)) for point in points(output).values()} == {1}


def test_mistakes_are_one_sentence(workshop: Any, copied: Path, tmp_path: Path, capfd: Any) -> None:
    bare = Path(shutil.copytree(copied, tmp_path / "bare"))
    shutil.rmtree(bare / "checkpoints")
    for words, sentence in (
        ([f"runs=[{copied}]", "optimizer.lr=0.1,0.2"], "optimizer.lr: nothing is trained here"),
        ([f"runs=[{copied}]", "seed=1,2"], "leave out members, seeds and seed"),
        ([f"runs=[{copied}]", "split=test,validation"], "translate the same sentences"),
        ([f"runs=[{tmp_path}]", "search.beam_size=1"], "holds no record.json"),
        ([f"runs=[{bare}]", "search.beam_size=1"], "has no checkpoints any more"),
        ([f"runs=[{copied}]", "search.beam_size=1", "search.n_best=2"], "must be at most search.beam_size=1"),
        (["checkpoint=last", "data=controlled"], "checkpoint is for a study of trained runs"),
        ([f"runs=[{copied}]", "source=in.txt"], "give source=FILE and target=FILE"),
    ):
        capfd.readouterr()
        assert workshop.main("sweep", "study=s", *words, f"paths.output={tmp_path / 'out'}") == 1
        error = capfd.readouterr().err
        assert error.count("\n") == 1, error
        assert sentence in error
    assert not (tmp_path / "out" / "s").exists()
