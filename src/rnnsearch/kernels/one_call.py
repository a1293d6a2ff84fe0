"""All steps of a recurrence in one call of native.c, where `loops` makes several calls a step.

Rows need nothing of each other, so a thread takes a few of them through all steps: their sources stay in its own cache,
and no thread waits for another at each step.
"""

import torch
from torch import Tensor

from rnnsearch.kernels import attention, native
from rnnsearch.kernels.attention import MakeStep
from rnnsearch.kernels.cells import CellStep
from rnnsearch.kernels.compiled import LOW, call, in_panels, multiplies_low, packed
from rnnsearch.kernels.loops import Back, Run

MOST_THREADS = 8  # of more, some would be without rows; libraries share out the columns of a product
SMALL = 2**17  # numbers of a matrix whose products take less than a call, however many threads there are
CELLS = {native.Cudnn: 0, native.Lstm: 1, native.Paper: 2}  # by their numbers in native.c


def serves(cell: CellStep, make: MakeStep | None, low: torch.dtype, numbers: int) -> bool:
    """Whether all steps go at once: compiled ones, with products in ``low``; ``numbers`` of a matrix."""
    fit = torch.get_num_threads() <= MOST_THREADS or numbers <= SMALL
    fit = fit and type(cell) in CELLS and make in (None, native.Additive)
    return fit and (low == torch.float32 or (low == LOW and multiplies_low()))


def forward(run: Run, x_DTBG: Tensor) -> None:
    """As `loops.forward`."""
    asked: tuple[int | float | None, ...] = (0, 0, None, None, None, 0.0, None, None, None)
    if run.source is not None:
        step, source = _additive(run), run.source
        read, written = (step.E_BSA, step.v_A, step.padding_BS), (source.gates_BSG, source.weights_TBS, source.kept_TBA)
        asked = (*step.E_BSA.shape[1:], *map(_pointer, read), attention.LIMIT, *map(_pointer, written))
    cell, steps, rows, size = _sizes(run)
    room = run.kept.new_empty(rows * (x_DTBG.shape[3] + in_panels(run.weight_DQH.shape[1]) + in_panels(size) + size))
    active = _active(run)
    for direction, x_TBG in enumerate(x_DTBG):
        weight, extra = packed(run.weight_DQH[direction]), _extra(run, direction)
        seen, states, kept = (part[direction] for part in (run.lows_DUBH, run.states_DUBP, run.kept))
        call(
            "recurrence_forward", cell, steps, rows, size, _pointer(active), *_either(x_TBG), _pointer(weight),
            _query(run), _pointer(extra), *_either(seen), *_rows(states), *_rows(kept), *asked, _pointer(room),
        )  # fmt: skip


def backward(run: Run, back: Back) -> None:
    """As `loops.backward`."""
    d_states_DUBH, d_weights_TBS = (
        None if given is None else given.contiguous() for given in (back.d_states_DUBH, back.d_weights_TBS)
    )
    asked: tuple[int | None, ...] = (0, 0, *[None] * 9)
    if run.source is not None:
        step, source = _additive(run), run.source
        read = (step.E_BSA, step.v_A, source.gates_BSG, source.weights_TBS, source.kept_TBA, d_weights_TBS)
        asked = (*step.E_BSA.shape[1:], *map(_pointer, (*read, back.d_energies_TBS, *back.sums)))
    cell, steps, rows, size = _sizes(run)
    room = run.kept.new_empty(rows * (in_panels(size) + sum(_additive(run).E_BSA.shape[1:] if run.source else ())))
    active = _active(run)
    for direction, d_s_BP in enumerate(back.d_s_DBP):
        weight, extra = packed(run.weight_DQH[direction].T), _extra(run, direction, back=True)
        d_states = _either(None if d_states_DUBH is None else d_states_DUBH[direction])
        states, kept, d_x, d_p = (part[direction] for part in (run.states_DUBP, run.kept, back.d_x, back.d_p))
        call(
            "recurrence_backward", cell, steps, rows, size, _pointer(active), *d_states, d_s_BP.data_ptr(),
            d_s_BP.stride(0), *_rows(states), *_rows(kept), *_either(d_x), *_either(d_p), _pointer(weight), _query(run),
            _pointer(extra), *asked, _pointer(room),
        )  # fmt: skip


def _additive(run: Run) -> native.Additive:
    assert run.source is not None
    assert isinstance(run.source.step, native.Additive)
    return run.source.step


def _sizes(run: Run) -> tuple[int, int, int, int]:
    """Cell, steps, rows, H."""
    return CELLS[type(run.cell)], len(run.active), run.kept.shape[2], run.lows_DUBH.shape[-1]


def _query(run: Run) -> int:
    """The rows of W_a in the matrix."""
    return run.weight_DQH.shape[1] - run.cell.joined * run.lows_DUBH.shape[-1]


def _active(run: Run) -> Tensor:
    return torch.tensor(run.active, dtype=torch.int64)


def _rows(values: Tensor) -> tuple[int, int, int]:
    """Numbers ``[T, B, width]`` as native.c takes them."""
    assert values.stride(2) == 1 or values.shape[2] == 1
    return values.data_ptr(), values.stride(0), values.stride(1)


def _either(values: Tensor | None) -> tuple[int | None, int, int, int]:
    """The same of float32 or bfloat16; or none."""
    return (None, 0, 0, 0) if values is None else (*_rows(values), values.dtype == LOW)


def _pointer(values: Tensor | None) -> int | None:
    assert values is None or values.is_contiguous()
    return None if values is None else values.data_ptr()


def _extra(run: Run, direction: int, *, back: bool = False) -> Tensor | None:
    """The cell's vector, or its matrix packed, for the way back transposed."""
    if run.extra is None:
        return None
    extra = run.extra[direction]
    if not run.cell.multiplies:
        return extra.contiguous()
    low = extra.to(run.weight_DQH.dtype)
    return packed(low.T if back else low)
