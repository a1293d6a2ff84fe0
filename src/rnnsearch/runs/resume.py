"""How ``ckpt=last`` goes on with a run: from which checkpoint, with which settings, or not at all if it is done."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.identity import is_hashed, unread
from rnnsearch.config.keys.roles import CORRECTED, LIMITS, UNCOUNTED, within
from rnnsearch.config.plain_values import flat, plain
from rnnsearch.config.trust import given
from rnnsearch.records.run_record import NO_RECORD, RECORD, STORIES, read_record, read_values
from rnnsearch.records.test_sets import names_of

if TYPE_CHECKING:  # torch takes seconds to import, and most refusals do without
    from rnnsearch.data.datamodule import ParallelDataModule
    from rnnsearch.model.checkpoint import Whole

logger = logging.getLogger(__name__)

SIDES = ("source", "target")
NEEDS = ("id", "config_hash", "results", "data.checksums", "tokenizer.source", "tokenizer.target", "tokenizer.notes")
"""What a resumed run reads from the record of a run with a checkpoint."""


def starting_point(folder: Path, ckpt: str | None, *, main: bool) -> "Whole | None":
    """The checkpoint from which the run in ``folder`` goes on; None: it starts.

    Several processes all find the same; the first one (``main``) checks and warns.

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

    checkpoint = newest_whole(folder, given())
    if main and checkpoint is not None:
        for reason in checkpoint.passed_over:
            logger.warning("%s; going on from %s instead", reason, checkpoint.path)
    return checkpoint


def check_named(ckpt: str | None, folder: str) -> None:
    """Refuse to go on with a run without naming its folder.

    Args:
        ckpt: the key's value.
        folder: ``hydra.run.dir`` as given, unresolved.

    Raises:
        ValueError: if it would be a new folder.
    """
    if ckpt is not None and "${run_id:" in folder:
        raise ValueError(f"ckpt={ckpt} goes on with a run, so name its folder too: hydra.run.dir=outputs/runs/RUN")


def record_going_on(cfg: DictConfig, folder: Path, hash_: str) -> dict[str, Any]:
    """The record of a run that goes on, with its corrected settings: their earlier and present values.

    Its tags and note stay, unless others are given.
    """
    record = read_values(folder, needs=NEEDS)
    corrected = corrections(cfg, folder, record["config_hash"], hash_)
    for key, values in corrected.items():
        logger.warning("%s was %s and is %s from now on; the record holds both", key, values["was"], values["is"])
    before = record.get("corrected", {})
    both = {key: {**values, "was": before.get(key, values)["was"]} for key, values in corrected.items()}
    labels = {key: value for key, value in (("tags", cfg.tags), ("note", cfg.note)) if value is not None}
    return {
        **record,
        **plain(OmegaConf.create(labels)),
        "config_hash": hash_,
        **({"corrected": {**before, **both}} if before or both else {}),
    }


def corrections(cfg: DictConfig, folder: Path, was: str, hash_: str) -> dict[str, dict[str, Any]]:
    """The settings of the final translation that differ from those a resumed run began with, with both values.

    Apart from these only its budget may differ.

    Raises:
        ValueError: naming other settings that differ.
    """
    if was == hash_:
        return {}
    from rnnsearch.runs.run_folder import read_config

    old, new, free = flat(read_config(folder)), flat(cfg), (*LIMITS, *unread(plain(cfg)))
    hashed = [key for key in sorted(old.keys() | new.keys()) if is_hashed(key) and not within(key, free)]
    changed = [key for key in hashed if old.get(key, UNCOUNTED.get(key)) != new.get(key)]
    if read := [key for key in changed if key not in CORRECTED]:
        values = "; ".join(f"{key} was {old.get(key)}, is {new.get(key)}" for key in read)
        raise ValueError(
            f"the run in {folder} was trained with other settings ({values}), which training or its validation reads; "
            "give ckpt=last those it began with, or train into another hydra.run.dir"
        )
    return {key: {"was": old.get(key), "is": new.get(key)} for key in changed}


def check_data(folder: Path, record: Mapping[str, Any], data: "ParallelDataModule", *, code: Mapping[str, str]) -> None:
    """Refuse to go on if the data, own code (now ``code``) or vocabularies differ from those in the run's record.

    Raises:
        ValueError: naming what differs.
    """
    now = {**data.prepared.identity["checksums"], **(code if "code" in record else {})}
    vocabularies = [s for s in SIDES if getattr(data.tokenizers, s).checksum != record["tokenizer"][s]["checksum"]]
    names = [*(f"the {side} vocabulary" for side in vocabularies), *changed(record, now)]
    if names:
        named = ", ".join(names)
        raise ValueError(
            f"the run in {folder} began with other data (their checksums differ: {named}); "
            "give ckpt=last the files it began with"
        )


def is_done(cfg: DictConfig, folder: Path, hash_: str, resume: "Whole | None") -> bool:
    """Whether ``ckpt=last`` has nothing to do in a finished run's folder, so that nothing is written.

    A larger budget or a missing test is something to do.

    Raises:
        ValueError: if there is something to do but no checkpoint (``resume``), or the settings are not the run's.
    """
    record = read_record(folder) if cfg.ckpt and (folder / RECORD).is_file() else NO_RECORD
    if record.status != "finished":
        return False
    record = read_record(folder, needs=["config_hash", "results.metrics", "data.pairs"])
    corrected = corrections(cfg, folder, record.config_hash, hash_)
    is_tested = bool(record.results.metrics.test) or "test" not in record.data.pairs
    ended = record.config_hash == hash_ or record.converged or not _is_larger(cfg, folder)
    if (is_tested or not cfg.test) and ended:
        if corrected:
            raise ValueError(
                f"the run in {folder} is finished and translated with other settings ({', '.join(corrected)}); "
                "rnnsearch evaluate translates with these"
            )
        logger.info("the run in %s is finished, so nothing is changed; a larger budget would go on with it", folder)
        for name in (plain(cfg).get("tests") or {}).keys() - {*names_of(folder)}:
            logger.warning(
                "it is not tested on %s: rnnsearch evaluate with source, target and name=%s does so", name, name
            )
        return True
    if resume is None:
        raise ValueError(
            f"the run in {folder} is finished and its checkpoints are gone, so nothing can go on with it; "
            "give another hydra.run.dir"
        )
    return False


def _is_larger(cfg: DictConfig, folder: Path) -> bool:
    """Whether a limit was raised or removed since the run in the folder."""
    from rnnsearch.runs.run_folder import read_config

    old, new = flat(read_config(folder)), flat(cfg)
    return any(_limit(new.get(key)) > _limit(old.get(key)) for key in LIMITS)


def _limit(value: float | None) -> float:
    return math.inf if value is None else value


def clean(folder: Path) -> None:
    """Remove what a process that was killed while writing, or failed, left behind."""
    from rnnsearch.model.checkpoint import CHECKPOINTS

    for place in (folder, folder / CHECKPOINTS):
        for part in (*place.glob(".*.part"), *place.glob(STORIES)):
            part.unlink(missing_ok=True)


def changed(record: Mapping[str, Any], now: Mapping[str, str]) -> list[str]:
    """The names of a run's data and own code whose checksums have changed; older records lack code."""
    was = {**record["data"]["checksums"], **record.get("code", {})}
    return [name for name in sorted(was.keys() | now.keys()) if was.get(name) != now.get(name)]
