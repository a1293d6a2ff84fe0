"""One trial of a search: asks for its values, trains, and reports the outcome."""

import logging
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from rnnsearch.config.compose import UnknownKey, known_keys
from rnnsearch.config.identity import point_key
from rnnsearch.config.overrides import Overrides
from rnnsearch.config.plain_values import plain
from rnnsearch.config.value_checks import canonical
from rnnsearch.evaluation.scoring import monitored
from rnnsearch.records.run_record import JOB, now
from rnnsearch.runs.ancestor import composed
from rnnsearch.sweeps import ledger, optuna_study
from rnnsearch.sweeps.combinations import active
from rnnsearch.sweeps.hyperparameter_search import SEARCH, HyperparameterSearch, read_search
from rnnsearch.sweeps.ledger import Attempt, Point
from rnnsearch.sweeps.search_space import Choices, Parameters, suggest
from rnnsearch.sweeps.supervisor import supervise

if TYPE_CHECKING:  # Lightning takes seconds to import
    from rnnsearch.training.pruning import Pruning

logger = logging.getLogger(__name__)


def train_point(
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    trust: Sequence[str] = (),
    warm: bool = False,
) -> None:
    """Train the point in a folder; a search's trial also asks and reports. Arguments as for `supervise`."""
    point = ledger.read_point(folder)
    if point.trial is None:
        supervise(folder, environment=environment, stop=stop, trust=trust, warm=warm)
        return
    try:
        asked = _asked(point)
    except Exception as error:  # a trial that can't begin stops no other
        _note_failure(point, error)
        return
    if "same_as" in (asked.trial or {}):
        return
    _tell(asked, supervise(folder, environment=environment, stop=stop, trust=trust, warm=warm))


def settle(search: HyperparameterSearch, folder: Path) -> None:
    """Bring Optuna's study up to date, however an earlier search ended."""
    optuna_study.mend(search, folder)
    with optuna_study.asking(folder):
        study = optuna_study.open_study(search, folder)
        asked = [point for point in ledger.read_points(folder) if point.trial and "number" in point.trial]
        optuna_study.close_strays(study, [_number(point) for point in asked])
    for point in asked:
        state, diverged = ledger.state(point), ledger.has_diverged(point)
        if state.status in ledger.DONE or diverged:
            curve = _curve(point, search.metric)
            optuna_study.tell(study, _number(point), state.status, curve=curve, error=state.error, diverged=diverged)


def say_best(folder: Path) -> None:
    """Log the best trial so far, its values, and how to see all trials."""
    search = read_search(folder)
    study = optuna_study.open_study(search, folder)
    best = optuna_study.best(study)
    if best is None:
        return
    name = study.trials[best[0]].user_attrs["folder"]
    parameters = (ledger.read_point(folder / name).trial or {}).get("parameters", {})
    values = " ".join(f"{key}={value}" for key, value in parameters.items())
    logger.info("best: %s, %s %.2f, by %s", name, search.metric, best[1], values)
    logger.info("next: optuna-dashboard %s", search.file(folder))


def check_keys(search: HyperparameterSearch, config: Callable[[Overrides], object]) -> None:
    """Refuse a key of the space that no choice of options has.

    Raises:
        UnknownKey: for such a key.
    """
    groups = {
        key: dimension.choices
        for key, dimension in search.space.items()
        if _is_group(key) and isinstance(dimension, Choices)
    }
    left = {key: UnknownKey(key, key) for key in search.space if key not in groups}
    for values in product(*groups.values()):
        options = tuple(f"{key}={value}" for key, value in zip(groups, values, strict=True))
        _, lacking = active((*search.fixed, *options, *(f"{key}=null" for key in left)), config)
        left = {key: lacking[key] for key in left if key in lacking}
        if not left:
            return
    raise next(iter(left.values()))


