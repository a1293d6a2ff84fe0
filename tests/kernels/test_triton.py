"""Triton's steps against the ones made of torch's operations, and what happens where there is no Triton.

Without a GPU they run in Triton's interpreter; without Triton, which torch's builds for CPUs leave out, not at all.
"""

import logging
import sys

import pytest
import torch

from rnnsearch.kernels import choice
from rnnsearch.kernels.cells import CellStep, Cudnn, Lstm, Paper

from .test_native import SHAPES, outcome

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> choice.Steps:
    """Triton's steps, serving on any device."""
    pytest.importorskip("triton", reason="Triton is not installed; torch brings it for GPUs alone")
    from rnnsearch.kernels import triton_steps

    found = choice._steps(triton_steps, any_values=True)
    monkeypatch.setattr(choice, "_serving", lambda like: found)
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", [None, "additive", "product"])
@pytest.mark.parametrize("cell", [Cudnn(), Lstm(), Paper()], ids=lambda cell: type(cell).__name__)
def test_triton_s_steps_are_equal(
    cell: CellStep, kind: str | None, shape: tuple[int, ...], steps: choice.Steps
) -> None:
    ours, theirs = (outcome(cell, kind, shape, compiled=compiled, device=DEVICE) for compiled in (True, False))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * max(1.0, float(b.abs().max())))


@pytest.mark.parametrize("cell", [Cudnn(), Lstm(), Paper()], ids=lambda cell: type(cell).__name__)
def test_triton_s_steps_take_lower_precision(cell: CellStep, steps: choice.Steps) -> None:
    """Under autocast inputs and annotations come in bfloat16; the form made of torch's operations rounds more."""
    options = {"low": torch.bfloat16, "device": DEVICE}
    exact = outcome(cell, "additive", SHAPES[2], compiled=False, device=DEVICE)
    ours = outcome(cell, "additive", SHAPES[2], compiled=True, **options)
    for a, b in zip(ours, exact, strict=True):
        assert torch.cosine_similarity(a.flatten().float(), b.flatten(), dim=0) > 0.995


@pytest.mark.parametrize("value", [-60.0, -8.0, 0.0, 1e-4, 8.0, 60.0])
def test_triton_s_weights_are_those_of_tanh(value: float, steps: choice.Steps) -> None:
    keys_BSA = torch.tensor([[[value, 0.2], [0.1, -value], [-0.5, 0.4]]], device=DEVICE)
    v_A, padding_BS = torch.tensor([1.5, -0.5], device=DEVICE), torch.tensor([[0.0, 0.0, -torch.inf]], device=DEVICE)
    weights_BS, kept_BA = torch.empty(1, 3, device=DEVICE), torch.empty(1, 2, device=DEVICE)
    query_BA = torch.tensor([[0.7, value / 2]], device=DEVICE)
    steps.additive(keys_BSA, v_A, padding_BS).forward(query_BA, weights_BS, kept_BA)
    expected_BS = (torch.tanh(query_BA.unsqueeze(1) + keys_BSA) @ v_A + padding_BS).softmax(-1)
    torch.testing.assert_close(weights_BS, expected_BS, rtol=0, atol=1e-6)


def test_without_triton_one_line_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "rnnsearch.kernels.triton_steps", raising=False)
    choice.on_gpu.cache_clear()
    try:
        with caplog.at_level(logging.INFO, logger="rnnsearch"):
            assert choice.on_gpu() is None
            assert choice.on_gpu() is None
    finally:
        monkeypatch.undo()
        choice.on_gpu.cache_clear()
    assert len(caplog.records) == 1
    assert "Triton's can't be had" in caplog.text
    assert "triton" in caplog.text.lower().replace("triton's", "")
