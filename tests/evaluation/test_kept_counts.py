"""Counts of each sentence are kept, and made anew wherever they may not be those of the translations."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnsearch.evaluation import kept_counts
from rnnsearch.evaluation.kept_counts import keep_counts
from rnnsearch.evaluation.scoring import EARLIER, Scoring
from rnnsearch.evaluation.summed_metrics import text_counts

ROWS = [{"hypothesis": "a dog, barking", "reference": "dogs bark ."}, {"hypothesis": "", "reference": "one"}]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows by one whenever sentences are counted."""
    times: list[Any] = []
    monkeypatch.setattr(kept_counts, "text_counts", lambda *given: times.append(given) or text_counts(*given))
    return times


def check(folder: Path, rows: list[dict[str, str]], scoring: Scoring = EARLIER) -> None:
    found, expected = kept_counts.kept_counts(folder, "test", rows, scoring), text_counts(rows, scoring)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_they_are_counted_once(tmp_path: Path, counted: list[Any]) -> None:
    check(tmp_path, ROWS)
    check(tmp_path, ROWS)
    assert len(counted) == 1


def test_an_evaluation_keeps_them(tmp_path: Path, counted: list[Any]) -> None:
    keep_counts(tmp_path, "test", ROWS, EARLIER, text_counts(ROWS, EARLIER))
    check(tmp_path, ROWS)
    assert counted == []


def test_other_translations_or_scorings_are_counted_anew(tmp_path: Path, counted: list[Any]) -> None:
    check(tmp_path, ROWS)
    check(tmp_path, [{**ROWS[0], "hypothesis": "dogs bark ."}, ROWS[1]])
    check(tmp_path, ROWS, Scoring("char", "nfc"))
    assert len(counted) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: values.update(bleu="1 2"),
        lambda values: values.update(bleu=values["bleu"].replace("0", "nan", 1)),
        lambda values: values.update(bleu=values["bleu"].replace("0", "9" * 30, 1)),
        lambda values: values.update(bleu=[1, 2]),
        lambda values: values.pop("chrf"),
    ],
)
def test_damaged_ones_are_counted_anew(tmp_path: Path, counted: list[Any], damage: Any) -> None:
    check(tmp_path, ROWS)
    path = tmp_path / "counts.test.json"
    values = json.loads(path.read_text())
    del values["sha256"]
    damage(values)
    for text in (json.dumps(values), "[]", "{"):
        path.write_text(text)
        check(tmp_path, ROWS)
    assert len(counted) == 4


def test_a_pipe_in_its_place_gives_way(tmp_path: Path, counted: list[Any]) -> None:
    os.mkfifo(tmp_path / "counts.test.json")
    check(tmp_path, ROWS)
    check(tmp_path, ROWS)
    assert len(counted) == 1


def test_nothing_is_written_into_a_folder_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    check(tmp_path / "run", ROWS)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_cannot_be_kept_is_counted(tmp_path: Path) -> None:
    check(tmp_path / "no folder" / "\0", ROWS)
