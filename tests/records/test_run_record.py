"""The record of a run: written whole, read into its fields, refused where it is damaged."""

import re
import threading
from pathlib import Path

import pytest

from rnnsearch.records import run_record
from rnnsearch.records.run_record import RunRecord


def test_ids_are_unique_and_plain() -> None:
    ids = [run_record.new_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in ids)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = RunRecord(tmp_path, {"status": "running", "results": {}}, writes=True)
    values = {"name": "é\u2028", "results": {"metrics": {"test": {"bleu": 1 / 3, "aer": None}}}, "updates": None}
    record.write(**values)
    assert run_record.read_values(tmp_path) == {"format": 1, "status": "running", **values}
    found = run_record.read_record(tmp_path)
    assert (found.status, found.name, found.updates, found.results.curves.train) == ("running", "é\u2028", None, [])
    assert found.results.metrics.test == {"bleu": 1 / 3, "aer": None}
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_a_process_that_does_not_write_keeps_its_values(tmp_path: Path) -> None:
    record = RunRecord(tmp_path, {"status": "running"}, writes=False)
    record.write(status="finished")
    assert record.values["status"] == "finished"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is damaged"), ("[]", "is damaged"), ('{"format": 2}', "is not a record of format 1"), ("", "is damaged")],
)
def test_damaged_records(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        run_record.read_record(tmp_path)


def test_a_folder_without_a_record(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no record\.json, so it is not a run's folder"):
        run_record.read_record(tmp_path)


def test_readers_never_see_a_part(tmp_path: Path) -> None:
    record = RunRecord(tmp_path, {"name": "x" * 200_000}, writes=True)
    record.write()
    writer = threading.Thread(target=lambda: [record.write(updates=n) for n in range(40)])
    writer.start()
    while writer.is_alive():
        assert run_record.read_record(tmp_path).format == 1
    writer.join()


def test_what_a_later_version_writes_besides_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"format": 1, "name": "a", "data": {"more": 1}, "new": [1]}')
    assert run_record.read_record(tmp_path).name == "a"
    assert run_record.read_values(tmp_path)["new"] == [1]


def test_a_field_that_no_record_has_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="seeed"):
        RunRecord(tmp_path, {}, writes=True).write(seeed=1)
