"""One step of a recurrent cell, forward and backward, element by element; the products with the state are elsewhere.

A step is given x, all that enters from outside, and p, the previous state times those rows of U that act on it as it
is (``joined`` of the ``gates`` blocks). It writes the new state and, into ``kept``, what the backward step needs.

The backward step is given d_s, the gradient at the new state, writes d_x and d_p, the gradients at x and p, and leaves
in d_s what reaches the previous state without passing through p.

Equations: `rnnsearch.model.cells`. Every tensor is ``[directions, rows, width]``, the width a multiple of H. A state
is [s], or [s, m] for the LSTM.
"""

from typing import Protocol

import torch
from torch import Tensor

from rnnsearch.kernels import products

tanh_backward = torch.ops.aten.tanh_backward
sigmoid_backward = torch.ops.aten.sigmoid_backward


class Matrices:
    """Each direction's matrix, ``[D, Y, X]``, for many products with about so many rows."""

    def __init__(self, matrix_DYX: Tensor, rows: int) -> None:
        self.low = matrix_DYX.dtype
        self.each = [products.Repeated(matrix_YX, rows) for matrix_YX in matrix_DYX]

    def __call__(self, rows_DBX: Tensor) -> Tensor:
        """x W^T, ``[D, B, Y]``, in the matrices' precision (lower than the rows' under autocast), as the rows' type."""
        low = rows_DBX.to(self.low)
        found = [matrix(rows) for matrix, rows in zip(self.each, low, strict=True)]
        return (found[0].unsqueeze(0) if len(found) == 1 else torch.stack(found)).to(rows_DBX.dtype)


Extra = Tensor | Matrices | None  # what a cell has besides: a vector, or a matrix that multiplies at each step


class CellStep(Protocol):
    """The element-wise part of one recurrence. Widths are in units of H."""

    gates: int
    joined: int
    parts: int
    kept: int
    multiplies: bool  # whether ``extra`` is a matrix

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: Extra) -> None:
        """Write ``new`` and ``kept``. ``extra``: b' of `Cudnn` ``[D, 1, H]``, the candidate's `Matrices` of `Paper`."""

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: Extra
    ) -> None:
        """Write ``d_x`` and ``d_p``, and change ``d_s`` from the new state's gradient to the carried one."""

    def extra_gradient(self, d_x: Tensor, d_p: Tensor, kept: Tensor, low: torch.dtype) -> Tensor | None:
        """The gradient of ``extra`` from all steps, ``[directions, steps, rows, width]``; products in ``low``."""


class Cudnn:
    """r, z = σ(x + p); n = tanh(x + r ∘ (p + b')); s = (1 - z) ∘ n + z ∘ s. Blocks r, z, n; keeps r, z, n, p + b'."""

    gates, joined, parts, kept, multiplies = 3, 3, 1, 4, False

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: Extra) -> None:
        assert isinstance(extra, Tensor)
        size = s.shape[-1]
        rz = kept[..., : 2 * size]
        r, z, n, inner = kept.chunk(4, dim=-1)
        torch.add(x[..., : 2 * size], p[..., : 2 * size], out=rz).sigmoid_()
        torch.add(p[..., 2 * size :], extra, out=inner)
        torch.addcmul(x[..., 2 * size :], r, inner, out=n).tanh_()
        torch.lerp(n, s, z, out=new)

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: Extra
    ) -> None:
        size = s.shape[-1]
        r, z, n, inner = kept.chunk(4, dim=-1)
        d_r, d_z, d_n = d_x.chunk(3, dim=-1)
        torch.sub(s, n, out=d_z).mul_(d_s)
        d_s_carried = d_s * z
        tanh_backward(d_s.sub_(d_s_carried), n, grad_input=d_n)
        torch.mul(d_n, inner, out=d_r)
        d_rz = d_x[..., : 2 * size]
        sigmoid_backward(d_rz, kept[..., : 2 * size], grad_input=d_rz)
        d_p[..., : 2 * size].copy_(d_rz)
        torch.mul(d_n, r, out=d_p[..., 2 * size :])
        d_s.copy_(d_s_carried)

    def extra_gradient(self, d_x: Tensor, d_p: Tensor, kept: Tensor, low: torch.dtype) -> Tensor | None:
        size = kept.shape[-1] // 4
        return d_p[..., 2 * size : 3 * size].sum(dim=(1, 2), dtype=kept.dtype).unsqueeze(1)


