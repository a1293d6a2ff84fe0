"""What is checked before a training begins: values, the folder, the two names of the budget."""

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from rnnsearch.cli import runs
from rnnsearch.cli.inputs import changed
from rnnsearch.cli.own_code import own_code
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.model.checkpoint import CHECKPOINTS, newest_whole
from rnnsearch.records import RECORD, STORIES, is_hashed, read_record

logger = logging.getLogger(__name__)

SIDES = ("source", "target")
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")


def check_values(cfg: DictConfig) -> None:
    """Refuse values that would fail late, or silently mean something else.

    Raises:
        ValueError: for one that is not allowed.
    """
    if type(cfg.seed) is not int or not 0 <= cfg.seed < 2**32:
        raise ValueError(f"seed={cfg.seed}: a seed is a whole number from 0 to {2**32 - 1}")
    if cfg.validation.monitor not in ("bleu", "chrf", "nll"):
        raise ValueError(f"validation.monitor={cfg.validation.monitor}: choose one of bleu, chrf, nll")
    if cfg.trainer.precision not in PRECISIONS:
        raise ValueError(f"trainer.precision={cfg.trainer.precision}: choose one of {', '.join(PRECISIONS)}")
    counts = {"validation.every": cfg.validation.every, "curve_every": cfg.curve_every}
    counts |= {"trainer.accumulate_grad_batches": cfg.trainer.accumulate_grad_batches}
    counts["skip_limit"] = cfg.skip_limit
    optional = {"profile": cfg.profile, "checkpoints.every": cfg.checkpoints.every}
    counts |= {key: value for key, value in optional.items() if value is not None}
    positive = {"checkpoints.minutes": cfg.checkpoints.minutes, "skip_above": cfg.skip_above}
    for key, value in positive.items():
        if value is not None and not (type(value) in (int, float) and 0 < value < math.inf):
            raise ValueError(f"{key}={value}: give a number above 0, or null")
    if type(cfg.keep_best) is not int or cfg.keep_best < 0:
        raise ValueError(f"keep_best={cfg.keep_best}: give a whole number, 0 or more")
    for key, value in counts.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"{key}={value}: give a whole number, 1 or more")
    if cfg.streaming is not None and cfg.trainer.overfit_batches:
        raise ValueError("trainer.overfit_batches repeats the first batches of an epoch; give it streaming=null")


def check_devices(trainer: DictConfig) -> None:
    """Refuse devices that are not there, before anything is prepared.

    Raises:
        ValueError: naming what there is.
    """
    devices, accelerator = trainer.devices, trainer.accelerator
    if isinstance(devices, str) and not re.fullmatch(r"auto|-1|\d+(,\d+)*,?", devices):
        raise ValueError(
            f"trainer.devices={devices}: give a number, a list such as [0,1], or -1 for all that there are"
        )
    if type(devices) is int and (devices < -1 or devices == 0):
        raise ValueError(f"trainer.devices={devices}: give 1 or more, or -1 for all that there are")
    if accelerator not in ("gpu", "cuda"):
        if not torch.cuda.is_available() and str(trainer.strategy).startswith("fsdp"):
            raise ValueError(
                f"trainer.strategy={trainer.strategy} needs GPUs; take trainer=ddp_cpu for processes of a CPU"
            )
        return
    there = torch.cuda.device_count()
    if there == 0:
        raise ValueError(
            f"trainer.accelerator={accelerator}: torch sees no GPU here; take trainer=cpu, trainer=ddp_cpu for several "
            "processes, or a torch with CUDA for the driver of this machine"
        )
    if type(devices) is int and devices > there:
        raise ValueError(f"trainer.devices={devices}: this machine has {there}; give at most as many")


