"""How far a mean over seeds on a test set may lie from what other sentences and other seeds would give.

Shape suffixes: R resamples, S seeds, Q points of a quadrature.

Two sources of chance, each with its own variance:

- *sentences*: the variance over resamples of the sentences that all seeds share, which is the mean covariance of two
  seeds' scores over the same resamples. How a single seed deviates on a sentence is part of the seeds' spread below, so
  it is not counted twice. With one seed it is that seed's variance over resamples.
- *seeds*: s² / S, where s is the standard deviation over the S seeds, with S - 1 degrees of freedom. With one seed
  nothing is known of it, and all statements hold for these very runs alone.

The error of the mean is then like √sentences · Z + √seeds · T, with Z normal and T Student's with S - 1 degrees of
freedom: Behrens's and Fisher's distribution, whose test of two means with unequal variances has false positives at no
more than its level (Robinson 1976). Satterthwaite's degrees of freedom instead have far more with few seeds: when the
spread happens to come out small, the degrees of freedom come out large. Given its χ² variable, T is normal, so the
distribution is a mixture of normal ones, summed here over a grid of χ².

A paired difference needs nothing else: it is a mean over seeds of differences, each member may have its own spread, and
what two members of one seed share cancels. Nothing is pooled over members, whose spreads may differ widely.
experiments/intervals counts the false positives of each of these models.

Test and interval agree: the interval at an error of e excludes 0 exactly when p < e. Of n comparisons that are read
together each has the error e / n (Bonferroni), and its p-value is n times as large.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainccinv, gammaincinv, gammaln, ndtr, ndtri, stdtrit

Floats = NDArray[np.float64]

ERROR = 0.05  # of all comparisons that are read together
POINTS = 121  # of the quadrature over χ²: the trapezoids are exact to 1e-7 for two seeds and more
TAIL = 1e-13  # of the χ² distribution, left out on either side
HALVINGS = 50  # of the bracket of an interval's half width


@dataclass(frozen=True, slots=True)
class Errors:
    """Variances of a mean over seeds.

    Attributes:
        sentences: what other sentences would change; with one seed, for these very runs.
        seeds: s² / S, what other seeds would change; 0 for one seed, where it is unknown.
        count: S.
    """

    sentences: float
    seeds: float
    count: int

    @property
    def freedom(self) -> int:
        """Degrees of freedom of `seeds`."""
        return self.count - 1


def errors_of(score_S: Floats, draws_RS: Floats) -> Errors:
    """Both variances of the mean of scores, from each seed's score and its scores on shared resamples."""
    count = len(score_S)
    if count == 1:
        return Errors(float(draws_RS.var(ddof=1)), 0.0, 1)
    covariance_SS = np.cov(draws_RS, rowvar=False)
    shared = float((covariance_SS.sum() - np.trace(covariance_SS)) / (count * (count - 1)))
    return Errors(max(shared, 0.0) if np.isfinite(shared) else np.nan, float(score_S.var(ddof=1)) / count, count)


def p_values(value: ArrayLike, sentences: ArrayLike, seeds: ArrayLike, freedom: int) -> Floats:
    """Two-sided p-values for means being 0, from their variances; 1 for a mean of exactly 0.

    Args:
        value, sentences, seeds: of any shapes that broadcast.
        freedom: degrees of freedom of ``seeds``; 0 for one seed.
    """
    value, sentences, seeds = (np.asarray(part, dtype=np.float64) for part in (value, sentences, seeds))
    spread_Q, weight_Q = mixture(freedom)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.abs(value)[..., None] / np.sqrt(sentences[..., None] + seeds[..., None] * spread_Q)
    p_value = 2 * (ndtr(-deviations) @ weight_Q)
    return np.asarray(np.where(value == 0, np.where(np.isnan(sentences + seeds), np.nan, 1.0), p_value))


def hold(value: ArrayLike, sentences: ArrayLike, seeds: ArrayLike, freedom: int, *, together: int) -> NDArray[np.bool_]:
    """Which of ``together`` simultaneous comparisons hold for the systems; with one seed none does."""
    return (together * p_values(value, sentences, seeds, freedom) < ERROR) & (freedom > 0)


def half_widths(sentences: ArrayLike, seeds: ArrayLike, freedom: int, error: float) -> Floats:
    """Half the width of intervals that miss the truth with probability ``error``; inverts `p_values`.

    It lies between the larger of the two parts' half widths and their sum at half the error.
    """
    sentences, seeds = np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in (sentences, seeds)))
    parts = np.sqrt(sentences), np.sqrt(seeds)
    low = np.maximum(*(quantile * part for quantile, part in zip(_quantiles(freedom, error), parts, strict=True)))
    if freedom == 0:
        return np.asarray(low)
    high = np.add(*(quantile * part for quantile, part in zip(_quantiles(freedom, error / 2), parts, strict=True)))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        inside = p_values(middle, sentences, seeds, freedom) > error
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.asarray(np.where(seeds == 0, _quantiles(0, error)[0] * parts[0], high))


def _quantiles(freedom: int, error: float) -> tuple[float, float]:
    """Quantiles of the normal and Student's distribution that leave out ``error`` on both sides; 0 for no seeds."""
    return float(-ndtri(error / 2)), float(-stdtrit(freedom, error / 2)) if freedom else 0.0


@lru_cache(maxsize=256)
def mixture(freedom: int, points: int = POINTS, tail: float = TAIL) -> tuple[Floats, Floats]:
    """Factors from the estimated variance to the true one, freedom / χ², and their weights.

    By trapezoids in log χ². A single factor of 1 for 0 degrees of freedom.
    """
    if freedom == 0:
        return np.ones(1), np.ones(1)
    low, high = (float(np.log(2 * quantile(freedom / 2, tail))) for quantile in (gammaincinv, gammainccinv))
    log_Q = np.linspace(low, high, points)
    density_Q = np.exp(freedom * log_Q / 2 - np.exp(log_Q) / 2 - gammaln(freedom / 2) - freedom / 2 * np.log(2))
    return freedom / np.exp(log_Q), density_Q / density_Q.sum()
