"""Which difference a comparison finds with 80 % power, and how many seeds a wished one needs.

The variances come from a *pilot*: existing runs. Its variance over sentences is known well, its spread over seeds is
not: the true variance of the seeds is the estimated one times freedom / χ², as in `rnnsearch.evaluation.error_model`.
The power is the mean over that distribution of the power of a new comparison, which estimates its own spread anew, so
studies drawn at the difference computed here find it in 80 % of cases, on average over pilots. (Taking the pilot's
spread for the truth gives less power, for it is often too small.)

Shape suffixes: P points of the pilot's χ², Q points of the new comparison's.
"""

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from rnnsearch.evaluation.error_model import Errors, Floats, half_widths, mixture

POWER = 0.80
AIM = POWER + 0.01  # required of the mean over pilots, so that 0.80 remains after the quadrature's error
LIMIT = 100  # no larger number of seeds is given
POINTS, TAIL = 181, 1e-6  # of the quadrature over two χ²
DECADES, EACH = (-30, 30), 5  # the grid of seeds' over sentences' variance, and its points a decade
LEAST = 1e-12  # of the seeds' variance, for sentences without any variance
TINY = 1e-300  # in the place of no variance at all


def power(difference: float, pilot: Errors, *, seeds: int, error: float) -> float:
    """The probability that a new comparison of ``seeds`` seeds finds a difference, given a pilot of two seeds or more.

    Args:
        error: of the comparison: 0.05 divided by the number of comparisons that are read together.
    """
    truth_P, weight_P = mixture(pilot.freedom, POINTS, TAIL)
    spread_Q, weight_Q = mixture(seeds - 1, POINTS, TAIL)
    true_P = pilot.seeds * pilot.count / seeds * truth_P
    sentences = max(pilot.sentences, LEAST * pilot.seeds, TINY)
    width_PQ = _widths(sentences, true_P[:, None] / spread_Q, seeds - 1, error)
    deviation_P1 = np.sqrt(sentences + true_P)[:, None]
    found_PQ = ndtr((difference - width_PQ) / deviation_P1) + ndtr((-difference - width_PQ) / deviation_P1)
    return float(weight_P @ found_PQ @ weight_Q)


def detectable(pilot: Errors, *, error: float, seeds: int | None = None) -> float:
    """The smallest difference that a new comparison finds with `POWER`; with one seed, for these very runs alone.

    Args:
        seeds: of the new comparison; those of the pilot by default.
    """
    if pilot.count == 1 or pilot.seeds == 0 or not np.isfinite(pilot.sentences + pilot.seeds):
        return float((ndtri(POWER) - ndtri(error / 2)) * np.sqrt(pilot.sentences + pilot.seeds))
    count = seeds or pilot.count

    def missing(difference: float) -> float:
        return power(difference, pilot, seeds=count, error=error) - AIM

    high = np.sqrt(pilot.sentences + pilot.seeds)
    while missing(high) < 0:
        high *= 2
    return float(brentq(missing, 0.0, high, xtol=1e-6 * high))


def floor(pilot: Errors, *, error: float) -> float:
    """The smallest difference that any number of seeds finds with `POWER` on test sentences like the pilot's."""
    return float((ndtri(AIM) - ndtri(error / 2)) * np.sqrt(pilot.sentences))


def seeds_needed(difference: float, pilot: Errors, *, error: float, limit: int = LIMIT) -> int | None:
    """The fewest seeds, two or more, that find a difference with `POWER`; None if ``limit`` are too few.

    Raises: ValueError for a pilot of one seed, which knows nothing of the spread.
    """
    if pilot.count < 2:
        raise ValueError("how many seeds a difference needs is known from the spread over two seeds or more; got one")
    too_few, enough = 1, limit
    if not np.isfinite(pilot.sentences + pilot.seeds):
        return None
    if not power(difference, pilot, seeds=limit, error=error) >= AIM:
        return None
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if power(difference, pilot, seeds=middle, error=error) < AIM:
            too_few = middle
        else:
            enough = middle
    return enough


def _widths(sentences: float, seeds: Floats, freedom: int, error: float) -> Floats:
    """`half_widths` read off a curve, which depends only on the ratio of the variances."""
    ratios, widths = _curve(freedom, error)
    with np.errstate(divide="ignore"):
        read = np.interp(np.log(seeds / sentences), ratios, widths)
    return np.asarray(np.sqrt(sentences) * np.exp(read))


@lru_cache(maxsize=256)
def _curve(freedom: int, error: float) -> tuple[Floats, Floats]:
    """log of seeds' over sentences' variance, and log of the half width for sentences' variance 1."""
    low, high = DECADES
    ratios = np.linspace(low, high, (high - low) * EACH + 1) * np.log(10)
    return ratios, np.log(half_widths(1.0, np.exp(ratios), freedom, error))
