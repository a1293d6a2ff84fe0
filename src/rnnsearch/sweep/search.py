"""A search over a space of overrides by Optuna, whose trials ask for their values themselves.

A trial asks when a launcher begins it, and tells when it has ended: through a storage in the study's folder, which any
number of processes on any machines share. So there is no barrier between trials, whatever launches them, and
optuna-dashboard shows them live. Each trial's sampler is seeded by the search's seed and the trial's index, so that
neither a resumed search nor parallel trials repeat each other's draws; with one trial at a time the whole search is a
function of its seed.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rnnsearch.records import write_json

if TYPE_CHECKING:
    import optuna

SEARCH = "search.json"
STORAGES = {"journal": "search.journal", "sqlite": "search.db"}
SAMPLERS = ("tpe", "random")
PRUNERS = ("none", "median", "hyperband")
DIRECTIONS: Mapping[str, Literal["maximize", "minimize"]] = {"bleu": "maximize", "chrf": "maximize", "nll": "minimize"}

Parameters = dict[str, str | int | float]


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones, or on a logarithmic scale."""

    low: float
    high: float
    whole: bool = False
    log: bool = False


@dataclass(frozen=True)
class Choices:
    """One of some values, as the command line has them."""

    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is searched, and how.

    Attributes:
        space: key or group -> what it may be.
        metric: of validation: bleu, chrf or nll.
        sampler, startup: Optuna's; so many trials are drawn at random before `tpe` models anything.
        pruner, warmup: Optuna's; so many updates pass before a trial may be pruned.
        storage: journal (a file that also network disks can share) or sqlite.
        seed: of the sampler.
        updates: of a whole trial, which hyperband divides.

    Raises:
        ValueError: for a value that is not allowed.
    """

    space: Mapping[str, Range | Choices]
    metric: str
    sampler: str
    startup: int
    pruner: str
    warmup: int
    storage: str
    seed: int
    updates: int | None

    def __post_init__(self) -> None:
        allowed: tuple[tuple[str, str, Iterable[str]], ...] = (
            ("metric", self.metric, DIRECTIONS),
            ("sampler", self.sampler, SAMPLERS),
            ("pruner", self.pruner, PRUNERS),
            ("storage", self.storage, STORAGES),
        )
        for key, value, options in allowed:
            if value not in options:
                raise ValueError(f"sweep.search.{key}={value}: choose one of {', '.join(options)}")
        if not self.space:
            raise ValueError(
                "the search has nothing to search over; give keys with several values, such as "
                "'optimizer.lr=tag(log,interval(1e-4,1e-2))' or model/context=fixed,additive"
            )


def write_search(search: Search, study: Path) -> None:
    """Write search.json, which trials read."""
    write_json(study / SEARCH, {"format": 1, **asdict(search)})


def read_search(study: Path) -> Search:
    """The search of a study's folder."""
    values = json.loads((study / SEARCH).read_text(encoding="utf-8"))
    del values["format"]
    space = {key: _dimension(one) for key, one in values.pop("space").items()}
    return Search(space=space, **values)


def _dimension(values: Mapping[str, Any]) -> Range | Choices:
    return Choices(tuple(values["choices"])) if "choices" in values else Range(**values)


def open_study(search: Search, folder: Path, *, index: int = 0) -> "optuna.Study":
    """Optuna's study of a search, made where it is missing.

    Args:
        search: what it says.
        folder: of the study.
        index: of the trial that asks, for the sampler's seed.

    Raises:
        ValueError: without Optuna.
    """
    try:
        import optuna
    except ImportError:
        raise ValueError("a search needs Optuna; install it: pip install 'rnnsearch[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=folder.name,
        storage=_storage(search, folder),
        sampler=_sampler(search, index),
        pruner=_pruner(search),
        direction=DIRECTIONS[search.metric],
        load_if_exists=True,
    )


def _storage(search: Search, folder: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = folder / STORAGES[search.storage]
    return JournalStorage(JournalFileBackend(str(path))) if search.storage == "journal" else f"sqlite:///{path}"


def _sampler(search: Search, index: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import RandomSampler, TPESampler

    seed = int(np.random.SeedSequence((search.seed, index)).generate_state(1)[0])
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, n_startup_trials=search.startup)


def _pruner(search: Search) -> "optuna.pruners.BasePruner":
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if search.pruner == "median":
        return MedianPruner(n_startup_trials=search.startup, n_warmup_steps=search.warmup)
    if search.pruner == "hyperband":
        return HyperbandPruner(min_resource=max(1, search.warmup), max_resource=search.updates or "auto")
    return NopPruner()


def suggest(trial: "optuna.Trial", space: Mapping[str, Range | Choices], keys: Iterable[str]) -> Parameters:
    """Values of some keys of the space for a trial."""
    return {key: _suggest(trial, key, space[key]) for key in keys}


def _suggest(trial: "optuna.Trial", key: str, dimension: Range | Choices) -> str | int | float:
    if isinstance(dimension, Choices):
        return str(trial.suggest_categorical(key, dimension.choices))
    if dimension.whole:
        return trial.suggest_int(key, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(key, dimension.low, dimension.high, log=dimension.log)


def take_up(study: "optuna.Study", number: int | None) -> "optuna.Trial | None":
    """The trial that an earlier attempt left open, or a new one with a failed one's values; None: there was none."""
    from optuna.trial import Trial, TrialState, create_trial

    known = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    earlier = None if number is None else known.get(number)
    if earlier is None:
        return None
    if earlier.state == TrialState.RUNNING:
        return Trial(study, earlier._trial_id)
    again = create_trial(
        state=TrialState.RUNNING,
        params=earlier.params,
        distributions=earlier.distributions,
        user_attrs={"retries": earlier.number},
    )
    study.add_trial(again)
    added = max(one.number for one in study.get_trials(deepcopy=False) if one.user_attrs.get("retries") == number)
    return Trial(study, study.get_trials(deepcopy=False)[added]._trial_id)


def reporter(study: "optuna.Study", number: int) -> Callable[[int, float], bool]:
    """A function that tells a trial its metric after so many updates, and says whether it should be pruned."""
    from optuna.trial import Trial

    trial = Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)

    def report(update: int, value: float) -> bool:
        trial.report(value, update)
        return trial.should_prune()

    return report


def tell(study: "optuna.Study", number: int, outcome: str, value: float | None) -> None:
    """Tell how a trial ended; one that was interrupted stays open and goes on later."""
    from optuna.trial import TrialState

    if outcome in ("interrupted", "running"):
        return
    if outcome == "pruned":
        study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
    elif outcome == "finished" and value is not None:
        study.tell(number, value, skip_if_finished=True)
    else:
        study.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def close_strays(study: "optuna.Study", numbers: Sequence[int]) -> None:
    """Give up trials that were asked for by a process that died before it noted them."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.number not in numbers:
            study.tell(trial.number, state=TrialState.FAIL)
