"""Checkpoints: written in one step, checked when read, and the best of them kept."""

import logging
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping as LightningEarlyStopping
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from rnnsearch.evaluation.scoring import monitored
from rnnsearch.model import archive
from rnnsearch.model.checkpoint import CHECKPOINTS, read_checkpoint, read_own
from rnnsearch.model.checkpoint_checks import not_finite
from rnnsearch.records.metrics import METRICS
from rnnsearch.training.faults import Diverged

logger = logging.getLogger(__name__)

BEST = "best"  # the name of the checkpoint that is tested
VALIDATION = "validation/"  # before the names of its measures


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint with its digest next to the earlier one, then replaces that in one step.

    A kill, a full disk or a power cut during writing leaves the earlier one as it was. Lightning's own class writes
    into the system's temporary folder, and copies from there if that is on another disk.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            Diverged: if a weight is no finite number; the earlier checkpoint stays.
            OSError, RuntimeError: if it cannot be written, on a full disk for example.
        """
        if name := not_finite(checkpoint):
            update = checkpoint["global_step"]
            raise Diverged(f"{name} is not finite after update {update}, so it is not saved", update=update)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.unlink(missing_ok=True)  # left by a killed process of the same number
            with part.open("xb") as file:
                torch.save(checkpoint, file)
            archive.sign(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """A checkpoint as it was saved, on the CPU; see `read_checkpoint`."""
        return read_checkpoint(Path(path))


def _read_kept(path: Path) -> dict[str, Any]:
    """As `read_own`, for a checkpoint that was kept. Raises ValueError also if it is gone."""
    if not path.is_file():
        raise ValueError(f"{path} is gone")
    return read_own(path)


def _lost(path: str) -> str:
    """Why a checkpoint that was kept can't be loaded, as a sentence; empty if it can."""
    try:
        _read_kept(Path(path))
    except ValueError as error:
        return str(error)
    return ""


@rank_zero_only
def _tell_of_lost_best(reason: str) -> None:
    logger.warning("%s; the best of the validations that are to come takes its place, or else the last", reason)


def best_or_last(folder: Path) -> dict[str, Any]:
    """The best checkpoint in a folder of checkpoints; if it is lost, the last one takes its place there.

    Raises:
        ValueError: if the last one is damaged too.
    """
    best, last = folder / f"{BEST}.ckpt", folder / "last.ckpt"
    try:
        return _read_kept(best)
    except ValueError as error:
        logger.warning("%s; %s takes its place", error, last)
    checkpoint = read_own(last)
    AtomicCheckpoints().save_checkpoint(checkpoint, best)
    return checkpoint


class BestCheckpoint(ModelCheckpoint):
    """The best checkpoint; ties are broken as in `monitored`.

    Lightning's own class would forget the best score if the run's folder was moved. A checkpoint that has since been
    removed or damaged no longer counts as the best: the next validation's takes its place.
    """

    def _monitor_candidates(self, trainer: Trainer) -> dict[str, Tensor]:
        candidates: dict[str, Tensor] = super()._monitor_candidates(trainer)
        return with_ties_broken(candidates, str(self.monitor))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over scores and paths, in the folder's present place."""
        old, new = str(state_dict["dirpath"]), str(self.dirpath)

        def moved(path: str) -> str:
            return new + path.removeprefix(old) if path.startswith(old) else path

        paths = ("best_model_path", "last_model_path", "kth_best_model_path")
        scores = {moved(path): score for path, score in state_dict["best_k_models"].items()}
        lost = {path: reason for path in scores if (reason := _lost(path))}
        whole = {path: score for path, score in scores.items() if path not in lost}
        here: dict[str, Any] = {name: moved(state_dict[name]) for name in paths}
        if self.filename == BEST and lost:
            _tell_of_lost_best(*lost.values())
        if here["best_model_path"] not in whole:
            here |= {"best_model_path": "", "best_model_score": None}
        super().load_state_dict({**state_dict, **here, "best_k_models": whole, "dirpath": new})


class EarlyStopping(LightningEarlyStopping):
    """Ends a training whose measure, ties broken as in `monitored`, gets no better; checkpoints rely on this name."""

    def _run_early_stopping_check(self, trainer: Trainer) -> None:
        self._found = dict(trainer.callback_metrics)
        super()._run_early_stopping_check(trainer)

    def _evaluate_stopping_criteria(self, current: Tensor) -> tuple[bool, str | None]:
        decision: tuple[bool, str | None] = super()._evaluate_stopping_criteria(
            with_ties_broken(self._found, self.monitor)[self.monitor]
        )
        return decision


def early_stopping(*, patience: int, monitor: str) -> EarlyStopping:
    """Ends a training after so many validations without a better measure.

    Args:
        patience: validations.
        monitor: bleu, chrf or nll.
    """
    mode = "max" if METRICS[monitor].higher else "min"
    return EarlyStopping(f"{VALIDATION}{monitor}", patience=patience, mode=mode, verbose=False)


def kept_checkpoints(*, count: int, monitor: str, folder: Path) -> "KeptCheckpoints":
    """Keeps some of the best checkpoints in a run's folder, beside `BEST` and the last.

    Args:
        count: how many.
        monitor: bleu, chrf or nll.
        folder: of the run.
    """
    return KeptCheckpoints(folder / CHECKPOINTS, "update-{step}", **_best_by(monitor), save_top_k=count)


def best_checkpoint(*, monitor: str, folder: Path) -> BestCheckpoint:
    """Keeps `BEST`, by bleu, chrf or nll, in a run's folder."""
    return BestCheckpoint(folder / CHECKPOINTS, BEST, **_best_by(monitor), save_top_k=1)


def _best_by(monitor: str) -> dict[str, Any]:
    mode = "max" if METRICS[monitor].higher else "min"
    names = {"enable_version_counter": False, "auto_insert_metric_name": False}
    return {"monitor": f"{VALIDATION}{monitor}", "mode": mode, **names}


def with_ties_broken(found: dict[str, Tensor], monitor: str) -> dict[str, Tensor]:
    """Lightning's metrics, with that of `monitor` ("validation/bleu") replaced by `monitored`'s value, in float64."""
    values = {key.removeprefix(VALIDATION): float(value) for key, value in found.items() if key.startswith(VALIDATION)}
    if not {"chrf", "nll"} <= values.keys():
        return found  # before any validation
    value = monitored(values, monitor.removeprefix(VALIDATION))
    return {**found, monitor: torch.tensor(value, dtype=torch.float64)}


class KeptCheckpoints(BestCheckpoint):
    """The best checkpoints beside ``best``: a separate class, by which Lightning tells the callbacks' states apart."""
