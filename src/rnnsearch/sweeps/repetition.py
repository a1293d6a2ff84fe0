"""From the files of a finished run to the arguments that train it again."""

import argparse
import contextlib
import logging
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.config_dir import config_dir, primary_keys
from rnnsearch.config.identity import config_hash, is_hashed, unread
from rnnsearch.config.keys.roles import ELSEWHERE, HYDRA, within
from rnnsearch.config.overrides import key_of, quoted
from rnnsearch.config.plain_values import flat, plain
from rnnsearch.config.value_checks import canonical
from rnnsearch.evaluation.scoring import EARLIER
from rnnsearch.records.json_files import write_text
from rnnsearch.records.run_config import CONFIG
from rnnsearch.records.run_record import JOB, Record, check_file
from rnnsearch.runs.ancestor import composed
from rnnsearch.runs.run_folder import read_config
from rnnsearch.sweeps import ledger

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Repetition:
    """The arguments of ``rnnsearch train`` that train a run again.

    Attributes:
        name: of the primary config.
        overrides: without the folder.
        folders: of YAML, in addition to the shipped one.
        directory: the working directory, for relative paths; None: the present one.
        content: of the primary config, if it is the run's own: a checked copy is used instead of the run's folder.
    """

    name: str
    overrides: tuple[str, ...]
    folders: tuple[str, ...] = ()
    directory: str | None = None
    content: str | None = None

    def flags(self, place: Path) -> tuple[str, ...]:
        """The command-line flags; a primary config of the run's own is written into the folder ``place``."""
        folders = tuple(f"--config-dir={folder}" for folder in self.folders)
        if self.content is None:
            return folders
        write_text(place / CONFIG, self.content)
        return (*folders, f"--config-dir={place}", f"--config-name={self.name}", *ledger.QUIET)

    def with_(self, *more: str) -> "Repetition":
        """A copy with more overrides."""
        return replace(self, overrides=(*self.overrides, *more))

    def config(self) -> DictConfig:
        """The config that the arguments compose."""
        with tempfile.TemporaryDirectory() as aside, contextlib.chdir(self.directory or "."):
            if self.content is not None:
                write_text(Path(aside) / CONFIG, self.content)
            return composed(self.overrides, (*self.folders, aside), name=self.name)


def repetition(
    source: Path, record: Record, cache: str, folders: Sequence[Path] = (), *, init: Path | None = None
) -> Repetition:
    """The arguments that train the run in ``source`` again, without its dashboards.

    Its resolved config is used if present, otherwise the overrides of its point or command, provided they still make
    the same config. Both may come from a stranger: they decide what is computed, not where anything is written.

    Args:
        source: the run's folder, or the published part of it.
        record: its record.
        cache: for downloads and encoded corpora.
        folders: of YAML on the command line; the run may only use folders that are among them.
        init: where the run lies now that this one began from; None: where it lay.

    Raises:
        ValueError: if the overrides now make another config, or the record has none, or the run that it began from is
            gone or has changed.
    """
    if init is not None and not record.ancestors:
        raise ValueError(f"{source} began from no other run; leave init={init} out")
    begins = () if init is None else (f"init={quoted(str(init.absolute()))}",)
    whole = (source / CONFIG).is_file()
    repeated = _from_config(source, record, begins) if whole else _from_overrides(source, record, folders, begins)
    config = repeated.config()
    keys = ("paths.cache", *(("data.cache",) if "cache" in config.data else ()))
    repeated = repeated.with_(*(f"{key}={quoted(cache)}" for key in keys))
    if (chosen := record.hardware.get("products")) and config.products == "auto":  # what is measured may change
        kinds = ",".join(f"{kind.replace(' ', '_')}:{library}" for kind, library in chosen.items())
        repeated = repeated.with_(f"products={{{kinds}}}")
    if not record.scoring:  # a run from before there was a choice
        repeated = repeated.with_(f"++validation.bleu_tokenizer={EARLIER.bleu_tokenizer}")
    if config.budget.seconds is not None:
        logger.warning(
            "its budget was in seconds, which no two trainings share: %d updates instead; a schedule over the budget "
            "has other rates then",
            record.updates,
        )
        updates = record.updates
        repeated = repeated.with_("budget.seconds=null", f"budget.updates={updates}", f"trainer.max_steps={updates}")
    return repeated


