"""Searches by whole commands: real trainings, pruned, killed and taken up again."""

import json
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from rnnsearch.sweep import ledger, trials
from rnnsearch.sweep.search import read_search

SEARCH = (
    "sweep=optuna_tpe study=found budget.updates=8 sweep.search.warmup=4 sweep.search.startup=1 "
    "hydra/launcher=local hydra.launcher.jobs=2 samples=0"
)


def sweep(workshop: Any, output: Path, words: str, *more: str) -> int:
    tiny = [one for one in TINY.split() if not one.startswith(("model.hidden_size", "model.attention_size"))]
    place = workshop.quoted("paths.output", output)
    code: int = workshop.main("sweep", *workshop.data, *tiny, *SEARCH.split(), *words.split(), *more, place)
    return code


TINY = (
    "model=tiny model.embedding_size=12 model.readout_size=12 tokenizer=word tokenizer.source_size=20 "
    "tokenizer.target_size=20 batches.size=16 trainer=cpu threads=1 scheduler.warmup=2 validation.every=4 curve_every=2"
)


@pytest.mark.slow
def test_a_search_goes_on_and_grows(workshop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lr, contexts = "optimizer.lr=tag(log,interval(1e-4,1e-1))", "model/context=fixed,additive"
    sizes = "model.context.attention_size=8,16"
    assert sweep(workshop, tmp_path, "sweep.search.trials=3", lr, contexts, sizes) == 0
    folder = tmp_path / "found"
    study = trials.open_study(read_search(folder), folder)
    assert [one.state for one in study.trials] == [TrialState.COMPLETE] * 3
    for trial in study.trials:
        record = workshop.record(folder / trial.user_attrs["folder"])
        curve = record["results"]["curves"]["validation"]
        assert trial.value == max(one["bleu"] for one in curve)
        assert sorted(trial.intermediate_values) == [one["update"] for one in curve]
        attends = trial.params["model/context"] == "additive"
        assert ("model.context.attention_size" in trial.params) == attends
    described = json.loads((folder / "study.json").read_text())
    assert described["kind"] == "search"
    assert described["search"]["direction"] == "maximize"
    assert described["search"]["space"]["optimizer.lr"] == {"low": 1e-4, "high": 0.1, "whole": False, "log": True}
    assert "report.html" in capsys.readouterr().out

    lost = folder / "trial-0001"  # as after a kill: its process gone, its trial open
    before = workshop.snapshot(folder / "trial-0000")
    (lost / "record.json").unlink()
    assert sweep(workshop, tmp_path, "sweep.search.trials=4", lr, contexts, sizes) == 0
    assert len(ledger.read_attempts(folder / "trial-0000")) == 1
    assert workshop.snapshot(folder / "trial-0000").keys() == before.keys()
    assert (folder / "trial-0003" / "record.json").is_file()


def test_what_no_search_can_take(workshop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, sentence in (
        ("model.context.attention_size=8,16 model/context=fixed", "no point of this sweep has this key"),
        ("optimizer.lrr=1,2", "optimizer.lrr"),
        ("seed=0,1", "over seeds picks the luckiest"),
        ("sweep.search.sampler=grid", "sampler=grid: choose one of tpe, random"),
        ("sweep.search.trials=0", "trials=0: give a whole number, 1 or more"),
        ("match=parameters", "for sweeps without sweep.search"),
    ):
        assert sweep(workshop, tmp_path, words) != 0
        assert sentence in capsys.readouterr().err
