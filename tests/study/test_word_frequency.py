"""The report's section on rare words: from what each run kept, with paired differences, or saying what is unknown."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rnnsearch.data.seen_words import SEEN_WORDS, write_words
from rnnsearch.study import word_frequency
from rnnsearch.study.folder import read_study
from rnnsearch.study.publish import publish
from rnnsearch.study.statistics import compare

SEEN = {"A": 4000, "man": 1, "woman": 4, "dog": 7, "large": 50, "street": 500, "never translated": 3}


@pytest.fixture
def study(make_study: Callable[..., Path], tmp_path: Path) -> Path:
    folder = make_study(tmp_path / "study", seeds=(0, 1), sentences=60, matrices=0)
    for run in folder.glob("*-seed*"):
        write_words(run / SEEN_WORDS, SEEN)
    return folder


def section(folder: Path) -> word_frequency.Section:
    study = read_study(folder)
    comparison = compare(study, resamples=50)
    assert comparison is not None
    return word_frequency.section(study, comparison)


def test_each_bucket_has_members_and_their_difference(study: Path) -> None:
    found = section(study)
    [table] = found.tables
    assert table.header == ("times seen", "fixed", "additive", "additive − fixed")
    assert [row[0].split("\n")[0] for row in table.rows] == [
        "0", "1", "2–5", "6–10", "11–100", "101–1,000", "over 1,000"
    ]  # fmt: skip
    assert "7 differences hold together" in table.caption
    for row in table.rows:
        fixed, additive, gap = (float(cell.split("\n")[0].replace("−", "-")) for cell in row[1:])
        assert gap == pytest.approx(additive - fixed, abs=0.0011)
        assert fixed < additive
    [picture] = found.pictures
    assert len(picture.draw().axes[0].get_lines()) == 2


def test_what_a_run_has_not_kept_is_unknown(study: Path, make_study: Callable[..., Path], tmp_path: Path) -> None:
    (study / "fixed-seed1" / SEEN_WORDS).unlink()
    [table] = section(study).tables
    assert table.header == ("times seen", "fixed", "additive")
    assert {row[1] for row in table.rows} == {"unknown"}
    assert section(make_study(tmp_path / "old", seeds=(0,), sentences=60, matrices=0)).empty


def test_members_with_other_data_are_not_subtracted(study: Path) -> None:
    for run in study.glob("fixed-*"):
        write_words(run / SEEN_WORDS, {**SEEN, "man": 2})
    found = section(study)
    [table] = found.tables
    assert table.header == ("times seen", "fixed", "additive")
    assert "each is sorted by its own" in found.notes[0]
    assert all("n =" not in row[0] for row in table.rows)


def test_what_is_published_tells_the_same_of_fewer_words(study: Path, tmp_path: Path) -> None:
    publish(study, tmp_path / "published")
    kept = (tmp_path / "published" / "fixed-seed0" / SEEN_WORDS).read_text(encoding="utf-8")
    assert "man" in kept
    assert "translated" not in kept
    assert section(tmp_path / "published").tables == section(study).tables
