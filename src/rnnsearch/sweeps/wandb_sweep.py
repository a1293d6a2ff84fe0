"""A sweep in the format of Weights & Biases' own agents, for letting its server choose the points."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnsearch.sweeps.hyperparameter_search import DIRECTIONS
from rnnsearch.sweeps.search_space import Choices, Range

METHODS = {"tpe": "bayes", "random": "random"}


def wandb_sweep(
    space: Mapping[str, Range | Choices],
    fixed: Sequence[str],
    *,
    name: str,
    metric: str,
    sampler: str | None,
    pruned_after: int | None,
) -> dict[str, Any]:
    """The configuration of a sweep, as YAML files for ``wandb sweep`` hold it.

    Args:
        space: key or group -> what it may be.
        fixed: overrides that all runs share.
        name: of the sweep and the study.
        metric: of validation: bleu, chrf or nll.
        sampler: tpe, random, or None for a grid.
        pruned_after: validations before hyperband may end a run; None: it ends none.

    Raises:
        ValueError: for a grid over an interval.
    """
    if sampler is None and (endless := [key for key, dimension in space.items() if isinstance(dimension, Range)]):
        raise ValueError(f"{endless[0]} is an interval, which has no grid; add sweep=optuna_tpe, or list values")
    settings: dict[str, Any] = {
        "name": name,
        "method": METHODS[sampler] if sampler else "grid",
        "metric": {"name": f"validation/{metric}", "goal": DIRECTIONS[metric]},
        "parameters": {key: _parameter(dimension) for key, dimension in space.items()},
        "command": ["${env}", "rnnsearch", "train", *fixed, "logger=wandb", f"study={name}", "${args_no_hyphens}"],
    }
    if pruned_after is not None:
        settings["early_terminate"] = {"type": "hyperband", "min_iter": pruned_after}
    return settings


def _parameter(dimension: Range | Choices) -> dict[str, Any]:
    if isinstance(dimension, Choices):
        return {"values": list(dimension.choices)}
    if dimension.whole:
        ends: dict[str, Any] = {"min": int(dimension.low), "max": int(dimension.high)}
        return {**ends, "distribution": "q_log_uniform_values" if dimension.log else "int_uniform"}
    return {
        "min": dimension.low,
        "max": dimension.high,
        "distribution": "log_uniform_values" if dimension.log else "uniform",
    }
