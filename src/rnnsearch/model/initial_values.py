"""Initial values of tensors, and those of a context mechanism by the customary names of its parameters.

The schemes are those of `rnnsearch.training.initialization`. A alignment hidden layer.
"""

from collections.abc import Callable, Mapping

from torch import Generator, Tensor, nn

Fill = Callable[[Tensor, Generator | None], object]
"""Fills a tensor in place, from a source of randomness (None: torch's default one)."""


def zero(values: Tensor, generator: Generator | None) -> None:
    """0."""
    values.zero_()


def keep(values: Tensor, generator: Generator | None) -> None:
    """What the constructor set."""


def normal(deviation: float) -> Fill:
    """N(0, deviation²)."""
    return lambda values, generator: values.normal_(0.0, deviation, generator=generator)


def normal_by_last_size(values: Tensor, generator: Generator | None) -> None:
    """N(0, 1/n), n the size of the last axis."""
    values.normal_(0.0, values.shape[-1] ** -0.5, generator=generator)


def xavier(values: Tensor, generator: Generator | None) -> None:
    """Xavier-uniform."""
    nn.init.xavier_uniform_(values, generator=generator)


BIASES: Mapping[str, Fill] = {"key.bias": zero, "summary.bias": zero}
BY_NAME: Mapping[str, Mapping[str, Fill]] = {
    "paper": {
        **{"query.weight": normal(0.001), "key.weight": normal(0.001), "summary.weight": normal(0.01)},
        **{"window.query.weight": normal(0.001), "output.weight": normal(0.01)},
        **{"v": zero, "window.v": zero, "g": zero, **BIASES},
    },
    "modern": {
        **{"query.weight": xavier, "key.weight": xavier, "summary.weight": xavier},
        **{"window.query.weight": xavier, "output.weight": xavier},
        **{"v": normal_by_last_size, "window.v": normal_by_last_size, **BIASES},  # g is A^-1/2 by its constructor
    },
}
NORMED: Mapping[str, Fill] = {"v": normal(0.01)}  # g v / ‖v‖ means nothing at v = 0, so g alone is zero there


def fill_by_name(context: nn.Module, scheme: str, generator: Generator | None) -> None:
    """Fill the parameters of ``context`` that have a customary name, in place, in their order."""
    fills = BY_NAME[scheme]
    if scheme == "paper" and getattr(context, "g", None) is not None:
        fills = {**fills, **NORMED}
    for name, parameter in context.named_parameters():
        fills.get(name, keep)(parameter, generator)
