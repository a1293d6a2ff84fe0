"""Products with a weight matrix, by the faster library, in the precision that was asked for.

torch's own float32 product on a CPU is MKL's, which on processors that are not Intel's may leave half of their width
unused; oneDNN, which torch brings along, does not. Both compute in float32 and differ in rounding only; `libraries`
says which is taken. Under autocast to bfloat16 a CPU's products take and give bfloat16 (their sums are float32 within),
and weights are rounded once.

N rows (any leading shape), X and Y in and out.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rnnsearch.kernels import compiled, rounded_products

# Weights from which on oneDNN may save more than its fixed cost, some 10 µs a call, and those from which on a matrix is
# not small any more. The matrix alone decides, not the rows, so that equal updates are equal in batches of other sizes.
ENOUGH, LARGE = 2**13, 2**17
CHOSEN: dict[str, str] = {}  # the library of each kind of product, where it is not oneDNN; see `libraries`
_AVAILABLE = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch gives it no types
# Private names, so they may go.
_ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if _AVAILABLE else None
_PACK = getattr(torch.ops.mkldnn, "_reorder_linear_weight", None) if _ONEDNN is not None else None


def linear(values_NX: Tensor, weight_YX: Tensor, bias_Y: Tensor | None) -> Tensor:
    """x W^T + b, ``[N, Y]``, as `torch.nn.functional.linear`, differentiable once."""
    if rounded_products.rounds(values_NX):
        return rounded_products.linear(values_NX, weight_YX, bias_Y)
    low = autocast_to(values_NX)
    if not torch.is_grad_enabled() and low is None and _fits(values_NX, weight_YX):
        return _by_row(values_NX, weight_YX, bias_Y)
    if torch.is_grad_enabled() and (low is not None or _suits(values_NX, weight_YX)):
        found: Tensor = _Linear.apply(values_NX, weight_YX, bias_Y, low)  # type: ignore[no-untyped-call]  # torch gives it no types
        return found
    return functional.linear(values_NX, weight_YX, bias_Y)


def _by_row(values_NX: Tensor, weight_YX: Tensor, bias_Y: Tensor | None) -> Tensor:
    """The product for search, in which a translation should not depend on its batch: a row's result is its own.

    oneDNN multiplies one row otherwise than two or more; MKL, which is not used here, several small numbers of them.
    """
    rows_NX = values_NX.flatten(0, -2)
    found_NY = by_onednn(rows_NX.expand(2, -1) if len(rows_NX) == 1 else rows_NX, weight_YX, bias_Y)
    return found_NY[: len(rows_NX)].view(*values_NX.shape[:-1], len(weight_YX))


def autocast_to(values: Tensor) -> torch.dtype | None:
    """The precision to which autocast lowers products of a CPU's tensors; None where it does not."""
    if not values.is_cpu or torch.compiler.is_compiling() or not torch.is_autocast_enabled("cpu"):
        return None
    low = torch.get_autocast_dtype("cpu")
    return low if values.dtype in (torch.float32, low) else None


def lowered(values: Tensor) -> Tensor:
    """The values in the precision of products, for those that nothing else reads."""
    low = autocast_to(values)
    return values if low is None else values.to(low)


def product(values_NX: Tensor, weight_YX: Tensor, bias_Y: Tensor | None = None) -> Tensor:
    """x W^T + b, ``[N, Y]``; gradients do not pass through it. A bias may be of higher precision than the rest."""
    rows_NX = values_NX.flatten(0, -2)  # torch makes rows that lie apart into many products, with a copy of W for each
    if _suits(values_NX, weight_YX) and _library(weight_YX, "rows") == "onednn":
        found_NY = by_onednn(rows_NX, weight_YX, bias_Y)
    else:
        found_NY = functional.linear(rows_NX, weight_YX, None if bias_Y is None else bias_Y.to(weight_YX.dtype))
    return found_NY.view(*values_NX.shape[:-1], len(weight_YX))


def by_onednn(values_NX: Tensor, weight_YX: Tensor, bias_Y: Tensor | None) -> Tensor:
    """The same, by oneDNN."""
    assert _ONEDNN is not None
    found_NY: Tensor = _ONEDNN(values_NX, _dense(weight_YX), bias_Y, "none", [], "")
    return found_NY


def has_onednn() -> bool:
    """Whether this torch can multiply by oneDNN."""
    return _ONEDNN is not None


def _library(weight_YX: Tensor, kind: str) -> str:
    """The library for matrices of this size; in bfloat16 torch's own is oneDNN as well."""
    if weight_YX.dtype != torch.float32:
        return "onednn"
    return CHOSEN.get(kind if weight_YX.numel() >= LARGE else f"small_{kind}", "onednn")


class Repeated:
    """x W^T by one matrix ``[Y, X]`` for many x of about so many rows, the matrix packed once where that helps."""

    def __init__(self, weight_YX: Tensor, rows: int, *, library: str | None = None) -> None:
        self.weight_YX = weight_YX
        self._packed: Tensor | None = None
        self._library = library or _library(weight_YX, "steps")
        if _PACK is not None and rows and self._library == "onednn" and _suits(weight_YX, weight_YX):
            self._packed = _PACK(weight_YX, rows)

    def __call__(self, values_NX: Tensor) -> Tensor:
        if self._library == "torch":
            return functional.linear(values_NX, self.weight_YX)
        if self._packed is None:
            return product(values_NX, self.weight_YX)
        assert _ONEDNN is not None
        found: Tensor = _ONEDNN(values_NX, self._packed, None, "none", [], "")
        return found


