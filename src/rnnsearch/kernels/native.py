"""The steps of `cells` and `attention` in native.c: the same equations, one pass over memory each."""

import torch
from torch import Tensor

from rnnsearch.kernels import attention, cells
from rnnsearch.kernels.compiled import call


def _rows(values: Tensor) -> tuple[int, int, int]:
    """``[directions, rows, width]`` as native.c takes it: the numbers of a row lie together."""
    assert values.stride(2) == 1 or values.shape[2] == 1
    return values.data_ptr(), values.stride(0), values.stride(1)


class Cudnn(cells.Cudnn):
    """`cells.Cudnn`, compiled."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: Tensor | None) -> None:
        assert extra is not None
        bias = extra.contiguous()
        call(
            "cudnn_forward", *s.shape, *_rows(x), *_rows(p), *_rows(s), *_rows(new), *_rows(kept),
            bias.data_ptr(), bias.shape[-1],
        )  # fmt: skip

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: Tensor | None
    ) -> None:
        call("cudnn_backward", *s.shape, *_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x), *_rows(d_p))


class Lstm(cells.Lstm):
    """`cells.Lstm`, compiled."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: Tensor | None) -> None:
        sizes = (*s.shape[:2], s.shape[2] // 2)
        call("lstm_forward", *sizes, *_rows(x), *_rows(p), *_rows(s), *_rows(new), *_rows(kept))

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: Tensor | None
    ) -> None:
        sizes = (*s.shape[:2], s.shape[2] // 2)
        call("lstm_backward", *sizes, *_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x), *_rows(d_p))


class Paper(cells.Paper):
    """`cells.Paper`, compiled; the product with U_c stands between two halves."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: Tensor | None) -> None:
        assert extra is not None
        call("paper_reset", *s.shape, *_rows(x), *_rows(p), *_rows(s), *_rows(kept))
        u = cells.product(kept[..., 3 * s.shape[-1] :], extra.transpose(1, 2))
        call("paper_update", *s.shape, *_rows(x), *_rows(u), *_rows(s), *_rows(new), *_rows(kept))

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: Tensor | None
    ) -> None:
        assert extra is not None
        call("paper_update_backward", *s.shape, *_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x))
        u = cells.product(d_x[..., 2 * s.shape[-1] :], extra)
        rows = (*_rows(u), *_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x), *_rows(d_p))
        call("paper_reset_backward", *s.shape, *rows)


class Additive(attention.Additive):
    """`attention.Additive`, compiled. Keys, weights and what is kept are contiguous; a query's rows may lie apart."""

    def forward(self, query_BA: Tensor, weights_BS: Tensor, kept_BA: Tensor) -> None:
        assert weights_BS.is_contiguous()
        assert kept_BA.is_contiguous()
        assert query_BA.stride(1) == 1
        call(
            "additive_forward", len(query_BA), *self.E_BSA.shape[1:], query_BA.data_ptr(), query_BA.stride(0),
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
        assert d_query_BA.stride(1) == 1
        call(
            "additive_backward", len(kept_BA), *self.E_BSA.shape[1:], d_weights_BS.data_ptr(), weights_BS.data_ptr(),
            kept_BA.data_ptr(), self.E_BSA.data_ptr(), self.v_A.data_ptr(), d_energies_BS.data_ptr(),
            d_query_BA.data_ptr(), d_query_BA.stride(0), d_keys_BSA.data_ptr(), d_v_BA.data_ptr(),
        )  # fmt: skip

    def gradients(
        self, d_energies_TBS: Tensor, kept_TBA: Tensor, sums: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor | None]:
        d_keys_BSA, d_v_BA = sums
        return d_keys_BSA.mul_(4.0 * self.v_A), -2.0 * d_v_BA.sum(0)


def mix_forward(weights_BS: Tensor, values_BSX: Tensor, x_BX: Tensor) -> Tensor:
    """x + Σ_j α_j value_j."""
    out_BX = torch.empty_like(x_BX)
    sizes = (*weights_BS.shape, values_BSX.shape[2])
    call("mix_forward", *sizes, weights_BS.data_ptr(), values_BSX.data_ptr(), x_BX.data_ptr(), out_BX.data_ptr())
    return out_BX


def mix_backward(d_out_BX: Tensor, values_BSX: Tensor, d_weights_BS: Tensor) -> None:
    """Add the weights' gradient, d_out · value_j."""
    sizes = (*d_weights_BS.shape, values_BSX.shape[2])
    call("mix_backward", *sizes, d_out_BX.data_ptr(), values_BSX.data_ptr(), d_weights_BS.data_ptr())
