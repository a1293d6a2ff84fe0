"""Learning-rate schedules, as factors on the optimiser's rate.

``update`` counts from 0; ``progress`` is the used share of the budget, from 0 to 1, so that a schedule ends with the
budget whatever its unit. All begin with a linear warm-up over ``warmup`` updates.
"""

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """A learning-rate schedule."""

    def factor(self, update: int, progress: float) -> float:
        """The factor on the learning rate at this update."""


def warm(update: int, warmup: int) -> float:
    """The linear warm-up: from 1 / warmup at the first update to 1."""
    return min(1.0, (update + 1) / warmup) if warmup else 1.0


@dataclass(frozen=True, kw_only=True)
class Constant:
    """The rate as it is."""

    warmup: int

    def factor(self, update: int, progress: float) -> float:
        """See `Schedule`."""
        return warm(update, self.warmup)


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Half a cosine over the budget, from 1 to ``final``."""

    warmup: int
    final: float

    def factor(self, update: int, progress: float) -> float:
        """See `Schedule`."""
        fall = 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
        return warm(update, self.warmup) * (self.final + (1.0 - self.final) * fall)


@dataclass(frozen=True, kw_only=True)
class InverseSquareRoot:
    """√(warmup / update) after the warm-up."""

    warmup: int

    def factor(self, update: int, progress: float) -> float:
        """See `Schedule`."""
        start = max(1, self.warmup)
        return warm(update, self.warmup) * min(1.0, math.sqrt(start / (update + 1)))


@dataclass(frozen=True, kw_only=True)
class Step:
    """Multiplied by ``gamma`` after every ``every`` updates."""

    warmup: int
    every: int
    gamma: float

    def factor(self, update: int, progress: float) -> float:
        """See `Schedule`."""
        power: float = self.gamma ** (update // self.every)
        return warm(update, self.warmup) * power


@dataclass
class PlateauState:
    """State of a plateau rule: the least negative log-likelihood, the validations since, the falls of the rate."""

    best: float = math.inf
    waited: int = 0
    falls: int = 0


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """Multiplied by ``shrink`` when validation's negative log-likelihood has not fallen for ``patience`` validations.

    `factor` is only the warm-up; the module watches validation and multiplies by `shrunk`.
    """

    warmup: int
    shrink: float
    patience: int

    def factor(self, update: int, progress: float) -> float:
        """See `Schedule`."""
        return warm(update, self.warmup)

    def watch(self, state: PlateauState, nll: float) -> None:
        """Take note of a validation."""
        if nll < state.best:
            state.best, state.waited = nll, 0
            return
        state.waited += 1
        if state.waited >= self.patience:
            state.waited, state.falls = 0, state.falls + 1

    def shrunk(self, state: PlateauState) -> float:
        """The factor of all falls so far."""
        return float(self.shrink**state.falls)
