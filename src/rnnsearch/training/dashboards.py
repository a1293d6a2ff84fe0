"""What a dashboard is given: Weights & Biases that never asks, sample translations and alignment heatmaps."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure

from rnnsearch.records import read_record

logger = logging.getLogger(__name__)

Sample = dict[str, Any]  # source, reference, hypothesis; source_pieces, target_pieces, weights (None without attention)


def wandb_logger(
    *,
    save_dir: Path,
    project: str,
    entity: str | None,
    group: str | None,
    name: str | None,
    run_id: str | None,
    offline: bool | None,
) -> WandbLogger:
    """A Weights & Biases logger: its run's id is that of the record, its name the folder's; offline without a key."""
    if offline is None:
        offline = not (os.environ.get("WANDB_API_KEY") or (Path.home() / ".netrc").exists())
    if offline:
        logger.info("Weights & Biases is offline; send the run later with: wandb sync %s", save_dir / "wandb")
    return WandbLogger(
        project=project,
        entity=entity,
        group=group,
        name=name or save_dir.name,
        id=run_id or read_record(save_dir)["id"],
        save_dir=str(save_dir),
        offline=offline,
        resume="allow",
    )


def heatmap(weights: Sequence[Sequence[float]], source_pieces: Sequence[str], target_pieces: Sequence[str]) -> Figure:
    """Alignment weights, a row a target piece, a column a source piece (the paper's Figure 3)."""
    figure = Figure(figsize=(1.5 + 0.35 * len(source_pieces), 1.2 + 0.3 * len(target_pieces)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(weights, cmap="Greys", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(len(source_pieces)), source_pieces, rotation=60, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(target_pieces)), target_pieces)
    return figure


def open_dashboards(loggers: Sequence[Logger], config: dict[str, Any]) -> None:
    """Give the dashboards the run's resolved config."""
    for log in loggers:
        if isinstance(log, TensorBoardLogger | WandbLogger):
            log.log_hyperparams(config)


def close_dashboards(loggers: Sequence[Logger], *, finished: bool) -> None:
    """Write out what the loggers hold, and end the run of Weights & Biases, which Lightning leaves open."""
    for log in loggers:
        log.finalize("success" if finished else "failed")
        if isinstance(log, WandbLogger):
            log.experiment.finish(exit_code=0 if finished else 1)


class Samples(Callback):
    """After each validation, shows a few translations and alignments in every logger that can.

    It comes before the averaging callback, which takes the averaged weights out again when validation ends.
    """

    def __init__(self, *, translate: Callable[[], list[Sample]]) -> None:
        self.translate = translate

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        able = [log for log in trainer.loggers if isinstance(log, TensorBoardLogger | WandbLogger)]
        if not able or not trainer.is_global_zero or trainer.sanity_checking:
            return
        samples = self.translate()
        for log in able:
            show(log, samples, trainer.global_step)


def show(log: Logger, samples: Sequence[Sample], step: int) -> None:
    """Put samples into a TensorBoard or Weights & Biases logger."""
    figures = [
        heatmap(s["weights"], s["source_pieces"], s["target_pieces"]) for s in samples if s["weights"] is not None
    ]
    columns = ["source", "reference", "hypothesis"]
    rows = [[s[column] for column in columns] for s in samples]
    if isinstance(log, WandbLogger):
        log.log_table("translations", columns=columns, data=rows, step=step)
        if figures:
            log.log_image("alignments", images=list(figures), step=step)
    elif isinstance(log, TensorBoardLogger):
        text = "\n\n".join("  \n".join(row) for row in rows)
        log.experiment.add_text("translations", text, step)
        for i, figure in enumerate(figures):
            log.experiment.add_figure(f"alignment/{i}", figure, step)
