"""`rnnsearch evaluate` needs nothing but a run's folder, and says one JSON object."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs

from rnnsearch.model.weights_digest import weights_sha256
from rnnsearch.runs import run_folder
from rnnsearch.runs.training_words import training_words


@pytest.fixture
def moved(workshop: Any, tmp_path: Path) -> Path:
    """A run whose corpus and cache are gone, in another place."""
    data = tmp_path / "gone"
    overrides = [*workshop.corpus(data / "data"), workshop.quoted("paths.cache", data / "cache")]
    rest = [o for o in workshop.overrides(data / "run", "budget.updates=3") if not o.startswith(("data", "paths"))]
    assert workshop.main("train", *overrides, *rest) == 0
    shutil.move(data / "run", tmp_path / "moved")
    shutil.rmtree(data)
    return tmp_path / "moved"


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "copied")
    return tmp_path / "copied"


def test_a_moved_run_without_data_or_cache(workshop: Any, moved: Path, tmp_path: Path, capfd: Any) -> None:
    record, before = workshop.record(moved), workshop.snapshot(moved)
    capfd.readouterr()
    printed = []
    for words in (["split=test"], ["split=validation", "search.beam_size=1"]):
        assert workshop.main("evaluate", f"run={moved}", *words) == 0
        printed.append(json.loads(capfd.readouterr().out))
    test, validation = printed
    assert {key: test[key] for key in record["results"]["metrics"]["test"]} == record["results"]["metrics"]["test"]
    assert test["weights_sha256"] == record["results"]["weights_sha256"]
    greedy = record["results"]["metrics"]["validation"]
    for key in ("nll", "bleu", "chrf"):
        assert validation[key] == pytest.approx(greedy[key], rel=1e-5)
    lines = (moved / "evaluations.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == printed
    after = workshop.snapshot(moved)
    assert after.pop("evaluations.jsonl")
    assert after == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["moved"]  # no Hydra folder


@pytest.mark.slow
def test_the_training_split_needs_the_corpus(workshop: Any, copied: Path, moved: Path, capsys: Any) -> None:
    assert workshop.main("evaluate", f"run={copied}", "split=train") == 0
    assert workshop.main("evaluate", f"run={moved}", "split=train") == 1
    assert "train.source" in capsys.readouterr().err


def test_a_split_that_the_corpus_lacks(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    overrides = [o for o in workshop.overrides(tmp_path / "run", "budget.updates=1") if not o.startswith("data.test")]
    assert workshop.main("train", *overrides) == 0
    assert workshop.main("evaluate", f"run={tmp_path / 'run'}") == 1
    assert "has no test split; it has train, validation" in capsys.readouterr().err
    assert workshop.main("evaluate", f"run={tmp_path / 'run'}", "split=tset") == 1
    assert "has no tset split; it has train, validation" in capsys.readouterr().err


def test_translations_and_the_last_checkpoint(workshop: Any, copied: Path, tmp_path: Path, capfd: Any) -> None:
    out = tmp_path / "out.jsonl"
    assert workshop.main("evaluate", f"run={copied}", "checkpoint=last", f"translations={out}") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["checkpoint"] == "last"
    assert found["weights_sha256"] != workshop.record(copied)["results"]["weights_sha256"]
    assert len(out.read_text().splitlines()) == 10


def test_words_of_an_older_run_are_counted_again_where_its_data_are(copied: Path, caplog: Any) -> None:
    loaded, words = run_folder.load_run(copied), ["a", "dog", "house", "never"]
    kept = training_words(loaded)
    assert kept is not None
    told = kept(words)
    assert sum(told.values()) > 0
    (copied / "data" / "target_words.txt").unlink()
    again = training_words(loaded)
    assert again is not None
    assert {word: again(words).get(word) for word in words} == {word: told.get(word) for word in words}
    other = structs.replace(loaded.record, data=structs.replace(loaded.record.data, checksums={"train.source": "x"}))
    with caplog.at_level("INFO"):
        assert training_words(replace(loaded, record=other)) is None
    assert "is unknown, so they are not scored by it: the training data have changed" in caplog.text


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _foreign(path: Path) -> None:
    torch.save({"state_dict": {"x": torch.ones(2)}}, path)


def _object(path: Path) -> None:
    torch.save(Path, path)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_truncate, "can't be read as a checkpoint: it is truncated, foreign"),
        (lambda path: path.write_bytes(b""), "can't be read as a checkpoint: it is truncated, foreign"),
        (lambda path: path.write_text("hello"), "can't be read as a checkpoint: it is truncated, foreign"),
        (_object, "can't be read as a checkpoint: it holds more than tensors and plain values"),
        (_foreign, "is a checkpoint, but not one that rnnsearch train made"),
        (Path.unlink, "has no checkpoint 'best': it has last"),
        (lambda path: shutil.rmtree(path.parent), "has not validated yet"),
    ],
)
def test_damaged_checkpoints(workshop: Any, copied: Path, capsys: Any, damage: Any, sentence: str) -> None:
    damage(copied / "checkpoints" / "best.ckpt")
    assert workshop.main("evaluate", f"run={copied}") == 1
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert "Traceback" not in captured.err
    assert not captured.out
    assert not (copied / "evaluations.jsonl").exists()


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_folders_that_are_no_runs(workshop: Any, tmp_path: Path, capsys: Any, name: str) -> None:
    (tmp_path / "empty").mkdir()
    assert workshop.main("evaluate", f"run={tmp_path / name}") == 1
    assert "holds no record.json" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_loading_gives_the_weights_that_were_saved(workshop: Any, trained: Path) -> None:
    loaded = run_folder.load_run(trained, device="cpu")
    assert weights_sha256(loaded.model.system.model) == workshop.record(trained)["results"]["weights_sha256"]
    assert not loaded.model.system.model.training
    assert loaded.model.system.target.decode(loaded.model.system.target.encode("a dog runs")) == "a dog runs"
