"""``dry=true``: what would be trained, how long it may take by which runs, and that nothing is left behind."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.runs.known.records import write_run

import rnnsearch
from rnnsearch.cli.main import main
from rnnsearch.config.compose import Composer
from rnnsearch.config.compose import compose as composed
from rnnsearch.config.plain_values import plain
from rnnsearch.runs.known.listing import KnownRun, known_runs
from rnnsearch.sweeps.dry_run import share_of
from rnnsearch.sweeps.estimate import estimate, on_this_machine
from rnnsearch.sweeps.halving import Rung
from rnnsearch.training.hardware import hardware

compose = Composer("train")
COMMON = ("data=controlled", "model=tiny", "trainer=cpu")
MACHINE = {"cpu": "here", "cpu_family": [25, 17], "gpus": []}


def values(*words: str) -> dict[str, Any]:
    return plain(compose([*COMMON, *words]))


def trained(folder: Path, *words: str, seconds: float, **more: Any) -> None:
    measured = {"seconds": seconds, "training_seconds": seconds * 0.9, "updates": 1000, "tokens_seen": 50_000}
    measured |= {"parameters": 77, "hardware": MACHINE, "flops_per_token": 2.0}
    write_run(folder, config=values(*words), **{**measured, **more})


@pytest.fixture
def runs(tmp_path: Path) -> list[KnownRun]:
    """Of two contexts, one of them on two corpora; and some that tell nothing."""
    trained(tmp_path / "1", "model/context=additive", seconds=100)
    trained(tmp_path / "2", "model/context=additive", "seed=2", seconds=120)
    trained(tmp_path / "3", "model/context=additive", "data.train_pairs=9", seconds=1000)
    trained(tmp_path / "4", "model/context=fixed", "optimizer.lr=0.5", seconds=80)
    trained(tmp_path / "5", "model/context=additive", seconds=1, hardware={**MACHINE, "cpu": "elsewhere"})
    trained(tmp_path / "6", "model/context=additive", seconds=1, status="failed")
    write_run(tmp_path / "7", seconds=1.0, updates=5, hardware=MACHINE)  # without a config
    return on_this_machine(known_runs(tmp_path), MACHINE)


def test_by_the_runs_that_are_most_like_it(runs: list[KnownRun]) -> None:
    assert len(runs) == 4
    same = estimate(values("model/context=additive", "seed=7", "budget.updates=500"), runs)
    assert same is not None
    assert same.seconds == pytest.approx(55)  # half of the median of 100 and 120
    assert (same.source, same.parameters) == ("2 finished runs with the same settings", 77)
    other = estimate(values("model/context=additive", "data.train_pairs=50", "budget.updates=1000"), runs)
    assert other is not None
    assert other.seconds == pytest.approx(120)  # of three
    assert (other.source, other.parameters) == ("3 finished runs with the same model and batches", None)
    wider = [f"model.{half}.hidden_size=100" for half in ("encoder", "decoder")]
    near = estimate(values("model/context=fixed", *wider, "budget.updates=1000"), runs)
    assert near is not None
    assert near.alike.startswith("a model of the same kind")
    assert estimate(values("model/context=dot"), runs) is None
    assert estimate(values("model/context=fixed", "model.cell=lstm"), runs) is None
    assert estimate(values("model/context=fixed", "batches.size=9"), runs) is None
    assert estimate(values("model/context=fixed"), []) is None


def test_the_first_limit_counts(runs: list[KnownRun]) -> None:
    def seconds(*words: str) -> float | None:
        found = estimate(values("model/context=fixed", "optimizer.lr=0.5", "budget.updates=null", *words), runs)
        return found and found.seconds

    assert seconds("budget.tokens=25000") == pytest.approx(40)
    assert seconds("budget.flops=50000") == pytest.approx(40)
    assert seconds("budget.seconds=36") == pytest.approx(40)  # validations come on top
    assert seconds("budget.tokens=25000", "budget.seconds=18") == pytest.approx(20)


def test_a_trial_s_share() -> None:
    rungs = (Rung(share=0.25, keep=2), Rung(share=0.75, keep=1))
    assert share_of(3, rungs) == pytest.approx((3 * 0.25 + 2 * 0.5 + 1 * 0.25) / 3)
    assert share_of(1, rungs) == pytest.approx(1)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*COMMON, "trainer.max_steps=5", "model/context=additive,fixed", "seed=0,1", "jobs=2", "dry=true"]
    assert main(["sweep", "study=mine", *words]) == 0
    out = capsys.readouterr().out
    assert "4 points: 4 waiting; 4 to do, 2 at a time" in out
    assert "time: unknown, since no finished run on this processor is like them" in out
    assert "all: data=controlled model=tiny trainer=cpu trainer.max_steps=5\n" in out
    assert list(tmp_path.iterdir()) == []
    trained(tmp_path / "outputs/other/run", "model/context=fixed", seconds=1200, hardware=hardware())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(["sweep", "study=mine", *words]) == 0
    out = capsys.readouterr().out
    assert "about 12 s one after the other, 6 s with 2 at a time, and 2 of unknown length" in out
    assert "2 by 1 finished run with the same settings on this processor" in out
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    shutil.rmtree(tmp_path / "outputs")
    assert main(["sweep", "study=mine", *words, "tuning=learning_rate"]) == 0
    out = capsys.readouterr().out
    assert "8 points: 8 waiting" in out  # three trials of each member, and its other seed
    assert out.count("(trial)") == 6
    beams = [*COMMON, "trainer.max_steps=5", "search.beam_size=1,2,5", "seed=0", "dry=true"]
    assert main(["sweep", "study=mine", *beams]) == 0
    assert capsys.readouterr().out.count("(only translates)") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_stranger_s_yaml_names_no_command(tmp_path: Path) -> None:
    theirs = tmp_path / "experiment"
    theirs.mkdir()
    (theirs / "nice.yaml").write_text("# @package _global_\nnotify: touch done\n")
    assert composed("sweep", ["experiment=nice"], [tmp_path]).notify is None


def test_python_gets_no_study_of_it() -> None:
    with pytest.raises(ValueError, match="dry=true lists points and makes no study"):
        rnnsearch.sweep({"data": "controlled", "dry": True})
