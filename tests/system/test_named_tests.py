"""Test sets of a user's own names: in training and afterwards, with the same figures as the corpus's own test set."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.records.test_sets import names_of, read_results

GONE = ("seconds", "run", "name", "checksums", "split")


@pytest.fixture
def own(workshop: Any) -> list[str]:
    """The files of the corpus's test set."""
    return [str(workshop.texts / f"test.{side}") for side in ("source", "target")]


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copied"))


def test_in_training_and_later_as_the_own_test_set(workshop: Any, own: list[str], tmp_path: Path, capfd: Any) -> None:
    source, target = own
    named = [workshop.quoted("+tests.again.source", source), workshop.quoted("+tests.again.target", target)]
    assert workshop.train(tmp_path / "run", "budget.updates=3", *named) == 0
    record = workshop.record(tmp_path / "run")
    again = read_results(tmp_path / "run", "again")
    assert again is not None
    assert again.metrics == record["results"]["metrics"]["test"]
    assert again.weights_sha256 == record["results"]["weights_sha256"]
    assert record["tests"]["again"] == again.checksums
    files = record["files"]
    assert {"results.again.json", "translations.again.jsonl", "data/again.jsonl"} <= files.keys()

    words = [f"run={tmp_path / 'run'}", f"source={source}", f"target={target}"]
    capfd.readouterr()
    printed = []
    for more in (["name=later"], [], ["split=later"]):
        given = words if more != ["split=later"] else words[:1]
        assert workshop.main("evaluate", *given, *more) == 0
        printed.append({k: v for k, v in json.loads(capfd.readouterr().out).items() if k not in GONE})
    assert printed[0] == printed[1] == printed[2]
    later = read_results(tmp_path / "run", "later")
    assert later is not None
    assert (later.metrics, later.checksums, later.search) == (again.metrics, again.checksums, again.search)
    assert names_of(tmp_path / "run") == ["again", "later"]
    assert workshop.record(tmp_path / "run")["tests"].keys() == {"again", "later"}


@pytest.mark.slow
def test_it_changes_neither_key_nor_weights(workshop: Any, trained: Path, own: list[str], tmp_path: Path) -> None:
    named = [workshop.quoted(f"+tests.x.{side}", path) for side, path in zip(("source", "target"), own, strict=True)]
    assert workshop.train(tmp_path / "run", "budget.updates=12 model.dropout=0.2 test=true", *named) == 0
    first, other = workshop.record(trained), workshop.record(tmp_path / "run")
    assert first["config_hash"] == other["config_hash"]
    assert first["results"] == other["results"]


def test_mistakes_are_one_sentence(workshop: Any, copied: Path, own: list[str], tmp_path: Path, capsys: Any) -> None:
    source, target = own
    short = tmp_path / "short.txt"
    short.write_text("a dog\n", encoding="utf-8")
    run, files = f"run={copied}", [f"source={source}", f"target={target}"]
    assert workshop.main("evaluate", run, *files, "name=mine") == 0
    capsys.readouterr()
    for words, sentence in (
        ([f"source={source}"], "evaluate needs both source=FILE and target=FILE"),
        (["name=mine"], "name=mine names the result on source=FILE and target=FILE"),
        ([*files, "split=validation"], "source and target take the place of a split"),
        ([*files, "name=test"], "name: test is the name of a split"),
        ([*files, "name=../x"], "is no name of a test set"),
        ([f"source={source}", f"target={short}"], "10 lines but"),
        ([f"source={short}", f"target={short}", "name=mine"], "has results on other files of this name"),
        (["split=nowhere"], "has no nowhere split; it has train, validation, test, mine"),
    ):
        assert workshop.main("evaluate", run, *words) == 1
        assert sentence in capsys.readouterr().err
    assert workshop.main("evaluate", f"run=[{copied},{copied}]", *files, "name=both") != 0
    train = [workshop.quoted("+tests.mine.source", source)]
    assert workshop.train(tmp_path / "new", "budget.updates=1", *train) == 1
    assert "tests.mine: a test set has two line-aligned files" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
