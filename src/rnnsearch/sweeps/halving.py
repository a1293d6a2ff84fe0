"""Which tuning trials go on: successive halving on the real schedule; more rates while the best is at the edge.

Nothing here trains: what is trained next, or chosen, follows from what the trials have reached so far. So a tuning
that was killed goes on from what is on the disk.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Values = tuple[tuple[str, Any], ...]  # of a trial: keys and their values


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Where trials are judged: after ``share`` of the budget the best ``keep`` of them go on."""

    share: float
    keep: int


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How trials are judged.

    Attributes:
        key: a numeric one, such as the learning rate; more values are tried while the best is the lowest or highest.
        values: of this key, tried first.
        others: combinations of further keys' values, each tried with each value of ``key``; ((),) for none.
        rungs: in order.
        extensions: how many values at most are tried beyond ``values``.

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
    """Trials to be trained up to a rung before anything can be judged."""

    trials: tuple[Values, ...]
    rung: int


@dataclass(frozen=True)
class Chosen:
    """The best trial.

    Attributes:
        trial: its values.
        tried: values of the rule's key, rising.
        at_edge: whether its own is the lowest or highest of them and no more may be tried.
    """

    trial: Values
    tried: tuple[float, ...]
    at_edge: bool


class AllDiverged(ValueError):
    """Every trial diverged."""


def judged(rule: Rule, loss_at: Callable[[Values, int], float | None]) -> Waiting | Chosen:
    """What to train next, or what is chosen.

    Args:
        rule: how trials are judged.
        loss_at: a trial's loss at a rung, lower is better; infinite if it diverged, None if it is not there yet.

    Raises:
        AllDiverged: if no trial is left and no lower value may be tried.
    """
    values = sorted(set(rule.values))
    for left in range(rule.extensions, -1, -1):
        best = _best(rule, rule.trials(values), loss_at)
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
    rule: Rule, trials: Sequence[Values], loss_at: Callable[[Values, int], float | None]
) -> Waiting | Values | None:
    """The best trial at the last rung; None if all diverged."""
    alive = list(trials)
    for place, rung in enumerate(rule.rungs):
        if len(alive) == 1 and place > 0:
            break  # nothing to judge
        losses = {trial: loss_at(trial, place) for trial in alive}
        if waiting := tuple(trial for trial in alive if losses[trial] is None):
            return Waiting(waiting, place)
        sound = [(loss, order, trial) for order, (trial, loss) in enumerate(losses.items()) if _is_number(loss)]
        alive = [trial for *_, trial in sorted(sound, key=lambda entry: entry[:2])[: rung.keep]]
        if not alive:
            return None
    return alive[0]


def _is_number(loss: float | None) -> bool:
    return loss is not None and math.isfinite(loss)


def _beyond(values: Sequence[float], *, low: bool) -> float:
    """The next value beyond an end, at the same ratio as between the end and its neighbour."""
    end, neighbour = (values[0], values[1]) if low else (values[-1], values[-2])
    return float(f"{end * end / neighbour:.6g}")
