"""One trial of a search: asks for its values, trains, tells what came of it."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from rnnsearch.cli.compose import compose, unknown_key
from rnnsearch.cli.runs import plain
from rnnsearch.cli.settings import settle_budget
from rnnsearch.records import JOB, RECORD, point_key, read_record
from rnnsearch.sweep import ledger, search
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import Overrides, UnknownKey, active
from rnnsearch.sweep.search import SEARCH, Parameters, Search
from rnnsearch.sweep.supervisor import supervise
from rnnsearch.training.pruning import Pruning

logger = logging.getLogger(__name__)


def train_point(
    folder: Path, *, environment: Mapping[str, str] | None = None, stop: threading.Event | None = None
) -> None:
    """Train the point in a folder; one of a search is asked for and told."""
    point = ledger.read_point(folder)
    if point.trial is None:
        supervise(folder, environment=environment, stop=stop)
        return
    found = search.read_search(folder.parent)
    study = search.open_study(found, folder.parent, index=point.trial["index"])
    asked = _ask(point, found, study)
    if (known := _trained_already(asked, found.metric)) is not None:
        logger.info("%s: the same as %s, not trained again", folder.name, known[0])
        ledger.write_point(replace(asked, trial={**(asked.trial or {}), "same_as": known[0]}))
        search.tell(study, _number(asked), "finished", known[1])
        return
    outcome = supervise(folder, environment=environment, stop=stop)
    search.tell(study, _number(asked), outcome, _value(folder, found.metric))


def settle(trials: Sequence[Point], found: Search, folder: Path) -> None:
    """Bring Optuna's study up to date after whatever ended an earlier search."""
    study = search.open_study(found, folder)
    asked = [one for one in trials if one.trial and "number" in one.trial]
    for one in asked:
        status = ledger.state(one).status
        if status in ledger.DONE:
            search.tell(study, _number(one), status, _value(one.folder, found.metric))
    search.close_strays(study, [_number(one) for one in asked])


def _ask(point: Point, found: Search, study: Any) -> Point:
    """The point with the values of its trial, written down."""
    assert point.trial is not None
    earlier = search.take_up(study, point.trial.get("number"))
    trial = earlier or study.ask()
    fixed: Overrides = tuple(point.trial["fixed"])
    parameters = _suggested(trial, found, fixed, lambda overrides: _config(point, overrides))
    overrides = (*fixed, *(f"{key}={value}" for key, value in parameters.items()))
    config = _config(point, overrides)
    trial.set_user_attr("folder", point.folder.name)
    asked = replace(
        point,
        key=point_key(plain(config)),
        overrides=(*overrides, *point.trial["last"]),
        updates=config.budget.updates,
        trial={**point.trial, "number": trial.number, "parameters": parameters},
    )
    ledger.write_point(asked)
    return asked


def _suggested(trial: Any, found: Search, fixed: Overrides, config: Callable[[Overrides], DictConfig]) -> Parameters:
    """Groups first, then those keys which the chosen options have."""
    groups = [key for key in found.space if "/" in key or "." not in key]
    chosen = search.suggest(trial, found.space, groups)
    options = tuple(f"{key}={value}" for key, value in chosen.items())
    keys = [key for key in found.space if key not in groups]
    _, lacking = active((*fixed, *options, *(f"{key}=null" for key in keys)), config)
    return chosen | search.suggest(trial, found.space, [key for key in keys if key not in lacking])


def _config(point: Point, overrides: Overrides) -> DictConfig:
    try:
        config = compose("train", overrides, [flag.partition("=")[2] for flag in point.flags])
    except Exception as error:
        key = unknown_key(error)
        if key is None:
            raise
        raise UnknownKey(key, str(error)) from error
    settle_budget(config, list(overrides))
    return config


def _trained_already(point: Point, metric: str) -> tuple[str, float] | None:
    """Folder and value of a finished trial with the same config."""
    for path in sorted(point.folder.parent.glob(f"*/{JOB}")):
        if path.parent != point.folder and ledger.read_point(path.parent).key == point.key:
            value = _value(path.parent, metric)
            if value is not None:
                return path.parent.name, value
    return None


def _value(folder: Path, metric: str) -> float | None:
    """Validation's metric of a finished run."""
    record = read_record(folder) if (folder / RECORD).is_file() else {}
    if record.get("status") != "finished":
        return None
    return float(record["results"]["metrics"]["validation"][metric])


def _number(point: Point) -> int:
    assert point.trial is not None
    return int(point.trial["number"])


def pruning(folder: Path) -> list[Pruning]:
    """The callback of a run that is a trial of a search; none for other runs."""
    if not (folder / JOB).is_file() or not (folder.parent / SEARCH).is_file():
        return []
    point = ledger.read_point(folder)
    if point.trial is None or "number" not in point.trial:
        return []
    found = search.read_search(folder.parent)
    study = search.open_study(found, folder.parent, index=point.trial["index"])
    return [Pruning(metric=found.metric, report=search.reporter(study, _number(point)))]
