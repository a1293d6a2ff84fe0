"""What a dashboard gets: the config, translations and alignments, quality by length, the results, and the end."""

import logging
import netrc
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from filelock import FileLock
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger, Logger
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.figure import Figure

from rnnsearch.evaluation.length import Bucket, length_unit
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.plots import fonts
from rnnsearch.plots.attention import attention_matrix
from rnnsearch.plots.length_curves import Band, score_by_length
from rnnsearch.records.json_files import write_text
from rnnsearch.records.metrics import METRICS
from rnnsearch.records.run_record import Record, read_record
from rnnsearch.training.loggers import Board, Mlflow, Wandb

logger = logging.getLogger(__name__)

Sample = dict[str, Any]  # source, reference, hypothesis; source_pieces, target_pieces, weights (None without attention)
PATIENCE = 30.0  # seconds for a server to answer, and again to take the rest at a run's end
MLFLOW_HABITS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # instead of minutes for a server that is gone
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(round(PATIENCE)),
}
MLFLOW_RUN = "mlflow_run_id"  # the file with MLflow's id of the run, beside its record
COST = ("parameters", "tokens_seen", "training_seconds", "tokens_per_second", "flops_per_token", "updates")


def run_name(record: Record) -> str:
    """A run's name: its member and seed in a study, else its folder."""
    return f"{record.member}, seed {record.seed}" if record.member else record.name


def wandb_logger(
    *,
    save_dir: Path,
    project: str,
    entity: str | None,
    group: str | None,
    name: str | None,
    run_id: str | None,
    offline: bool | None,
) -> Wandb:
    """A Weights & Biases logger: its run's id is that of the record, so that a resumed run goes on in it.

    It is offline without a key, and if the server does not take the run: a training never waits for it.
    """
    if offline is None:
        offline = not _has_key() or os.environ.get("WANDB_MODE", "online") not in ("online", "run", "shared")
    record = read_record(save_dir)
    options: dict[str, Any] = {
        "project": project,
        "entity": entity,
        "group": group,
        "name": name or run_name(record),
        "id": run_id or record.id,
        "save_dir": str(save_dir),
        "tags": [*([record.study] if record.study else []), *record.tags] or None,
        "notes": record.note,
        "resume": "allow",
    }
    if not offline:
        import wandb

        settings = wandb.Settings(init_timeout=PATIENCE, finish_timeout=PATIENCE)
        log = Wandb(**options, offline=False, settings=settings)
        if _answers(log):
            return log
    logger.info("Weights & Biases is offline; send the run later with: wandb sync %s", save_dir / "wandb")
    return Wandb(**options, offline=True)


def _has_key() -> bool:
    """Whether there is a key where wandb looks for one without asking."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        return netrc.netrc(Path.home() / ".netrc").authenticators(str(host)) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _answers(log: Wandb) -> bool:
    """Whether the run could be opened at the server; if not, wandb's service, which still holds the id, is ended."""
    import wandb

    try:
        _ = log.experiment
    except Exception as error:  # wandb raises many kinds; none is worth a training
        logger.warning("Weights & Biases does not take the run (%s: %s)", type(error).__name__, error)
        wandb.teardown(exit_code=1)
        return False
    return True


def mlflow_logger(*, save_dir: Path, tracking_uri: str, experiment: str | None, name: str | None) -> Logger:
    """An MLflow logger: the study is the experiment, the run's id is kept beside its record for a resumed run.

    Args:
        save_dir: the run's folder.
        tracking_uri: a database (sqlite:///outputs/mlflow.db), whose artifacts lie beside it; or a server.
        experiment: name; None: runs.
        name: of the run; None: `run_name`.

    Raises:
        ValueError: without MLflow, or if the run can't be opened there.
    """
    for variable, value in MLFLOW_HABITS.items():
        os.environ.setdefault(variable, value)
    if getattr(rank_zero_only, "rank", 0) != 0:
        return CSVLogger(save_dir, name="", version="")  # writes nothing here: the first process logs everything
    record, id_file = read_record(save_dir), save_dir / MLFLOW_RUN
    database = (
        Path(tracking_uri.removeprefix("sqlite:///")).absolute() if tracking_uri.startswith("sqlite:///") else None
    )
    log_options: dict[str, Any] = {
        "experiment_name": experiment or "runs",
        "run_name": name or run_name(record),
        "tracking_uri": f"sqlite:///{database}" if database else tracking_uri,
        "artifact_location": str(database.with_name("mlflow_artifacts")) if database else None,
        "tags": {"study": str(record.study), "seed": str(record.seed), "id": record.id, **_labels(record)},
        "run_id": id_file.read_text(encoding="utf-8") if id_file.is_file() else None,
    }
    try:
        with FileLock(_lock(database or save_dir)):  # a new database, or experiment, is made only once
            log = Mlflow(**log_options)
            run_id = log.run_id
    except ModuleNotFoundError:
        raise ValueError("logger=mlflow needs MLflow; install it: pip install 'rnnsearch[mlflow]'") from None
    except Exception as error:
        raise ValueError(
            f"logger.mlflow.tracking_uri={tracking_uri}: the run can't be opened there ({error}); "
            f"give another, or remove {id_file} to begin a new run"
        ) from error
    write_text(id_file, str(run_id))
    return log


