"""What two runs differ in."""

from pathlib import Path

import pytest
from tests.runs.known.records import write_run, write_study

from rnnsearch.cli.main import main
from rnnsearch.runs.known.differences import differences

CONFIG = {
    "seed": 0,
    "model": {"context": {"heads": 1, "weights": "softmax"}},
    "label_smoothing": 0.1,
    "paths": {"output": "here"},
    "budget": {"tokens": None},
}
OTHER = {"seed": 1, "model": {"context": {}, "own": True}, "label_smoothing": 0.2, "paths": {"output": "there"}}


def test_only_what_differs(tmp_path: Path) -> None:
    data = {"name": "controlled", "checksums": {"train": "a"}, "pairs": {"train": 5}}
    versions = {"torch": "2.13", "python": "3.11"}
    write_run(tmp_path / "a", test={"bleu": 30.0}, config=CONFIG, data=data, versions=versions, hardware={"cpu": "x"})
    data = {**data, "checksums": {"train": "b"}}
    write_run(tmp_path / "b", test={"bleu": 31.5}, config=OTHER, data=data, versions=versions, hardware={"cpu": "y"})
    compared = differences(tmp_path / "a", tmp_path / "b")
    assert {(one.part, one.key, one.values) for one in compared.differing} == {
        ("config", "seed", (0, 1)),
        ("config", "label_smoothing", (0.1, 0.2)),
        ("config", "model.own", (None, True)),
        ("data", "checksums.train", ("a", "b")),
        ("hardware", "cpu", ("x", "y")),
        ("results", "test.bleu", (30.0, 31.5)),
    }  # keys of later versions have their value of before, and where a run lies is no difference
    equal = "equal: versions (2), 2 of 5 of config, 2 of 3 of data, 0 of 1 of hardware, 1 of 2 of results"
    assert compared.summary == equal
    assert differences(tmp_path / "a", tmp_path / "a").differing == ()


def test_of_published_runs_what_was_asked_for(tmp_path: Path) -> None:
    study = write_study(tmp_path / "s", "a", "b", differing={"model.encoder.layers": {"a": 1, "b": 2}})
    for name, words in (("a", ["model/context=fixed", "seed=0"]), ("b", ["model/context=additive", "seed=0"])):
        write_run(study / name, words=words, member=name)
    compared = differences(study / "a", study / "b")
    assert [(one.key, one.values) for one in compared.differing] == [
        ("model.encoder.layers", (1, 2)),
        ("model/context", ("fixed", "additive")),
    ]
    assert "left no config.yaml" in compared.summary


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "a", test={"bleu": 30.0}, config=CONFIG)
    write_run(tmp_path / "b", test={"bleu": 28.5}, config=OTHER)
    assert main(["runs", "diff=[a,b]"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["seed", "0", "1"] in lines
    assert ["test.bleu", "30", "28.5", "-1.5"] in lines
    assert main(["runs", "diff=[a,b]", "format=csv"]) == 0
    assert "results,test.bleu,30.0,28.5" in capsys.readouterr().out.splitlines()
    for words, said in (
        (["diff=[a]"], "diff=[a]: give a list such as [A,B] of 2"),
        (["diff=[a,c]"], "c holds no record.json"),
        (["diff=[a,b]", "where=bleu>3"], "diff and where are asked for at once"),
    ):
        assert main(["runs", *words]) == 1
        assert said in capsys.readouterr().err
