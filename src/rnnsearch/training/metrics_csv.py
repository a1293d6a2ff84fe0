"""metrics.csv: a row for each measurement, continued when a run restarts."""

import csv
import io
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from rnnsearch.records.json_files import write_text

Row = dict[str, Any]


class Table(ExperimentWriter):
    """The rows in memory and in the file. A row replaces an earlier one of the same update and the same columns."""

    def __init__(self, log_dir: str) -> None:
        self.path = Path(log_dir) / self.NAME_METRICS_FILE
        self.kept = _read(self.path)
        super().__init__(log_dir)

    def drop_after(self, update: int) -> None:
        """Forget the rows after an update: the run goes on from there, and measures them anew."""
        self.kept = [row for row in self.kept if int(row["step"]) <= update]

    def save(self) -> None:
        """Replace the file if there are new rows."""
        if not self.metrics:
            return
        rows = {(str(row["step"]), *sorted(row)): row for row in (*self.kept, *self.metrics)}
        self.kept, self.metrics = list(rows.values()), []
        columns = sorted({column for row in self.kept for column in row})
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(self.kept)
        write_text(self.path, text.getvalue())

    def _check_log_dir_exists(self) -> None:
        """Lightning would remove the file here."""


def _read(path: Path) -> list[Row]:
    """The rows of the file, each with only its own columns; damaged rows are left out."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = [{name: cell for name, cell in row.items() if name and cell} for row in csv.DictReader(file)]
    return [row for row in rows if str(row.get("step")).isdecimal()]


class MetricsCsv(CSVLogger):
    """Lightning's logger, which continues the file of a resumed run."""

    @property
    @rank_zero_experiment
    def experiment(self) -> Table:
        """The table."""
        if self._experiment is None:
            self._experiment = Table(self.log_dir)
        return self._experiment  # type: ignore[return-value]  # Lightning names its own table


class MetricsGoOn(Callback):
    """Drops the rows after the checkpoint that a run goes on from, and saves the table with each checkpoint."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop."""
        for table in _tables(trainer):
            table.drop_after(trainer.global_step)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save."""
        for table in _tables(trainer):
            table.save()


def _tables(trainer: Trainer) -> list[Table]:
    logs = [log for log in trainer.loggers if isinstance(log, MetricsCsv)] if trainer.is_global_zero else []
    return [log.experiment for log in logs]
