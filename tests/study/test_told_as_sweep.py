"""A sweep is told by its best point; only what names a baseline or pairs is told as a comparison."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from rnnsearch.records.study_description import description_of
from rnnsearch.study import ranking
from rnnsearch.study.folder import Study, read_study
from rnnsearch.study.measures import best_first, is_comparison
from rnnsearch.study.report import build_report
from rnnsearch.study.standing import near_best
from rnnsearch.study.statistics import compare
from rnnsearch.study.tables import Table

Edit = Callable[[Path, Callable[[Any], None]], None]
PROTOCOL = {"question": "?", "metric": "bleu", "baseline": None, "comparisons": None}


@pytest.mark.parametrize(
    ("description", "comparison"),
    [
        ({}, True),  # of old name no kind
        ({"kind": "comparison"}, True),
        ({"kind": "sweep"}, False),
        ({"kind": "sweep", "protocol": PROTOCOL}, False),
        ({"kind": "sweep", "protocol": {**PROTOCOL, "baseline": "a"}}, True),
        ({"kind": "sweep", "protocol": {**PROTOCOL, "comparisons": [["b", "a"]]}}, True),
        ({"kind": "sweep", "protocol": {**PROTOCOL, "baseline": "a", "metric": "tokens_per_second"}}, False),
        ({"kind": "search", "search": {"metric": "bleu"}}, False),
    ],
)
def test_what_is_told_as_a_comparison(description: dict[str, Any], comparison: bool) -> None:
    assert (
        is_comparison(Study(Path(), description_of({"format": 1, **description}, Path()), ("a", "b"), (0,), ()))
        is comparison
    )


def markdown_of(folder: Path) -> str:
    return (folder / "report.md").read_text(encoding="utf-8").replace("\\", "")


@pytest.mark.slow
def test_a_sweep_has_no_word_of_its_first_point_nor_of_a_plan(sweep: Path) -> None:
    text = markdown_of(sweep)
    assert text.startswith("# The best of 15 finished points is attention_size=")
    told = text[: text.index("## Translations")]
    for word in ("planned", "Planned", "p-value", "p =", "p <", "excludes 0", " gains ", "the first member", "minus"):
        assert word not in told, word


@pytest.mark.slow
def test_one_table_is_sorted_by_score_with_a_column_for_each_setting(sweep: Path) -> None:
    text = markdown_of(sweep)
    lines = text[text.index("**All 16 points by test BLEU**") :].split("\n\n")[1].splitlines()
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert header == [
        *("attention_size", "hidden_size", "seeds", "test BLEU", "95 %", "behind the best by", "parameters", "time")
    ]
    means = [float(row[3].split(" ± ")[0]) for row in rows if row[3][0].isdigit()]
    assert means == sorted(means, reverse=True)
    assert len(rows) == 16
    assert rows[0][5] == "the best"


@pytest.mark.slow
def test_csv_and_latex_begin_with_the_best(sweep: Path) -> None:
    best = best_first(read_study(sweep)).members[0]
    rows = list(csv.DictReader(io.StringIO((sweep / "report.csv").read_text(encoding="utf-8"))))
    assert rows[0]["member"] == rows[1]["member"] == best
    assert len(rows) == 32
    latex = (sweep / "report.tex").read_text(encoding="utf-8")
    assert "behind the best by" in latex
    assert "Planned" not in latex


@pytest.mark.slow
def test_a_baseline_that_somebody_chose_makes_it_a_comparison(sweep: Path, tmp_path: Path) -> None:
    study = read_study(sweep)
    stated = replace(study.description.planned, baseline=study.members[0])
    chosen = Study(
        study.folder, replace(study.description, protocol=stated), study.members[:2], study.seeds, study.runs
    )
    report = build_report(chosen)
    assert "Planned comparisons" in [section.title for section in report.sections]
    assert study.members[0] in report.first.headline


@pytest.mark.slow
def test_those_near_the_best_need_several_seeds(sweep: Path) -> None:
    study = read_study(sweep)
    comparison = compare(study)
    near = near_best(study, comparison)
    assert near is not None
    assert near[0] == best_first(study).members[0]
    left = len(near) - 1
    [told] = [text for text in build_report(study).first.others if "certainly worse" in text]
    assert told.startswith(f"{14 - left or 'None'} of the 14 others ")
    assert f"; {left} can't be told from it: more seeds" in told
    one = Study(study.folder, study.description, study.members, (0,), tuple(r for r in study.runs if r.seed == 0))
    assert near_best(one, compare(one)) is None
    first = build_report(one).first
    assert first.headline.startswith("The best observed of 15 finished points is")
    assert "One seed, so nothing is known of training anew." in first.others


def test_long_tables_fold_their_rest() -> None:
    rows = tuple((str(n),) for n in range(100))
    shown, rest = ranking.split(Table("All", ("n",), rows))
    assert rest is not None
    assert (len(shown.rows), len(rest.rows), rest.caption) == (30, 70, "Points 31 to 100")
    assert ranking.split(Table("All", ("n",), rows[:33])) == (Table("All", ("n",), rows[:33]), None)


def test_speeds_are_told_as_a_sweep_without_their_cost(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path
) -> None:
    folder = make_study(tmp_path / "s", members=("one", "two", "four"), seeds=(0,), sentences=12, matrices=1)

    def of_speed(description: Any) -> None:
        description["kind"] = "sweep"
        description["protocol"] = {**PROTOCOL, "metric": "tokens_per_second", "baseline": "one"}
        for entry, workers in zip(description["members"], (1, 2, 4), strict=True):
            entry["settings"] = {"workers": workers}

    edit_json(folder / "study.json", of_speed)
    for name, speed in (("one", 100.0), ("two", 3000.0), ("four", 2000.0)):
        path = folder / f"{name}-seed0" / "record.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(record | {"tokens_per_second": speed}), encoding="utf-8")
    report = build_report(read_study(folder))
    assert report.first.headline == "The fastest of 3 is two, 30.0 times the slowest, one: 3,000 tokens a second."
    assert "Quality against cost" not in [section.title for section in report.sections]
    [points] = [section for section in report.sections if section.title == "All points"]
    assert [row[:2] for row in points.tables[0].rows] == [("2", "3,000"), ("4", "2,000"), ("1", "100")]
    assert not re.search("seed", " ".join(report.first.others))
