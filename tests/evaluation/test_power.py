"""Detectable differences, and how many seeds a wished one needs."""

import numpy as np
import pytest
from scipy.stats import nct, t

from rnnsearch.evaluation.error_model import Errors, hold
from rnnsearch.evaluation.power import AIM, LIMIT, POWER, detectable, floor, power, seeds_needed


def test_of_one_seed_it_is_that_of_the_sentences_by_hand() -> None:
    assert detectable(Errors(4.0, 0.0, 1), error=0.05) == pytest.approx(2 * (1.959964 + 0.841621))
    assert detectable(Errors(4.0, 0.0, 1), error=0.01) == pytest.approx(2 * (2.575829 + 0.841621))
    assert detectable(Errors(0.0, 0.0, 3), error=0.05) == 0
    assert np.isnan(detectable(Errors(np.nan, 1.0, 3), error=0.05))


def test_power_with_a_well_known_spread_is_student_s() -> None:
    """A pilot of 100,000 seeds knows the spread; what is found then follows the noncentral t."""
    deviation, seeds, gap = 1.3, 4, 3.0
    pilot = Errors(0.0, deviation**2 / 100_000, 100_000)
    critical, shift = t.ppf(0.975, seeds - 1), gap / (deviation / np.sqrt(seeds))
    expected = nct.sf(critical, seeds - 1, shift) + nct.cdf(-critical, seeds - 1, shift)
    assert power(gap, pilot, seeds=seeds, error=0.05) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(("seeds", "together"), [(2, 1), (3, 4), (5, 2)])
@pytest.mark.slow
def test_new_studies_find_what_their_pilots_call_detectable(seeds: int, together: int) -> None:
    generator, found = np.random.default_rng(seeds), []
    for _ in range(80):
        spread = generator.normal(0, 0.8, seeds).var(ddof=1) / seeds
        at = detectable(Errors(0.2, float(spread), seeds), error=0.05 / together)
        new = at + generator.normal(0, np.sqrt(0.2), (20, 1)) + generator.normal(0, 0.8, (20, seeds))
        found.append(hold(new.mean(1), 0.2, new.var(1, ddof=1) / seeds, seeds - 1, together=together).mean())
    assert np.mean(found) >= POWER - 3 * np.std(found) / np.sqrt(80)


@pytest.mark.parametrize("least", [0.0, 5e-324, 1e-310])
def test_a_pilot_whose_runs_do_not_differ_needs_the_fewest(least: float) -> None:
    for pilot in (Errors(0.0, least, 3), Errors(least, 0.0, 3), Errors(least, least, 3)):
        assert seeds_needed(0.1, pilot, error=0.05) == 2
        assert detectable(pilot, error=0.05) < 1e-100


@pytest.mark.parametrize("unknown", [np.inf, np.nan])
def test_of_a_pilot_that_says_nothing_no_number_is_enough(unknown: float) -> None:
    for pilot in (Errors(unknown, 1.0, 3), Errors(1.0, unknown, 3)):
        assert seeds_needed(0.1, pilot, error=0.05) is None


def test_as_many_seeds_as_are_needed_and_no_more() -> None:
    pilot = Errors(0.05, 0.4, 5)
    needed = seeds_needed(3.0, pilot, error=0.05)
    assert needed is not None
    assert power(3.0, pilot, seeds=needed, error=0.05) >= AIM > power(3.0, pilot, seeds=needed - 1, error=0.05)
    assert detectable(pilot, error=0.05, seeds=needed) <= 3.0 < detectable(pilot, error=0.05, seeds=needed - 1)
    least = floor(pilot, error=0.05)
    assert seeds_needed(0.99 * least, pilot, error=0.05, limit=10**6) is None  # the sentences alone vary too much
    assert seeds_needed(1.02 * least, pilot, error=0.05, limit=10**6) is not None
    assert seeds_needed(1.0, Errors(np.nan, np.nan, 3), error=0.05) is None
    assert (seeds_needed(50.0, pilot, error=0.05) or LIMIT) < needed
    with pytest.raises(ValueError, match="two seeds or more"):
        seeds_needed(1.0, Errors(0.1, 0.0, 1), error=0.05)
