"""From what a finished run left behind to the arguments that train it again."""

import argparse
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.api import CONFIG
from rnnsearch.cli.compose import compose
from rnnsearch.cli.config_dir import config_dir, primary_keys
from rnnsearch.cli.runs import flat, plain
from rnnsearch.cli.settings import settle_budget
from rnnsearch.cli.study_sweeper import quoted
from rnnsearch.records import JOB, config_hash, is_hashed
from rnnsearch.sweep import ledger
from rnnsearch.sweep.points import key_of

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]

LIKE_TRAIN = ("hydra/job_logging=stderr", "hydra/hydra_logging=stderr", "hydra.output_subdir=null")
ELSEWHERE = ("hydra", "ckpt", "logger", "paths")  # keys of an override that say where and how a run was watched


@dataclass(frozen=True)
class Repetition:
    """What ``rnnsearch train`` gets in order to train a run again.

    Attributes:
        name: of the primary config.
        overrides: without the folder.
        folders: of YAML, beside the shipped one.
        directory: in which relative paths mean what they meant; None: the present one.
    """

    name: str
    overrides: tuple[str, ...]
    folders: tuple[str, ...] = ()
    directory: str | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """Of the command line."""
        names = () if self.name == "train" else (f"--config-name={self.name}", *LIKE_TRAIN)
        return (*(f"--config-dir={folder}" for folder in self.folders), *names)

    def with_(self, *more: str) -> "Repetition":
        """The same with more overrides."""
        return replace(self, overrides=(*self.overrides, *more))

    def config(self) -> DictConfig:
        """What the arguments compose."""
        config = compose(self.name, self.overrides, self.folders)
        settle_budget(config, list(self.overrides))
        return config


def repetition(source: Path, record: Record, cache: str) -> Repetition:
    """The arguments that train the run in ``source`` again, without its dashboards.

    Its resolved config is taken where it is there, else the overrides of its point or of its command, if they still
    make the same config.

    Args:
        source: the run's folder, or the published part of it.
        record: its record.
        cache: of downloads and encoded corpora, where the run's own is not there.

    Raises:
        ValueError: if the overrides make another config by now, or the record names none.
    """
    found = _from_config(source, record) if (source / CONFIG).is_file() else _from_overrides(source, record)
    config = found.config()
    if not Path(config.paths.cache).is_dir():
        keys = ("paths.cache", *(("data.cache",) if "cache" in config.data else ()))
        found = found.with_(*(f"{key}={quoted(cache)}" for key in keys))
    if config.budget.seconds is not None:
        logger.warning(
            "its budget was in seconds, which no two trainings share: %d updates instead; a schedule over the budget "
            "has other rates then",
            record["updates"],
        )
        updates = record["updates"]
        found = found.with_("budget.seconds=null", f"budget.updates={updates}", f"trainer.max_steps={updates}")
    return found


def _from_config(source: Path, record: Record) -> Repetition:
    """With the resolved config; keys that are newer than it are added where they change no result."""
    config = OmegaConf.load(source / CONFIG)
    assert isinstance(config, DictConfig)
    now = config_hash(plain(config))
    if now != record["config_hash"]:
        logger.warning(
            "%s is %s, its record says %s: it was changed, or another version of rnnsearch counted otherwise",
            source / CONFIG,
            now,
            record["config_hash"],
        )
    known = flat(config)
    newer = [
        f"++{key}={value}"
        for key, (value, _) in primary_keys(config_dir(), "train").items()
        if value and key not in known and (value == "null" or not is_hashed(key))
    ]
    unwatched = [f"~logger.{one}" for one in config.get("logger") or {}]  # Hydra would take ~logger for the group
    return Repetition(
        name=Path(CONFIG).stem,
        overrides=("ckpt=null", *unwatched, *newer),
        folders=(str(source),),
        directory=_directory(source),
    )


def _from_overrides(source: Path, record: Record) -> Repetition:
    """With the overrides of the point, those of its last attempt included, or else with the command of the record."""
    words = _words_of_point(source) if (source / JOB).is_file() else _words_of_command(record)
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-dir", "-cd", action="append", default=[])
    given, overrides = parser.parse_known_args(words)
    found = Repetition(
        name="train",
        overrides=("~logger", *_kept(overrides)),
        folders=tuple(given.config_dir),
        directory=_directory(source),
    )
    now = config_hash(plain(found.config()))
    if now != record["config_hash"]:
        raise ValueError(
            f"{source}: its overrides make another config by now ({now}, it had {record['config_hash']}); "
            f"use the version that trained it, {(record.get('git') or {}).get('commit', 'which its record names')}"
        )
    return found


def _words_of_point(source: Path) -> list[str]:
    point, attempts = ledger.read_point(source), ledger.read_attempts(source)
    return [*point.overrides, *(attempts[-1].overrides if attempts else ()), *point.flags]


def _words_of_command(record: Record) -> list[str]:
    program, *words = record.get("command") or [""]
    if words[:1] != ["train"]:
        raise ValueError(
            f"{record['name']} has neither {CONFIG} nor {JOB}, and its record names no train command: "
            f"nobody knows how it was trained ({' '.join([program, *words])})"
        )
    return words[1:]


def _kept(overrides: Iterable[str]) -> Sequence[str]:
    tops = ((one, re.split("[./@]", key_of(one))[0]) for one in overrides if not one.startswith("-"))
    return [one for one, top in tops if top not in ELSEWHERE]


def _directory(source: Path) -> str | None:
    if not (source / JOB).is_file():
        return None
    directory = ledger.read_point(source).directory
    return directory if directory and Path(directory).is_dir() else None
