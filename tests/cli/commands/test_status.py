"""``rnnsearch status``: what it prints of studies that run, have run, and were killed."""

import json
from pathlib import Path

import pytest
from tests.sweeps.trainings import write_point, write_record

from rnnsearch.cli.main import main
from rnnsearch.records.run_record import now
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.ledger import Attempt


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A point of each kind."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "outputs" / "mine"
    for name, outcome in {"done": "finished", "broken": "failed", "killed": None, "new": ""}.items():
        point = write_point(folder / name, member=name)
        if outcome != "":
            error = {"type": "OSError", "message": "it is gone", "traceback": ""} if outcome == "failed" else None
            ledger.add_attempt(point, Attempt(started=now(), outcome=outcome, error=error))
            write_record(point.folder, "running" if outcome is None else outcome, {3: 2.5})
    (folder / "study.json").write_text("{}")
    return folder


def test_a_table(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "study=mine"]) == 0
    text = capsys.readouterr().out
    rows = {line.split()[0]: line for line in text.splitlines()}
    assert "finished" in rows["done"]
    assert "2.50" in rows["done"]
    assert "OSError: it is gone" in rows["broken"]
    assert "interrupted" in rows["killed"]  # its record says running, but no process holds its lock
    assert "waiting" in rows["new"]
    assert "4 points: 1 failed, 1 interrupted, 1 finished, 1 waiting" in text


def test_a_long_table_has_what_failed_first(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "study=mine", "rows=1"]) == 0
    _, row, counts = capsys.readouterr().out.splitlines()
    assert row.split()[0] == "broken"
    assert counts.endswith(
        "1 waiting; the table has 1 of them, what runs or failed first (rnnsearch status rows=null: all)"
    )
    assert main(["status", "study=mine", "rows=0"]) == 1
    assert "rows=0" in capsys.readouterr().err


def test_what_a_process_holds_is_running(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ledger.supervising(study / "killed"):
        assert main(["status", "study=mine", "format=json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["member"]: line["status"] for line in lines} == {
        "broken": "failed",
        "done": "finished",
        "killed": "running",
        "new": "waiting",
    }
    assert {line["member"]: line["bleu"] for line in lines}["done"] == 2.5


def test_a_study_that_is_not_there(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "study=none"]) == 1
    assert "outputs has no study none; it has mine" in capsys.readouterr().err
    assert main(["status", "study=mine", "format=xml"]) == 1
    assert "format=xml: choose one of table, json" in capsys.readouterr().err
