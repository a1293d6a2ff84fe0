"""A study is scored as its records say, and by chrF where BLEU says nothing of its references."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.study.doubts import remarks
from rnnsearch.study.findings import headline
from rnnsearch.study.folder import read_study
from rnnsearch.study.measures import primary, ranked
from rnnsearch.study.report import write_report
from rnnsearch.study.statistics import Comparison, compare

Edit = Callable[..., None]


def scored(folder: Path, edit_json: Edit, *ways: Scoring | None, **data: Any) -> Comparison:
    """The comparison of a study whose runs' records say so; None leaves one as of an earlier version."""
    for way, run in zip(ways, sorted(folder.glob("*/record.json")), strict=True):

        def change(record: dict[str, Any], way: Scoring | None = way) -> None:
            record["data"] |= data
            if way is not None:
                record["scoring"] = way.as_record()

        edit_json(run, change)
    found = compare(read_study(folder), resamples=50)
    assert found is not None
    return found


def test_chrf_takes_the_place_of_a_degenerate_bleu(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path
) -> None:
    folder = make_study(tmp_path / "study", seeds=(1,), sentences=60)
    units = {"source": "characters", "target": "words"}
    found = scored(folder, edit_json, *[Scoring("13a", "nfc", "chrf")] * 2, length_units=units)
    study = read_study(folder)
    assert (found.metric, found.weak, primary(study).title) == ("chrf", 20.0, "test chrF")
    assert " chrF [" in headline(study, found)
    assert "BLEU is 0 even of the references against themselves: chrF is this" in " ".join(
        one.text for one in remarks(study, found)
    )
    text = (write_report(folder).page.parent / "report.md").read_text(encoding="utf-8")
    assert "chrF by source length in characters" in text
    assert "chrF against source length" in text
    assert "Lengths are characters" in text


def test_records_of_different_scoring_are_doubted(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path
) -> None:
    folder = make_study(tmp_path / "study", seeds=(1,), sentences=60)
    found = scored(folder, edit_json, None, Scoring("char", "nfc", "bleu", ("forgot to detokenize",)))
    told = " ".join(one.text for one in remarks(read_study(folder), found))
    assert "do not share one way of scoring" in told
    assert "sacreBLEU warns of the references: forgot to detokenize" in told


@pytest.mark.parametrize("tokenizer", ["13a", "char"])
def test_translations_are_scored_by_their_record(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path, tokenizer: str
) -> None:
    folder = make_study(tmp_path / "study", seeds=(1,), sentences=60)
    found = scored(folder, edit_json, *[Scoring(tokenizer, "nfc")] * 2)
    said = [one.text for one in remarks(read_study(folder), found) if "its record says" in one.text]
    assert bool(said) == (tokenizer == "char")  # the records' BLEU is by 13a


def test_equal_members_are_ranked_by_what_differs(
    make_study: Callable[..., Path], edit_json: Edit, tmp_path: Path
) -> None:
    folder = make_study(tmp_path / "study", seeds=(1,), sentences=60)
    for place, path in enumerate(sorted(folder.glob("*/record.json"))):

        def change(record: dict[str, Any], place: int = place) -> None:
            record["results"]["metrics"]["test"] |= {"bleu": 0.0, "chrf": 9.0 - place, "nll": 3.0}

        edit_json(path, change)
    first = sorted(folder.glob("*/record.json"))[0].parent.name
    assert first.startswith(ranked(read_study(folder))[0])
