"""``rnnsearch reproduce``: trains a run again from its card, and lists what comes out otherwise."""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.api import CONFIG
from rnnsearch.cli import live
from rnnsearch.cli.compose import compose
from rnnsearch.cli.main import Reported
from rnnsearch.cli.runs import flat, plain
from rnnsearch.cli.settings import settle_budget
from rnnsearch.records import JOB, config_hash, read_record
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.supervisor import LOG, supervise

logger = logging.getLogger(__name__)

LIKE_TRAIN = ("hydra/job_logging=stderr", "hydra/hydra_logging=stderr", "hydra.output_subdir=null", "ckpt=null")
REASONS = ("versions", "git", "hardware", "data", "tokenizer", "config_hash")  # of a record: why results may differ
SHOWN = 20  # differences


def run(cfg: DictConfig) -> None:
    """Repeat a run with the same config and threads, in a folder below ``paths.output``, and compare the results.

    Raises:
        FileNotFoundError, ValueError: if the folder is no finished run's, or can't be repeated.
        Reported: if the results differ.
    """
    source = Path(str(cfg.run)).absolute()
    record = read_record(source)
    if record["status"] != "finished":
        raise ValueError(f"{source} is a {record['status']} run; give a finished one")
    folder = Path(cfg.paths.output).absolute() / "reproduced" / f"{source.name}-{record['id']}"
    again = _repeat(source, record, folder)
    found, expected = flat(_lists_as_keys(again["results"])), flat(_lists_as_keys(record["results"]))
    different = [key for key in sorted(found.keys() | expected.keys()) if found.get(key) != expected.get(key)]
    if not different:
        print(f"equal: all {len(expected)} results of {source}, again in {folder}")
        return
    print(f"different: {len(different)} of {len(expected)} results of {source}, again in {folder}")
    for key in different[:SHOWN]:
        print(f"  {key}: was {expected.get(key)}, is {found.get(key)}")
    if len(different) > SHOWN:
        print(f"  and {len(different) - SHOWN} more")
    for reason in _reasons(record, again):
        print(reason)
    raise Reported(1)


def _repeat(source: Path, record: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The record of the repetition, which goes on if it was begun."""
    point = _point(source, record, folder)
    folder.mkdir(parents=True, exist_ok=True)
    ledger.write_point(point)
    if ledger.state(point).status != "finished":
        threads = record.get("hardware", {}).get("threads") or 1
        logger.info("training %s again with %d threads in %s", source.name, threads, folder)
        with live.watching([point]):
            outcome = supervise(folder, environment={**os.environ, "OMP_NUM_THREADS": str(threads)})
        if outcome != "finished":
            raise ValueError(f"the repetition ended as {outcome}; its messages are in {folder / LOG}")
    return read_record(folder)


def _point(source: Path, record: Mapping[str, Any], folder: Path) -> Point:
    overrides: tuple[str, ...] = LIKE_TRAIN
    flags: tuple[str, ...] = (f"--config-dir={source}", f"--config-name={Path(CONFIG).stem}")
    if (source / CONFIG).is_file():
        config = OmegaConf.load(source / CONFIG)
    elif (source / JOB).is_file():
        job = ledger.read_point(source)
        overrides, flags = job.overrides, job.flags
        config = _composed(source, record, overrides)
    else:
        raise FileNotFoundError(f"{source} has neither {CONFIG} nor {JOB}, so nobody knows how it was trained")
    if config.budget.seconds is not None:
        logger.warning("its budget was in seconds, which no two trainings share: %d updates instead", record["updates"])
        overrides = (*overrides, f"budget.updates={record['updates']}", "budget.seconds=null")
    return Point(
        folder=folder,
        key=record["config_hash"],
        member=source.name,
        seed=record["seed"],
        overrides=overrides,
        flags=flags,
        updates=record.get("updates"),
    )


def _composed(source: Path, record: Mapping[str, Any], overrides: tuple[str, ...]) -> DictConfig:
    """What the overrides of a point make, if that is still what it was trained with."""
    config = compose("train", overrides)
    settle_budget(config, list(overrides))
    now = config_hash(plain(config))
    if now != record["config_hash"]:
        raise ValueError(
            f"{source}: its overrides make another config by now ({now}, it had {record['config_hash']}); "
            f"use the version that trained it, {(record.get('git') or {}).get('commit', 'which its record names')}"
        )
    return config


def _lists_as_keys(node: Any) -> Any:
    """Lists as mappings by place, so that every figure has a key."""
    if isinstance(node, list):
        return {str(place): _lists_as_keys(child) for place, child in enumerate(node)}
    return {key: _lists_as_keys(child) for key, child in node.items()} if isinstance(node, dict) else node


def _reasons(record: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    """What else differs, from which the difference may come."""
    for part in REASONS:
        was, now = (flat(_lists_as_keys({part: one.get(part)})) for one in (record, again))
        for key in sorted(was.keys() | now.keys()):
            if was.get(key) != now.get(key):
                yield f"  perhaps since {key} was {was.get(key)}, is {now.get(key)}"
