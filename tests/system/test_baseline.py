"""`rnnsearch evaluate` against a baseline, with gold links, and for ensembles: whole commands on tiny runs."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.comet_stand_in import stand_in

METRICS = ["bleu", "chrf", "aer_saliency"]


@pytest.fixture(scope="module")
def attention(workshop: Any, trained: Path) -> Path:
    """A copy of the run that others only read: evaluating writes into it."""
    folder: Path = workshop.folder / "attention"
    return Path(shutil.copytree(trained, folder))


@pytest.fixture(scope="module")
def fixed(workshop: Any) -> Path:
    """A run without attention on the same corpus."""
    folder: Path = workshop.folder / "fixed"
    assert workshop.train(folder, "budget.updates=6 model/context=fixed") == 0
    return folder


@pytest.fixture(scope="module")
def back(workshop: Any) -> Path:
    """A run of the other direction."""
    folder: Path = workshop.folder / "back"
    assert workshop.train(folder, "budget.updates=6 data.reverse=true") == 0
    return folder


@pytest.fixture(scope="module")
def gold(workshop: Any) -> Path:
    """Gold links, counted from 1: a target is its source in reverse order. The last word's link is only possible."""
    lines = []
    for source in (workshop.texts / "test.source").read_text().splitlines():
        count = len(source.split())
        lines.append(" ".join([*(f"{i}-{count + 1 - i}" for i in range(1, count)), f"{count}p1"]))
    path: Path = workshop.folder / "gold.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def evaluate(workshop: Any, capfd: Any) -> Any:
    """The JSON object and the standard error of `rnnsearch evaluate`."""

    def command(*words: str) -> tuple[dict[str, Any], str]:
        capfd.readouterr()
        assert workshop.main("evaluate", *words) == 0
        out, err = capfd.readouterr()
        return json.loads(out), err

    return command


def asked(gold: Path) -> list[str]:
    return [f"alignments.gold={gold}", "alignments.one_indexed=true"]


CHANCE = ["significance.resamples=100", "significance.shuffles=100"]


def test_a_baseline(workshop: Any, evaluate: Any, attention: Path, fixed: Path, gold: Path, tmp_path: Path) -> None:
    before = workshop.snapshot(fixed)
    found, error = evaluate(f"run={attention}", f"baseline={fixed}", *asked(gold), *CHANCE)
    assert workshop.snapshot(fixed) == before
    baseline = found["baseline"]
    assert baseline["run"] == str(fixed)
    assert baseline["weights_sha256"] != found["weights_sha256"]
    assert list(baseline["metrics"]) == METRICS
    assert (found["alignment"]["method"], baseline["alignment"]["method"]) == ("attention", "saliency")
    assert set(found["attention"]) == {"entropy", "coverage", "diagonality"}
    assert baseline["attention"] is None
    alone, _ = evaluate(f"run={fixed}", *asked(gold), *CHANCE)
    for name, one in baseline["metrics"].items():
        assert one["run"] == pytest.approx(found[name])
        assert one["baseline"] == pytest.approx(alone[name])
        assert one["difference"] == pytest.approx(found[name] - alone[name])
        assert one["interval"][0] <= one["interval"][1]
        assert 0 < one["p_value"] <= 1
        by_sacrebleu = set() if name == "aer_saliency" else {"p_bootstrap", "p_randomization"}
        assert set(one.get("sacrebleu", ())) == by_sacrebleu
    assert all(f"\n{title} " in error for title in ("BLEU", "chrF", "AER by saliency"))
    assert "attention against fixed, 10 sentences" in error
    assert "smallest detectable" in error
    assert list(tmp_path.iterdir()) == []  # no Hydra folder
    written = [json.loads(line) for line in (attention / "evaluations.jsonl").read_text().splitlines()]
    assert found in written


def test_a_run_is_no_better_than_itself(evaluate: Any, attention: Path) -> None:
    found, _ = evaluate(f"run={attention}", f"baseline={attention}", *CHANCE)
    assert list(found["baseline"]["metrics"]) == ["bleu", "chrf"]  # the corpus has no gold links
    assert {"entropy", "coverage", "diagonality"} <= set(found["baseline"]["attention"])
    for one in found["baseline"]["metrics"].values():
        assert (one["difference"], one["interval"], one["p_value"]) == (0, [0, 0], 1)
    assert found["bleu_interval"][0] <= found["bleu"] <= found["bleu_interval"][1]


