"""How sure a score is: the bootstrap over sentences, paired differences, and several seeds.

Shape suffixes: N test sentences, K sufficient statistics, S seeds, R resamples.

A resample draws N of the N test sentences with replacement; the corpus score is computed again from the summed
sufficient statistics (Koehn 2004). Every system and every seed sees the same resamples, so differences are paired.

The resamples give the variance over sentences, the scores that over seeds; intervals, p-values and what can be detected
follow from both, see `error_model`. An interval keeps to the values that a score can have: what lies beyond them is cut
off, which costs no coverage. Only `interval`, for one run's record, is made of the resamples' quantiles.

The smallest difference that sentences could show is one that a test at 5 % significance finds with 80 % power, see
`power`. It is known before one looks at which system is better; whether an observed difference is chance is for the
p-value to say. (sacreBLEU 2.6's paired bootstrap counts the draws of one side only, so its p-value is about half of a
two-sided one.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from rnnsearch.evaluation.error_model import ERROR, Errors, Floats, errors_of, half_widths, p_values

ScoreOfSums = Callable[[Floats], Floats]  # [..., K] -> [...]
Bounds = tuple[float, float]

RESAMPLES = 2000
SEED = 12345  # sacreBLEU's
CHUNK = 128  # resamples counted at once: bounds memory at CHUNK × N numbers
UNBOUNDED: Bounds = (-inf, inf)


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of a quantity."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Resampled:
    """A system's score on the test set for each seed, and on each resample of its sentences for each seed."""

    score_S: Floats
    draws_RS: Floats


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score, mean over seeds, with its 95 % interval and its spread over seeds.

    Attributes:
        interval: over sentences and seeds; with one seed over sentences alone.
        deviation: standard deviation over seeds (n - 1); None with one seed.
    """

    value: float
    interval: Interval
    by_seed: tuple[float, ...]
    deviation: float | None
    errors: Errors


@dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """System minus baseline on the same sentences and seeds.

    Attributes:
        together: how many comparisons are read together; interval and p-value are so wide that 95 % of such families
            hold no false one (Bonferroni).
        p_value: two-sided, times `together`.
    """

    together: int
    p_value: float

    @property
    def holds(self) -> bool:
        """Whether the systems differ: the interval excludes 0. With one seed that can't be said."""
        return len(self.by_seed) > 1 and self.interval.excludes_zero

    @property
    def error(self) -> float:
        """This comparison's share of the 5 % error of all that are read together."""
        return ERROR / self.together


def resample(
    statistics_SNK: Floats | Sequence[Floats],
    score: ScoreOfSums,
    *,
    seed: int | Sequence[int],
    resamples: int = RESAMPLES,
) -> Resampled:
    """Scores each seed's system on the whole test set and on resamples; equal `seed` and N give equal resamples."""
    stacked_SNK = np.asarray(statistics_SNK, dtype=np.float64)
    if stacked_SNK.ndim != 3 or 0 in stacked_SNK.shape:
        raise ValueError(f"statistics have shape {stacked_SNK.shape}; seeds × sentences × counts, none 0, is needed")
    sums_RSK = resampled_sums(stacked_SNK, seed=seed, resamples=resamples)
    return Resampled(score_S=score(stacked_SNK.sum(axis=1)), draws_RS=score(sums_RSK))


def resampled_sums(statistics_SNK: Floats, *, seed: int | Sequence[int], resamples: int) -> Floats:
    """Summed statistics of each resample of the sentences, [R, S, K]: how often each was drawn @ statistics."""
    seeds, sentences, size = statistics_SNK.shape
    flat_NX = statistics_SNK.transpose(1, 0, 2).reshape(sentences, seeds * size)
    generator = np.random.default_rng(seed)
    sums = []
    for start in range(0, resamples, CHUNK):
        rows = min(CHUNK, resamples - start)
        drawn = generator.integers(sentences, size=(rows, sentences)) + np.arange(rows)[:, None] * sentences
        counts_RN = np.bincount(drawn.ravel(), minlength=rows * sentences).reshape(rows, sentences)
        sums.append(counts_RN.astype(np.float64) @ flat_NX)
    return np.concatenate(sums).reshape(resamples, seeds, size)


def estimate(system: Resampled, *, within: Bounds = UNBOUNDED) -> Estimate:
    """Mean over seeds with its interval, cut to the possible values."""
    return _estimate(system, within, ERROR)


def _estimate(system: Resampled, within: Bounds, error: float) -> Estimate:
    value, errors = float(system.score_S.mean()), errors_of(system.score_S, system.draws_RS)
    half = float(half_widths(errors.sentences, errors.seeds, errors.freedom, error))
    low, high = np.clip([value - half, value + half], *within)
    return Estimate(
        value=value,
        interval=Interval(float(low), float(high)),
        by_seed=tuple(system.score_S.tolist()),
        deviation=float(system.score_S.std(ddof=1)) if errors.count > 1 else None,
        errors=errors,
    )