def _from_config(source: Path, record: Record, begins: Sequence[str]) -> Repetition:
    """From the resolved config; keys newer than it are added if they change no result."""
    check_file(source, record, CONFIG)
    config = read_config(source)
    for key in HYDRA:
        if key in config:
            raise ValueError(
                f"{source / CONFIG} has a key {key}, which no run's config has: somebody changed it; mend it"
            )
    now = config_hash(plain(config))
    if now != record.config_hash:
        logger.warning(
            "%s is %s, its record says %s: it was changed, or another version of rnnsearch counted otherwise",
            source / CONFIG,
            now,
            record.config_hash,
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
        overrides=("ckpt=null", *newer, *begins),
        directory=_directory(source),
        content=OmegaConf.to_yaml(unwatched),
    )


def _from_overrides(source: Path, record: Record, folders: Sequence[Path], begins: Sequence[str]) -> Repetition:
    """From the overrides of the point and its last attempt, or else from the command in the record."""
    words = _words_of_point(source) if (source / JOB).is_file() else _words_of_command(record)
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-dir", "-cd", action="append", default=[])
    flags, overrides = parser.parse_known_args([str(word) for word in words])
    _check_lookups(source, overrides)
    _check_folders(source, flags.config_dir, folders)
    weights = [ancestor.weights_sha256 for ancestor in record.ancestors[:1]]
    repeated = Repetition(
        name="train",
        overrides=("~logger", *_kept(overrides), *begins, *(f"init_sha256={sha256}" for sha256 in weights)),
        folders=tuple(flags.config_dir),
        directory=_directory(source),
    )
    values = plain(repeated.config())
    now = config_hash(values)
    if record.config_hash not in (now, config_hash(canonical(values))):
        raise ValueError(
            f"{source}: its overrides make another config by now ({now}, it had {record.config_hash}); "
            f"use the version that trained it, {record.git.commit if record.git else 'which its record names'}"
        )
    return repeated


def _check_lookups(source: Path, overrides: Iterable[str]) -> None:
    """Refuse interpolations that Hydra would look up, such as ${oc.env:SECRET}."""
    for override in overrides:
        if re.search(r"\$\{[^}]*:", override):
            raise ValueError(f"{source}: its override {override!r} looks something up; give its config.yaml with it")


def _check_folders(source: Path, named: Iterable[str], allowed: Sequence[Path]) -> None:
    """Refuse YAML folders that the command line does not name."""
    place = Path(_directory(source) or ".")
    for folder in named:
        if (place / folder).resolve() not in {path.resolve() for path in allowed}:
            raise ValueError(
                f"{source} was made with YAML of the folder {folder}; if you trust it, add --config-dir={folder}"
            )


def _words_of_point(source: Path) -> list[str]:
    point, attempts = ledger.read_point(source), ledger.read_attempts(source)
    return [*point.overrides, *(attempts[-1].overrides if attempts else ()), *point.flags]


def _words_of_command(record: Record) -> list[str]:
    program, *words = record.command or [""]
    if words[:1] != ["train"]:
        raise ValueError(
            f"{record.name} has neither {CONFIG} nor {JOB}, and its record names no train command: "
            f"nobody knows how it was trained ({' '.join([program, *words])})"
        )
    return words[1:]


def _kept(overrides: Iterable[str]) -> Sequence[str]:
    tops = ((word, re.split("[./@]", key_of(word))[0]) for word in overrides if not word.startswith("-"))
    return [word for word, top in tops if top not in (*HYDRA, *ELSEWHERE)]


def _directory(source: Path) -> str | None:
    if not (source / JOB).is_file():
        return None
    directory = ledger.read_point(source).directory
    return directory if directory and Path(directory).is_dir() else None