def _asked(point: Point) -> Point:
    """The point with its trial's values, written down; reported at once if another has the same config."""
    folder = point.folder.parent
    search = read_search(folder)
    assert point.trial is not None
    with optuna_study.asking(folder):  # also because Hydra composes for one thread at a time
        study = optuna_study.open_study(search, folder, index=point.trial["index"])
        number, parameters = _begun(point, search, study)
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
        optuna_study.note(study, number, index=point.trial["index"], folder=(twin or asked).folder.name, key=asked.key)
    if twin is not None:
        logger.info("%s: the same as %s, not trained again", point.folder.name, twin.folder.name)
        _tell(asked, ledger.state(twin).status)
    return asked


def _begun(point: Point, search: HyperparameterSearch, study: Any) -> tuple[int, Parameters]:
    """Number and values of the trial of an earlier attempt, or of a new one."""
    assert point.trial is not None
    if "number" in point.trial and (number := optuna_study.reopened(study, point.trial["number"])) is not None:
        return number, point.trial["parameters"]
    trial = study.ask()
    return trial.number, _suggested(trial, search, lambda overrides: _config(point, overrides))


def _suggested(trial: Any, search: HyperparameterSearch, config: Callable[[Overrides], object]) -> Parameters:
    """Values for groups first, then for the keys that the chosen options have."""
    groups = [key for key in search.space if _is_group(key)]
    chosen = suggest(trial, search.space, groups)
    options = tuple(f"{key}={value}" for key, value in chosen.items())
    keys = [key for key in search.space if key not in groups]
    _, lacking = active((*search.fixed, *options, *(f"{key}=null" for key in keys)), config)
    return chosen | suggest(trial, search.space, [key for key in keys if key not in lacking])


def _is_group(key: str) -> bool:
    return "/" in key or "." not in key


def _config(point: Point, overrides: Overrides) -> DictConfig:
    with known_keys():
        return composed(overrides, [flag.partition("=")[2] for flag in point.flags])


def _twin(point: Point) -> Point | None:
    """Another point of the study with the same config that is finished, pruned or diverged."""
    for other in ledger.read_points(point.folder.parent):
        is_own = other.folder == point.folder or "same_as" in (other.trial or {})
        is_tried = ledger.state(other).status in ledger.DONE or ledger.has_diverged(other)
        if not is_own and other.key == point.key and is_tried:
            return other
    return None


def _note_failure(point: Point, error: Exception) -> None:
    story = {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
    at = now()
    ledger.add_attempt(point, Attempt(started=at, ended=at, outcome="failed", error=story))


def _tell(point: Point, outcome: str) -> None:
    """Report to Optuna how a trial ended; if its storage is unavailable, `settle` does it when the search goes on."""
    folder = point.folder.parent
    try:
        search = read_search(folder)
        study = optuna_study.open_study(search, folder)
        story, diverged = ledger.state(point).error, ledger.has_diverged(point)
        curve = _curve(point, search.metric)
        optuna_study.tell(study, _number(point), outcome, curve=curve, error=story, diverged=diverged)
    except Exception as error:  # the training is done, whatever happened to the storage
        logger.warning("%s: the search can't be told: %s: %s", point.folder.name, type(error).__name__, error)


def _curve(point: Point, metric: str) -> dict[int, float]:
    """The metric of each validation by updates; of the twin if the point has one."""
    folder = point.folder.parent / (point.trial or {}).get("same_as", point.folder.name)
    validations = ledger.read_run(folder).results.curves.validation
    return {int(validation["update"]): monitored(validation, metric) for validation in validations}


def _number(point: Point) -> int:
    assert point.trial is not None
    return int(point.trial["number"])


def pruning(folder: Path) -> list["Pruning"]:
    """The pruning callback of a run that is a search's trial; empty for other runs."""
    if not (folder / JOB).is_file() or not (folder.parent / SEARCH).is_file():
        return []
    point = ledger.read_point(folder)
    if point.trial is None or "number" not in point.trial:
        return []
    from rnnsearch.training.pruning import Pruning

    search = read_search(folder.parent)
    return [Pruning(metric=search.metric, report=optuna_study.reporter(search, folder.parent, _number(point)))]
