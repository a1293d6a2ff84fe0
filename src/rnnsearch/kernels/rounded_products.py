"""Products for search with rows and weights rounded to bfloat16, on a processor that multiplies such.

Sums and what comes out are float32, so that words are ranked by numbers that nothing has rounded. A number of a product
is summed in the order of depth (native.c), so a row's result does not depend on the rows beside it.

N rows (any leading shape), X and Y in and out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from rnnsearch.kernels import compiled
from rnnsearch.kernels.compiled import LOW

PRECISIONS = ("32-true", "bf16-mixed")
Packed = dict[tuple[int, torch.Size, tuple[int, ...]], tuple[Tensor, Tensor]]
# Weights and how products read them, by address; each is held, so that no other weight comes to lie there.
_PACKED: ContextVar[Packed | None] = ContextVar("weights that search has rounded", default=None)


def check_precision(precision: str, key: str) -> None:
    """Refuse a precision in which search can't multiply here.

    Raises:
        ValueError: in one sentence with the ``key``.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"{key}={precision}: allowed are {', '.join(PRECISIONS)}")
    if precision == "bf16-mixed" and not compiled.multiplies_low():
        raise ValueError(
            f"{key}=bf16-mixed multiplies by a processor's avx512_bf16 instructions, through a C compiler (cc, gcc or "
            "clang), and one of these is not here; leave it at 32-true"
        )


@contextmanager
def multiplying_in(precision: str, device: torch.device, key: str = "search.precision") -> Iterator[None]:
    """Products without gradients are made in a precision, by weights that do not change meanwhile.

    Raises:
        ValueError: where search can't multiply so.
    """
    check_precision(precision, key)
    if precision == "bf16-mixed" and device.type != "cpu":
        raise ValueError(f"{key}=bf16-mixed is for a processor, and the model is on {device}; leave it at 32-true")
    token = _PACKED.set({} if precision == "bf16-mixed" else None)
    try:
        yield
    finally:
        _PACKED.reset(token)


def rounds(values: Tensor) -> bool:
    """Whether products with such values are rounded now."""
    return _PACKED.get() is not None and values.is_cpu and values.dtype == torch.float32 and not torch.is_grad_enabled()


def linear(values_NX: Tensor, weight_YX: Tensor, bias_Y: Tensor | None) -> Tensor:
    """x W^T + b, ``[N, Y]``, while `rounds` says so."""
    packed = _packed(weight_YX)
    rows_NX = values_NX.flatten(0, -2).to(LOW, memory_format=torch.contiguous_format)
    found_NY = values_NX.new_empty(*values_NX.shape[:-1], len(weight_YX))
    bias_Y = None if bias_Y is None else bias_Y.contiguous()
    compiled.call(
        "product", len(rows_NX), *weight_YX.shape, rows_NX.data_ptr(), True, packed.data_ptr(),
        None if bias_Y is None else bias_Y.data_ptr(), found_NY.data_ptr(),
    )  # fmt: skip
    return found_NY


def _packed(weight_YX: Tensor) -> Tensor:
    packed = _PACKED.get()
    assert packed is not None
    address = (weight_YX.data_ptr(), weight_YX.shape, weight_YX.stride())
    if address not in packed:
        packed[address] = (weight_YX, compiled.packed(weight_YX.to(LOW)))
    return packed[address][1]
