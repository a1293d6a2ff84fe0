"""A report on a named test set is the report on the same sentences, wherever these stand."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rnnsearch.records.test_sets import TestResults, read_results, write_results
from rnnsearch.study import export, test_sets
from rnnsearch.study.folder import Study, read_study
from rnnsearch.study.publish import publish
from rnnsearch.study.report import build_report
from rnnsearch.study.statistics import Estimate, compare

SUMS = {"source": "5" * 64, "target": "7" * 64}


@pytest.fixture(scope="module")
def study(make_study: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose runs were tested on their own test set again, under the name of news."""
    folder = make_study(tmp_path_factory.mktemp("named"), seeds=(0, 1), sentences=60)
    for run in folder.glob("*-seed*"):
        metrics = json.loads((run / "record.json").read_text(encoding="utf-8"))["results"]["metrics"]["test"]
        write_results(run, TestResults(name="news", checksums=SUMS, pairs=60, metrics=metrics))
        shutil.copy(run / "translations.test.jsonl", run / "translations.news.jsonl")
    return folder


def scores(study: Study) -> Mapping[str, Mapping[str, Estimate]]:
    """Members' scores over the whole test set."""
    comparison = compare(study)
    assert comparison is not None
    return comparison.whole.scores


def test_tables_comparisons_and_exports_are_of_the_named_set(study: Path) -> None:
    own, named = read_study(study), read_study(study, "news")
    assert scores(named) == scores(own)
    assert export.as_csv(named) == export.as_csv(own)
    changed = study / "additive-seed0"
    results = read_results(changed, "news")
    assert results is not None
    rows = [json.loads(line) for line in (changed / "translations.news.jsonl").read_text().splitlines()]
    text = "".join(json.dumps({**row, "hypothesis": row["reference"]}) + "\n" for row in rows)
    (changed / "translations.news.jsonl").write_text(text, encoding="utf-8")
    better = scores(read_study(study, "news"))
    assert better["additive"]["bleu"].by_seed[0] == pytest.approx(100)
    assert better["fixed"] == scores(own)["fixed"]
    shutil.copy(changed / "translations.test.jsonl", changed / "translations.news.jsonl")


def test_the_report_lists_the_named_sets(study: Path) -> None:
    section = test_sets.section(read_study(study))
    (table,) = section.tables
    assert table.header == ("", "test", "news")
    assert all(row[1] == row[2] for row in table.rows)
    assert "test_set=news" in section.notes[0]
    titles = [[part.title for part in build_report(read_study(study, name)).sections] for name in ("test", "news")]
    assert ["Other test sets" in of_report for of_report in titles] == [True, False]


def test_runs_tested_otherwise_are_a_doubt(study: Path) -> None:
    assert not test_sets.tested_alike(read_study(study, "news"))
    run = study / "fixed-seed1"
    results = read_results(run, "news")
    assert results is not None
    write_results(run, TestResults(name="news", checksums=SUMS, pairs=60, metrics=results.metrics, checkpoint="last"))
    (doubt,) = test_sets.tested_alike(read_study(study, "news"))
    assert "the same checkpoint: fixed-seed1 " in doubt.text
    write_results(run, results)


def test_a_run_tested_on_other_files_is_apart(study: Path) -> None:
    run = study / "fixed-seed0"
    results = read_results(run, "news")
    assert results is not None
    other = {"source": "6" * 64, "target": "7" * 64}
    write_results(run, TestResults(name="news", checksums=other, pairs=60, metrics=results.metrics))
    assert [entry.run.label for entry in read_study(study, "news").apart] == ["fixed-seed0"]
    write_results(run, results)


def test_a_set_that_no_run_was_tested_on(study: Path) -> None:
    with pytest.raises(ValueError, match=r"test_set=old: no run of named0 was tested on it \(named test sets: news\)"):
        read_study(study, "old")


def test_published_studies_keep_them(study: Path, tmp_path: Path) -> None:
    publish(study, tmp_path / "published")
    assert export.as_csv(read_study(tmp_path / "published", "news")) == export.as_csv(read_study(study, "news"))
