"""Searches by whole commands: real trainings, pruned, killed and taken up again."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from rnnsearch.evaluation.scoring import monitored
from rnnsearch.sweeps import ledger, optuna_study
from rnnsearch.sweeps.hyperparameter_search import read_search

SEARCH = "sweep=optuna_tpe study=found sweep.search.startup=1 hydra/launcher=local samples=0"


def command(workshop: Any, output: Path, words: str, *more: str) -> list[str]:
    place = workshop.quoted("paths.output", output)
    return ["sweep", *workshop.data, *TINY.split(), *SEARCH.split(), *words.split(), *more, place]


def sweep(workshop: Any, output: Path, words: str, *more: str) -> int:
    code: int = workshop.main(*command(workshop, output, words, *more))
    return code


TINY = (
    "model=tiny model.embedding_size=12 model.readout_size=12 tokenizer=word tokenizer.source_size=20 "
    "tokenizer.target_size=20 batches.size=16 trainer=cpu threads=1 scheduler.warmup=2 validation.every=4 curve_every=2"
)


@pytest.mark.slow
def test_a_search_goes_on_and_grows(workshop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lr, contexts = "optimizer.lr=tag(log,interval(1e-4,1e-1))", "model/context=fixed,additive"
    sizes = "model.context.attention_size=8,16"
    assert (
        sweep(workshop, tmp_path, "sweep.search.trials=3 sweep.search.warmup=4 budget.updates=8", lr, contexts, sizes)
        == 0
    )
    folder = tmp_path / "found"
    study = optuna_study.open_study(read_search(folder), folder)
    assert {one.state for one in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in study.trials:
        record = workshop.record(folder / trial.user_attrs["folder"])
        curve = {one["update"]: monitored(one, "bleu") for one in record["results"]["curves"]["validation"]}
        assert trial.intermediate_values == curve
        assert record["status"] == ("pruned" if trial.state == TrialState.PRUNED else "finished")
        assert trial.value == (curve[4] if trial.state == TrialState.PRUNED else max(curve.values()))
        attends = trial.params["model/context"] == "additive"
        assert ("model.context.attention_size" in trial.params) == attends
    described = json.loads((folder / "study.json").read_text())
    assert (described["kind"], described["search"]["direction"]) == ("search", "maximize")
    assert described["search"]["space"]["optimizer.lr"] == {"low": 1e-4, "high": 0.1, "whole": False, "log": True}
    said = capsys.readouterr()
    assert "report.html" in said.out
    assert f"bleu {study.best_value:.2f}, by model/context=" in said.err
    assert f"optuna-dashboard {folder / 'search.journal'}" in said.err

    (folder / "trial-0001" / "record.json").unlink()  # damaged: it is trained again, under the same values
    assert (
        sweep(workshop, tmp_path, "sweep.search.trials=4 sweep.search.warmup=4 budget.updates=8", lr, contexts, sizes)
        == 0
    )
    study = optuna_study.open_study(read_search(folder), folder)
    first = {one.user_attrs["index"]: one for one in study.trials[:3]}  # two jobs ask in any order
    assert first.keys() == {0, 1, 2}
    assert {one.user_attrs["index"] for one in study.trials[3:]} == {1, 3}
    again = next(one for one in study.trials[3:] if one.user_attrs["index"] == 1)
    assert again.params == first[1].params
    assert [len(ledger.read_attempts(folder / f"trial-000{index}")) for index in range(4)] == [1, 2, 1, 1]


@pytest.mark.slow
def test_a_search_that_is_killed_ends_as_if_it_had_not_been(workshop: Any, tmp_path: Path) -> None:
    words = "sweep.search.trials=3 hydra.launcher.jobs=1 sweep.search.warmup=0 budget.updates=24"
    lr = "optimizer.lr=tag(log,interval(1e-4,1e-1))"
    killed = workshop.process(tmp_path, *command(workshop, tmp_path / "killed", words, lr))
    record = tmp_path / "killed" / "found" / "trial-0001" / "record.json"
    while not (record.is_file() and "curves" in workshop.record(record.parent)["results"]):
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    for place in ("killed", "whole"):
        assert workshop.main(*command(workshop, tmp_path / place, words, lr)) == 0
    ends = []
    for place in ("killed", "whole"):
        folder = tmp_path / place / "found"
        study = optuna_study.open_study(read_search(folder), folder)
        ends.append([(one.state, one.params, one.value, one.intermediate_values) for one in study.trials])
    assert ends[0] == ends[1]
    assert len(ends[0]) == 3


@pytest.mark.slow
def test_a_sweep_and_a_search_share_a_study(workshop: Any, tmp_path: Path) -> None:
    words = "sweep.search.trials=2 sweep.search.startup=9 sweep.search.warmup=8 budget.updates=8"
    lr = "optimizer.lr=tag(log,interval(1e-4,1e-1))"
    whole = command(workshop, tmp_path, "budget.updates=8 seed=0,1", "model/context=fixed,additive")
    grid = [word for word in whole if not word.startswith("sweep")]
    assert workshop.main("sweep", *grid) == 0
    assert sweep(workshop, tmp_path, words, lr) == 0
    assert workshop.main("sweep", *grid) == 0
    described = json.loads((tmp_path / "found" / "study.json").read_text())
    assert described["kind"] == "search"
    assert described["search"]["trials"] == 2
    assert {one["name"] for one in described["members"]} == {"fixed", "additive", "trial 0", "trial 1"}
    assert [len(ledger.read_attempts(point.folder)) for point in ledger.read_points(tmp_path / "found")] == [1] * 6
    report = (tmp_path / "found" / "report.md").read_text()
    headline = report.splitlines()[0]
    assert "The best observed of 4 finished trials is " in headline
    assert "trial 1" in report
    assert "additive" in report


@pytest.mark.slow
def test_what_no_search_can_take(workshop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, sentence in (
        ("model.context.attention_size=8,16 model/context=fixed", "no point of this sweep has this key"),
        ("optimizer.lrr=1,2", "optimizer.lrr"),
        ("seed=0,1", "over seeds picks the luckiest"),
        ("sweep.search.sampler=grid", "sampler=grid: choose one of tpe, random"),
        ("sweep.search.trials=0", "sweep.search.trials=0: give a whole number from 1"),
        ("match=parameters", "for sweeps without sweep.search"),
    ):
        assert sweep(workshop, tmp_path, words) != 0
        assert sentence in capsys.readouterr().err
