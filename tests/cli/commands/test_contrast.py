"""The contrast command: one JSON object, a table beside it, the outcomes in the run's folder, or one sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.small_run import write_run

import rnnsearch
from rnnsearch.cli.main import main

SOURCES = ["the small house", "the house below", "", "there"]
RIGHT = ["the house", "a b", "below there", "the small house"]
WRONG = ["the houses", "c d", "below", "the small house"]
KINDS = ["number", "unknown", "number", "same"]
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """A command's exit code, standard output and standard error, beside the files of pairs."""
    monkeypatch.chdir(tmp_path)
    for name, texts in (("source", SOURCES), ("right", RIGHT), ("wrong.txt", WRONG), ("kinds", KINDS)):
        (tmp_path / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")

    def run(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        return main(["contrast", *words]), *capfd.readouterr()

    return run


FILES = ("source=source", "right=right", "wrong=wrong.txt", "phenomenon=kinds")


@pytest.mark.parametrize("normalization", ["none", "average"])
def test_accuracy_is_that_of_the_interface_s_scores(said: Said, tmp_path: Path, normalization: str) -> None:
    run = write_run(tmp_path / "run", kind="word")
    code, out, err = said("run=run", *FILES, f"normalization={normalization}")
    assert code == 0
    found = json.loads(out)
    ours, others = (rnnsearch.load(run).score(list(zip(SOURCES, texts, strict=True))) for texts in (RIGHT, WRONG))
    told = {"number": 0, "unknown": 0, "same": 0}
    for kind, right, wrong in zip(KINDS, ours, others, strict=True):
        each = [score.log_prob / (len(score.tokens) if normalization == "average" else 1) for score in (right, wrong)]
        told[kind] += each[0] > each[1] + 1e-9
    assert {kind: round(of["accuracy"] * of["pairs"]) for kind, of in found["phenomena"].items()} == told
    assert {kind: of["ties"] for kind, of in found["phenomena"].items()} == {"number": 0, "unknown": 1, "same": 1}
    assert (found["pairs"], found["ties"], found["name"]) == (4, 2, "wrong.txt")
    assert "number" in err
    [line] = (run / "contrasts.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {**found, "outcomes": json.loads(line)["outcomes"]}
    assert sorted(map(len, json.loads(line)["outcomes"].values())) == [1, 1, 2]


def test_an_ensemble_and_a_name(said: Said, tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path / f"run{seed}", seed=seed)
    code, out, _ = said("run=[run0,run1]", *FILES[:3], "name=my pairs")
    assert code == 0
    found = json.loads(out)
    assert (found["name"], len(found["weights_sha256"]), list(found["phenomena"])) == ("my pairs", 2, ["all"])
    assert not (tmp_path / "run1" / "contrasts.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (FILES[:2], "contrast got source and right without wrong; give source, right and wrong, or none of them"),
        (FILES[3:], "contrast got phenomenon without source and right and wrong"),
        ((*FILES[:2], "wrong=short"), "differ in their numbers of lines (source: 4, right: 4, short: 1)"),
        ((*FILES[:3], "phenomenon=blank"), "blank: line 2 names no phenomenon; each line needs a name"),
        ((*FILES[:2], "wrong=gone"), "gone does not exist"),
        ((), "mistakes are made in the German sentences of data=controlled alone"),
        ((*FILES, "normalization=sum"), "normalization=sum: choose one of none, average"),
    ],
)
def test_mistakes_are_one_sentence(said: Said, tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "short").write_text("one\n")
    (tmp_path / "blank").write_text("a\n \nb\nc\n")
    code, out, err = said("run=run", *words)
    assert (code, out) == (1, "")
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
