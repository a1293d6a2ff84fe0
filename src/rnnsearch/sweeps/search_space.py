"""What a search may vary: ranges of numbers and choices, by key or group."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

DIGITS = 4  # of a real value: more mean nothing and fill tables

Parameters = dict[str, str | int | float]


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high`` inclusive; ``whole`` or not, on a ``log`` scale or not.

    Raises:
        ValueError: if the range is empty.
    """

    low: float
    high: float
    whole: bool = False
    log: bool = False

    def __post_init__(self) -> None:
        name = f"interval({self.low:g},{self.high:g})"
        if not self.low < self.high:
            raise ValueError(f"{name} holds nothing; the first bound must be below the second")
        if self.log and self.low <= 0:
            raise ValueError(f"tag(log,{name}): the bounds of a logarithmic scale must be above 0")


@dataclass(frozen=True)
class Choices:
    """One of several values, as the command line spells them."""

    choices: tuple[str, ...]


Dimension = Range | Choices


def read_dimension(values: Mapping[str, Any]) -> Dimension:
    """A dimension from its plain values, ``{"low", "high", "whole", "log"}`` or ``{"choices"}``."""
    return Choices(tuple(values["choices"])) if "choices" in values else Range(**values)


def suggest(trial: "optuna.Trial", space: Mapping[str, Dimension], keys: Iterable[str]) -> Parameters:
    """A trial's values for some keys of the space."""
    return {key: _suggest(trial, key, space[key]) for key in keys}


def _suggest(trial: "optuna.Trial", key: str, dimension: Dimension) -> str | int | float:
    if isinstance(dimension, Choices):
        return str(trial.suggest_categorical(key, dimension.choices))
    low, high = dimension.low, dimension.high
    if dimension.whole:
        return trial.suggest_int(key, int(low), int(high), log=dimension.log)
    value = trial.suggest_float(key, low, high, log=dimension.log)
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)
