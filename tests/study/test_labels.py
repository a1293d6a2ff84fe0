"""What users call their runs, and say of them, in a report and a study's tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnnsearch.study import cards, export, tables
from rnnsearch.study.folder import read_study


def test_tags_and_notes_are_shown_where_there_are_any(
    make_study: Callable[..., Path], tmp_path: Path, edit_json: Callable[[Path, Callable[[Any], None]], None]
) -> None:
    folder = make_study(tmp_path / "study", seeds=(0,), sentences=4, matrices=1)
    without = read_study(folder)
    assert tables.runs(without).header[-1] == "time"
    assert "tags" not in export.rows(without)[0]
    edit_json(folder / "fixed-seed0" / "record.json", lambda record: record.update(tags=["a", "b"], note="<i>why</i>"))
    study = read_study(folder)
    table = tables.runs(study)
    assert table.header[-2:] == ("tags", "note")
    assert [row[-2:] for row in table.rows] == [("a, b", "<i>why</i>"), ("", "")]
    assert [(row["tags"], row["note"]) for row in export.rows(study)] == [("a, b", "<i>why</i>"), (None, None)]
    assert json.loads(export.as_json(study))[0]["tags"] == "a, b"
    card = dict(cards.section(study).folds[0].facts)
    assert (card["Tags"], card["Note"]) == (("a, b",), ("<i>why</i>",))
    assert "Tags" not in dict(cards.section(study).folds[1].facts)
