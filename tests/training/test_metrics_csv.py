"""metrics.csv of a run that was interrupted goes on where its checkpoint stands."""

import csv
from pathlib import Path

from rnnsearch.training.metrics_csv import MetricsCsv, Table


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{key: cell for key, cell in row.items() if cell} for row in csv.DictReader(file)]


def table(folder: Path) -> Table:
    return MetricsCsv(folder, name="", version="").experiment


def test_a_resumed_run_goes_on_without_a_row_twice_or_lost(tmp_path: Path) -> None:
    first = table(tmp_path)
    for update in (2, 4, 6):
        first.log_metrics({"train/loss": 10.0 - update}, step=update)
    first.log_metrics({"validation/bleu": 1.0}, step=4)
    first.save()
    second = table(tmp_path)  # it was killed after update 6; its checkpoint is that of update 4, before validation
    assert len(rows(tmp_path)) == 4
    second.drop_after(4)
    second.log_metrics({"validation/bleu": 2.0}, step=4)
    second.log_metrics({"train/loss": 5.0, "train/skipped": 1}, step=6)
    second.save()
    second.log_metrics({"train/loss": 4.0}, step=8)
    second.save()
    assert rows(tmp_path) == [
        {"step": "2", "train/loss": "8.0"},
        {"step": "4", "train/loss": "6.0"},
        {"step": "4", "validation/bleu": "2.0"},
        {"step": "6", "train/loss": "5.0", "train/skipped": "1"},
        {"step": "8", "train/loss": "4.0"},
    ]


def test_nothing_new_changes_nothing(tmp_path: Path) -> None:
    first = table(tmp_path)
    first.log_metrics({"x": 1.0}, step=1)
    first.save()
    before = (tmp_path / "metrics.csv").stat()
    table(tmp_path).save()
    assert (tmp_path / "metrics.csv").stat() == before


def test_a_damaged_file_keeps_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_bytes(b"step,x\n1,2\n\xff,3\n4\n")
    again = table(tmp_path)
    again.log_metrics({"x": 5.0}, step=5)
    again.save()
    assert rows(tmp_path) == [{"step": "1", "x": "2"}, {"step": "4"}, {"step": "5", "x": "5.0"}]
