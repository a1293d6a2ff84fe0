"""Which form of a step serves: compiled for the processor, Triton's on a GPU, or else torch's operations.

All forms compute the same; single precision alone has forms of its own.
"""

import importlib
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from rnnsearch.kernels import attention, cells, compiled, native

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Steps:
    """The steps of one form. ``any_values``: it mixes values of any lower precision, not of bfloat16 alone."""

    cells: dict[type[cells.CellStep], cells.CellStep]
    additive: attention.MakeStep
    mixing: attention.Mixing
    any_values: bool


def _steps(form: Any, *, any_values: bool) -> Steps:
    """Those of a module that has them under the usual names."""
    table: dict[type[cells.CellStep], cells.CellStep] = {
        cells.Cudnn: form.Cudnn(),
        cells.Lstm: form.Lstm(),
        cells.Paper: form.Paper(),
    }
    return Steps(table, form.Additive, attention.Mixing(form.mix_forward, form.mix_backward), any_values)


_NATIVE = _steps(native, any_values=False)


@cache
def on_gpu() -> Steps | None:
    """Triton's steps, or None, with a line in the log, where they can't be had."""
    try:
        form = importlib.import_module("rnnsearch.kernels.triton_steps")
        one = torch.ones(1, 1, 1, device="cuda")
        form.Additive(one, one[0, 0], one[0]).forward(one[0], one[0].clone(), one[0].clone())
    except Exception as error:  # an import, a compiler, a driver: Triton's own errors have no common base
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        logger.info("kernels of torch's operations serve, for Triton's can't be had: %s", reason)
        return None
    return _steps(form, any_values=True)


def _serving(like: Tensor) -> Steps | None:
    """The form for tensors like ``like``; None for torch's operations."""
    if compiled.serves(like):
        return _NATIVE
    return on_gpu() if like.device.type == "cuda" and like.dtype == torch.float32 else None


def cell_step(step: cells.CellStep, like: Tensor) -> cells.CellStep:
    """The form of a cell's step that serves tensors like ``like``."""
    steps = _serving(like)
    return step if steps is None else steps.cells[type(step)]


def scoring_step(step: attention.MakeStep, like: Tensor) -> attention.MakeStep:
    """The form of an attention's step that serves tensors like ``like``."""
    steps = _serving(like)
    return step if steps is None or step is not attention.Additive else steps.additive


def mixing(like: Tensor, values: torch.dtype) -> attention.Mixing:
    """The form of mixing that serves weights like ``like`` and values of a type."""
    steps = _serving(like)
    if steps is None or not (steps.any_values or values in (like.dtype, compiled.LOW)):
        return attention.MIXING
    return steps.mixing


def keeps_low(like: Tensor, low: torch.dtype) -> bool:
    """Whether the steps for tensors like ``like`` read and write what products take and give, in the type ``low``."""
    return low == compiled.LOW and compiled.serves(like)


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """Kept out of torch.compile, which does not see what compiled steps write. Its import, of a second, is not ours."""
    if "torch._dynamo" not in sys.modules:
        return function
    return torch.compiler.disable(function)  # type: ignore[no-untyped-call, no-any-return]  # torch gives it no types
