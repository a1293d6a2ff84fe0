"""``rnnsearch reproduce``: trains a run again from its card, and lists the differences."""

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from rnnsearch.config import build
from rnnsearch.config.exit_codes import Reported
from rnnsearch.config.plain_values import flat
from rnnsearch.config.terminal import say
from rnnsearch.config.trust import given
from rnnsearch.records.run_record import RECORD, Record, read_values, record_of
from rnnsearch.sweeps import ledger, live_table
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.repetition import Repetition, repetition
from rnnsearch.sweeps.supervisor import LOG, supervise

logger = logging.getLogger(__name__)

REASONS = ("versions", "git", "code", "hardware", "data", "tokenizer", "config_hash")  # of a record: why results differ
FIRST = ("metrics.", "weights_sha256")  # of the results; the points of curves come last
SHOWN = 20  # differences
NEEDS = ("id", "name", "status", "config_hash", "seed", "updates", "results", "data.checksums")  # of a record

Values = Mapping[str, Any]


def run(cfg: DictConfig) -> None:
    """Repeat a run with the same config and threads, in a folder below ``paths.output``, and compare the results.

    Raises:
        FileNotFoundError, ValueError: if the folder is no finished run's, or can't be repeated.
        Reported: if the results differ.
    """
    source = Path(str(cfg.run)).absolute()
    values = read_values(source, needs=NEEDS)
    record = record_of(values, source / RECORD)
    if not re.fullmatch(r"[\w.-]+", record.id, re.ASCII):
        raise ValueError(f"{source}: id={record.id!r}: no run is called so, so somebody changed its record")
    if record.status != "finished":
        raise ValueError(f"{source} is a {record.status} run; give a finished one")
    if record.evaluation_of:
        raise ValueError(
            f"nothing was trained in {source}: it translates with {record.evaluation_of['run']}; give that"
        )
    folder = Path(cfg.paths.output).absolute() / "reproduced" / f"{source.name}-{record.id}"
    places = HydraConfig.get().runtime.config_sources
    folders = [Path(place.path) for place in places if place.provider == "command-line"]
    init = None if cfg.init is None else Path(str(cfg.init))
    how = repetition(source, record, str(Path(cfg.paths.cache).absolute()), folders, init=init)
    again = _repeat(how, record, folder)
    expected = figures(values["results"])
    different = differences(expected, figures(measured_then(again["results"], values["results"])))
    if not different:
        say(f"equal: all {len(expected)} figures of {source}, again in {folder}")
        return
    say(f"different: {len(different)} of {len(expected)} figures of {source}, again in {folder}")
    for line in different[:SHOWN]:
        say(f"  {line}")
    if len(different) > SHOWN:
        say(f"  and {len(different) - SHOWN} more")
    for line in list(reasons(values, again)) or ["versions, commit, hardware, data and tokenizers are the same"]:
        say(f"  {line}")
    raise Reported(1)


def _repeat(how: Repetition, record: Record, folder: Path) -> dict[str, Any]:
    """The record of the repetition; one that was begun before goes on."""
    with contextlib.chdir(how.directory or "."):
        config = how.config()
        _check_data(config, record)
    point = Point(
        folder=folder,
        key=record.config_hash,
        member=record.member or record.name,
        seed=record.seed,
        overrides=how.overrides,
        flags=how.flags(folder.with_name(f".{folder.name}")),
        directory=how.directory,
        updates=config.budget.updates,
    )
    folder.mkdir(parents=True, exist_ok=True)
    ledger.write_point(point)
    if ledger.state(point).status != "finished":
        threads = record.hardware.get("threads") or 1
        logger.info("training %s again with %d threads in %s", record.name, threads, folder)
        with live_table.watching([point]):
            outcome = supervise(folder, environment={"OMP_NUM_THREADS": str(threads)}, trust=given())
        if outcome != "finished":
            raise ValueError(f"the repetition ended as {outcome}; its messages are in {folder / LOG}")
    return read_values(folder)


def _check_data(config: DictConfig, record: Record) -> None:
    """Refuse to train on other data than the run's.

    Raises:
        FileNotFoundError, ValueError: if the data are gone, or their checksums are others.
    """
    corpus = build.make(config.data)
    corpus.prepare()
    other = differences(record.data.checksums, corpus.checksums())
    if other:
        raise ValueError(f"the data are not those of the run: {'; '.join(other)}; give it the files it was trained on")


def measured_then(now: Any, was: Any) -> Any:
    """Results without keys that the card lacks, since an earlier version wrote it. Lists stay whole."""
    if isinstance(now, dict) and isinstance(was, dict):
        return {key: measured_then(value, was[key]) for key, value in now.items() if key in was}
    if isinstance(now, list) and isinstance(was, list):
        common = min(len(now), len(was))
        return [*map(measured_then, now[:common], was), *now[common:]]
    return now


def figures(results: Any) -> dict[str, Any]:
    """Every value of a record's results under its own key; list items by position."""
    return flat(_lists_as_keys(results))


def differences(was: Values, now: Values) -> list[str]:
    """One line per key whose value differs or is missing on one side; the summary before the curves."""
    keys = sorted(was.keys() | now.keys(), key=lambda key: (not key.startswith(FIRST), key))
    values = ((key, was.get(key, "absent"), now.get(key, "absent")) for key in keys)
    return [f"{key}: was {before}, is {after}" for key, before, after in values if before != after]


def reasons(record: Values, again: Values) -> Iterator[str]:
    """What else differs and may be the cause."""
    for part in REASONS:
        was, now = (figures({part: values.get(part)}) for values in (record, again))
        for line in differences(was, now):
            yield f"perhaps since {line}"
    if (record.get("git") or {}).get("dirty"):
        yield "perhaps since it was trained by a checkout with changes that were not committed"


def _lists_as_keys(node: Any) -> Any:
    """Lists as mappings by position, so that every figure has a key."""
    if isinstance(node, list):
        return {str(place): _lists_as_keys(child) for place, child in enumerate(node)}
    return {key: _lists_as_keys(child) for key, child in node.items()} if isinstance(node, dict) else node
