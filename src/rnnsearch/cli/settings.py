"""What is checked before a training begins: values, the folder, the two names of the budget."""

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from rnnsearch.cli.inputs import changed
from rnnsearch.cli.own_code import own_code
from rnnsearch.cli.plain import flat, plain
from rnnsearch.cli.trust import given
from rnnsearch.evaluation.scoring import check_known
from rnnsearch.records import RECORD, STORIES, UNCOUNTED, is_hashed, read_record

if TYPE_CHECKING:  # torch takes seconds to import, and most refusals do without
    from rnnsearch.data.datamodule import ParallelDataModule

logger = logging.getLogger(__name__)

SIDES = ("source", "target")
TRANSLATION = tuple(  # keys that the greedy search of validation doesn't read
    f"search.{key}"
    for key in (
        *("beam_size", "n_best", "normalization", "length_alpha", "coverage_penalty", "batch_size"),
        *("temperature", "top_k", "top_p", "seed"),
    )
)
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
    check_known(cfg.validation.bleu_tokenizer)
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
    import torch

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
    hashed = [key for key in sorted(old.keys() | new.keys()) if is_hashed(key) and not key.startswith("budget.")]
    changed = [key for key in hashed if old.get(key, UNCOUNTED.get(key)) != new.get(key)]
    if read := [key for key in changed if key not in TRANSLATION]:
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


def is_done(cfg: DictConfig, folder: Path, hash_: str, resume: Path | None) -> bool:
    """Whether ``ckpt=last`` has nothing to do in a finished run's folder, so that no byte of it is written.

    A larger budget is something to do, and so is a test that was not made.

    Raises:
        ValueError: if there is something, but nothing to go on from (``resume``), or the settings are others than the run had.
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
