"""Models that have shapes and no values: to be counted, checked, or filled from a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


@contextmanager
def without_memory() -> Iterator[None]:
    """What is made in the block lies on torch's device ``meta``; initial values are not drawn.

    torch itself would import its compiler, which takes a second, to draw normal ones there.
    """
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if function is nn.init.normal_:
            return given["tensor"] if "tensor" in given else args[0]
        return function(*args, **given)
