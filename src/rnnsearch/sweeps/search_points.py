"""The search of a sweep: its trials as points of the study's folder; they get their values when they begin."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from rnnsearch.config.identity import config_hash
from rnnsearch.config.overrides import Overrides, key_of
from rnnsearch.records.run_record import JOB
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.axes import dimension, ends
from rnnsearch.sweeps.hyperparameter_search import HyperparameterSearch, write_search
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.points import Points, pinned
from rnnsearch.sweeps.request import Request, texts
from rnnsearch.sweeps.search_space import Choices, Dimension
from rnnsearch.sweeps.search_trial import check_keys, settle
from rnnsearch.sweeps.wandb_sweep import wandb_sweep


def space_of(request: Request) -> tuple[dict[str, Dimension], Overrides]:
    """What a search varies, and the overrides that it fixes."""
    swept = {
        key_of(str(override.input_line)): override for override in request.overrides() if override.is_sweep_override()
    }
    space = {key: dimension(override) for key, override in swept.items()}
    single = {
        key: options.choices[0]
        for key, options in space.items()
        if isinstance(options, Choices) and len(options.choices) == 1
    }
    fixed = texts([override for override in request.overrides() if not override.is_sweep_override()])
    left = {key: options for key, options in space.items() if key not in single}
    return left, (*fixed, *(f"{key}={value}" for key, value in single.items()))


def extremes(request: Request) -> list[Overrides]:
    """The fixed overrides, alone and with each choice or end of a range."""
    space, fixed = space_of(request)
    return [fixed, *((*fixed, f"{key}={value}") for key, options in space.items() for value in ends(options))]


def check_search(config: DictConfig) -> None:
    """Refuse settings that a search can't have.

    Raises:
        ValueError: naming the keys.
    """
    if config.match != "none" or config.sweep.points or config.members or config.tuning.factors or config.tuning.grid:
        raise ValueError(
            "match, members, tuning and sweep.points are for sweeps without sweep.search; leave them out of a search"
        )


def trials_of(config: DictConfig, request: Request, points: Points) -> tuple[list[Point], dict[str, Any]]:
    """The trials of a search, and its description for study.json.

    Raises:
        UnknownKey: for a key of the space that no choice of options has.
        ValueError: if the folder holds another search.
    """
    wanted = config.sweep.search
    space, fixed = space_of(request)
    values = points.values(fixed)
    fixed = pinned(fixed, values)
    settings = {str(key): value for key, value in wanted.items() if key != "trials"}
    base, updates = config_hash(values), values["budget"]["updates"]
    search = HyperparameterSearch(space=space, updates=updates, fixed=fixed, base=base, **settings)
    check_keys(search, points.composed)
    write_search(search, points.study)
    trials = [_trial(points, index, fixed, values) for index in range(wanted.trials)]
    settle(search, points.study)
    return trials, search.description(wanted.trials)


def _trial(points: Points, index: int, fixed: Overrides, values: Mapping[str, Any]) -> Point:
    folder = points.study / f"trial-{index:04d}"
    known = ledger.read_point(folder) if (folder / JOB).is_file() else None
    if known and "number" in (known.trial or {}):
        return replace(known, flags=points.flags, directory=str(Path.cwd()))
    name = f"trial {index}"
    last = points.names(name)
    trial = {"index": index, "fixed": list(fixed), "last": list(last)}
    return points.point_in(folder, name, (*fixed, *last), values, key="", trial=trial)


def for_wandb(config: DictConfig, request: Request, name: str) -> Mapping[str, Any]:
    """The sweep in the format of Weights & Biases' own agents.

    Raises:
        ValueError: for lists of points or members, which these do not have.
    """
    if config.sweep.points or config.members:
        raise ValueError(
            "Weights & Biases has no lists of points that belong together, and no members; use sweep.grid in place of "
            "sweep.points and members"
        )
    space, fixed = space_of(request)
    wanted = config.sweep.search or {}
    return wandb_sweep(
        space,
        list(fixed),
        name=name,
        metric=wanted.get("metric", config.validation.monitor),
        sampler=wanted.get("sampler"),
        pruned_after=None if wanted.get("pruner", "none") == "none" else 1,
    )
