"""One seam over the dashboards: what each does with texts, figures, a summary and a run's end.

Scalars go through Lightning's loggers themselves. CSV files take scalars alone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure

STATUSES = ("finished", "pruned", "failed", "interrupted")  # how a run ends

MLFLOW_STATUSES = {"finished": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}


class Board(Protocol):
    """What a dashboard is given beside scalars."""

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        """Show rows of text or numbers."""

    def figures(self, name: str, figures: Sequence[Figure], step: int) -> None:
        """Show pictures."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """Show what came out of the run."""

    def close(self, status: str) -> None:
        """Write out everything and end the run, as one of `STATUSES`."""


class TensorBoard:
    """Event files in the run's folder."""

    def __init__(self, log: TensorBoardLogger) -> None:
        self.log = log

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        lines = [" | ".join(str(cell).replace("|", "\\|") for cell in row) for row in (columns, *rows)]
        lines.insert(1, " | ".join("---" for _ in columns))
        self.log.experiment.add_text(name, "\n".join(lines), step)

    def figures(self, name: str, figures: Sequence[Figure], step: int) -> None:
        for place, figure in enumerate(figures):
            self.log.experiment.add_figure(f"{name}/{place}", figure, step)

    def summary(self, values: Mapping[str, Any]) -> None:
        self.log.experiment.add_text("summary", f"```json\n{json.dumps(values, indent=1, ensure_ascii=False)}\n```")

    def close(self, status: str) -> None:
        self.log.experiment.add_text("status", status)
        self.log.finalize("success" if status == "finished" else status)


class Wandb:
    """A run of Weights & Biases, which Lightning leaves open."""

    def __init__(self, log: WandbLogger) -> None:
        self.log = log

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        self.log.log_table(name, columns=list(columns), data=[list(row) for row in rows], step=step)

    def figures(self, name: str, figures: Sequence[Figure], step: int) -> None:
        self.log.log_image(name, images=list(figures), step=step)

    def summary(self, values: Mapping[str, Any]) -> None:
        self.log.experiment.summary.update(dict(values))

    def close(self, status: str) -> None:
        self.log.experiment.summary["status"] = status
        self.log.finalize("success" if status == "finished" else status)
        self.log.experiment.finish(exit_code=0 if status in ("finished", "pruned") else 1)


class Mlflow:
    """A run in a database of MLflow; tables and pictures are its artifacts."""

    def __init__(self, log: MLFlowLogger) -> None:
        self.log = log

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        content = {column: [row[place] for row in rows] for place, column in enumerate(columns)}
        text = json.dumps(content, ensure_ascii=False, indent=1)
        self.log.experiment.log_text(self.log.run_id, text, f"{name}/{step}.json")

    def figures(self, name: str, figures: Sequence[Figure], step: int) -> None:
        for place, figure in enumerate(figures):
            self.log.experiment.log_figure(self.log.run_id, figure, f"{name}/{step}_{place}.png")

    def summary(self, values: Mapping[str, Any]) -> None:
        self.log.experiment.log_dict(self.log.run_id, dict(values), "summary.json")

    def close(self, status: str) -> None:
        self.log.experiment.set_tag(self.log.run_id, "status", status)
        self.log.experiment.set_terminated(self.log.run_id, MLFLOW_STATUSES[status])


def boards(loggers: Iterable[Logger]) -> list[Board]:
    """The dashboards among the loggers."""
    found: list[Board] = []
    for log in loggers:
        if isinstance(log, TensorBoardLogger):
            found.append(TensorBoard(log))
        elif isinstance(log, WandbLogger):
            found.append(Wandb(log))
        elif isinstance(log, MLFlowLogger):
            found.append(Mlflow(log))
    return found
