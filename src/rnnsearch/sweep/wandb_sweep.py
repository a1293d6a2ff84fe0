"""A sweep as Weights & Biases' own agents read it, for those who let its server choose the points."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnsearch.sweep.search import DIRECTIONS
from rnnsearch.sweep.space import Choices, Range

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
        name: of the sweep, and of the study.
        metric: of validation: bleu, chrf or nll.
        sampler: tpe, random, or None for a grid.
        pruned_after: validations before hyperband may end a run; None: it ends none.

    Raises:
        ValueError: for a grid over an interval.
    """
    if sampler is None and (endless := [key for key, one in space.items() if isinstance(one, Range)]):
        raise ValueError(f"{endless[0]} is an interval, which has no grid; add sweep=optuna_tpe, or list values")
    found: dict[str, Any] = {
        "name": name,
        "method": METHODS[sampler] if sampler else "grid",
        "metric": {"name": f"validation/{metric}", "goal": DIRECTIONS[metric]},
        "parameters": {key: _parameter(one) for key, one in space.items()},
        "command": ["${env}", "rnnsearch", "train", *fixed, "logger=wandb", f"study={name}", "${args_no_hyphens}"],
    }
    if pruned_after is not None:
        found["early_terminate"] = {"type": "hyperband", "min_iter": pruned_after}
    return found


def _parameter(one: Range | Choices) -> dict[str, Any]:
    if isinstance(one, Choices):
        return {"values": list(one.choices)}
    if one.whole:
        ends: dict[str, Any] = {"min": int(one.low), "max": int(one.high)}
        return {**ends, "distribution": "q_log_uniform_values" if one.log else "int_uniform"}
    return {"min": one.low, "max": one.high, "distribution": "log_uniform_values" if one.log else "uniform"}
