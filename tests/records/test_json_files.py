"""JSON files: whole or not there, and read as they were written."""

import json
import math
from pathlib import Path

import pytest

from rnnsearch.records import json_files


def test_what_is_no_number_becomes_null(tmp_path: Path) -> None:
    values = {"nll": math.nan, "of": [math.inf, (1.5, -math.inf)], "text": "NaN", "whole": 3}
    kept = {"nll": None, "of": [None, [1.5, None]], "text": "NaN", "whole": 3}
    json_files.write_object(tmp_path / "object.json", values)
    assert json_files.read_object(tmp_path / "object.json") == kept
    json_files.write_lines(tmp_path / "lines", [values])
    json_files.append_line(tmp_path / "lines", values)
    assert list(json_files.read_lines(tmp_path / "lines")) == [kept, kept]


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    rows = [{"text": "a\nb\u2028c"}, {"text": "é", "n": None}]
    json_files.write_lines(path, rows)
    json_files.append_line(path, {"last": True})
    assert list(json_files.read_lines(path)) == [*rows, {"last": True}]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    json_files.write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(UnicodeEncodeError):
        json_files.write_text(tmp_path / "x.json", "\udcff")
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    values = {"command": ["hydra.run.dir=/tmp/\udcff", "\\é"]}
    json_files.write_object(tmp_path / "object.json", values)
    assert json_files.read_object(tmp_path / "object.json") == values
