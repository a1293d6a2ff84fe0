"""One trial of a search: asks for its values, trains, tells what came of it."""

import logging
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from rnnsearch.cli.compose import compose, known_keys
from rnnsearch.cli.plain import plain
from rnnsearch.cli.settings import settle_budget
from rnnsearch.cli.values import canonical
from rnnsearch.evaluation.scoring import monitored
from rnnsearch.records import JOB, point_key
from rnnsearch.sweep import ledger, trials
from rnnsearch.sweep.ledger import Attempt, Point
from rnnsearch.sweep.points import Overrides, UnknownKey, active
from rnnsearch.sweep.search import SEARCH, Search, read_search
from rnnsearch.sweep.space import Choices, Parameters, suggest
from rnnsearch.sweep.supervisor import supervise

if TYPE_CHECKING:  # Lightning takes seconds to import
    from rnnsearch.training.pruning import Pruning

logger = logging.getLogger(__name__)


def train_point(
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    trust: Sequence[str] = (),
) -> None:
    """Train the point in a folder; one of a search is asked for and told. The rest as for `supervise`."""
    point = ledger.read_point(folder)
    if point.trial is None:
        supervise(folder, environment=environment, stop=stop, trust=trust)
        return
    try:
        asked = _asked(point)
    except Exception as error:  # what keeps one trial from beginning stops no other
        _note_failure(point, error)
        return
    if "same_as" in (asked.trial or {}):
        return
    _tell(asked, supervise(folder, environment=environment, stop=stop, trust=trust))


def settle(found: Search, folder: Path) -> None:
    """Bring Optuna's study up to date after whatever ended an earlier search."""
    trials.mend(found, folder)
    with trials.asking(folder):
        study = trials.open_study(found, folder)
        asked = [one for one in ledger.read_points(folder) if one.trial and "number" in one.trial]
        trials.close_strays(study, [_number(one) for one in asked])
    for one in asked:
        state, diverged = ledger.state(one), ledger.has_diverged(one)
        if state.status in ledger.DONE or diverged:
            curve = _curve(one, found.metric)
            trials.tell(study, _number(one), state.status, curve=curve, error=state.error, diverged=diverged)


def say_best(folder: Path) -> None:
    """Log the best trial so far and its values, and how to look at all."""
    found = read_search(folder)
    study = trials.open_study(found, folder)
    best = trials.best(study)
    if best is None:
        return
    name = study.trials[best[0]].user_attrs["folder"]
    parameters = (ledger.read_point(folder / name).trial or {}).get("parameters", {})
    values = " ".join(f"{key}={value}" for key, value in parameters.items())
    logger.info("best: %s, %s %.2f, by %s", name, found.metric, best[1], values)
    logger.info("next: optuna-dashboard %s", found.file(folder))


def check_keys(found: Search, config: Callable[[Overrides], object]) -> None:
    """Refuse a key of the space that no choice of options has.

    Raises:
        UnknownKey: for such a key.
    """
    groups = {key: one.choices for key, one in found.space.items() if _is_group(key) and isinstance(one, Choices)}
    left = {key: UnknownKey(key, key) for key in found.space if key not in groups}
    for values in product(*groups.values()):
        options = tuple(f"{key}={value}" for key, value in zip(groups, values, strict=True))
        _, lacking = active((*found.fixed, *options, *(f"{key}=null" for key in left)), config)
        left = {key: lacking[key] for key in left if key in lacking}
        if not left:
            return
    raise next(iter(left.values()))


def _asked(point: Point) -> Point:
    """The point with the values of its trial, written down; and told already where another has the same config."""
    folder = point.folder.parent
    found = read_search(folder)
    assert point.trial is not None
    with trials.asking(folder):  # Hydra composes for one thread at a time, too
        study = trials.open_study(found, folder, index=point.trial["index"])
        number, parameters = _begun(point, found, study)
        overrides = (*point.trial["fixed"], *(f"{key}={value}" for key, value in parameters.items()))
        config = _config(point, overrides)
        asked = replace(
            point,
            key=point_key(canonical(plain(config))),
            overrides=(*overrides, *point.trial["last"]),
            updates=config.budget.updates,
            trial={**point.trial, "number": number, "parameters": parameters},
        )
        twin = _twin(asked)
        if twin is not None:
            asked = replace(asked, trial={**(asked.trial or {}), "same_as": twin.folder.name})
        ledger.write_point(asked)
        trials.note(study, number, index=point.trial["index"], folder=(twin or asked).folder.name, key=asked.key)
    if twin is not None:
        logger.info("%s: the same as %s, not trained again", point.folder.name, twin.folder.name)
        _tell(asked, ledger.state(twin).status)
    return asked


