"""Equal parameters: the hidden sizes at which one model has as many parameters as another."""

from collections.abc import Callable

TOLERANCE = 0.01


def match_hidden_sizes(
    count: Callable[[int, int], float], *, encoder: int, decoder: int, parameters: float
) -> tuple[int, int]:
    """Encoder and decoder hidden sizes, scaled together, that come nearest to ``parameters``.

    Args:
        count: parameters of the model with the given encoder and decoder hidden sizes; grows with both.
        encoder, decoder: the model's own sizes, whose proportion is kept (to whole units).
        parameters: trainable parameters to come near to.

    Raises:
        ValueError: if no sizes come within 1 %.
    """

    def sizes(units: int) -> tuple[int, int]:
        return max(1, round(units * encoder / decoder)), units

    low, high = 1, 1
    while count(*sizes(high)) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(*sizes(middle)) < parameters else (low, middle)

    def distance(pair: tuple[int, int]) -> float:
        return abs(count(*pair) / parameters - 1.0)

    best = min((sizes(low), sizes(high)), key=distance)
    if distance(best) > TOLERANCE:  # a whole unit of both is too much for a small model: one of them alone
        best = min((sizes(low)[0], high), (sizes(high)[0], low), best, key=distance)
    if distance(best) > TOLERANCE:
        raise ValueError(
            f"no hidden size gives {parameters:,} parameters within 1 %: {best} gives {count(*best):,}; "
            "change the model's sizes, or set match=none"
        )
    return best
