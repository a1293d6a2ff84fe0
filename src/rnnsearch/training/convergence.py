"""Training until validation gets no better (``budget.until=converged``), the limits of the budget being the cap.

After the warm-up the rate stays constant until validation's negative log-likelihood has not fallen for some
validations; then the schedule's decay follows, over a share of the updates done so far. If the cap comes near first,
the decay begins early enough to end with it.
"""

import math
from dataclasses import dataclass

from rnnsearch.training.schedules import Schedule

LATE = 10**6  # an update after every warm-up


@dataclass
class ConvergenceState:
    """What the rule has seen, and where the decay began.

    Attributes:
        best: the likelihood that the next ones have to fall below.
        waited: validations since then.
        decay_from: updates done when the decay began; None before.
        used: share of the cap that was used then.
        length: updates of the decay; None if the cap began it, and ends it.
    """

    best: float = math.inf
    waited: int = 0
    decay_from: int | None = None
    used: float = 0.0
    length: int | None = None


@dataclass(frozen=True, kw_only=True)
class Convergence:
    """The rule.

    Args:
        patience: validations in a row without a fall, after which the decay begins.
        least: nats a token; a smaller fall counts as none.
        decay: length of the decay, as a share of the updates done before it.

    Raises:
        ValueError: for a value that is not allowed.
    """

    patience: int
    least: float
    decay: float

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"convergence.patience={self.patience}: must be at least 1")
        if self.least < 0:
            raise ValueError(f"convergence.least={self.least}: must be at least 0")
        if self.decay <= 0:
            raise ValueError(f"convergence.decay={self.decay}: must be above 0")

    def watch(self, state: ConvergenceState, nll: float, *, update: int, used: float) -> None:
        """Take note of a validation at this update, when this share of the cap is used."""
        if state.decay_from is not None:
            return
        if nll < state.best - self.least or math.isinf(state.best):
            state.best, state.waited = nll, 0
            return
        state.waited += 1
        if state.waited >= self.patience:
            state.decay_from, state.used = update, used
            state.length = math.ceil(self.decay * update)

    def mind_cap(self, state: ConvergenceState, *, update: int, used: float) -> None:
        """Begin the decay if it would otherwise not end before the cap; undo that if the cap was raised since."""
        near = used * (1.0 + self.decay) >= 1.0
        if state.decay_from is None and near:
            state.decay_from, state.used = update, used
        elif state.decay_from is not None and state.length is None and not near:
            state.decay_from, state.used = None, 0.0

    def decayed(self, state: ConvergenceState, *, update: int, used: float) -> float:
        """The share of the decay that is done: 0 before it, 1 at its end, or at the cap if that is earlier."""
        if state.decay_from is None:
            return 0.0
        by_cap = (used - state.used) / (1.0 - state.used) if state.used < 1.0 else 1.0
        by_length = (update - state.decay_from) / state.length if state.length else 0.0
        return min(1.0, max(by_cap, by_length))

    def progress(self, state: ConvergenceState, *, update: int, used: float) -> float:
        """The share of the training that is done, as far as its end is known; 1 or more at the end."""
        return used if state.length is None else max(used, update / (self._end(state) or 1))

    def is_converged(self, state: ConvergenceState, *, update: int) -> bool:
        """Whether the rule began the decay, and the decay is over."""
        return state.length is not None and update >= self._end(state)

    @staticmethod
    def _end(state: ConvergenceState) -> int:
        return (state.decay_from or 0) + (state.length or 0)


def check_decays(schedule: Schedule) -> None:
    """Refuse a schedule unless, after its warm-up, the used share of the budget makes it fall, and nothing else.

    Raises:
        ValueError: for such a schedule.
    """
    constant = schedule.factor(LATE, 0.0) == schedule.factor(2 * LATE, 0.0) == 1.0
    if not constant or schedule.factor(LATE, 1.0) >= 1.0:
        raise ValueError(
            f"budget.until=converged holds the rate until validation gets no better and lets it fall then, and "
            f"{type(schedule).__name__} falls by a rule of its own or not at all; take scheduler=cosine"
        )
