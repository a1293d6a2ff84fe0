"""What a search may vary: ranges of numbers and choices, by key or group."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

DIGITS = 4  # of a real value: more say nothing, and fill tables

Parameters = dict[str, str | int | float]


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones, or on a logarithmic scale.

    Raises:
        ValueError: for bounds that hold nothing.
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
    """One of some values, as the command line has them."""

    choices: tuple[str, ...]


Dimension = Range | Choices


def read_dimension(values: Mapping[str, Any]) -> Dimension:
    """The inverse of `written`."""
    return Choices(tuple(values["choices"])) if "choices" in values else Range(**values)


def written(one: Dimension) -> dict[str, Any]:
    """As JSON has it: ``{"low", "high", "whole", "log"}`` or ``{"choices"}``."""
    return asdict(one)


def suggest(trial: "optuna.Trial", space: Mapping[str, Dimension], keys: Iterable[str]) -> Parameters:
    """Values of some keys of the space for a trial."""
    return {key: _suggest(trial, key, space[key]) for key in keys}


def _suggest(trial: "optuna.Trial", key: str, dimension: Dimension) -> str | int | float:
    if isinstance(dimension, Choices):
        return str(trial.suggest_categorical(key, dimension.choices))
    low, high = dimension.low, dimension.high
    if dimension.whole:
        return trial.suggest_int(key, int(low), int(high), log=dimension.log)
    value = trial.suggest_float(key, low, high, log=dimension.log)
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)
