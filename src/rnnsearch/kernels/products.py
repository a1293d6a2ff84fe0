"""Products with a weight matrix, through oneDNN where that is the faster library.

torch's own float32 product on a CPU is MKL's, which on processors that are not Intel's leaves half of their width
unused; oneDNN, which torch brings along, does not. Both compute in float32 and differ in rounding only.

N rows (any leading shape), X and Y in and out.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rnnsearch.kernels import compiled

# Weights from which on oneDNN saves more than its fixed cost, some 10 µs a call. The matrix alone decides, not the
# rows: two libraries round differently, and a translation should not depend on its batch.
ENOUGH = 2**13
_AVAILABLE = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch gives it no types
_ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if _AVAILABLE else None  # a private name, so it may go


def linear(values_NX: Tensor, weight_YX: Tensor, bias_Y: Tensor | None) -> Tensor:
    """x W^T + b, ``[N, Y]``, as `torch.nn.functional.linear`, differentiable once."""
    if torch.is_grad_enabled() and _suits(values_NX, weight_YX):
        found: Tensor = _Linear.apply(values_NX, weight_YX, bias_Y)  # type: ignore[no-untyped-call]  # torch gives it no types
        return found
    return product(values_NX, weight_YX, bias_Y)


def product(values_NX: Tensor, weight_YX: Tensor, bias_Y: Tensor | None = None) -> Tensor:
    """x W^T + b, ``[N, Y]``; gradients do not pass through it."""
    if not _suits(values_NX, weight_YX):
        return functional.linear(values_NX, weight_YX, bias_Y)
    assert _ONEDNN is not None
    found: Tensor = _ONEDNN(values_NX, _dense(weight_YX), bias_Y, "none", [], "")
    return found


def _dense(weight_YX: Tensor) -> Tensor:
    """The matrix without gaps between its rows or columns, with which oneDNN takes a thousand times as long."""
    return weight_YX if weight_YX.is_contiguous() or weight_YX.T.is_contiguous() else weight_YX.contiguous()


def weight_gradient(d_NY: Tensor, values_NX: Tensor) -> Tensor:
    """dy^T x, ``[Y, X]``; made as its transpose, which is the quicker way round."""
    return transposed(product(values_NX.T, d_NY.T))


def transposed(matrix_XY: Tensor) -> Tensor:
    """The transpose ``[Y, X]``, contiguous: of large matrices in half the time of torch's own copy."""
    if not compiled.serves(matrix_XY):
        return matrix_XY.T.contiguous()
    matrix_XY = matrix_XY.contiguous()
    found_YX = matrix_XY.new_empty(matrix_XY.shape[::-1])
    compiled.call("transpose", *matrix_XY.shape, matrix_XY.data_ptr(), found_YX.data_ptr())
    return found_YX


def add_weight_gradient(sum_XY: Tensor, d_NY: Tensor, values_NX: Tensor) -> Tensor:
    """The sum, transposed as `weight_gradient` makes it, with x^T dy added; the sum itself may change."""
    if not _suits(values_NX.T, d_NY.T):
        return sum_XY.addmm_(values_NX.T, d_NY)
    assert _ONEDNN is not None
    found: Tensor = _ONEDNN.binary(values_NX.T, sum_XY, _dense(d_NY.T), None, "add")
    return found


def _suits(values_NX: Tensor, weight_YX: Tensor) -> bool:
    return (
        _ONEDNN is not None
        and values_NX.dtype == weight_YX.dtype == torch.float32
        and values_NX.is_cpu
        and weight_YX.is_cpu
        and weight_YX.numel() >= ENOUGH
        and values_NX.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class _Linear(torch.autograd.Function):
    """`linear` with its gradient: dx = dy W, dW = dy^T x, db = Σ dy."""

    @staticmethod
    def forward(ctx: Any, values_NX: Tensor, weight_YX: Tensor, bias_Y: Tensor | None) -> Tensor:
        ctx.save_for_backward(values_NX, weight_YX)
        return product(values_NX, weight_YX, bias_Y)

    @staticmethod
    def backward(ctx: Any, grad_NY: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        if torch.is_grad_enabled():  # once_differentiable would let a second derivative pass as zero
            raise RuntimeError("a product through oneDNN has no second derivative; call backward without create_graph")
        values_NX, weight_YX = ctx.saved_tensors
        wants_values, wants_weight, wants_bias = ctx.needs_input_grad
        rows_NY, rows_NX = grad_NY.flatten(0, -2), values_NX.flatten(0, -2)
        return (
            product(grad_NY, weight_YX.T) if wants_values else None,
            weight_gradient(rows_NY, rows_NX) if wants_weight else None,
            rows_NY.sum(0) if wants_bias else None,
        )
