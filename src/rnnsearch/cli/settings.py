"""What is checked before a training begins: values, the folder, the two names of the budget."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig

from rnnsearch.cli import runs
from rnnsearch.cli.inputs import changed
from rnnsearch.cli.own_code import own_code
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.keys.roles import LIMITS, within
from rnnsearch.model.checkpoint import CHECKPOINTS, newest_whole
from rnnsearch.records import RECORD, STORIES, is_hashed, read_record

logger = logging.getLogger(__name__)

SIDES = ("source", "target")


def check_devices(trainer: DictConfig) -> None:
    """Refuse devices that are not there, and what can't be done on those that are, before anything is prepared.

    Raises:
        ValueError: naming what there is.
    """
    there, accelerator = torch.cuda.device_count(), trainer.accelerator
    if accelerator in ("gpu", "cuda") and there == 0:
        raise ValueError(
            f"trainer.accelerator={accelerator}: torch sees no GPU here; take trainer=cpu, trainer=ddp_cpu for several "
            "processes, or a torch with CUDA for the driver of this machine"
        )
    mps = torch.backends.mps.is_available()
    if accelerator == "mps" and not mps:
        raise ValueError("trainer.accelerator=mps: torch sees no Apple GPU here; take trainer=cpu")
    if accelerator == "cpu" or (accelerator == "auto" and not there and not mps):
        _check_processor(trainer)
    elif accelerator != "mps":
        _check_gpus(trainer.devices, there)


def _check_processor(trainer: DictConfig) -> None:
    if str(trainer.strategy).startswith("fsdp"):
        raise ValueError(f"trainer.strategy={trainer.strategy} needs GPUs; take trainer=ddp_cpu for processes of a CPU")
    if trainer.precision == "16-mixed":
        raise ValueError(
            "trainer.precision=16-mixed needs a GPU, and this trains on the CPU; take 32-true, or bf16-mixed"
        )
    devices = str(trainer.devices).rstrip(",")
    if not (devices == "auto" or (devices.isdecimal() and int(devices) > 0)):
        raise ValueError(
            f"trainer.devices={trainer.devices} names GPUs, and this trains on the CPU; give a number of processes, "
            "such as trainer.devices=1"
        )


def _check_gpus(devices: Any, there: int) -> None:
    if type(devices) is int and devices > there:
        raise ValueError(f"trainer.devices={devices}: this machine has {there}; give at most as many")
    named = re.findall(r"\d+", devices) if isinstance(devices, str) and "," in devices else devices
    if isinstance(named, list | ListConfig) and any(int(one) >= there for one in named):
        raise ValueError(f"trainer.devices={devices}: this machine has GPUs 0 to {there - 1}; name some of these")


def check_settings(cfg: DictConfig, folder: Path, hash_: str) -> None:
    """Refuse to go on with a run under settings that it did not begin with; only its budget may be another.

    Raises:
        ValueError: naming the settings that differ.
    """
    if read_record(folder)["config_hash"] == hash_:
        return
    old, new = runs.flat(runs.read_config(folder)), runs.flat(cfg)
    hashed = [key for key in sorted(old.keys() | new.keys()) if is_hashed(key) and not within(key, LIMITS)]
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
        ValueError: if both were given and differ.
    """
    steps, updates = cfg.trainer.max_steps, cfg.budget.updates
    if steps != updates:
        _settle(cfg, overrides)


def _settle(cfg: DictConfig, overrides: list[str]) -> None:
    steps, updates = cfg.trainer.max_steps, cfg.budget.updates
    if any(override.lstrip("+").startswith("budget.updates=") for override in overrides):
        raise ValueError(
            f"trainer.max_steps={steps} and budget.updates={updates} are two names of one limit; give one of them"
        )
    cfg.budget.updates = cfg.trainer.max_steps = None if steps == -1 else steps
