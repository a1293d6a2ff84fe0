"""The steps of `cells` and `attention` on a GPU: the programs of `triton_programs`, in the place of torch's operations.

As with `native`, a step is one pass over memory, and here one launch. What a backward step could only add up in memory,
the gradients of the keys, is left to one program after the loop that computes the energies once more.
"""

import torch
from torch import Tensor
from triton import cdiv, next_power_of_2

from rnnsearch.kernels import attention, cells
from rnnsearch.kernels import triton_programs as programs

TILE = 4096  # numbers of a program's tile of keys: 32 registers a thread
POSITIONS, WIDTH = 16, 128  # the tile of a program that need not see all positions
BLOCK = 256  # numbers of a program of a cell


def _rows(values: Tensor) -> tuple[Tensor, int, int]:
    """``[directions, rows, width]`` as the programs take it."""
    assert values.stride(2) == 1 or values.shape[2] == 1
    return values, values.stride(0), values.stride(1)


def _grid(s: Tensor, size: int) -> tuple[int, int]:
    return s.shape[0] * s.shape[1], cdiv(size, BLOCK)


class Cudnn(cells.Cudnn):
    """`cells.Cudnn` as one program."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: cells.Extra) -> None:
        assert isinstance(extra, Tensor)
        rows, size = s.shape[1:]
        views = (*_rows(x), *_rows(p), *_rows(s), *_rows(new), *_rows(kept))
        programs.cudnn_forward[_grid(s, size)](*views, extra.contiguous(), rows, size, BLOCK=BLOCK)

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: cells.Extra
    ) -> None:
        rows, size = s.shape[1:]
        views = (*_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x), *_rows(d_p))
        programs.cudnn_backward[_grid(s, size)](*views, rows, size, BLOCK=BLOCK)


class Lstm(cells.Lstm):
    """`cells.Lstm` as one program."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: cells.Extra) -> None:
        rows, size = s.shape[1], s.shape[2] // 2
        views = (*_rows(x), *_rows(p), *_rows(s), *_rows(new), *_rows(kept))
        programs.lstm_forward[_grid(s, size)](*views, rows, size, BLOCK=BLOCK)

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: cells.Extra
    ) -> None:
        rows, size = s.shape[1], s.shape[2] // 2
        views = (*_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x), *_rows(d_p))
        programs.lstm_backward[_grid(s, size)](*views, rows, size, BLOCK=BLOCK)


class Paper(cells.Paper):
    """`cells.Paper` as two programs; the product with U_c stands between them."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: cells.Extra) -> None:
        assert isinstance(extra, cells.Matrices)
        rows, size = s.shape[1:]
        programs.paper_reset[_grid(s, size)](*_rows(x), *_rows(p), *_rows(s), *_rows(kept), rows, size, BLOCK=BLOCK)
        u = extra(kept[..., 3 * size :])
        views = (*_rows(x), *_rows(u), *_rows(s), *_rows(new), *_rows(kept))
        programs.paper_update[_grid(s, size)](*views, rows, size, BLOCK=BLOCK)

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: cells.Extra
    ) -> None:
        assert isinstance(extra, cells.Matrices)
        rows, size = s.shape[1:]
        views = (*_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x))
        programs.paper_update_backward[_grid(s, size)](*views, rows, size, BLOCK=BLOCK)
        u = extra(d_x[..., 2 * size :])
        programs.paper_reset_backward[_grid(s, size)](*_rows(u), *views, *_rows(d_p), rows, size, BLOCK=BLOCK)


class Additive(attention.Additive):
    """`attention.Additive` as one program a step. Keys, weights and what is kept are contiguous."""

    def __init__(self, keys_BSA: Tensor, v_A: Tensor | None, padding_BS: Tensor) -> None:
        super().__init__(keys_BSA, v_A, padding_BS)
        assert padding_BS.is_contiguous()
        positions = next_power_of_2(keys_BSA.shape[1])
        width = min(max(8, TILE // positions), next_power_of_2(keys_BSA.shape[2]))
        self.tile = {"BLOCK_S": positions, "BLOCK_A": width}

    def forward(self, query_BA: Tensor, weights_BS: Tensor, kept_BA: Tensor) -> None:
        assert weights_BS.is_contiguous()
        assert kept_BA.is_contiguous()
        assert query_BA.stride(1) == 1
        programs.additive_forward[(len(query_BA),)](
            query_BA, query_BA.stride(0), self.E_BSA, self.v_A, self.padding_BS, attention.LIMIT, weights_BS, kept_BA,
            *self.E_BSA.shape[1:], **self.tile,
        )  # fmt: skip

    def sums(self) -> tuple[Tensor, ...]:
        return ()

    def backward(
        self,
        d_weights_BS: Tensor,
        weights_BS: Tensor,
        kept_BA: Tensor,
        d_energies_BS: Tensor,
        d_query_BA: Tensor,
        sums: tuple[Tensor, ...],
    ) -> None:
        assert d_weights_BS.is_contiguous()
        assert d_query_BA.stride(1) == 1
        programs.additive_backward[(len(kept_BA),)](
            d_weights_BS, weights_BS, kept_BA, self.E_BSA, self.v_A, d_energies_BS, d_query_BA, d_query_BA.stride(0),
            *self.E_BSA.shape[1:], **self.tile,
        )  # fmt: skip

    def gradients(
        self, d_energies_TBS: Tensor, kept_TBA: Tensor, sums: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor | None]:
        rows, source, width = self.E_BSA.shape
        grid = (rows, cdiv(source, POSITIONS), cdiv(width, WIDTH))
        d_keys_BSA, d_v_PA = torch.empty_like(self.E_BSA), self.E_BSA.new_empty(rows * grid[1], width)
        programs.additive_gradients[grid](
            d_energies_TBS, kept_TBA, self.E_BSA, self.v_A, d_keys_BSA, d_v_PA, len(kept_TBA), rows, source, width,
            BLOCK_S=POSITIONS, BLOCK_A=WIDTH,
        )  # fmt: skip
        return d_keys_BSA, d_v_PA.sum(0)


def mix_forward(weights_BS: Tensor, values_BSX: Tensor, x_BX: Tensor) -> Tensor:
    """x + Σ_j α_j value_j. Values may be of lower precision."""
    (rows, source), width = weights_BS.shape, values_BSX.shape[2]
    assert weights_BS.is_contiguous()
    assert values_BSX.is_contiguous()
    assert x_BX.stride(1) == 1
    out_BX = x_BX.new_empty(x_BX.shape)
    programs.mix_forward[(rows, cdiv(width, WIDTH))](
        weights_BS, values_BSX, x_BX, x_BX.stride(0), out_BX, source, width, BLOCK_S=POSITIONS, BLOCK=WIDTH
    )
    return out_BX


def mix_backward(d_out_BX: Tensor, values_BSX: Tensor, d_weights_BS: Tensor) -> None:
    """Add the weights' gradient, d_out · value_j."""
    (rows, source), width = d_weights_BS.shape, values_BSX.shape[2]
    assert d_weights_BS.is_contiguous()
    assert values_BSX.is_contiguous()
    assert d_out_BX.stride(1) == 1
    programs.mix_backward[(rows, cdiv(source, POSITIONS))](
        d_out_BX, d_out_BX.stride(0), values_BSX, d_weights_BS, source, width, BLOCK_S=POSITIONS, BLOCK=WIDTH
    )
