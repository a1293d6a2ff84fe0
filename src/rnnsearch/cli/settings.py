"""What is checked before a training begins: values, the folder, the two names of the budget."""

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig

from rnnsearch.cli.inputs import changed
from rnnsearch.cli.own_code import own_code
from rnnsearch.cli.plain import flat, plain
from rnnsearch.cli.trust import given
from rnnsearch.keys.roles import CORRECTED, LIMITS, UNCOUNTED, within
from rnnsearch.records import RECORD, STORIES, is_hashed, read_record

if TYPE_CHECKING:  # torch takes seconds to import, and most refusals do without
    from rnnsearch.data.datamodule import ParallelDataModule

logger = logging.getLogger(__name__)

SIDES = ("source", "target")


def check_devices(trainer: DictConfig) -> None:
    """Refuse devices that are not there, and what can't be done on those that are, before anything is prepared.

    Raises:
        ValueError: naming what there is.
    """
    import torch

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


def corrections(cfg: DictConfig, folder: Path, hash_: str) -> dict[str, dict[str, Any]]:
    """Settings of the translation at the end that a resumed run gets otherwise than it began with, with both values.

    Besides, only its budget may be another.

    Raises:
        ValueError: naming other settings that differ.
    """
    if read_record(folder)["config_hash"] == hash_:
        return {}
    from rnnsearch.cli.runs import read_config

    old, new = flat(read_config(folder)), flat(cfg)
    hashed = [key for key in sorted(old.keys() | new.keys()) if is_hashed(key) and not within(key, LIMITS)]
    changed = [key for key in hashed if old.get(key, UNCOUNTED.get(key)) != new.get(key)]
    if read := [key for key in changed if key not in CORRECTED]:
        values = "; ".join(f"{key} was {old.get(key)}, is {new.get(key)}" for key in read)
        raise ValueError(
            f"the run in {folder} was trained with other settings ({values}), which training or its validation reads; "
            "give ckpt=last those it began with, or train into another hydra.run.dir"
        )
    return {key: {"was": old.get(key), "is": new.get(key)} for key in changed}


def check_data(cfg: DictConfig, folder: Path, record: Mapping[str, Any], data: "ParallelDataModule") -> None:
    """Refuse to go on with other data, code of one's own, or vocabularies, than those of a run's record.

    Raises:
        ValueError: naming what differs.
    """
    now = {**data.prepared.identity["checksums"], **({} if "code" not in record else own_code(plain(cfg)))}
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
    from rnnsearch.model.checkpoint import newest_whole

    found, damaged = newest_whole(folder, given())
    if main and found is None and (folder / RECORD).exists():
        logger.warning("%s has no checkpoint yet, for its run ended before the first one: it starts anew", folder)
    if main and found is not None:
        for reason in damaged:
            logger.warning("%s; going on from %s instead", reason, found)
        _warn_of_lost_best(folder, found)
    return found


def check_named(ckpt: str | None, folder: str) -> None:
    """Refuse to go on with a run whose folder nobody named.

    Args:
        ckpt: the key's value.
        folder: ``hydra.run.dir`` as it was given, not looked up.

    Raises:
        ValueError: if it would be a new one.
    """
    if ckpt is not None and "${run_id:" in folder:
        raise ValueError(f"ckpt={ckpt} goes on with a run, so name its folder too: hydra.run.dir=outputs/runs/RUN")


def _warn_of_lost_best(folder: Path, found: Path) -> None:
    from rnnsearch.model.checkpoint import CHECKPOINTS, read_own

    best = folder / CHECKPOINTS / "best.ckpt"
    if found == best or not best.exists():
        return
    try:
        read_own(best)
    except ValueError as error:
        logger.warning("%s; unless a better one comes, the run can't be tested at its end", error)


def is_done(cfg: DictConfig, folder: Path, hash_: str, resume: Path | None) -> bool:
    """Whether ``ckpt=last`` has nothing to do in a finished run's folder, so that no byte of it is written.

    A larger budget is something to do, and so is a test that was not made.

    Raises:
        ValueError: if there is something, but nothing to go on from (``resume``), or the settings are not the run's.
    """
    record = read_record(folder) if cfg.ckpt and (folder / RECORD).is_file() else {}
    if record.get("status") != "finished":
        return False
    corrected = corrections(cfg, folder, hash_)
    is_tested = "test" in record["results"]["metrics"] or "test" not in record["data"]["pairs"]
    if (is_tested or not cfg.test) and (record["config_hash"] == hash_ or not _is_larger(cfg.budget, folder)):
        if corrected:
            raise ValueError(
                f"the run in {folder} is finished and translated with other settings ({', '.join(corrected)}); "
                "rnnsearch evaluate translates with these"
            )
        logger.info("the run in %s is finished, so nothing is changed; a larger budget would go on with it", folder)
        return True
    if resume is None:
        raise ValueError(
            f"the run in {folder} is finished and its checkpoints are gone, so nothing can go on with it; "
            "give another hydra.run.dir"
        )
    return False


def _is_larger(budget: DictConfig, folder: Path) -> bool:
    """Whether a limit is above that of the run in the folder, or gone."""
    from rnnsearch.cli.runs import read_config

    old, new = flat(read_config(folder).budget), flat(budget)
    return any(_limit(new.get(key)) > _limit(old.get(key)) for key in old.keys() | new.keys())


def _limit(value: float | None) -> float:
    return math.inf if value is None else value


def clean(folder: Path) -> None:
    """Remove what a process left that was killed while it wrote, or that failed."""
    from rnnsearch.model.checkpoint import CHECKPOINTS

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
