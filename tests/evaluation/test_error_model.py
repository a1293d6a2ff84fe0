"""Sentences and seeds in one distribution: by tables, by brute force, and by what it finds where there is nothing."""

import numpy as np
import pytest
from scipy.special import stdtrit

from rnnsearch.evaluation.error_model import half_widths, hold, p_values


def test_either_part_alone_is_its_own_distribution() -> None:
    assert half_widths(4.0, 0.0, 0, 0.05) == pytest.approx(2 * 1.959964)
    assert half_widths(4.0, 0.0, 3, 0.05) == pytest.approx(2 * 1.959964)
    assert half_widths(0.0, 1.0, 2, 0.05) == pytest.approx(4.302653)  # t_{0.975, 2}, from a table
    assert p_values(12.706205, 0.0, 1.0, 1) == pytest.approx(0.05)
    for freedom in (1, 2, 9, 99):
        assert p_values(stdtrit(freedom, 1 - 5e-6), 0.0, 1.0, freedom) == pytest.approx(1e-5, rel=1e-6)


@pytest.mark.parametrize("freedom", [1, 2, 4])
def test_both_parts_are_summed_as_by_brute_force(freedom: int) -> None:
    generator = np.random.default_rng(0)
    drawn = generator.normal(0, 1.0, 2_000_000) + 0.8 * generator.standard_t(freedom, 2_000_000)
    for error in (0.05, 0.005):
        assert half_widths(1.0, 0.64, freedom, error) == pytest.approx(np.quantile(np.abs(drawn), 1 - error), rel=0.02)


def test_the_interval_excludes_zero_just_where_p_is_small() -> None:
    for sentences, seeds, freedom in ((1.0, 0.3, 1), (0.01, 5.0, 2), (2.0, 0.0, 0)):
        width = half_widths(sentences, seeds, freedom, 0.05 / 7)
        assert p_values(width, sentences, seeds, freedom) == pytest.approx(0.05 / 7)
        near = np.array([0.999, -1.001]) * width
        assert hold(near, sentences, seeds, freedom, together=7).tolist() == [False, freedom > 0]


def test_nothing_and_no_number() -> None:
    assert p_values(0.0, 0.0, 0.0, 2) == 1
    assert p_values(1.0, 0.0, 0.0, 2) == 0
    assert half_widths(0.0, 0.0, 2, 0.05) == 0
    assert np.isnan(p_values(np.nan, np.nan, 1.0, 2))
    assert np.isnan(half_widths(np.nan, 1.0, 2, 0.05))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("freedom", [1, 2, 4])
def test_it_finds_no_more_than_its_level(freedom: int, share: float) -> None:
    """Exact but for the draws of the seeds' variance: given it, what is found has a normal probability."""
    generator = np.random.default_rng(1)
    seeds = (1 - share) * generator.chisquare(freedom, 4000) / freedom
    values = generator.normal(0, 1, 4000)
    found = (p_values(values, share, seeds, freedom) < 0.05).mean()
    assert found <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
