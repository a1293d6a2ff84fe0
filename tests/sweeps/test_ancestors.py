"""Sweeps whose points begin from other runs' weights. Nothing is trained."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from tests.small_run import write_ancestor

from rnnsearch.config.build import make
from rnnsearch.config.overrides import key_of
from rnnsearch.records.json_files import write_json
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.inputs import Inputs
from rnnsearch.sweeps.points import Points

WORDS = ("data=controlled", "data.train_pairs=60", "data.validation_pairs=10", "data.test_pairs=10", "trainer=cpu")


@pytest.fixture
def runs(tmp_path: Path, plan: Any) -> list[Path]:
    """Two runs that others may begin from, A and B, and a copy of the first."""
    first, second = (write_ancestor(tmp_path / name, seed=seed) for seed, name in enumerate("AB"))
    return [first, second, shutil.copytree(first, tmp_path / "COPY")]


def begin(plan: Any, point: ledger.Point) -> None:
    """Leave what a point leaves that has begun to train."""
    values = Points(plan.outputs / "s", (), Inputs()).values(point.overrides)
    corpus = make(OmegaConf.create(dict(values)).data)
    corpus.prepare()
    (point.folder / "checkpoints").mkdir()
    (point.folder / "checkpoints" / "last.ckpt").touch()
    OmegaConf.save(dict(values), point.folder / "config.yaml")
    record = {"format": 1, "status": "interrupted", "data": {"checksums": corpus.checksums()}}
    write_json(point.folder / "record.json", record)


def test_points_are_told_apart_by_their_ancestors(plan: Any, runs: list[Path]) -> None:
    plan("sweep study=s init=A/,B,null", *WORDS)
    points = {point.member: point for point in plan.points("s")}
    assert points.keys() == {"A", "B", "init=null"}
    pins = {name: [word for word in points[name].overrides if key_of(word) == "init_sha256"] for name in points}
    assert [len(pins[name]) for name in ("A", "B", "init=null")] == [1, 1, 0]
    assert pins["A"] != pins["B"]
    described = plan.described("s")
    assert [member["settings"] for member in described["members"]] == [{"init": "A/"}, {"init": "B"}, {"init": None}]
    differing = {difference["key"] for difference in described["config_difference"]}
    assert {"init_sha256", "model.encoder.hidden_size", "tokenizer.source_size"} <= differing
    assert "init" not in differing


@pytest.mark.slow
def test_ancestors_that_move_go_or_change(plan: Any, runs: list[Path], capsys: Any) -> None:
    plan("sweep study=s init=A,B", *WORDS)
    points = {point.member: point for point in plan.points("s")}
    plan("sweep study=s init=COPY,B", *WORDS)  # the same weights elsewhere: the same points
    assert {point.key for point in plan.points("s")} == {point.key for point in points.values()}
    begin(plan, points["A"])
    capsys.readouterr()
    shutil.rmtree("A")
    plan("sweep study=s init=A,B", *WORDS)
    assert "2 points, 2 of them to be trained" in capsys.readouterr().err
    plan("sweep study=s init=B seed=2", *WORDS)  # the study is described although A is gone
    assert len(plan.points("s")) == 3
    shutil.copytree("B", "A")
    assert plan("sweep study=s init=A", *WORDS) == 1
    assert "A (init, best) is not the file of 1 begun point of s: the content changed since" in capsys.readouterr().err


@pytest.mark.slow
def test_members_and_what_they_can_t_have(plan: Any, runs: list[Path], capsys: Any) -> None:
    plan("sweep study=s", *WORDS, "+members.frozen=['init=A','freeze=[encoder]']", "+members.whole=['init=A']")
    assert {point.member for point in plan.points("s")} == {"frozen", "whole"}
    capsys.readouterr()
    for words, sentence in {
        "sweep init=A,B model.hidden_size=8,16": "so model.hidden_size=8 can't be given beside it",
        "compare init=A match=none": "so model/context=fixed can't be given beside it",
        "compare init=A": "match=parameters would scale the model that init=RUN takes as it is; set match=none",
        "sweep init=A,null match=flops": "match=flops would scale the model",
        "sweep init=A,C": "init=C: C holds no record.json",
        "sweep init=A freeze=[encoder],[x]": "freeze=[x]: this model has no module of that name",
    }.items():
        assert plan(f"{words} study=t", *WORDS) == 1
        assert sentence in capsys.readouterr().err
    assert not (plan.outputs / "t").exists()


@pytest.mark.slow
def test_a_search_of_rates_begins_from_one_run(plan: Any, runs: list[Path]) -> None:
    words = ("sweep=optuna_tpe", "sweep.search.trials=2", "learning_rate=interval(0.001,0.01)")
    plan("sweep study=s init=A", *WORDS, *words)
    for point in plan.points("s"):
        assert point.trial is not None
        assert {key_of(word) for word in point.trial["fixed"]} >= {"init", "init_sha256"}
        assert [key_of(word) for word in point.overrides].count("init_sha256") == 1
