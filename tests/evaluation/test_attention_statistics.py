"""Entropy, coverage and diagonality: worked examples, bounds, and sums over a corpus."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnsearch.evaluation.attention_statistics import AttentionStatistics, attention_statistics, attention_sums

LN2 = math.log(2)


def of_one(weights: object) -> AttentionStatistics:
    return attention_statistics([attention_sums(np.asarray(weights, dtype=float))])


@st.composite
def weights(draw: st.DrawFn) -> NDArray[np.float64]:
    """Rows that sum to at most 1, some to 0, as words have them once the end of sentence is left out."""
    targets, sources = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))
    rows = generator.dirichlet(np.full(sources + 1, 0.4), size=targets)[:, :-1]
    return rows * generator.integers(0, 2, size=(targets, 1))


def test_by_hand() -> None:
    # row 0: p = (1/2, 1/2, 0, 0), row 1: all on the last; middles of the targets at 1/4, 3/4, of the sources at
    # 1/8, 3/8, 5/8, 7/8: row 0 is 1/8 away on average, row 1 too
    found = of_one([[0.4, 0.4, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    assert found.entropy == pytest.approx((LN2 + 0) / 2)
    assert found.diagonality == pytest.approx(1 - 1 / 8)
    assert found.coverage == pytest.approx((0.4 + 0.4 + 0 + 1) / 4)


def test_a_token_is_covered_once() -> None:
    assert of_one([[1.0, 0.0], [0.7, 0.3]]).coverage == pytest.approx((1 + 0.3) / 2)


def test_the_diagonal_the_uniform_and_the_reverse() -> None:
    assert of_one(np.eye(5)) == AttentionStatistics(entropy=0.0, coverage=1.0, diagonality=1.0)
    uniform = of_one(np.full((400, 400), 1 / 400))
    assert uniform.entropy == pytest.approx(math.log(400))
    assert uniform.diagonality == pytest.approx(2 / 3, abs=1e-4)
    assert of_one(np.eye(400)[::-1]).diagonality == pytest.approx(1 / 2, abs=1e-4)


@given(weights())
def test_bounds(weights_TS: NDArray[np.float64]) -> None:
    found = of_one(weights_TS)
    assert 0 <= found.coverage <= 1
    if not weights_TS.any():
        assert found == AttentionStatistics(entropy=None, coverage=0.0, diagonality=None)
        return
    assert found.entropy is not None
    assert found.diagonality is not None
    assert -1e-12 <= found.entropy <= math.log(weights_TS.shape[1]) + 1e-12
    assert 0 <= found.diagonality <= 1 + 1e-12


@given(weights())
def test_a_row_without_weight_has_no_distribution(weights_TS: NDArray[np.float64]) -> None:
    sums = attention_sums(weights_TS)
    assert sums.targets == (weights_TS.sum(1) > 0).sum()
    loop = [
        sum(-p * math.log(p) for p in row / row.sum() if p > 0) for row in weights_TS if row.sum() > 0
    ]  # row by row, element by element
    assert sums.entropy == pytest.approx(sum(loop), abs=1e-9)


@given(st.lists(weights(), min_size=1, max_size=4))
def test_a_corpus_is_weighted_by_tokens(pairs: list[NDArray[np.float64]]) -> None:
    sums = [attention_sums(pair) for pair in pairs]
    found = attention_statistics(sums)
    covered = sum((np.minimum(1, pair.sum(0)).sum() for pair in pairs), 0.0)
    assert found.coverage == pytest.approx(covered / sum(pair.shape[1] for pair in pairs))
    twice = attention_statistics(sums * 2)
    for name in ("entropy", "coverage", "diagonality"):
        assert getattr(twice, name) == pytest.approx(getattr(found, name))


def test_nothing_has_no_figures() -> None:
    nothing = AttentionStatistics(None, None, None)
    assert attention_statistics([]) == nothing
    assert of_one(np.zeros((0, 0))) == nothing
    assert of_one(np.zeros((0, 2))) == AttentionStatistics(None, 0.0, None)


@pytest.mark.parametrize(
    ("bad", "message"),
    [([0.5, 0.5], r"shape \(2,\)"), ([[-0.1, 1]], "at least 0"), ([[np.nan, 1]], "at least 0")],
)
def test_what_are_no_weights_is_refused(bad: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of_one(bad)
