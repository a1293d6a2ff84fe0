"""A search over a space of overrides by Optuna, whose trials ask for their values themselves.

A trial asks when a launcher begins it and reports when it has ended, through a storage in the study's folder that any
number of processes on any machines share. So trials never wait for each other, whatever launches them, and
optuna-dashboard shows them live. Each trial's sampler is seeded by the search's seed and the trial's index, so neither
resumed nor parallel trials repeat each other's draws; with one trial at a time the whole search is a function of its
seed, even if it was killed in between.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rnnsearch.config.overrides import key_of, value_of
from rnnsearch.records.json_files import read_object, write_object
from rnnsearch.records.metrics import METRICS, MONITORED
from rnnsearch.sweeps.search_space import Dimension, Range, read_dimension

SEARCH = "search.json"
STORAGES = {"journal": "search.journal", "sqlite": "search.db"}
SAMPLERS = ("tpe", "random")
PRUNERS = ("none", "median", "hyperband")
DIRECTIONS: Mapping[str, Literal["maximize", "minimize"]] = {
    name: "maximize" if METRICS[name].higher else "minimize" for name in MONITORED
}


@dataclass(frozen=True, kw_only=True)
class HyperparameterSearch:
    """What is searched, and how.

    Attributes:
        space: key or group -> what it may be.
        metric: of validation: bleu, chrf or nll.
        sampler, startup: Optuna's; the first ``startup`` trials are drawn at random before `tpe` models anything.
        pruner, warmup: Optuna's; a trial may be pruned after ``warmup`` updates. `median` also waits for ``startup``
            finished trials.
        storage: journal (a file that network disks can share, too) or sqlite.
        seed: of the sampler.
        updates: of a whole trial, for hyperband to divide.
        fixed: overrides of every trial.
        base: hash of the config that these make; results are only comparable if it is the same.

    Raises:
        ValueError: for a value that is not allowed.
    """

    space: Mapping[str, Dimension]
    metric: str
    sampler: str
    startup: int
    pruner: str
    warmup: int
    storage: str
    seed: int
    updates: int | None
    fixed: tuple[str, ...]
    base: str

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
        for key, number in (("startup", self.startup), ("warmup", self.warmup), ("seed", self.seed)):
            if type(number) is not int or number < 0:
                raise ValueError(f"sweep.search.{key}={number}: give a whole number, 0 or more")
        if not self.space:
            raise ValueError(
                "the search has nothing to search over; give keys with several values, such as "
                "'optimizer.lr=tag(log,interval(1e-4,1e-2))' or model/context=fixed,additive"
            )
        if "seed" in self.space:
            raise ValueError(
                "a search over seeds picks the luckiest; give it one seed, and train the best settings with several "
                "in a sweep of their own"
            )

    def description(self, trials: int) -> dict[str, Any]:
        """The search as study.json describes it, for so many trials."""
        space = {key: asdict(dimension) for key, dimension in self.space.items()}
        keys = ("sampler", "startup", "pruner", "warmup", "storage", "seed", "metric")
        direction = DIRECTIONS[self.metric]
        return {**{key: getattr(self, key) for key in keys}, "direction": direction, "trials": trials, "space": space}

    def file(self, study: Path) -> Path:
        """The storage, in the study's folder."""
        return study / STORAGES[self.storage]


def write_search(search: HyperparameterSearch, study: Path) -> None:
    """Write search.json, which trials read.

    Raises:
        ValueError: if the study's folder holds another search, whose values can't be compared with this one's.
    """
    if (study / SEARCH).is_file():
        _check_same(read_search(study), search, study)
    write_object(study / SEARCH, {"format": 1, **asdict(search)})


def read_search(study: Path) -> HyperparameterSearch:
    """The search of a study's folder."""
    values = read_object(study / SEARCH)
    del values["format"]
    space = {key: read_dimension(dimension) for key, dimension in values.pop("space").items()}
    return HyperparameterSearch(space=space, fixed=tuple(values.pop("fixed")), **values)


def _check_same(old: HyperparameterSearch, new: HyperparameterSearch, study: Path) -> None:
    differences = [
        f"sweep.search.{key} was {getattr(old, key)}, is {getattr(new, key)}"
        for key in ("metric", "storage")
        if getattr(old, key) != getattr(new, key)
    ]
    if old.base != new.base:
        before, now = ({key_of(override): value_of(override) for override in search.fixed} for search in (old, new))
        names = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        changed = ", ".join(f"{key} was {before.get(key)}, is {now.get(key)}" for key in names)
        differences.append(changed or "what the YAML files say")
    for key in old.space.keys() & new.space.keys():
        earlier, later = old.space[key], new.space[key]
        if earlier != later and not (
            isinstance(earlier, Range) and isinstance(later, Range) and earlier.log == later.log
        ):
            differences.append(f"the values of {key} are others")
    if differences:
        raise ValueError(
            f"{study} holds a search of other settings ({'; '.join(differences)}); choose another study=NAME"
        )
