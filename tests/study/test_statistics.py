import json
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from tests.study.many import comparison_of

from rnnsearch.evaluation.significance import resample
from rnnsearch.evaluation.summed_metrics import BLEU
from rnnsearch.study.folder import read_study
from rnnsearch.study.report import write_report
from rnnsearch.study.statistics import compare
from rnnsearch.study.tables import alignment

Edit = Callable[[Path, Callable[[Any], None]], None]


def test_scores_are_means_of_the_records(written: Path) -> None:
    study = read_study(written)
    comparison = comparison_of(study, resamples=200)
    for member in study.members:
        tests = [run.record.results.metrics.test for run in study.runs if run.member == member]
        for metric, found in comparison.whole.scores[member].items():
            assert found.by_seed == pytest.approx(
                [test[metric] for test in tests], rel=1e-6
            )  # likelihoods are read as they are published
            assert found.value == pytest.approx(fmean(test[metric] for test in tests))
            assert found.interval.low < found.value < found.interval.high
    assert comparison.whole.sentences == 200


def test_differences_are_paired_and_excluded_from_zero(written: Path) -> None:
    comparison = comparison_of(read_study(written), resamples=500)
    found = comparison.whole.differences["additive", "fixed"]
    scores = comparison.whole.scores
    assert found["bleu"].value == pytest.approx(scores["additive"]["bleu"].value - scores["fixed"]["bleu"].value)
    assert found["bleu"].interval.low > 0
    assert found["perplexity"].interval.high < 0
    assert found["bleu"].holds


def test_length_buckets_are_those_of_the_record(written: Path) -> None:
    study = read_study(written)
    comparison = comparison_of(study, resamples=100)
    recorded = [run.test["by_length"] for run in study.compared("fixed")]
    assert [(b.low, b.high, b.n) for b in comparison.buckets] == [(b["low"], b["high"], b["n"]) for b in recorded[0]]
    assert sum(part.sentences for part in comparison.by_length) == 200
    for place, part in enumerate(comparison.by_length):
        assert part.scores["fixed"]["bleu"].by_seed == pytest.approx([of_seed[place]["bleu"] for of_seed in recorded])


def test_only_members_with_weights_have_an_error_rate(written: Path) -> None:
    comparison = comparison_of(read_study(written), resamples=100)
    assert {method: list(part.scores) for method, part in comparison.aer.items()} == {"attention": ["additive"]}
    assert 0.05 < comparison.aer["attention"].scores["additive"]["aer"].value < 0.15