def _dense(weight_YX: Tensor) -> Tensor:
    """The matrix without gaps between its rows or columns, with which oneDNN takes a thousand times as long."""
    return weight_YX if weight_YX.is_contiguous() or weight_YX.T.is_contiguous() else weight_YX.contiguous()


def weight_gradient(d_NY: Tensor, values_NX: Tensor) -> Tensor:
    """dy^T x, ``[Y, X]``, in float32 at least; a large one is made as its transpose, which is the quicker way round.

    A small one is torch's own: oneDNN copies what is turned, and has few numbers of it to divide among threads.
    """
    if d_NY.dtype == torch.float32 and d_NY.shape[1] * values_NX.shape[1] < LARGE:
        return d_NY.T @ values_NX
    return transposed(product(values_NX.T, d_NY.T))


def transposed(matrix_XY: Tensor) -> Tensor:
    """The transpose ``[Y, X]``, contiguous, in float32 at least: of large ones in half the time of torch's own copy."""
    wide = torch.promote_types(matrix_XY.dtype, torch.float32)
    if not compiled.serves(matrix_XY, low=True):
        return matrix_XY.T.to(wide, memory_format=torch.contiguous_format, copy=True)
    matrix_XY = matrix_XY.contiguous()
    found_YX = matrix_XY.new_empty(matrix_XY.shape[::-1], dtype=wide)
    low = matrix_XY.dtype == compiled.LOW
    compiled.call("transpose", *matrix_XY.shape, matrix_XY.data_ptr(), low, found_YX.data_ptr())
    return found_YX


def column_sums(matrix_NY: Tensor) -> Tensor:
    """Σ_n of each column, ``[Y]``, in float32 at least."""
    if not compiled.serves(matrix_NY, low=True):
        return matrix_NY.sum(0, dtype=torch.promote_types(matrix_NY.dtype, torch.float32))
    matrix_NY = matrix_NY.contiguous()
    sums_Y = matrix_NY.new_empty(matrix_NY.shape[1], dtype=torch.float32)
    low = matrix_NY.dtype == compiled.LOW
    compiled.call("column_sums", *matrix_NY.shape, matrix_NY.data_ptr(), low, sums_Y.data_ptr())
    return sums_Y


def add_weight_gradient(sum_XY: Tensor, d_NY: Tensor, values_NX: Tensor) -> Tensor:
    """The sum, transposed as `weight_gradient` makes it, with x^T dy added; the sum itself may change."""
    if d_NY.dtype != sum_XY.dtype:
        return sum_XY.add_(torch.mm(values_NX.T, d_NY))
    if not _suits(values_NX.T, d_NY.T) or _library(sum_XY, "rows") == "torch":
        return sum_XY.addmm_(values_NX.T, d_NY)
    assert _ONEDNN is not None
    found: Tensor = _ONEDNN.binary(values_NX.T, sum_XY, _dense(d_NY.T), None, "add")
    return found


def _suits(values_NX: Tensor, weight_YX: Tensor) -> bool:
    """Whether oneDNN takes these, and the matrix is large enough for it to save something."""
    return weight_YX.numel() >= ENOUGH and _fits(values_NX, weight_YX)


def _fits(values_NX: Tensor, weight_YX: Tensor) -> bool:
    """Whether oneDNN takes these."""
    return (
        _ONEDNN is not None
        and values_NX.dtype == weight_YX.dtype
        and values_NX.dtype in (torch.float32, compiled.LOW)
        and values_NX.is_cpu
        and weight_YX.is_cpu
        and values_NX.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class _Linear(torch.autograd.Function):
    """`linear` with its gradient: dx = dy W, dW = dy^T x, db = Σ dy; products in the precision ``low``, if one."""

    @staticmethod
    def forward(
        ctx: Any, values_NX: Tensor, weight_YX: Tensor, bias_Y: Tensor | None, low: torch.dtype | None
    ) -> Tensor:
        if low is not None:
            values_NX, weight_YX = values_NX.to(low), weight_YX.to(low)
        ctx.save_for_backward(values_NX, weight_YX)
        with torch.autocast("cpu", enabled=False):
            return product(values_NX, weight_YX, bias_Y)

    @staticmethod
    def backward(ctx: Any, grad_NY: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # once_differentiable would let a second derivative pass as zero
            raise RuntimeError("a product through oneDNN has no second derivative; call backward without create_graph")
        values_NX, weight_YX = ctx.saved_tensors
        wants_values, wants_weight, wants_bias, _ = ctx.needs_input_grad
        rows_NY, rows_NX = grad_NY.flatten(0, -2), values_NX.flatten(0, -2)
        return (
            product(grad_NY, weight_YX.T) if wants_values else None,
            weight_gradient(rows_NY, rows_NX) if wants_weight else None,
            column_sums(rows_NY) if wants_bias else None,
            None,
        )
