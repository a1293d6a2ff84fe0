"""The report's section on minimal pairs: from what the runs were asked, paired, by phenomenon."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.records.contrasts import CONTRASTS
from rnnsearch.records.json_files import append_line
from rnnsearch.study import contrasts
from rnnsearch.study.blocks import Section
from rnnsearch.study.folder import read_study
from rnnsearch.study.publish import publish
from rnnsearch.study.statistics import compare

OUTCOMES = {"number": "1100110011" * 4, "gender": "10=1" * 5}


def weights(run: Path) -> str:
    return str(json.loads((run / "record.json").read_text(encoding="utf-8"))["results"]["weights_sha256"])


def ask(run: Path, outcomes: dict[str, str], **changes: Any) -> None:
    line = {"name": "mine.txt", "of": "aa", "normalization": "none", "weights_sha256": weights(run), "run": str(run)}
    append_line(run / CONTRASTS, {**line, "outcomes": outcomes, **changes})


@pytest.fixture
def study(make_study: Callable[..., Path], tmp_path: Path) -> Path:
    folder = make_study(tmp_path / "study", seeds=(0, 1), sentences=60, matrices=0)
    for run in folder.glob("fixed-*"):
        ask(run, OUTCOMES)
    for run in folder.glob("additive-*"):
        ask(run, dict.fromkeys(OUTCOMES, "0"))  # an earlier time
        ask(run, {kind: outcomes.replace("0", "1", 3) for kind, outcomes in OUTCOMES.items()})
    return folder


def section(folder: Path) -> Section:
    read = read_study(folder)
    comparison = compare(read, resamples=50)
    assert comparison is not None
    return contrasts.section(read, comparison)


def test_members_and_differences_by_phenomenon(study: Path) -> None:
    [table] = section(study).tables
    assert table.header == ("phenomenon", "fixed", "additive", "additive − fixed")
    shares = [[cell.split("\n")[0] for cell in row] for row in table.rows]
    assert shares == [
        ["number", "0.600", "0.675", "+0.075"],
        ["gender", "0.500", "0.650", "+0.150"],
        ["all pairs", "0.567", "0.667", "+0.100"],
    ]
    assert table.rows[0][0].endswith("n = 40")
    assert "10 ties" in table.rows[1][1]
    assert "3 differences hold together" in table.caption


def test_what_was_asked_of_other_weights_or_of_some_runs_is_left_out(study: Path) -> None:
    for run in study.glob("*-seed*"):
        (run / CONTRASTS).unlink()
        ask(run, OUTCOMES, weights_sha256="those of another checkpoint")
        ask(run, OUTCOMES, weights_sha256=["an", "ensemble"])
    assert section(study).empty
    ask(study / "fixed-seed0", OUTCOMES)
    assert section(study).empty
    ask(study / "fixed-seed1", OUTCOMES, of="other pairs")
    assert section(study).empty
    ask(study / "fixed-seed1", OUTCOMES)
    [table] = section(study).tables
    assert [row[2] for row in table.rows] == ["–"] * 3


def test_an_interval_of_pairs_that_are_all_right_has_a_width(study: Path) -> None:
    for run in study.glob("additive-*"):
        ask(run, {"number": "1" * 40, "gender": "0" * 20})
    [table] = section(study).tables
    assert [row[2] for row in table.rows[:2]] == ["1.000\n[0.912, 1.000]", "0.000\n[0.000, 0.161]"]


def test_what_is_published_tells_the_same_without_places(study: Path, tmp_path: Path) -> None:
    publish(study, tmp_path / "published")
    text = (tmp_path / "published" / "additive-seed0" / CONTRASTS).read_text(encoding="utf-8")
    assert text.count("\n") == 1
    assert str(study) not in text
    assert section(tmp_path / "published").tables == section(study).tables


@pytest.mark.parametrize("line", ['{"name": "x"}', '{"name": "x", "of": "", "normalization": "", '
                                  '"weights_sha256": "", "outcomes": {"number": "12"}}'])  # fmt: skip
def test_a_damaged_line_is_one_sentence(study: Path, line: str) -> None:
    with (study / "fixed-seed0" / CONTRASTS).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=r"contrasts.jsonl is damaged: a line is not as rnnsearch contrast writes it"):
        section(study)
