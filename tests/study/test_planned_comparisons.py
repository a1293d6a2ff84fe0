"""Planned comparisons, intervals that hold together, slopes, exports, and what is published."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.study.many import change_rows, comparison_of

from rnnsearch.evaluation.significance import Resampled, weighted_sum
from rnnsearch.study import export, slopes
from rnnsearch.study.findings import headline
from rnnsearch.study.folder import read_study
from rnnsearch.study.local_paths import published_job
from rnnsearch.study.planned_comparisons import planned, section
from rnnsearch.study.publish import publish
from rnnsearch.study.report import write_report
from rnnsearch.study.statistics import WEAK
from rnnsearch.study.tables import Table

Edit = Callable[[Path, Callable[[Any], None]], None]


def test_the_slope_of_a_line_is_found_whatever_the_weights() -> None:
    places, counts = [5.0, 14.0, 26.0, 41.0], [163, 154, 217, 80]
    weights = slopes.weights_of_line(places, counts)
    heights = [30.0 - 0.25 * place for place in places]
    assert sum(w * h for w, h in zip(weights, heights, strict=True)) == pytest.approx(-2.5)
    assert sum(weights) == pytest.approx(0.0, abs=1e-12)
    odd = [3.0, -1.0, 7.0, 2.0]
    expected = np.polyfit(places, odd, 1, w=np.sqrt(counts))[0] * 10
    assert sum(w * h for w, h in zip(weights, odd, strict=True)) == pytest.approx(expected)


def test_a_weighted_sum_is_one_of_scores_and_of_draws() -> None:
    parts = [Resampled(np.array([1.0, 2.0]), np.ones((5, 2)) * k) for k in (1, 2)]
    found = weighted_sum(parts, [2.0, -1.0])
    assert found.score_S.tolist() == [1.0, 2.0]
    assert np.all(found.draws_RS == 0.0)


@pytest.mark.slow
def test_slopes_of_members(written: Path) -> None:
    comparison = comparison_of(read_study(written), resamples=300)
    found = slopes.slopes(comparison)
    assert found is not None
    fixed, additive = found.members["fixed"], found.members["additive"]
    assert fixed.slope.value < additive.slope.value < 1.0  # the made-up fixed context fades with length
    gap = found.pairs["additive", "fixed"][slopes.ABSOLUTE]
    assert gap.value == pytest.approx(additive.slope.value - fixed.slope.value)
    assert gap.together == 2  # absolute and relative, of one pair
    counts = [one.part.sentences for one in comparison.trained]
    heights = [one.part.scores["fixed"]["bleu"].by_seed[0] for one in comparison.trained]
    line = slopes.weights_of_line([one.mean for one in comparison.trained], counts)
    slope = sum(weight * height for weight, height in zip(line, heights, strict=True))
    assert fixed.relative.by_seed[0] == pytest.approx(100 * slope / np.average(heights, weights=counts))


def test_slopes_are_over_trained_lengths_and_say_who_stands_at_the_floor(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = read_study(written)
    study = replace(study, description=msgspec.structs.replace(study.description, trained_length=17))
    comparison = comparison_of(study, resamples=50)
    last = comparison.trained[-1]
    assert last.mean <= 17
    lengths = [row["source_words"] for row in study.compared("fixed")[0].rows]
    assert sum(one.part.sentences for one in comparison.trained) in (
        sum(length <= 17 for length in lengths),
        sum(length <= 15 for length in lengths),  # where 16 and 17 are too few for a bucket
    )
    whole = slopes.table(comparison, longest=17)
    assert whole is not None
    assert "at most 17 words" in whole.caption
    assert "floor" not in str(whole.rows)
    monkeypatch.setitem(WEAK, "bleu", comparison.trained[0].part.scores["fixed"]["bleu"].value + 0.01)
    low = slopes.table(comparison, longest=17)
    assert low is not None
    assert "at the floor" in low.rows[0][3]


def three(make_study: Callable[..., Path], edit_json: Edit, folder: Path, comparisons: Any) -> Path:
    """A study of three members with a protocol."""
    study = make_study(folder, members=("fixed", "mean", "additive"), seeds=(0, 1), sentences=80)
    protocol = {"question": "?", "metric": "bleu", "baseline": "fixed", "comparisons": comparisons}
    edit_json(study / "study.json", lambda found: found.update(protocol=protocol, kind="sweep"))
    return study


def test_planned_comparisons_are_those_of_the_protocol(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path
) -> None:
    pairs = [["additive", "mean"], ["mean", "fixed"], ["gone", "fixed"]]
    study = read_study(three(make_study, edit_json, tmp_path, pairs))
    comparison = comparison_of(study, resamples=300)
    first, second, third = planned(comparison)
    scores = comparison.whole.scores
    assert first.difference is not None
    assert second.difference is not None
    assert first.difference.value == pytest.approx(scores["additive"]["bleu"].value - scores["mean"]["bleu"].value)
    assert {first.difference.together, second.difference.together} == {3}  # one that can't be compared counts too
    assert first.holds == first.difference.interval.excludes_zero == (first.difference.p_value < 0.05)
    assert (third.difference, third.holds) == (None, False)
    rows = section(study, comparison).tables[0].rows
    assert [row[0] for row in rows] == ["additive − mean", "mean − fixed", "gone − fixed"]
    assert rows[2][1] == "no seed finished by both"


@pytest.mark.parametrize(("margin", "said"), [(90.0, "is shown"), (0.001, "is not shown")])
def test_equivalence_is_tested_where_the_protocol_states_a_margin(
    margin: float, said: str, make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path
) -> None:
    folder = three(make_study, edit_json, tmp_path, [["additive", "mean"]])
    edit_json(folder / "study.json", lambda found: found["protocol"].update(equivalence=margin))
    study = read_study(folder)
    comparison = comparison_of(study, resamples=300)
    told = section(study, comparison)
    assert told.text[1] == f"Equivalence within ±{margin:g} BLEU of additive and mean {said}."
    assert headline(study, comparison).endswith(told.text[1])
    assert told.tables[0].header[-1] == f"within ±{margin:g}"
    assert told.tables[0].rows[0][-1].endswith(said.removeprefix("is "))


def test_weak_models_are_not_compared(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = read_study(three(make_study, edit_json, tmp_path, [["mean", "fixed"]]))
    comparison = comparison_of(study, resamples=50)
    monkeypatch.setitem(WEAK, "bleu", 101.0)
    (only,) = planned(comparison)
    assert only.difference is None
    told = section(study, comparison)
    assert "not reported: the better has" in told.tables[0].rows[0][1]
    assert told.text == ("Nothing is reported, so that no planned comparison can hold: the table says why.",)


def test_pairs_are_compared_on_the_seeds_that_both_have(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path
) -> None:
    folder = three(make_study, edit_json, tmp_path, [["additive", "mean"], ["mean", "fixed"]])
    (folder / "fixed-seed0" / "translations.test.jsonl").unlink()
    for member in ("mean", "additive"):
        (folder / f"{member}-seed1" / "translations.test.jsonl").unlink()
    study = read_study(folder)
    comparison = comparison_of(study, resamples=50)
    both, neither = planned(comparison)
    assert both.seeds == (0,)
    assert both.difference is not None
    assert (neither.seeds, neither.difference) == ((), None)
    assert not both.holds  # of one seed nothing is said
    assert section(study, comparison).tables[0].rows[1][1] == "no seed finished by both"


def test_weak_pairs_are_not_reported_anywhere(make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path) -> None:
    folder = three(make_study, edit_json, tmp_path, [["mean", "fixed"], ["additive", "fixed"]])
    for run in (*folder.glob("mean*"), *folder.glob("fixed*")):
        change_rows(run, lambda row: row.update(hypothesis="a man a dog ."))
    study = read_study(folder)
    comparison = comparison_of(study, resamples=50)
    assert comparison.compared == (("additive", "fixed"),)
    weak, strong = planned(comparison)
    assert weak.difference is None
    assert strong.difference is not None
    assert strong.difference.together == 2
    found = export.comparisons(study, comparison)
    assert found is not None
    assert [row[0] for row in found.rows] == ["additive − fixed"]


def test_a_search_compares_no_trials(make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path) -> None:
    folder = make_study(tmp_path, seeds=(0,), sentences=40)
    edit_json(folder / "study.json", lambda found: found.update(kind="search", search={"metric": "bleu"}))
    study = read_study(folder)
    comparison = comparison_of(study, resamples=50)
    assert section(study, comparison).empty
    assert comparison.compared == ()
    assert export.comparisons(study, comparison) is None
    write_report(folder)
    text = (folder / "report.md").read_text()
    assert "The best observed of 2 finished trials is additive" in text
    assert "additive − fixed" not in text


def test_csv_has_every_run_in_full_precision(written: Path) -> None:
    study = read_study(written)
    rows = list(csv.DictReader(io.StringIO(export.as_csv(study))))
    assert [(row["member"], row["seed"]) for row in rows] == [(run.member, str(run.seed)) for run in study.runs]
    for row, run in zip(rows, study.runs, strict=True):
        assert float(row["test_bleu"]) == run.test["bleu"]
        assert row["config_hash"] == run.record.config_hash
    assert json.loads(export.as_json(study))[0]["test_bleu"] == study.runs[0].test["bleu"]


def test_latex_is_escaped() -> None:
    table = Table("a_b & 5 %", ("member", "n"), (("x_1 #{}~^\\", "−0.5 ± 1"),))
    text = export.latex(table)
    assert r"\caption{a\_b \& 5 \%}" in text
    assert r"x\_1 \#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{} & $-$0.5 $\pm$ 1 \\" in text
    assert text.count("\\toprule") == text.count("\\bottomrule") == 1


def test_markdown_has_a_row_a_member(written: Path) -> None:
    text = export.as_markdown(read_study(written))
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ") and ":--" not in line]
    assert rows == ["| member", "| fixed", "| additive", "| comparison", "| additive − fixed"]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_report_is_made_again_from_what_is_published(written: Path, tmp_path: Path) -> None:
    first, moved = tmp_path / "published", tmp_path / "elsewhere" / "copy"
    (first).mkdir()
    (first / "README.md").write_text("stays")
    (first / "figures").mkdir()
    (first / "figures" / "of_an_earlier_report.png").write_bytes(b"")
    publish(written, first)
    before = snapshot(first)
    assert not {name for name in before if name.endswith(("report.html", "counts.test.json"))}
    assert "figures/of_an_earlier_report.png" not in before
    assert before["README.md"] == b"stays"
    shutil.copytree(first, moved)
    write_report(moved)
    page = (moved / "report.html").read_bytes()
    (moved / "report.html").unlink()
    for counts in moved.rglob("counts.test.json"):
        counts.unlink()
    assert snapshot(moved) == before
    write_report(first)
    assert (first / "report.html").read_bytes() == page
    publish(first, tmp_path / "again")
    assert snapshot(tmp_path / "again").items() >= {k: v for k, v in before.items() if k != "README.md"}.items()


def test_what_is_published_says_nothing_of_the_machine() -> None:
    attempt = {
        "outcome": "failed",
        "host": "me",
        "pid": 3,
        "error": {"type": "E", "message": "m", "traceback": 'File "/home/me/x.py", line 1'},
    }
    job = {
        "overrides": ["data.train.source=/home/me/train.en", "seed=1"],
        "flags": ["--config-dir=/home/me/conf"],
        "directory": "/home/me",
        "trial": None,
        "attempts": [attempt],
    }
    found = json.dumps(published_job(job))
    assert "/home" not in found
    assert '"me"' not in found
    assert "data.train.source=train.en" in found


def test_an_export_marks_what_markdown_would_take_for_markup() -> None:
    table = export.markdown(Table("~~a~~", ("x | y",), (("$a$ &lt; `b`",),)))
    assert table.splitlines()[0] == r"**\~\~a\~\~**"
    assert r"\$a\$ \&lt; \`b\`" in table


def test_members_of_other_sentences_are_published_with_theirs(make_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", seeds=(0,), sentences=8, matrices=0)

    def reverse(row: dict[str, Any]) -> None:
        row["source"], row["reference"] = row["reference"], row["source"]

    change_rows(folder / "additive-seed0", reverse)
    publish(folder, tmp_path / "published")
    before, after = (read_study(place).runs for place in (folder, tmp_path / "published"))
    for one, two in zip(before, after, strict=True):
        assert [row["reference"] for row in two.rows] == [row["reference"] for row in one.rows] != []


def test_a_paused_run_has_not_failed(make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", seeds=(0,), sentences=8, matrices=0)
    edit_json(folder / "fixed-seed0" / "record.json", lambda record: record.update(status="paused"))
    (folder / "fixed-seed0" / "job.json").write_text('{"attempts": [{"outcome": "paused"}]}')
    assert {run.member: run.status for run in read_study(folder).runs}["fixed"] == "paused"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": {"comparisons": [["a", "b", "c"]]}}, "is no description of a study"),
        ({"protocol": {"metric": "accuracy"}}, "its metric is 'accuracy'"),
        ({"runs": [{"member": "nobody", "seed": 0, "folder": "x"}]}, "a run of 'nobody', which is no member"),
    ],
)
def test_a_description_that_somebody_changed(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = make_study(tmp_path / "s", seeds=(0,), sentences=8, matrices=0)
    edit_json(folder / "study.json", lambda description: description.update(change))
    with pytest.raises(ValueError, match=message):
        read_study(folder)


def test_a_budget_until_convergence_is_told(make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", seeds=(0,), sentences=8, matrices=0)
    budget = {"until": "converged", "updates": 16000, "tokens": None}
    edit_json(folder / "study.json", lambda description: description.update(budget=budget))
    written = write_report(folder)
    assert written.left_out == ()
    assert "until converged, at most 16,000 updates a run" in (folder / "report.md").read_text(encoding="utf-8")