def interval(statistics_NK: Floats, score: ScoreOfSums, *, resamples: int, seed: int) -> Interval:
    """The 2.5 % and 97.5 % quantiles of one run's score over resamples of its sentences."""
    drawn = resample([statistics_NK], score, seed=seed, resamples=resamples)
    low, high = np.quantile(drawn.draws_RS[:, 0], [ERROR / 2, 1 - ERROR / 2])
    return Interval(float(low), float(high))


def wilson(right: int, count: int) -> Interval:
    """The 95 % interval of a share by the score test (Wilson 1927), which holds near 0 and 1 and for small counts."""
    from scipy.stats import binomtest  # heavy

    found = binomtest(right, count).proportion_ci(1 - ERROR, method="wilson")
    return Interval(float(found.low), float(found.high))


def difference(baseline: Resampled, system: Resampled, *, together: int = 1, within: Bounds = UNBOUNDED) -> Difference:
    """System minus baseline, paired by resample and by seed.

    Args:
        together: how many comparisons are read together.
        within: the values that a score can have, not its difference.

    Raises: ValueError when the two differ in their numbers of seeds or resamples.
    """
    if baseline.draws_RS.shape != system.draws_RS.shape:
        raise ValueError(
            f"resamples × seeds are {baseline.draws_RS.shape} and {system.draws_RS.shape}; a paired test needs the same"
        )
    both = Resampled(system.score_S - baseline.score_S, system.draws_RS - baseline.draws_RS)
    gap = _estimate(both, (within[0] - within[1], within[1] - within[0]), ERROR / together)
    p_value = float(p_values(gap.value, gap.errors.sentences, gap.errors.seeds, gap.errors.freedom))
    return Difference(
        value=gap.value,
        interval=gap.interval,
        by_seed=gap.by_seed,
        deviation=gap.deviation,
        errors=gap.errors,
        together=together,
        p_value=float(np.minimum(1.0, together * p_value)),  # NaN stays NaN
    )


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether a difference is smaller than what counts as one, by two one-sided tests (Schuirmann 1987).

    Attributes:
        margin: the largest difference that counts as none.
        interval: the 90 % interval of the difference (of several read together with a share of the error each), which
            lies within the margin exactly when both tests reject.
        p_value: the larger of the two one-sided ones, times how many comparisons are read together.
        holds: whether the difference lies within the margin; with one seed that can't be said.
    """

    margin: float
    interval: Interval
    p_value: float
    holds: bool


def equivalence(gap: Difference, margin: float) -> Equivalence:
    """Two one-sided tests of a difference against ± ``margin``, with the errors of its own two-sided test."""
    errors, inside = gap.errors, margin - abs(gap.value)
    two_sided = float(p_values(inside, errors.sentences, errors.seeds, errors.freedom))
    one_sided = two_sided / 2 if inside > 0 else 1 - two_sided / 2
    half = float(half_widths(errors.sentences, errors.seeds, errors.freedom, 2 * gap.error))
    p_value = float(np.minimum(1.0, gap.together * one_sided))
    interval = Interval(gap.value - half, gap.value + half)
    return Equivalence(margin, interval, p_value, holds=len(gap.by_seed) > 1 and p_value < ERROR)


def weighted_sum(parts: Sequence[Resampled], weights: Sequence[float]) -> Resampled:
    """The same linear combination of scores and of draws: a slope over several parts of a test set, say."""
    score_S = sum(weight * part.score_S for weight, part in zip(weights, parts, strict=True))
    draws_RS = sum(weight * part.draws_RS for weight, part in zip(weights, parts, strict=True))
    return Resampled(np.asarray(score_S), np.asarray(draws_RS))


def of_seeds(system: Resampled, places: Sequence[int]) -> Resampled:
    """Some of the seeds alone."""
    return Resampled(system.score_S[list(places)], system.draws_RS[:, list(places)])


def mean_of_sums(sums_RK: Floats) -> Floats:
    """A mean from K = 2 sums, of values and of what they are values of: nats a token, say, weighted by tokens."""
    return np.asarray(sums_RK[..., 0] / sums_RK[..., 1], dtype=np.float64)


def perplexity_of_sums(sums_RK: Floats) -> Floats:
    """Perplexity from K = 2 sums, nats and tokens: weighted by tokens, never a mean of means; NaN above the largest."""
    with np.errstate(over="ignore"):
        perplexity = np.asarray(np.exp(sums_RK[..., 0] / sums_RK[..., 1]), dtype=np.float64)
    return np.where(np.isfinite(perplexity), perplexity, np.nan)