def _begun(point: Point, found: Search, study: Any) -> tuple[int, Parameters]:
    """Number and values of the trial that an earlier attempt began, or of a new one."""
    assert point.trial is not None
    if "number" in point.trial and (number := trials.reopened(study, point.trial["number"])) is not None:
        return number, point.trial["parameters"]
    trial = study.ask()
    return trial.number, _suggested(trial, found, lambda overrides: _config(point, overrides))


def _suggested(trial: Any, found: Search, config: Callable[[Overrides], object]) -> Parameters:
    """Groups first, then those keys which the chosen options have."""
    groups = [key for key in found.space if _is_group(key)]
    chosen = suggest(trial, found.space, groups)
    options = tuple(f"{key}={value}" for key, value in chosen.items())
    keys = [key for key in found.space if key not in groups]
    _, lacking = active((*found.fixed, *options, *(f"{key}=null" for key in keys)), config)
    return chosen | suggest(trial, found.space, [key for key in keys if key not in lacking])


def _is_group(key: str) -> bool:
    return "/" in key or "." not in key


def _config(point: Point, overrides: Overrides) -> DictConfig:
    with known_keys():
        config = compose("train", overrides, [flag.partition("=")[2] for flag in point.flags])
    settle_budget(config, list(overrides))
    return config


def _twin(point: Point) -> Point | None:
    """Another point of the study with the same config that is finished or pruned, or diverged."""
    for other in ledger.read_points(point.folder.parent):
        is_own = other.folder == point.folder or "same_as" in (other.trial or {})
        is_tried = ledger.state(other).status in ledger.DONE or ledger.has_diverged(other)
        if not is_own and other.key == point.key and is_tried:
            return other
    return None


def _note_failure(point: Point, error: Exception) -> None:
    story = {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
    now = ledger.now()
    ledger.add_attempt(point, Attempt(started=now, ended=now, outcome="failed", error=story))


def _tell(point: Point, outcome: str) -> None:
    """Tell Optuna how a trial ended; where its storage is away now, `settle` does it when the search goes on."""
    folder = point.folder.parent
    try:
        found = read_search(folder)
        study = trials.open_study(found, folder)
        story, diverged = ledger.state(point).error, ledger.has_diverged(point)
        curve = _curve(point, found.metric)
        trials.tell(study, _number(point), outcome, curve=curve, error=story, diverged=diverged)
    except Exception as error:  # the training is done, whatever became of the storage
        logger.warning("%s: the search can't be told: %s: %s", point.folder.name, type(error).__name__, error)


def _curve(point: Point, metric: str) -> dict[int, float]:
    """The metric of each validation by updates; of a point that is the same as another, of that."""
    folder = point.folder.parent / (point.trial or {}).get("same_as", point.folder.name)
    validations = ledger.read_run(folder).get("results", {}).get("curves", {}).get("validation", [])
    return {int(one["update"]): monitored(one, metric) for one in validations}


def _number(point: Point) -> int:
    assert point.trial is not None
    return int(point.trial["number"])


def pruning(folder: Path) -> list["Pruning"]:
    """The callback of a run that is a trial of a search; none for other runs."""
    if not (folder / JOB).is_file() or not (folder.parent / SEARCH).is_file():
        return []
    point = ledger.read_point(folder)
    if point.trial is None or "number" not in point.trial:
        return []
    from rnnsearch.training.pruning import Pruning

    found = read_search(folder.parent)
    return [Pruning(metric=found.metric, report=trials.reporter(found, folder.parent, _number(point)))]