def _labels(record: Record) -> dict[str, str]:
    """Tags and note as tags of MLflow's, which shows the second name as the run's description."""
    labels = {"tags": ", ".join(record.tags), "mlflow.note.content": record.note or ""}
    return {name: text for name, text in labels.items() if text}


def _lock(place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    return place.with_name(f".{place.name}.lock")


def open_dashboards(loggers: Sequence[Logger], config: dict[str, Any]) -> None:
    """Pass the run's resolved config to the dashboards."""
    for log in loggers:
        if isinstance(log, Board):
            log.begin(config)
        elif not isinstance(log, CSVLogger):
            log.log_hyperparams(config)


@rank_zero_only
def show_results(loggers: Sequence[Logger], record: Mapping[str, Any]) -> None:
    """Show a finished run's scores, also by length, its size and its cost."""
    metrics: Mapping[str, Any] = record["results"]["metrics"]
    scores = {
        f"{split}/{key}": value
        for split, of_split in metrics.items()
        for key, value in of_split.items()
        if isinstance(value, int | float)
    }
    tested = {key: value for key, value in scores.items() if key.startswith("test/") and isinstance(value, float)}
    for log in loggers:
        if tested:
            log.log_metrics(tested, step=record["updates"])
    buckets = (metrics.get("test") or {}).get("by_length") or []
    for board in _boards(loggers):
        board.summary({**scores, **{key: record[key] for key in COST if record.get(key) is not None}})
        if buckets:
            _show_lengths(board, buckets, record)


def _show_lengths(board: Board, buckets: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> None:
    unit, step = length_unit(record["data"].get("length_units", {})), record["updates"]
    metric = METRICS[Scoring.of_record(record.get("scoring", {})).primary]
    columns = [key for key in ("low", "high", "n", "bleu", "chrf") if key in buckets[0]]
    board.table("length", columns, [[bucket[key] for key in columns] for bucket in buckets], step)
    labels = [Bucket(bucket["low"], bucket["high"], ()).label for bucket in buckets]
    counts = [bucket["n"] for bucket in buckets]
    scores = tuple(bucket[metric.name] for bucket in buckets)
    band = Band("this run", scores, scores, scores)
    figure = score_by_length(labels, counts, [band], quantity=f"test {metric.title}", unit=unit)
    board.figures("bleu_by_length", [_with_fonts(figure)], step)


def _with_fonts(figure: Figure) -> Figure:
    fonts.fit(figure)
    return figure


@rank_zero_only
def close_dashboards(loggers: Sequence[Logger], *, status: str) -> None:
    """Flush the loggers and end the dashboards' runs, however the training ended.

    Args:
        loggers: all of them.
        status: one of `rnnsearch.training.loggers.STATUSES`.
    """
    for log in loggers:
        if isinstance(log, Board):
            log.close(status)
        else:
            log.finalize(status)


class Samples(Callback):
    """After each validation, shows a few translations and alignments in every dashboard.

    It runs before the averaging callback, which removes the averaged weights again when validation ends.

    Args:
        count: sentences.
        translate: translates that many first sentences of the validation set.
    """

    def __init__(self, *, count: int, translate: Callable[[int], list[Sample]]) -> None:
        self.count = count
        self.translate = translate

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Translate once, show everywhere."""
        able = _boards(trainer.loggers)
        if not able or not trainer.is_global_zero or trainer.sanity_checking:
            return
        show(able, self.translate(self.count), trainer.global_step)


def _boards(loggers: Iterable[Logger]) -> list[Board]:
    return [log for log in loggers if isinstance(log, Board)]


def show(able: Iterable[Board], samples: Sequence[Sample], step: int) -> None:
    """Put samples into dashboards."""
    columns = ["source", "reference", "hypothesis"]
    rows = [[s[column] for column in columns] for s in samples]
    for board in able:
        board.table("translations", columns, rows, step)
        figures = [
            _with_fonts(attention_matrix(np.asarray(s["weights"]), s["source_pieces"], s["target_pieces"]))
            for s in samples
            if s["weights"] is not None
        ]
        if figures:
            board.figures("alignments", figures, step)