def test_comet_of_a_run_and_of_its_baseline(evaluate: Any, attention: Path, fixed: Path, tmp_path: Path) -> None:
    comet = stand_in(tmp_path)  # a character is worth 0.1
    keys = [f"comet.checkpoint={comet.checkpoint}", f"comet.environment={comet.environment}"]
    rows = tmp_path / "rows.jsonl"
    found, error = evaluate(f"run={attention}", f"baseline={fixed}", *keys, f"translations={rows}", *CHANCE)
    texts = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    assert [row["comet"] for row in texts] == pytest.approx([len(row["hypothesis"]) / 10 for row in texts])
    assert found["comet"] == pytest.approx(sum(row["comet"] for row in texts) / len(texts))
    assert found["comet_signature"].startswith("sha256:")
    paired = found["baseline"]["metrics"]["comet"]
    assert paired["run"] == pytest.approx(found["comet"])
    assert paired["difference"] == pytest.approx(paired["run"] - paired["baseline"])
    assert "COMET" in error


def test_another_test_set_is_refused(workshop: Any, attention: Path, tmp_path: Path, capsys: Any) -> None:
    words = [*workshop.corpus(tmp_path / "data"), workshop.quoted("paths.cache", tmp_path / "cache")]
    rest = [o for o in workshop.overrides(tmp_path / "run", "budget.updates=1") if not o.startswith(("data", "paths"))]
    path = tmp_path / "data" / "test.target"
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in [*lines[:3], "something else", *lines[4:]]))
    assert workshop.main("train", *words, *rest) == 0
    capsys.readouterr()
    assert workshop.main("evaluate", f"run={attention}", f"baseline={tmp_path / 'run'}") == 1
    captured = capsys.readouterr()
    assert "differ first in sentence 4, in the reference" in captured.err
    assert "'something else'" in captured.err
    assert not captured.out


@pytest.mark.slow
def test_methods_and_both_directions(evaluate: Any, attention: Path, back: Path, gold: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    words = [f"run={attention}", *asked(gold), f"translations={out}"]

    def links(*more: str) -> tuple[dict[str, Any], list[set[str]]]:
        found, _ = evaluate(*words, *more)
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert {row["links_method"] for row in rows} == {found["alignment"]["method"]}
        return found["alignment"], [set(row["links"].split()) for row in rows]

    forward, of_forward = links()
    salient, of_saliency = links("alignments.method=saliency")
    assert (forward["method"], salient["method"]) == ("attention", "saliency")
    assert of_forward != of_saliency
    both = [f"alignments.reverse_run={back}", "alignments.symmetrize=intersection"]
    joined, of_joined = links(*both)
    assert (joined["symmetrize"], joined["reverse_method"]) == ("intersection", "attention")
    assert all(one <= other for one, other in zip(of_joined, of_forward, strict=True))
    _, of_union = links(both[0], "alignments.symmetrize=union")
    assert all(one >= other for one, other in zip(of_union, of_forward, strict=True))
    low, of_threshold = links("alignments.threshold=0.01")
    assert low["threshold"] == 0.01
    assert sum(map(len, of_threshold)) > sum(map(len, of_forward))


def test_an_ensemble(evaluate: Any, attention: Path, fixed: Path, gold: Path) -> None:
    found, _ = evaluate(f"run=[{attention},{fixed}]", *asked(gold))
    assert found["run"] == [str(attention), str(fixed)]
    assert len(set(found["weights_sha256"])) == 2
    assert found["alignment"]["method"] == "saliency"  # one member has no attention


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("alignments.symmetrize=union", "belong together"),
        ("alignments.reverse_run={attention} alignments.symmetrize=union", "needs en to de"),
        ("alignments.reverse_run={back} alignments.symmetrize=best", "choose one of intersection, union, grow_diag"),
        ("alignments.method=magic", "choose one of auto, attention, saliency"),
        ("alignments.threshold=2", "give a number above 0, at most 1"),
        ("alignments.gold={gold}", "set one_indexed=true"),
        ("baseline={fixed} alignments.method=attention", "without attention"),
        ("significance.resamples=1", "give a whole number from 2"),
        ("significance.seed=0", "give a whole number from 1"),
        ("baseline={gold}", "holds no record.json"),
    ],
)
def test_mistakes_are_one_sentence(
    workshop: Any, attention: Path, fixed: Path, back: Path, gold: Path, capsys: Any, words: str, sentence: str
) -> None:
    given = words.format(attention=attention, fixed=fixed, back=back, gold=gold).split()
    capsys.readouterr()
    assert workshop.main("evaluate", f"run={attention}", *given) == 1
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert "Traceback" not in captured.err
    assert "translating" not in captured.err  # refused before the work
    assert not captured.out
