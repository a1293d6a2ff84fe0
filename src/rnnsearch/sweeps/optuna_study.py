"""The trials of a search in Optuna's storage, shared by any number of processes: asked, told, resumed."""

import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from rnnsearch.sweeps.hyperparameter_search import DIRECTIONS, HyperparameterSearch

if TYPE_CHECKING:
    import optuna

ASKING = ".search.lock"  # held while a trial asks
PATIENCE = 60  # seconds that one writer to SQLite waits for another


def open_study(search: HyperparameterSearch, folder: Path, *, index: int = 0) -> "optuna.Study":
    """Optuna's study of a search, made if it is missing.

    Args:
        search: its settings.
        folder: of the study.
        index: of the asking trial, for the sampler's seed.

    Raises:
        ValueError: if Optuna is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise ValueError("a search needs Optuna; install it: pip install 'rnnsearch[search]'")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=folder.name,
        storage=_storage(search, folder),
        sampler=_sampler(search, index),
        pruner=_pruner(search),
        direction=DIRECTIONS[search.metric],
        load_if_exists=True,
    )


def _storage(search: HyperparameterSearch, folder: Path) -> "optuna.storages.BaseStorage":
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    path = search.file(folder)
    if search.storage == "journal":
        return JournalStorage(JournalFileBackend(str(path)))
    return RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": PATIENCE}})


def mend(search: HyperparameterSearch, folder: Path) -> None:
    """Cut off the unfinished last line that a full disk left in a journal: Optuna would read nothing after it."""
    from optuna.storages.journal import JournalFileSymlinkLock

    path = search.file(folder)
    if search.storage != "journal" or not path.is_file():
        return
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        whole = path.read_bytes().rfind(b"\n") + 1
        if whole < path.stat().st_size:
            os.truncate(path, whole)
    finally:
        lock.release()


@contextmanager
def asking(folder: Path) -> Iterator[None]:
    """Let one trial of a search ask at a time, across all machines."""
    with FileLock(folder / ASKING):
        yield


def _sampler(search: HyperparameterSearch, index: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import RandomSampler, TPESampler

    seed = int(np.random.SeedSequence((search.seed, index)).generate_state(1)[0])
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, n_startup_trials=search.startup)


def _pruner(search: HyperparameterSearch) -> "optuna.pruners.BasePruner":
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if search.pruner == "median":
        return MedianPruner(n_startup_trials=search.startup, n_warmup_steps=search.warmup)
    if search.pruner == "hyperband":
        return HyperbandPruner(min_resource=max(1, search.warmup), max_resource=search.updates or "auto")
    return NopPruner()


def reopened(study: "optuna.Study", number: int) -> int | None:
    """The number under which an earlier trial goes on: its own while it is open, else that of a new one like it.

    None if the storage does not know it. Call it within `asking`.
    """
    from optuna.trial import TrialState, create_trial

    trials = study.get_trials(deepcopy=False)
    if number >= len(trials):
        return None
    earlier = trials[number]
    if earlier.state == TrialState.RUNNING:
        return number
    again = create_trial(
        state=TrialState.RUNNING,
        params=earlier.params,
        distributions=earlier.distributions,
        user_attrs={"retry_of": number},
    )
    study.add_trial(again)
    return study.get_trials(deepcopy=False)[-1].number


def note(study: "optuna.Study", number: int, **attributes: Any) -> None:
    """Write attributes of an open trial for dashboards to show."""
    trial = study.get_trials(deepcopy=False)[number]
    if not trial.state.is_finished():
        for key, value in attributes.items():
            study._storage.set_trial_user_attr(trial._trial_id, key, value)


def reporter(search: HyperparameterSearch, folder: Path, number: int) -> Callable[[int, float], bool]:
    """A function that reports a trial's metric after so many updates and returns whether to prune the trial.

    The storage is opened at the first call. Values that a resumed training reports again are ignored.
    """

    opened: list[optuna.Study] = []

    def report(update: int, value: float) -> bool:
        if not opened:
            opened.append(open_study(search, folder))
        study = opened[0]
        _tell_value(study, number, update, value)
        return study.pruner.prune(study, study.get_trials(deepcopy=False)[number])

    return report


def _tell_value(study: "optuna.Study", number: int, update: int, value: float) -> None:
    trial = study.get_trials(deepcopy=False)[number]
    if update not in trial.intermediate_values:
        study._storage.set_trial_intermediate_value(trial._trial_id, update, value)


def tell(
    study: "optuna.Study",
    number: int,
    outcome: str,
    *,
    curve: Mapping[int, float] | None = None,
    error: str | None = None,
    diverged: bool = False,
) -> None:
    """Report how a trial ended; an interrupted one stays open and goes on later.

    A diverged trial was tried and is worse than any other: it is reported as pruned before its first value, since
    a failed one would tell the sampler nothing.

    Args:
        study: Optuna's.
        number: of the trial.
        outcome: of the point's last attempt.
        curve: the metric by updates; values not reported yet are reported now. The best one is the result.
        error: of a failure, in one line.
        diverged: whether it failed because its training diverged.
    """
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    values = curve or {}
    if outcome in ("interrupted", "running") or study.get_trials(deepcopy=False)[number].state.is_finished():
        return
    if outcome in ("finished", "pruned") and values:
        for update, value in values.items():
            _tell_value(study, number, update, value)
        if outcome == "pruned":
            study.tell(number, state=TrialState.PRUNED)
        else:
            best = max if study.direction == StudyDirection.MAXIMIZE else min
            study.tell(number, best(values.values()))
        return
    note(study, number, error=error or outcome)
    study.tell(number, state=TrialState.PRUNED if diverged else TrialState.FAIL)


def close_strays(study: "optuna.Study", numbers: Iterable[int]) -> None:
    """Mark as failed the trials whose process died before it noted their numbers.

    Call it within `asking`.
    """
    from optuna.trial import TrialState

    known = set(numbers)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.number not in known:
            study.tell(trial.number, state=TrialState.FAIL)


def best(study: "optuna.Study") -> tuple[int, float] | None:
    """Number and value of the best finished trial; None if there is none."""
    from optuna.trial import TrialState

    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return None
    trial = study.best_trial
    assert trial.value is not None
    return trial.number, trial.value
