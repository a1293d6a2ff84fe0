"""`rnnsearch evaluate attention=...` and `agreement...`: whole commands on a tiny run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.small_run import write_run

QUICK = ["significance.resamples=20", "significance.shuffles=20", "search.beam_size=1"]


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copied"))


def test_conditions_and_agreement(workshop: Any, trained: Path, copied: Path, tmp_path: Path, capfd: Any) -> None:
    assert workshop.main("evaluate", f"run={copied}", *QUICK) == 0
    plain = json.loads(capfd.readouterr().out)
    words = [f"attention_run={trained}", "attention=all", f"attention_figure={tmp_path / 'figure.png'}"]
    words += ["agreement.saliency=true", f"agreement.runs={trained}", "agreement.sentences=4"]
    assert workshop.main("evaluate", f"run={copied}", *words, *QUICK) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert (copied / "evaluations.jsonl").read_text().splitlines()[-1] == json.dumps(found, ensure_ascii=False)
    asked, agreement = found.pop("attention_at_test_time"), found.pop("agreement")
    assert {**found, "seconds": 0} == {**plain, "seconds": 0}  # the learnt weights as ever
    lengths = workshop.record(copied)["flops_lengths"]
    assert asked["training_ratio"] == pytest.approx(lengths["target"] / lengths["source"])
    assert list(asked["conditions"]) == ["uniform", "permuted", "erased", "diagonal", "other_run"]
    for name, one in asked["conditions"].items():
        assert one["nll"]["learned"] == pytest.approx(plain["nll"])
        assert one["nll"]["difference"] == pytest.approx(one["nll"]["condition"] - plain["nll"])
        assert ("bleu" in one) == (name != "other_run")
        assert name in err
    assert asked["conditions"]["other_run"]["nll"]["difference"] == pytest.approx(0, abs=1e-6)  # its own weights
    assert "another run's weights" in asked["conditions"]["other_run"]["not_free"]
    assert "5 comparisons together" in err
    assert agreement["runs"] == [str(copied), str(trained)]
    assert agreement["attention_of_runs"]["kendall_tau"] == pytest.approx(1)
    assert "attention and saliency: Kendall's tau" in err
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


MADE: dict[str, dict[str, Any]] = {"run": {}, "other": {"text": 1}, "fixed": {"context": "fixed"}}
REFUSED = [
    ("fixed", "attention=uniform", "this model has none: its context is the same at every step"),
    ("fixed", "agreement.saliency=true", "agreement compares attention weights, and"),
    ("run", "attention=other_run attention_run=FOLDER/other", "has other tokenizers than"),
    ("run", "attention=[learned,other_run]", "name it with attention_run=RUN"),
    ("run", "attention=uniform attention_run=x", "attention=other_run, which is not asked for"),
    ("run", "attention=other_run attention_run=FOLDER/fixed", "has no attention weights"),
    ("run", "attention_figure=figure.svg", "attention_figure is of replaced weights"),
    ("run", "attention=uniform attention_figure=figure.pdf", "ends in .svg or .png"),
    ("run", "attention=erased attention_layer=2", "a Transformer's decoder"),
]


@pytest.mark.parametrize("refused", [REFUSED[:3], pytest.param(REFUSED[3:], marks=pytest.mark.slow)])
def test_refusals(workshop: Any, tmp_path: Path, capsys: Any, refused: list[tuple[str, str, str]]) -> None:
    for name, made in MADE.items():
        write_run(tmp_path / name, **made)
    for run, words, sentence in refused:
        given = words.replace("FOLDER", str(tmp_path)).split()
        assert workshop.main("evaluate", f"run={tmp_path / run}", *given) == 1
        captured = capsys.readouterr()
        assert sentence in captured.err
        assert "Traceback" not in captured.err
        assert not captured.out
        assert not (tmp_path / run / "evaluations.jsonl").exists()
