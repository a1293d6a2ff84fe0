import math

import pytest
import torch
from torch import Tensor

from rnnsearch.kernels import energies
from rnnsearch.kernels.energies import LARGEST, additive_energies, exponentials

NEAR = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2**-7}


def given(dtype: torch.dtype, *, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and v of 7 sentences with 3 queries and 5 keys, within the range in which nothing is cut."""
    generator = torch.Generator().manual_seed(0)
    shapes = (7, 3, 11), (7, 5, 11), (11,)
    queries_BKA, keys_BSA, v_A = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    largest = LARGEST.get(dtype, 32.0)
    return (*((scale * part).clamp(-largest, largest).to(dtype) for part in (queries_BKA, keys_BSA)), v_A.to(dtype))


def with_tanh(queries_BKA: Tensor, keys_BSA: Tensor, v_A: Tensor) -> Tensor:
    sums_BKSA = queries_BKA.double().unsqueeze(2) + keys_BSA.double().unsqueeze(1)
    return torch.tanh(sums_BKSA) @ v_A.double()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("dtype", NEAR)
def test_equals_tanh_in_float64(dtype: torch.dtype, scale: float) -> None:
    queries_BKA, keys_BSA, v_A = given(dtype, scale=scale)
    got_BKS = additive_energies(queries_BKA, exponentials(keys_BSA), v_A)
    assert got_BKS.dtype == dtype
    expected_BKS = with_tanh(queries_BKA, keys_BSA, v_A)
    torch.testing.assert_close(got_BKS.double(), expected_BKS, atol=NEAR[dtype], rtol=NEAR[dtype])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("query", "key"), [(1e30, 1e30), (-1e30, -1e30), (1e30, 0.0), (0.0, -1e30), (60.0, -5.0)])
def test_extremes_are_the_limits(dtype: torch.dtype, query: float, key: float) -> None:
    query_111, key_111 = (torch.tensor([[[value]]], dtype=dtype) for value in (query, key))
    got = additive_energies(query_111, exponentials(key_111), torch.ones(1, dtype=dtype))
    assert got.item() == math.tanh(query + key)


def test_what_is_no_number_stays_none() -> None:
    query_111 = torch.full((1, 1, 1), math.nan)
    assert additive_energies(query_111, exponentials(torch.ones(1, 1, 1)), torch.ones(1)).isnan().all()


@pytest.mark.parametrize("at_once", [1, 3 * 5 * 11 * 2, 2**22])
def test_how_many_sentences_are_taken_together_changes_nothing(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    queries_BKA, keys_BSA, v_A = given(torch.float64, scale=1.0)
    monkeypatch.setitem(energies.AT_ONCE, "cpu", at_once)
    got_BKS = additive_energies(queries_BKA, exponentials(keys_BSA), v_A)
    torch.testing.assert_close(got_BKS, with_tanh(queries_BKA, keys_BSA, v_A), atol=1e-12, rtol=0)


def test_one_query_may_serve_all_sentences() -> None:
    queries_BKA, keys_BSA, v_A = given(torch.float64, scale=1.0)
    got_B1S = additive_energies(queries_BKA[:1, :1], exponentials(keys_BSA), v_A)
    torch.testing.assert_close(got_B1S, with_tanh(queries_BKA[:1, :1], keys_BSA, v_A), atol=1e-12, rtol=0)


def test_autocast_does_not_reach_in() -> None:
    queries_BKA, keys_BSA, v_A = given(torch.float32, scale=1.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got_BKS = additive_energies(queries_BKA, exponentials(keys_BSA), v_A)
    torch.testing.assert_close(got_BKS.double(), with_tanh(queries_BKA, keys_BSA, v_A), atol=1e-5, rtol=0)
