"""`rnnsearch score` and `rnnsearch align` end to end."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnnsearch
from rnnsearch.evaluation.alignment_links import parse_pharaoh
from rnnsearch.evaluation.symmetrization import symmetrize

SOURCES = ["ein Hund läuft", "der Mann  sieht ein Haus", "", "Haus \U0001f600 \u202erot", "ein Hund"]
TARGETS = ["a dog runs", "a man sees a house", "house", "", "\u200b a\u2028dog"]
PAIRS = list(zip(SOURCES, TARGETS, strict=True))
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(workshop: Any, capfd: pytest.CaptureFixture[str]) -> Said:
    """A command's exit code, standard output and standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        return workshop.main(*words), *capfd.readouterr()

    return run


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, texts in (("source", SOURCES), ("target", TARGETS)):
        (tmp_path / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return ["source=source", "target=target"]


@pytest.fixture(scope="session")
def fixed(workshop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without attention."""
    run = tmp_path_factory.mktemp("fixed") / "run"
    assert workshop.train(run, "model/context=fixed budget.updates=4") == 0
    return run


def test_score_says_what_the_interface_says(said: Said, files: list[str], trained: Path, tmp_path: Path) -> None:
    expected = [one.log_prob for one in rnnsearch.load(trained).score(PAIRS)]
    code, out, _ = said("score", f"run={trained}", *files)
    assert code == 0
    assert [float(line) for line in out.splitlines()] == pytest.approx(expected, abs=1e-4)
    code, out, _ = said("score", f"run={trained}", *files, "tokens=true")
    rows = [json.loads(line) for line in out.split("\n")[:-1]]
    assert [(row["source"], row["target"]) for row in rows] == PAIRS
    for row, log_prob in zip(rows, expected, strict=True):
        assert sum(row["log_probs"]) == pytest.approx(log_prob, abs=1e-4)
        assert len(row["log_probs"]) == len(row["tokens"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]  # no Hydra folder


def test_n_best_lists_are_scored_anew(said: Said, trained: Path, tmp_path: Path) -> None:
    model = rnnsearch.load(trained)
    [one] = model.translate(["ein Hund läuft"], n_best=2, forbid_unknown=True)
    lists = [{"text": h.text, "score": 7.0, "tokens": h.tokens} for h in reversed(one.hypotheses)]
    lists[0]["tokens"] = ["<unk>", *lists[0]["tokens"]]
    entry = {"source": one.source, "hypotheses": lists, "extra": 1}
    (tmp_path / "lists").write_text(json.dumps(entry) + "\n")
    code, out, err = said("score", f"run={trained}", "hypotheses=lists")
    assert code == 0
    found = json.loads(out)
    assert found["extra"] == 1
    scores = [h["score"] for h in found["hypotheses"]]
    assert scores == sorted(scores, reverse=True)
    expected = {h.text: score.log_prob for h, score in zip(
        one.hypotheses, model.score([(one.source, h.text) for h in one.hypotheses]), strict=True)}  # fmt: skip
    assert {h["text"]: h["log_prob"] for h in found["hypotheses"]} == pytest.approx(expected, abs=1e-4)
    assert "scored 2 hypotheses, 1 segmented otherwise" in err
    lists[0]["tokens"] = ["no such piece"]
    (tmp_path / "lists").write_text(json.dumps(entry) + "\n")
    code, _, err = said("score", f"run={trained}", "hypotheses=lists", "pieces=own")
    assert code == 1
    assert "'no such piece' is no piece of this run's target vocabulary" in err


def test_align_says_what_the_interface_says(said: Said, files: list[str], trained: Path, tmp_path: Path) -> None:
    expected = [one.links for one in rnnsearch.load(trained).align(PAIRS)]
    code, out, err = said("align", f"run={trained}", *files)
    assert code == 0
    assert [parse_pharaoh(line).sure for line in out.split("\n")[:-1]] == expected
    assert "links are attention weights" in err
    for links, (source, target) in zip(expected, PAIRS, strict=True):
        assert all(i < len(source.split()) and j < len(target.split()) for i, j in links)
    assert sum(map(len, expected)) >= 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_two_directions_and_the_method_are_told(
    said: Said, files: list[str], trained: Path, fixed: Path, workshop: Any
) -> None:
    turned = [(target, source) for source, target in PAIRS]
    forward = [one.links for one in rnnsearch.load(fixed).align(PAIRS)]
    backward = [frozenset((j, i) for i, j in one.links) for one in rnnsearch.load(trained).align(turned)]
    code, out, err = said(
        "align", f"run={fixed}", *files, f"reverse_run={trained}", "symmetrize=grow_diag", "format=jsonl"
    )
    assert code == 0
    rows = [json.loads(line) for line in out.split("\n")[:-1]]
    joined = [symmetrize(*links, "grow_diag") for links in zip(forward, backward, strict=True)]
    assert [parse_pharaoh(row["links"]).sure for row in rows] == joined
    assert {(row["method"], row["reverse_method"], row["symmetrize"]) for row in rows} == {
        ("saliency", "attention", "grow_diag")
    }
    assert "gradient saliency: the model has no attention" in err


@pytest.mark.parametrize("command", ["score", "align"])
@pytest.mark.parametrize(
    ("target", "words", "sentence"),
    [
        (b"a\n", [], "5 lines but target: 1; parallel files must pair line by line"),
        (None, [], "target does not exist"),
        (b"a\n\xff\nb\n\nc\n", ["strict=true"], "target: line 2 is not valid UTF-8"),
    ],
)
def test_bad_files_are_one_sentence(
    said: Said, files: list[str], trained: Path, command: str, target: bytes | None, words: list[str], sentence: str
) -> None:
    Path("target").unlink() if target is None else Path("target").write_bytes(target)
    code, out, err = said(command, f"run={trained}", *files, *words)
    assert code == 1
    assert not out
    assert sentence in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["format=tsv"], "format=tsv: choose one of text, jsonl"),
        (["symmetrize=union"], "belong together"),
        (["alignments.method=hope"], "alignments.method=hope: choose one of auto, attention, saliency"),
        (["alignments.threshold=2"], "threshold"),
    ],
)
def test_bad_options_of_align_are_one_sentence(
    said: Said, files: list[str], trained: Path, words: list[str], sentence: str
) -> None:
    code, out, err = said("align", f"run={trained}", *files, *words)
    assert (code, out) == (1, "")
    assert sentence in err
    assert "Traceback" not in err