def check_settings(cfg: DictConfig, folder: Path, hash_: str) -> None:
    """Refuse to go on with a run under settings that it did not begin with; only its budget may be another.

    Raises:
        ValueError: naming the settings that differ.
    """
    if read_record(folder)["config_hash"] == hash_:
        return
    old, new = runs.flat(runs.read_config(folder)), runs.flat(cfg)
    hashed = [key for key in sorted(old.keys() | new.keys()) if is_hashed(key) and not key.startswith("budget.")]
    changed = [key for key in hashed if old.get(key) != new.get(key)]
    if not changed:
        return
    values = "; ".join(f"{key} was {old.get(key)}, is {new.get(key)}" for key in changed)
    raise ValueError(f"the run in {folder} has other settings ({values}); give ckpt=last the settings it began with")


def check_data(cfg: DictConfig, folder: Path, record: Mapping[str, Any], data: ParallelDataModule) -> None:
    """Refuse to go on with other data, code of one's own, or vocabularies, than those of a run's record.

    Raises:
        ValueError: naming what differs.
    """
    now = {**data.prepared.identity["checksums"], **({} if "code" not in record else own_code(runs.plain(cfg)))}
    vocabularies = [s for s in SIDES if getattr(data.tokenizers, s).checksum != record["tokenizer"][s]["checksum"]]
    names = [*(f"the {side} vocabulary" for side in vocabularies), *changed(record, now)]
    if names:
        named = ", ".join(names)
        raise ValueError(
            f"the run in {folder} began with other data (their checksums differ: {named}); "
            "give ckpt=last the files it began with"
        )


def starting_point(folder: Path, ckpt: str | None, *, main: bool) -> Path | None:
    """The checkpoint from which the run in ``folder`` goes on; None: it starts.

    Of several processes each finds the same; the first one (``main``) checks and warns.

    Raises:
        ValueError: if the folder holds a record and ``ckpt`` is not ``last``, or ``ckpt`` is something else, or no
            checkpoint of the run is whole.
    """
    if ckpt not in (None, "last"):
        raise ValueError(f"ckpt={ckpt}: allowed is last, to go on with the run in hydra.run.dir")
    if ckpt is None:
        if main and (folder / RECORD).exists():
            raise ValueError(f"{folder} holds a run already; give another hydra.run.dir, or ckpt=last to go on with it")
        return None
    found, damaged = newest_whole(folder)
    if main and found is None and (folder / RECORD).exists():
        logger.warning("%s has no checkpoint yet, for its run ended before the first one: it starts anew", folder)
    if main and found is not None:
        for reason in damaged:
            logger.warning("%s; going on from %s instead", reason, found)
    return found


def clean(folder: Path) -> None:
    """Remove what a process left that was killed while it wrote, or that failed."""
    for place in (folder, folder / CHECKPOINTS):
        for part in (*place.glob(".*.part"), *place.glob(STORIES)):
            part.unlink(missing_ok=True)


def settle_budget(cfg: DictConfig, overrides: list[str]) -> None:
    """Make ``trainer.max_steps`` and ``budget.updates``, two names of one limit, agree.

    Raises:
        ValueError: if both were given and differ, or a limit is none.
    """
    steps, updates = cfg.trainer.max_steps, cfg.budget.updates
    if steps != updates:
        _settle(cfg, overrides)
    for key, limit in cfg.budget.items():
        kinds = (int,) if key == "updates" else (int, float)
        if limit is not None and not (type(limit) in kinds and 0 < limit < math.inf):
            whole = "whole " if key == "updates" else ""
            raise ValueError(f"budget.{key}={limit}: give a {whole}number above 0, or null for no such limit")


def _settle(cfg: DictConfig, overrides: list[str]) -> None:
    steps, updates = cfg.trainer.max_steps, cfg.budget.updates
    if any(override.lstrip("+").startswith("budget.updates=") for override in overrides):
        raise ValueError(
            f"trainer.max_steps={steps} and budget.updates={updates} are two names of one limit; give one of them"
        )
    cfg.budget.updates = cfg.trainer.max_steps = None if steps == -1 else steps
