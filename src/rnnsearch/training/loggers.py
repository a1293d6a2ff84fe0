"""Dashboards: Lightning's loggers that also take a config, tables, figures, a summary and a run's end.

One that fails, because its server is gone or its disk is full, warns once and does not stop the training.
"""

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure

from rnnsearch.records.metrics import MONITORED
from rnnsearch.records.nested import flat

logger = logging.getLogger(__name__)

STATUSES = ("finished", "pruned", "paused", "failed", "interrupted")  # how a run ends

MLFLOW_STATUSES = {
    "finished": "FINISHED",
    **dict.fromkeys(("pruned", "paused", "interrupted"), "KILLED"),
    "failed": "FAILED",
}
FIGURES = tuple(f"{split}/{measure}" for split in ("test", "validation") for measure in MONITORED)
WANDB_EXITS = {"finished": 0, "pruned": 0, "paused": 0, "failed": 1, "interrupted": 255}  # 255: W&B's own for Ctrl-C

B = TypeVar("B", bound="Board")
P = ParamSpec("P")


def harmless(method: Callable[Concatenate[B, P], None]) -> Callable[Concatenate[B, P], None]:
    """A dashboard's method; if it fails, a warning says so, and that dashboard gets nothing more."""

    @wraps(method)
    def attempt(board: B, /, *args: P.args, **options: P.kwargs) -> None:
        if board.given_up:
            return
        try:
            method(board, *args, **options)
        except Exception as error:  # from any kind of service: the training is worth more than its picture
            board.given_up = True
            name, story = type(board).__name__, f"{type(error).__name__}: {error}"
            logger.warning("%s fails and is told nothing more of this run (%s)", name, story)

    return attempt


class Board(ABC):
    """What a dashboard gets beside scalars."""

    given_up = False  # it failed

    @abstractmethod
    def begin(self, config: Mapping[str, Any]) -> None:
        """Show the resolved config."""

    @harmless
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Show scalars."""
        super().log_metrics(metrics, step)  # type: ignore[misc]  # of the logger that is the other base

    @abstractmethod
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        """Show rows of text or numbers."""

    @abstractmethod
    def figures(self, name: str, figures: Sequence[Figure], step: int) -> None:
        """Show pictures."""

    @abstractmethod
    def summary(self, values: Mapping[str, Any]) -> None:
        """Show the results of the run."""

    def close(self, status: str) -> None:
        """Write out everything and end the run, with one of `STATUSES`; tried even if the dashboard failed before."""
        self.given_up = False
        self._end(status)

    @abstractmethod
    def _end(self, status: str) -> None: ...


class TensorBoard(Board, TensorBoardLogger):
    """Event files in the run's folder. Its table of hyperparameters has a column for each of `FIGURES`."""

    @harmless
    def begin(self, config: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard.summary import hparams

        plain = {
            key: value if isinstance(value, int | float) else str(value)
            for key, value in flat(config, separator="/").items()
        }
        columns = dict.fromkeys(FIGURES)  # values come as scalars
        for summary in hparams(plain, columns):  # type: ignore[no-untyped-call]  # torch's
            self.experiment._get_file_writer().add_summary(summary)
        for name, text in (("tags", ", ".join(config.get("tags") or ())), ("note", config.get("note"))):
            if text:
                self.experiment.add_text(name, text)

    @harmless
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        lines = [" | ".join(str(cell).replace("|", "\\|") for cell in row) for row in (columns, *rows)]
        lines.insert(1, " | ".join("---" for _ in columns))
        self.experiment.add_text(name, "\n".join(lines), step)

    @harmless
    def figures(self, name: str, figures: Sequence[Figure], step: int) -> None:
        for place, figure in enumerate(figures):
            self.experiment.add_figure(f"{name}/{place}", figure, step)

    @harmless
    def summary(self, values: Mapping[str, Any]) -> None:
        self.experiment.add_text("summary", f"```json\n{json.dumps(values, indent=1, ensure_ascii=False)}\n```")

    @harmless
    def _end(self, status: str) -> None:
        self.experiment.add_text("status", status)
        self.finalize("success" if status == "finished" else status)


class Wandb(Board, WandbLogger):
    """A run of Weights & Biases, which Lightning leaves open."""

    @harmless
    def begin(self, config: Mapping[str, Any]) -> None:
        self.log_hyperparams(dict(config))

    @harmless
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        self.log_table(name, columns=list(columns), data=[list(row) for row in rows], step=step)

    @harmless
    def figures(self, name: str, figures: Sequence[Figure], step: int) -> None:
        import wandb

        # one key each: pictures under the same key must have the same size
        self.log_metrics({f"{name}/{place}": wandb.Image(figure) for place, figure in enumerate(figures)}, step)

    @harmless
    def summary(self, values: Mapping[str, Any]) -> None:
        self.experiment.summary.update(dict(values))

    @harmless
    def _end(self, status: str) -> None:
        self.experiment.summary["status"] = status
        self.finalize("success" if status == "finished" else status)
        self.experiment.finish(exit_code=WANDB_EXITS[status])


class Mlflow(Board, MLFlowLogger):
    """A run in a database of MLflow; tables and pictures are its artifacts."""

    @harmless
    def begin(self, config: Mapping[str, Any]) -> None:
        self.experiment.update_run(self.run_id, status="RUNNING")  # again, where it is resumed
        self.experiment.log_dict(self.run_id, dict(config), "config.json")
        known = self.experiment.get_run(self.run_id).data.params  # MLflow refuses another value later
        self.log_hyperparams({key: value for key, value in flat(config, separator="/").items() if key not in known})

    @harmless
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        content = {column: [row[place] for row in rows] for place, column in enumerate(columns)}
        text = json.dumps(content, ensure_ascii=False, indent=1)
        self.experiment.log_text(self.run_id, text, f"{name}/{step}.json")

    @harmless
    def figures(self, name: str, figures: Sequence[Figure], step: int) -> None:
        for place, figure in enumerate(figures):
            self.experiment.log_figure(self.run_id, figure, f"{name}/{step}_{place}.png")

    @harmless
    def summary(self, values: Mapping[str, Any]) -> None:
        self.experiment.log_dict(self.run_id, dict(values), "summary.json")
        numbers = {f"summary/{key}": value for key, value in values.items() if isinstance(value, int | float)}
        self.log_metrics(numbers)  # columns of MLflow's table of runs

    def finalize(self, status: str = "success") -> None:
        """Does nothing, since Lightning calls it before the test: `close` ends the run."""

    @harmless
    def _end(self, status: str) -> None:
        self.experiment.set_tag(self.run_id, "status", status)
        self.experiment.set_terminated(self.run_id, MLFLOW_STATUSES[status])
