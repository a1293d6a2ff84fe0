"""The steps of `cells` and `attention` in native.c: the same equations, one pass over memory each.

What products read and write, x, p, their gradients, queries and mixed values, may lie in bfloat16.
"""

import torch
from torch import Tensor

from rnnsearch.kernels import attention, cells
from rnnsearch.kernels.compiled import LOW, call


def _floats(values: Tensor) -> tuple[int, int, int]:
    """``[directions or steps, rows, width]`` as native.c takes it: the numbers of a row lie together."""
    assert values.stride(2) == 1 or values.shape[2] == 1
    return values.data_ptr(), values.stride(0), values.stride(1)


def _either(values: Tensor) -> tuple[int, int, int, int]:
    """The same of float32 or bfloat16."""
    return (*_floats(values), values.dtype == LOW)


def _steps(values: Tensor) -> Tensor:
    """``[T, B, ...]`` of one step's or of several."""
    return values if values.dim() == 3 else values.unsqueeze(0)


class Cudnn(cells.Cudnn):
    """`cells.Cudnn`, compiled."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: cells.Extra) -> None:
        assert isinstance(extra, Tensor)
        bias = extra.contiguous()
        call(
            "cudnn_forward", *s.shape, *_either(x), *_either(p), *_floats(s), *_floats(new), *_floats(kept),
            bias.data_ptr(), bias.shape[-1],
        )  # fmt: skip

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: cells.Extra
    ) -> None:
        call("cudnn_backward", *s.shape, *_floats(d_s), *_floats(s), *_floats(kept), *_either(d_x), *_either(d_p))


class Lstm(cells.Lstm):
    """`cells.Lstm`, compiled."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: cells.Extra) -> None:
        sizes = (*s.shape[:2], s.shape[2] // 2)
        call("lstm_forward", *sizes, *_either(x), *_either(p), *_floats(s), *_floats(new), *_floats(kept))

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: cells.Extra
    ) -> None:
        sizes = (*s.shape[:2], s.shape[2] // 2)
        call("lstm_backward", *sizes, *_floats(d_s), *_floats(s), *_floats(kept), *_either(d_x), *_either(d_p))


class Paper(cells.Paper):
    """`cells.Paper`, compiled; the product with U_c stands between two halves."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: cells.Extra) -> None:
        assert isinstance(extra, cells.Matrices)
        call("paper_reset", *s.shape, *_either(x), *_either(p), *_floats(s), *_floats(kept))
        u = extra(kept[..., 3 * s.shape[-1] :])
        call("paper_update", *s.shape, *_either(x), *_either(u), *_floats(s), *_floats(new), *_floats(kept))

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: cells.Extra
    ) -> None:
        assert isinstance(extra, cells.Matrices)
        call("paper_update_backward", *s.shape, *_floats(d_s), *_floats(s), *_floats(kept), *_either(d_x))
        u = extra(d_x[..., 2 * s.shape[-1] :])
        rows = (*_either(u), *_floats(d_s), *_floats(s), *_floats(kept), *_either(d_x), *_either(d_p))
        call("paper_reset_backward", *s.shape, *rows)


class Additive(attention.Additive):
    """`attention.Additive`, compiled. Keys, weights and what is kept are contiguous; a query's rows may lie apart."""

    takes_many = True

    def forward(self, query_BA: Tensor, weights_BS: Tensor, kept_BA: Tensor) -> None:
        assert weights_BS.is_contiguous()
        assert kept_BA.is_contiguous()
        query_TBA = _steps(query_BA)
        call(
            "additive_forward", *query_TBA.shape[:2], *self.E_BSA.shape[1:], *_either(query_TBA),
            self.E_BSA.data_ptr(), self.v_A.data_ptr(), self.padding_BS.data_ptr(), attention.LIMIT,
            weights_BS.data_ptr(), kept_BA.data_ptr(),
        )  # fmt: skip

    def sums(self) -> tuple[Tensor, ...]:
        return torch.zeros_like(self.E_BSA), torch.zeros_like(self.E_BSA[:, 0])  # a row of v's gradient a sentence

    def backward(
        self,
        d_weights_BS: Tensor,
        weights_BS: Tensor,
        kept_BA: Tensor,
        d_energies_BS: Tensor,
        d_query_BA: Tensor,
        sums: tuple[Tensor, ...],
    ) -> None:
        d_keys_BSA, d_v_BA = sums
        assert d_weights_BS.is_contiguous()
        d_query_TBA = _steps(d_query_BA)
        call(
            "additive_backward", *d_query_TBA.shape[:2], *self.E_BSA.shape[1:], d_weights_BS.data_ptr(),
            weights_BS.data_ptr(), kept_BA.data_ptr(), self.E_BSA.data_ptr(), self.v_A.data_ptr(),
            d_energies_BS.data_ptr(), *_either(d_query_TBA), d_keys_BSA.data_ptr(), d_v_BA.data_ptr(),
        )  # fmt: skip

    def gradients(
        self, d_energies_TBS: Tensor, kept_TBA: Tensor, sums: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor | None]:
        d_keys_BSA, d_v_BA = sums
        return d_keys_BSA.mul_(4.0 * self.v_A), -2.0 * d_v_BA.sum(0)


def mix_forward(weights_BS: Tensor, values_BSX: Tensor, x_BX: Tensor) -> Tensor:
    """x + Σ_j α_j value_j, in float32."""
    assert x_BX.is_contiguous()
    assert values_BSX.is_contiguous()
    out_BX = torch.empty_like(x_BX, dtype=weights_BS.dtype)
    sizes = (*weights_BS.shape, values_BSX.shape[2])
    call(
        "mix_forward", *sizes, weights_BS.data_ptr(), values_BSX.data_ptr(), values_BSX.dtype == LOW, x_BX.data_ptr(),
        x_BX.dtype == LOW, out_BX.data_ptr(),
    )  # fmt: skip
    return out_BX


def mix_backward(d_out_BX: Tensor, values_BSX: Tensor, d_weights_BS: Tensor) -> None:
    """Add the weights' gradient, d_out · value_j."""
    assert d_out_BX.is_contiguous()
    sizes = (*d_weights_BS.shape, values_BSX.shape[2])
    call(
        "mix_backward", *sizes, d_out_BX.data_ptr(), d_out_BX.dtype == LOW, values_BSX.data_ptr(),
        values_BSX.dtype == LOW, d_weights_BS.data_ptr(),
    )  # fmt: skip
