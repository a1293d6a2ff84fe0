"""The search of a sweep: trials that find their values when they begin, as points of the study's folder."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from rnnsearch.cli.asked import Request, texts
from rnnsearch.cli.axes import dimension, ends
from rnnsearch.cli.plain import plain
from rnnsearch.cli.points import Points
from rnnsearch.cli.trial import check_keys, settle
from rnnsearch.records import JOB, config_hash
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import Overrides, key_of
from rnnsearch.sweep.search import Search, write_search
from rnnsearch.sweep.space import Choices, Dimension
from rnnsearch.sweep.wandb_sweep import wandb_sweep


def space_of(request: Request) -> tuple[dict[str, Dimension], Overrides]:
    """What a search may vary, and what it may not."""
    swept = {key_of(str(one.input_line)): one for one in request.overrides() if one.is_sweep_override()}
    space = {key: dimension(one) for key, one in swept.items()}
    single = {key: one.choices[0] for key, one in space.items() if isinstance(one, Choices) and len(one.choices) == 1}
    fixed = texts([one for one in request.overrides() if not one.is_sweep_override()])
    left = {key: one for key, one in space.items() if key not in single}
    return left, (*fixed, *(f"{key}={value}" for key, value in single.items()))


def extremes(request: Request) -> list[Overrides]:
    """Each value that a search may choose, and both ends of a range, beside what it leaves alone."""
    space, fixed = space_of(request)
    return [fixed, *((*fixed, f"{key}={value}") for key, one in space.items() for value in ends(one))]


def check_search(config: DictConfig) -> None:
    """Refuse what a search can't do.

    Raises:
        ValueError: naming the keys.
    """
    trials = config.sweep.search.trials if config.sweep.search else 1
    if type(trials) is not int or trials < 1:
        raise ValueError(f"sweep.search.trials={trials}: give a whole number, 1 or more")
    if config.match != "none" or config.sweep.points or config.members or config.tuning.factors or config.tuning.grid:
        raise ValueError(
            "match, members, tuning and sweep.points are for sweeps without sweep.search; leave them out of a search"
        )


def trials_of(config: DictConfig, request: Request, points: Points) -> tuple[list[Point], dict[str, Any]]:
    """The trials of a search, and what study.json says of it.

    Raises:
        UnknownKey: for a key of the space that no choice of options has.
        ValueError: if the folder holds another search.
    """
    wanted = config.sweep.search
    space, fixed = space_of(request)
    composed = points.config(fixed)
    settings = {str(key): value for key, value in wanted.items() if key != "trials"}
    base = config_hash(plain(composed))
    found = Search(space=space, updates=composed.budget.updates, fixed=fixed, base=base, **settings)
    check_keys(found, points.composed)
    write_search(found, points.study)
    trials = [_trial(points, index, fixed, composed) for index in range(wanted.trials)]
    settle(found, points.study)
    return trials, found.description(wanted.trials)


def _trial(points: Points, index: int, fixed: Overrides, config: DictConfig) -> Point:
    folder = points.study / f"trial-{index:04d}"
    known = ledger.read_point(folder) if (folder / JOB).is_file() else None
    if known and "number" in (known.trial or {}):
        return replace(known, flags=points.flags, directory=str(Path.cwd()))
    name = f"trial {index}"
    last = points.names(name)
    trial = {"index": index, "fixed": list(fixed), "last": list(last)}
    return points.point_in(folder, name, (*fixed, *last), config, key="", trial=trial)


def for_wandb(config: DictConfig, request: Request, name: str) -> Mapping[str, Any]:
    """The sweep as Weights & Biases' own agents take it.

    Raises:
        ValueError: for lists of points, which these have not.
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