class Lstm:
    """i, f, g, o = σ, σ, tanh, σ (x + p); m = f ∘ m + i ∘ g; s = o ∘ tanh(m). Keeps i, f, g, o, tanh(m)."""

    gates, joined, parts, kept, multiplies = 4, 4, 2, 5, False

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: Extra) -> None:
        size = kept.shape[-1] // 5
        gates, tanh_m = kept[..., : 4 * size], kept[..., 4 * size :]
        torch.add(x, p, out=gates)
        i, f, g, o = gates.chunk(4, dim=-1)
        gates[..., : 2 * size].sigmoid_()
        g.tanh_()
        o.sigmoid_()
        m = new[..., size:]
        torch.mul(f, s[..., size:], out=m).addcmul_(i, g)
        torch.tanh(m, out=tanh_m)
        torch.mul(o, tanh_m, out=new[..., :size])

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: Extra
    ) -> None:
        size = kept.shape[-1] // 5
        i, f, g, o, tanh_m = kept.chunk(5, dim=-1)
        d_i, d_f, d_g, d_o = d_x.chunk(4, dim=-1)
        d_visible, d_m = d_s.chunk(2, dim=-1)
        sigmoid_backward(d_visible * tanh_m, o, grad_input=d_o)
        d_m.add_(tanh_backward(d_visible * o, tanh_m))
        torch.mul(d_m, g, out=d_i)
        torch.mul(d_m, s[..., size:], out=d_f)
        d_if = d_x[..., : 2 * size]
        sigmoid_backward(d_if, kept[..., : 2 * size], grad_input=d_if)
        tanh_backward(d_m * i, g, grad_input=d_g)
        d_p.copy_(d_x)
        d_m.mul_(f)
        d_visible.zero_()

    def extra_gradient(self, d_x: Tensor, d_p: Tensor, kept: Tensor, low: torch.dtype) -> Tensor | None:
        return None


class Paper:
    """z, r = σ(x + p); c = tanh(x + U_c (r ∘ s)); s = (1 - z) ∘ s + z ∘ c. Blocks z, r, c; keeps z, r, c, r ∘ s.

    U_c ``[D, H, H]`` does not act on the state as it is, so its product is made here: ``extra`` multiplies by it
    forward, by its transpose backward.
    """

    gates, joined, parts, kept, multiplies = 3, 2, 1, 4, True

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: Extra) -> None:
        assert isinstance(extra, Matrices)
        size = s.shape[-1]
        z, r, c, reset = kept.chunk(4, dim=-1)
        torch.add(x[..., : 2 * size], p, out=kept[..., : 2 * size]).sigmoid_()
        torch.mul(r, s, out=reset)
        torch.add(x[..., 2 * size :], extra(reset), out=c).tanh_()
        torch.lerp(s, c, z, out=new)

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: Extra
    ) -> None:
        assert isinstance(extra, Matrices)
        size = s.shape[-1]
        z, r, c, _ = kept.chunk(4, dim=-1)
        d_z, d_r, d_c = d_x.chunk(3, dim=-1)
        torch.sub(c, s, out=d_z).mul_(d_s)
        d_candidate = d_s * z
        d_s.sub_(d_candidate)
        tanh_backward(d_candidate, c, grad_input=d_c)
        d_reset = extra(d_c)
        torch.mul(d_reset, s, out=d_r)
        d_s.addcmul_(d_reset, r)
        d_zr = d_x[..., : 2 * size]
        sigmoid_backward(d_zr, kept[..., : 2 * size], grad_input=d_zr)
        d_p.copy_(d_zr)

    def extra_gradient(self, d_x: Tensor, d_p: Tensor, kept: Tensor, low: torch.dtype) -> Tensor | None:
        size = kept.shape[-1] // 4
        d_c, reset = (part[..., -size:].flatten(1, 2).to(low) for part in (d_x, kept))
        return weight_gradients(d_c, reset)


def weight_gradients(d_DNY: Tensor, rows_DNX: Tensor) -> Tensor:
    """d^T x of each direction, ``[D, Y, X]``."""
    return torch.stack([products.weight_gradient(d, x) for d, x in zip(d_DNY, rows_DNX, strict=True)])
