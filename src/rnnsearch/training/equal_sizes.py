"""Equal size: the hidden sizes at which one model has as many parameters, or operations, as another."""

import math
from collections.abc import Callable
from itertools import product

TOLERANCE = 0.01


def match_hidden_sizes(
    count: Callable[[int, int], float], *, encoder: int, decoder: int, parameters: float, step: int = 1
) -> tuple[int, int]:
    """Encoder and decoder hidden sizes, scaled together, that come nearest to ``parameters``.

    Args:
        count: parameters, or operations, of the model with the given encoder and decoder hidden sizes; grows with both.
        encoder, decoder: the model's own sizes, whose proportion is kept (to whole units).
        parameters: what to come near to.
        step: sizes are multiples of it, as heads demand that share them.

    Raises:
        ValueError: if no sizes come within 1 %.
    """

    def sizes(count_of_steps: int) -> tuple[int, int]:
        units = count_of_steps * step
        if decoder % encoder == 0:  # keep the exact multiple: some models exist in no other proportion
            return units, units * (decoder // encoder)
        return step * max(1, round(units * encoder / decoder / step)), units

    low, high = 1, 1
    while count(*sizes(high)) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(*sizes(middle)) < parameters else (low, middle)

    def distance(pair: tuple[int, int]) -> float:
        try:
            return abs(count(*pair) / parameters - 1.0)
        except ValueError:  # no model has these sizes
            return math.inf

    best = min((sizes(low), sizes(high)), key=distance)
    if distance(best) > TOLERANCE:  # scaling both by a whole unit is too coarse for a small model
        (encoder_low, decoder_low), (encoder_high, decoder_high) = sizes(low), sizes(high)
        between = product(range(encoder_low, encoder_high + 1, step), range(decoder_low, decoder_high + 1, step))
        best = min(between, key=distance)
    if distance(best) > TOLERANCE:
        raise ValueError(
            f"no hidden size gives {parameters:,} within 1 %: {best} gives {count(*best):,}; "
            "change the model's sizes, or set match=none"
        )
    return best