def test_error_rates_compare_one_way_to_link_on_the_same_sentences(
    make_study: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_study(tmp_path, seeds=(0,), sentences=60)
    shown = {"fixed": range(60), "additive": range(0, 60, 2)}  # an older run has links of all sentences
    for member, places in shown.items():
        path = folder / f"{member}-seed0" / "translations.test.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            by_saliency = row["gold"].split()[0] if row["index"] % 2 == 0 else ""
            if member == "fixed":
                row |= {"links": by_saliency, "links_method": "saliency"}
            else:
                row |= {"links_method": "attention", "links_saliency": by_saliency if row["index"] in places else None}
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    comparison = comparison_of(read_study(folder), resamples=50)
    parts = comparison.aer
    assert {method: (part.sentences, list(part.scores)) for method, part in parts.items()} == {
        "attention": (60, ["additive"]),
        "saliency": (30, ["fixed", "additive"]),
    }
    assert parts["saliency"].differences["additive", "fixed"]["aer"].value == 0
    table = alignment(comparison)
    assert table is not None
    assert [row[:3] for row in table.rows] == [
        ("attention", "additive", "60"),
        ("saliency", "fixed", "30"),
        ("saliency", "additive", "30"),
    ]


def test_two_equal_members_do_not_differ(make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path) -> None:
    folder = make_study(tmp_path, seeds=(0, 1), sentences=120)
    for seed in (0, 1):
        shutil.rmtree(folder / f"additive-seed{seed}")
        shutil.copytree(folder / f"fixed-seed{seed}", folder / f"additive-seed{seed}")
    comparison = comparison_of(read_study(folder), resamples=200)
    found = comparison.whole.differences["additive", "fixed"]["bleu"]
    assert (found.value, found.interval.low, found.interval.high, found.p_value) == (0, 0, 0, 1)


def test_members_are_scored_on_their_own_seeds_and_paired_on_shared_ones(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path
) -> None:
    folder = make_study(tmp_path, sentences=60)
    edit_json(folder / "fixed-seed1" / "record.json", lambda record: record.update(status="failed"))
    (folder / "additive-seed2" / "translations.test.jsonl").unlink()
    study = read_study(folder)
    assert study.compared_seeds == (0, 1, 2)
    comparison = comparison_of(study, resamples=50)
    assert comparison.seeds_of == {"fixed": [0, 2], "additive": [0, 1]}
    bleu = {member: comparison.whole.scores[member]["bleu"].by_seed for member in ("fixed", "additive")}
    gap = comparison.whole.differences["additive", "fixed"]["bleu"]
    assert gap.by_seed == (bleu["additive"][0] - bleu["fixed"][0],)  # seed 0 alone


def test_members_without_a_shared_seed_have_scores_but_no_difference(
    make_study: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_study(tmp_path, seeds=(0, 1), sentences=60)
    (folder / "fixed-seed0" / "translations.test.jsonl").unlink()
    (folder / "additive-seed1" / "translations.test.jsonl").unlink()
    study = read_study(folder)
    assert study.members == ("fixed", "additive")
    comparison = comparison_of(study, resamples=50)
    assert list(comparison.whole.scores) == ["fixed", "additive"]
    assert comparison.compared == ()
    write_report(folder)
    assert "no other member has finished a seed in common with fixed" in (folder / "report.md").read_text("utf-8")


def test_a_killed_point_has_failed_whatever_its_record_says(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path
) -> None:
    folder = make_study(tmp_path, seeds=(0, 1), sentences=40, matrices=1)
    edit_json(folder / "additive-seed1" / "record.json", lambda record: record.update(status="running"))
    error = {"type": "killed", "message": "by SIGKILL", "traceback": ""}
    job = {"format": 1, "overrides": [], "attempts": [{"outcome": "killed", "error": error, "started": "2025"}]}
    (folder / "additive-seed1" / "job.json").write_text(json.dumps(job))
    shutil.rmtree(folder / "fixed-seed1")
    study = read_study(folder)
    assert [run.status for run in study.runs] == ["finished", "not started", "finished", "failed"]
    assert study.runs[-1].error == error
    write_report(folder)
    assert "killed: by SIGKILL" in (folder / "report.md").read_text("utf-8")
    assert "killed: by SIGKILL" in (folder / "report.csv").read_text("utf-8")


def test_other_test_sentences_are_refused(make_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_study(tmp_path, seeds=(0,), sentences=60)
    path = folder / "additive-seed0" / "translations.test.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"has 60 sentences but .* has 59"):
        compare(read_study(folder))
    rows[3], rows[4] = rows[4], rows[3]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(ValueError, match=r"differ first in sentence 4, in the "):
        compare(read_study(folder))


def test_folders_that_are_no_study_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"study\.json does not exist"):
        read_study(tmp_path)
    path = tmp_path / "study.json"
    for text, message in (("{", "holds no JSON"), ("[]", "holds no JSON object"), ('{"format": 9}', "format is 9")):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_study(tmp_path)
    path.write_text('{"format": 1, "members": [], "seeds": [0]}')
    with pytest.raises(ValueError, match="one or more"):
        read_study(tmp_path)


def test_a_study_resamples_the_same_way_twice(written: Path) -> None:
    rows = read_study(written).compared("fixed")[0].rows
    first, again = (
        resample(BLEU.sentence_statistics(rows)[None], BLEU.score, seed=1, resamples=50).draws_RS for _ in range(2)
    )
    assert (first == again).all()
