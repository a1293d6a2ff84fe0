"""A report is the same wherever, and whenever, it is made: from the runs, or from what is published of them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnnsearch
from rnnsearch.cli.main import main
from rnnsearch.study.local_paths import published
from rnnsearch.study.publish import publish
from rnnsearch.study.report import write_report

Edit = Callable[[Path, Callable[[Any], None]], None]
TRACEBACK = 'Traceback:\n  File "/home/me/src/rnnsearch/model.py", line 3\nValueError: /data/my/x: at=/home/me/y'


@pytest.fixture(scope="module")
def study(make_study: Callable[..., Path], edit_json: Edit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four runs, one of which failed, made on a machine with places."""
    folder = make_study(tmp_path_factory.mktemp("outputs") / "1e3", seeds=(0, 1), sentences=60, matrices=2)
    for path in folder.glob("*/record.json"):
        edit_json(path, lambda record: record["command"].append("data.root=/home/me/corpora"))
    error = {"type": "ValueError", "message": "/data/mine/x.txt: no such file", "traceback": TRACEBACK}
    edit_json(folder / "additive-seed1" / "record.json", lambda found: found.update(status="failed", error=error))
    write_report(folder)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    paths = [*folder.glob("report.*"), *folder.glob("figures/*.png")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.pictures
@pytest.mark.slow
def test_what_is_published_gives_the_same_report_byte_for_byte(study: Path, tmp_path: Path) -> None:
    publish(study, tmp_path / "published")
    script = "import sys, pathlib, rnnsearch.study.report as r; r.write_report(pathlib.Path(sys.argv[1]))"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    environment["PYTHONPATH"] = str(Path(rnnsearch.__file__).parents[1])
    subprocess.run([sys.executable, "-c", script, "published"], cwd=tmp_path, env=environment, check=True)
    assert files(tmp_path / "published") == files(study)
    assert {"report.html", "report.md", "report.tex", "report.csv"} < set(files(study))


def test_no_place_is_published_or_told(study: Path, tmp_path: Path) -> None:
    publish(study, tmp_path / "published")
    for folder in (study, tmp_path / "published"):
        for path in (*folder.glob("report.*"), *(tmp_path / "published").rglob("*.json")):
            text = path.read_text(encoding="utf-8")
            assert "/home" not in text, path
            assert "/data/" not in text, path
            assert str(study) not in text, path
    markdown = (study / "report.md").read_text(encoding="utf-8")
    assert "data.root=corpora" in markdown
    assert 'File "model.py", line 3' in markdown


@pytest.mark.parametrize(
    "text", ["https://example.org/a/b", "model/context=fixed", "and/or", "../a/b", "5 / 3", "torch 2.13/cpu", "~/a/b"]
)
def test_what_is_no_absolute_path_stays(text: str) -> None:
    assert published({"text": text, "list": [{"deep": text}]}) == {"text": text, "list": [{"deep": text}]}


@pytest.mark.pictures
def test_the_command_writes_the_report_and_prints_where(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(study)
    assert main(["report", "study=1e3", f"paths.output={study.parent}"]) == 0
    assert Path(capsys.readouterr().out.strip()) == study / "report.html"
    assert files(study) == before


def test_a_missing_study_is_told_with_those_there_are(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("report", "export"):
        assert main([command, "study=007", f"paths.output={study.parent}"]) == 1
        error = capsys.readouterr().err
        assert f"{study.parent} has no study 007; it has 1e3" in error
        assert len(error.splitlines()) == 1


def test_tables_go_to_standard_output(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for form in ("csv", "json", "latex", "markdown"):
        assert main(["export", "study=1e3", f"format={form}", f"paths.output={study.parent}"]) == 0
        shown[form] = capsys.readouterr().out
    assert shown["csv"] == (study / "report.csv").read_text(encoding="utf-8")
    assert shown["latex"] == (study / "report.tex").read_text(encoding="utf-8")
    assert [row["status"] for row in json.loads(shown["json"])] == ["finished", "finished", "finished", "failed"]
    assert main(["export", "study=1e3", "format=xml", f"paths.output={study.parent}"]) == 1
    assert "format=xml: choose one of csv, json, latex, markdown" in capsys.readouterr().err
