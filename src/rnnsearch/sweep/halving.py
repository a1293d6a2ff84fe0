"""Which trials of a tuning go on: successive halving on the real schedule; more rates where the best is an end.

Nothing here trains: from what trials have reached so far follows what is to be trained next, or what is chosen. So a
tuning that was killed goes on from what lies on the disk.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Values = tuple[tuple[str, Any], ...]  # of a trial: keys and what they are


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Where trials are judged: after this share of the budget; so many of them, the best, go on."""

    share: float
    keep: int


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How trials are judged.

    Attributes:
        key: whose values are numbers, such as the learning rate; more are tried while the best lies at their end.
        values: of this key, tried first.
        others: combinations of further keys' values, each tried with each value of ``key``; one empty one for none.
        rungs: in their order.
        extensions: the most values that are tried beyond ``values``.

    """

    key: str
    values: tuple[float, ...]
    others: tuple[Values, ...]
    rungs: tuple[Rung, ...]
    extensions: int

    def trials(self, values: Iterable[float]) -> list[Values]:
        """Each value with each combination of the others."""
        return [((self.key, value), *other) for value in values for other in self.others]


@dataclass(frozen=True)
class Waiting:
    """Trials that are to be trained up to a rung before anything can be judged."""

    trials: tuple[Values, ...]
    rung: int


@dataclass(frozen=True)
class Chosen:
    """The best trial.

    Attributes:
        trial: its values.
        tried: values of the rule's key, in their order.
        at_edge: whether its own is the lowest or the highest of them, and no more may be tried.
    """

    trial: Values
    tried: tuple[float, ...]
    at_edge: bool


class AllDiverged(ValueError):
    """Every trial diverged."""


def judged(rule: Rule, found: Callable[[Values, int], float | None]) -> Waiting | Chosen:
    """What is to be trained next, or what is chosen.

    Args:
        rule: how.
        found: a trial's loss at a rung, lower is better; infinite where it diverged, None where it is not there yet.

    Raises:
        AllDiverged: if no trial is left, and no lower value may be tried.
    """
    values = sorted(set(rule.values))
    for left in range(rule.extensions, -1, -1):
        best = _best(rule, rule.trials(values), found)
        if isinstance(best, Waiting):
            return best
        value = values[0] if best is None else dict(best)[rule.key]
        is_end = len(values) > 1 and value in (values[0], values[-1])
        if best is not None and not (is_end and left):
            return Chosen(best, tuple(values), is_end)
        if not left or len(values) == 1:
            break
        values = sorted([*values, _beyond(values, low=value == values[0])])
    raise AllDiverged(f"every trial diverged, down to {rule.key}={values[0]:g}")


def _best(
    rule: Rule, trials: Sequence[Values], found: Callable[[Values, int], float | None]
) -> Waiting | Values | None:
    """The trial that is left at the last rung; None where all diverged."""
    alive = list(trials)
    for place, rung in enumerate(rule.rungs):
        if len(alive) == 1 and place > 0:
            break  # nothing to be judged
        losses = {trial: found(trial, place) for trial in alive}
        if waiting := tuple(trial for trial in alive if losses[trial] is None):
            return Waiting(waiting, place)
        sound = [(loss, order, trial) for order, (trial, loss) in enumerate(losses.items()) if _is_number(loss)]
        alive = [trial for *_, trial in sorted(sound, key=lambda one: one[:2])[: rung.keep]]
        if not alive:
            return None
    return alive[0]


def _is_number(loss: float | None) -> bool:
    return loss is not None and math.isfinite(loss)


def _beyond(values: Sequence[float], *, low: bool) -> float:
    """The next value: as far from the end as the end from its neighbour, as a ratio."""
    end, neighbour = (values[0], values[1]) if low else (values[-1], values[-2])
    return float(f"{end * end / neighbour:.6g}")
