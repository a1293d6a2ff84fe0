"""The kernels against numerical derivatives; that they compute the oracle's equations is shown in tests/model."""

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from rnnsearch.kernels import recurrence
from rnnsearch.kernels.all_steps import additive_weights
from rnnsearch.kernels.attention import Additive, Product, Scoring
from rnnsearch.kernels.cells import CellStep, Cudnn, Lstm, Paper
from rnnsearch.kernels.recurrence import Attended, recur

B, T, S, H, A = 4, 3, 5, 3, 2
CELLS: list[CellStep] = [Cudnn(), Lstm(), Paper()]
every_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: type(cell).__name__)
# Along random directions, or each number alone.
both_ways = pytest.mark.parametrize("fast_mode", [True, pytest.param(False, marks=pytest.mark.slow)])
every_fall = pytest.mark.parametrize("active", [(4, 4, 4), (4, 3, 1), (2, 1)], ids=str)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def given(cell: CellStep, directions: int) -> list[Tensor]:
    """Inputs, first state, U and what else the cell has."""
    torch.manual_seed(0)
    extra = {Cudnn: [drawn(directions, 1, H)], Paper: [drawn(directions, H, H)], Lstm: []}[type(cell)]
    inputs, start = drawn(directions, T, B, cell.gates * H), drawn(directions, B, cell.parts * H)
    return [inputs, start, drawn(directions, cell.joined * H, H), *extra]


@both_ways
@every_fall
@every_cell
@pytest.mark.parametrize("directions", [1, 2])
def test_gradcheck_without_a_source(cell: CellStep, directions: int, active: Sequence[int], fast_mode: bool) -> None:
    def states(inputs: Tensor, start: Tensor, joined: Tensor, extra: Tensor | None = None) -> Tensor:
        return recur(cell, inputs, start, joined, extra, active, compiled=False)[0]

    assert torch.autograd.gradcheck(states, given(cell, directions), fast_mode=fast_mode)


def scoring(kind: str, weights: Sequence[Tensor]) -> Scoring:
    if kind == "additive":
        return Scoring(Additive, weights[0], weights[1])
    return Scoring(Product, weights[0] if weights else None, None)


@both_ways
@every_fall
@every_cell
@pytest.mark.parametrize("kind", ["additive", "query", "dot"])
def test_gradcheck_with_a_source(cell: CellStep, kind: str, active: Sequence[int], fast_mode: bool) -> None:
    basic = given(cell, 1)
    padding_BS = torch.zeros(B, S, dtype=torch.float64)
    padding_BS[1, 3:] = padding_BS[2, 1:] = -torch.inf
    source = [drawn(B, S, H if kind == "dot" else A), drawn(B, S, cell.gates * H)]
    weights = {"additive": [drawn(A, H), drawn(A)], "query": [drawn(A, H)], "dot": []}[kind]

    def outcome(*values: Tensor) -> tuple[Tensor, Tensor | None]:
        first, (keys, gates), rest = values[: len(basic)], values[len(basic) :][:2], values[len(basic) + 2 :]
        extra = first[3] if len(first) > 3 else None
        attended = Attended(scoring(kind, rest), padding_BS, keys, gates)
        return recur(cell, *first[:3], extra, active, attended, compiled=False)

    assert torch.autograd.gradcheck(outcome, [*basic, *source, *weights], fast_mode=fast_mode)


@every_cell
def test_rows_that_have_ended_are_zero(cell: CellStep) -> None:
    inputs, start, joined, *extra = given(cell, 1)
    states, _ = recur(cell, inputs, start, joined, extra[0] if extra else None, (4, 2, 1), compiled=False)
    assert [int(rows) for rows in (states[0].abs().sum(-1) > 0).sum(-1)] == [4, 4, 2, 1]


@pytest.mark.parametrize(("query", "key"), list(itertools.product([-60.0, -15.0, 0.0, 0.3, 15.0, 60.0], repeat=2)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_additive_weights_are_those_of_tanh_at_extremes_too(query: float, key: float, dtype: torch.dtype) -> None:
    """Unless both are beyond the limit and cancel, which nothing but a weight of 60 can bring about."""
    if min(abs(query), abs(key)) > 40 and query == -key:
        return
    keys_BSA = torch.tensor([[[key], [0.1]]], dtype=dtype)
    step = Additive(keys_BSA, torch.tensor([1.5], dtype=dtype), torch.zeros(1, 2, dtype=dtype))
    weights_BS, kept_BA = torch.empty(1, 2, dtype=dtype), torch.empty(1, 1, dtype=dtype)
    step.forward(torch.tensor([[query]], dtype=dtype), weights_BS, kept_BA)
    expected_BS = (1.5 * torch.tanh(query + keys_BSA.squeeze(-1))).softmax(-1)
    torch.testing.assert_close(weights_BS, expected_BS, rtol=0, atol=1e-12 if dtype == torch.float64 else 1e-6)


def test_gradients_of_gradients_are_refused() -> None:
    cell = Cudnn()
    values = given(cell, 1)
    states, _ = recur(cell, *values, (B,) * T, compiled=False)
    with pytest.raises(RuntimeError, match="no second derivative; use kernels=plain"):
        torch.autograd.grad(states.sum(), values[0], create_graph=True)


@pytest.mark.parametrize("active", [(4, 4, 4), (4, 3, 1), (2, 1)], ids=str)
def test_rows_may_go_in_parts(active: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """As they do where their sources are more than a cache holds."""
    cell = Cudnn()

    def outcome() -> list[Tensor]:
        basic = given(cell, 1)
        source = [drawn(B, S, A), drawn(B, S, cell.gates * H)]
        attended = Attended(scoring("additive", [drawn(A, H), drawn(A)]), torch.zeros(B, S), *source)
        states, weights = recur(cell, *basic, active, attended, compiled=False)
        assert weights is not None
        (states.sin().sum() + weights.cos().sum()).backward()
        leaves = [*basic, *source, attended.scoring.query_AH, attended.scoring.v_A]
        return [states, weights, *(leaf.grad for leaf in leaves if leaf is not None and leaf.grad is not None)]

    whole = outcome()
    monkeypatch.setattr(recurrence, "CACHE", 1)
    monkeypatch.setattr(recurrence, "LEAST_ROWS", 1)
    in_parts = outcome()
    assert recurrence._parts_of_rows(4, None) == [4]
    assert len(whole) == len(in_parts) == 10
    for a, b in zip(whole, in_parts, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@both_ways
def test_gradcheck_of_the_weights_of_all_steps(fast_mode: bool) -> None:
    torch.manual_seed(0)
    padding_BS = torch.zeros(B, S, dtype=torch.float64)
    padding_BS[1, 3:] = padding_BS[2, 1:] = -torch.inf
    given = [drawn(T, B, A), drawn(B, S, A), drawn(A)]

    def weights(queries: Tensor, keys: Tensor, v: Tensor) -> Tensor:
        return additive_weights(queries, keys, v, padding_BS, compiled=False)

    assert torch.autograd.gradcheck(weights, given, fast_mode=fast_mode)
    with pytest.raises(RuntimeError, match="no second derivative; use kernels=plain"):
        torch.autograd.grad(weights(*given)[0, 0, 0], given[0], create_graph=True)
