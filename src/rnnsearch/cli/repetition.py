"""From what a finished run left behind to the arguments that train it again."""

import argparse
import logging
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli.compose import compose
from rnnsearch.cli.config_dir import config_dir, primary_keys
from rnnsearch.cli.plain import flat, plain
from rnnsearch.cli.runs import read_config
from rnnsearch.cli.settings import settle_budget
from rnnsearch.cli.spelling import quoted
from rnnsearch.cli.values import canonical
from rnnsearch.evaluation.scoring import EARLIER
from rnnsearch.keys.roles import ELSEWHERE, HYDRA, within
from rnnsearch.records import JOB, check_file, config_hash, is_hashed, unread, write_text
from rnnsearch.run_config import CONFIG
from rnnsearch.sweep import ledger
from rnnsearch.sweep.points import key_of

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Repetition:
    """What ``rnnsearch train`` gets in order to train a run again.

    Attributes:
        name: of the primary config.
        overrides: without the folder.
        folders: of YAML, beside the shipped one.
        directory: in which relative paths mean what they meant; None: the present one.
        content: of the primary config, where it is the run's own: a checked copy is used instead of the run's folder.
    """

    name: str
    overrides: tuple[str, ...]
    folders: tuple[str, ...] = ()
    directory: str | None = None
    content: str | None = None

    def flags(self, place: Path) -> tuple[str, ...]:
        """Of the command line; the primary config is written into the folder ``place`` where it is the run's own."""
        folders = tuple(f"--config-dir={folder}" for folder in self.folders)
        if self.content is None:
            return folders
        write_text(place / CONFIG, self.content)
        return (*folders, f"--config-dir={place}", f"--config-name={self.name}", *ledger.QUIET)

    def with_(self, *more: str) -> "Repetition":
        """The same with more overrides."""
        return replace(self, overrides=(*self.overrides, *more))

    def config(self) -> DictConfig:
        """What the arguments compose."""
        with tempfile.TemporaryDirectory() as aside:
            if self.content is not None:
                write_text(Path(aside) / CONFIG, self.content)
            config = compose(self.name, self.overrides, (*self.folders, aside))
        settle_budget(config, list(self.overrides))
        return config


def repetition(source: Path, record: Record, cache: str, folders: Sequence[Path] = ()) -> Repetition:
    """The arguments that train the run in ``source`` again, without its dashboards.

    Its resolved config is taken where it is there, else the overrides of its point or of its command, if they still
    make the same config. Both may come from a stranger: they say what is computed, not where anything is written.

    Args:
        source: the run's folder, or the published part of it.
        record: its record.
        cache: of downloads and encoded corpora.
        folders: of YAML that the command line names; those that the run names are used if they are among them.

    Raises:
        ValueError: if the overrides make another config by now, or the record names none.
    """
    found = _from_config(source, record) if (source / CONFIG).is_file() else _from_overrides(source, record, folders)
    config = found.config()
    keys = ("paths.cache", *(("data.cache",) if "cache" in config.data else ()))
    found = found.with_(*(f"{key}={quoted(cache)}" for key in keys))
    if "scoring" not in record:  # a run from before there was a choice
        found = found.with_(f"++validation.bleu_tokenizer={EARLIER.bleu_tokenizer}")
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
    check_file(source, record, CONFIG)
    config = read_config(source)
    for key in HYDRA:
        if key in config:
            raise ValueError(
                f"{source / CONFIG} has a key {key}, which no run's config has: somebody changed it; mend it"
            )
    now = config_hash(plain(config))
    if now != record["config_hash"]:
        logger.warning(
            "%s is %s, its record says %s: it was changed, or another version of rnnsearch counted otherwise",
            source / CONFIG,
            now,
            record["config_hash"],
        )
    unwatched = {**plain(config), "logger": {}, "trust": []}
    known = flat(unwatched)
    newer = [
        f"++{key}={value}"
        for key, (value, _) in primary_keys(config_dir(), "train").items()
        if value and key not in known and (value == "null" or not is_hashed(key) or within(key, unread(unwatched)))
    ]
    return Repetition(
        name=Path(CONFIG).stem,
        overrides=("ckpt=null", *newer),
        directory=_directory(source),
        content=OmegaConf.to_yaml(unwatched),
    )


def _from_overrides(source: Path, record: Record, folders: Sequence[Path]) -> Repetition:
    """With the overrides of the point, those of its last attempt included, or else with the command of the record."""
    words = _words_of_point(source) if (source / JOB).is_file() else _words_of_command(record)
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-dir", "-cd", action="append", default=[])
    given, overrides = parser.parse_known_args([str(word) for word in words])
    _check_lookups(source, overrides)
    _check_folders(source, given.config_dir, folders)
    found = Repetition(
        name="train",
        overrides=("~logger", *_kept(overrides)),
        folders=tuple(given.config_dir),
        directory=_directory(source),
    )
    values = plain(found.config())
    now = config_hash(values)
    if record["config_hash"] not in (now, config_hash(canonical(values))):
        raise ValueError(
            f"{source}: its overrides make another config by now ({now}, it had {record['config_hash']}); "
            f"use the version that trained it, {(record.get('git') or {}).get('commit', 'which its record names')}"
        )
    return found


def _check_lookups(source: Path, overrides: Iterable[str]) -> None:
    """Refuse what Hydra would look up, such as ${oc.env:SECRET}."""
    for override in overrides:
        if re.search(r"\$\{[^}]*:", override):
            raise ValueError(f"{source}: its override {override!r} looks something up; give its config.yaml with it")


def _check_folders(source: Path, named: Iterable[str], given: Sequence[Path]) -> None:
    """Use no YAML but what the command line names."""
    place = Path(_directory(source) or ".")
    for folder in named:
        if (place / folder).resolve() not in {one.resolve() for one in given}:
            raise ValueError(
                f"{source} was made with YAML of the folder {folder}; if you trust it, add --config-dir={folder}"
            )


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
    return [one for one, top in tops if top not in (*HYDRA, *ELSEWHERE)]


def _directory(source: Path) -> str | None:
    if not (source / JOB).is_file():
        return None
    directory = ledger.read_point(source).directory
    return directory if directory and Path(directory).is_dir() else None
