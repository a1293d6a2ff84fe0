"""How sure a score is: bootstrap intervals, the paired bootstrap, and several seeds.

Shape suffixes: N test sentences, K sufficient statistics, S seeds, R resamples.

A resample draws N of the N test sentences with replacement; the score of the corpus is computed again from the summed
sufficient statistics (Koehn 2004). Every system and every seed sees the same resamples, so differences are paired.

Two sources of chance are kept apart:

- *sentences*: the mean score over seeds on each resample of the sentences. It speaks of these very training runs.
- *sentences and seeds*: the mean score on a resample is moved by s / sqrt(S) times a draw of Student's t with S - 1
  degrees of freedom, where s is the standard deviation over seeds. It speaks of the next training run too. Where the
  sentences add nothing, this is Student's interval of the mean over seeds; where the seeds agree, it is the interval
  over sentences; between, it is Behrens's and Fisher's, which is a little too wide rather than too narrow. The draws of
  t are not made: their distribution function is averaged over the resamples. (Drawing the seeds with replacement too,
  the usual bootstrap, says far too little of two or three seeds: all three lie on the same side of 0 once in four times
  by chance, and it would give p < 0.001.) With one seed nothing is known of the next, and the two intervals are the
  same.

Intervals are the 2.5 % and 97.5 % quantiles of the draws. The two-sided p-value inverts them: with k = twice the number
of draws on the rarer side of 0 (0 counts for both; with seeds the number to be expected), p = (k + 1) / (R + 1), at
most 1. (sacreBLEU 2.6's paired bootstrap counts the draws of one side only, so its p-value is about half of this one.)

The smallest difference that a test set could show is one that a test at 5 % significance finds with 80 % power: for an
estimate that is about normal, (z_0.975 + z_0.80) = 2.80 times its standard error, which is here the standard deviation
of the paired differences over resamples of the sentences. It is known before one looks at which system is better, and
speaks of the same two systems on other sentences; whether an observed difference is chance is the p-value's business.
With seeds, both variances are added and the quantiles are Student's, with Satterthwaite's (1946) degrees of freedom.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]
ScoreOfSums = Callable[[Floats], Floats]  # [..., K] -> [...]

RESAMPLES = 2000
SEED = 12345  # sacreBLEU's
CONFIDENCE = 0.95
NORMAL = 1e9  # degrees of freedom from which Student's t is the normal distribution
POWER = 0.80  # chance that a difference of `Difference.detectable` excludes 0 from its interval
CHUNK = 128  # resamples counted at once: bounds memory at CHUNK × N numbers


@dataclass(frozen=True, slots=True)
class Interval:
    """The 95 % interval of a quantity."""

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
    """A score, mean over seeds, with its intervals and its spread over seeds."""

    value: float
    interval: Interval  # sentences and seeds
    sentences: Interval  # sentences alone
    by_seed: tuple[float, ...]
    deviation: float | None  # standard deviation over seeds (n - 1); None with one seed


@dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """System minus baseline on the same sentences and seeds, with two-sided p-values."""

    p_value: float  # sentences and seeds
    p_value_sentences: float  # sentences alone
    detectable: float  # the smallest difference that these sentences could show
    detectable_with_seeds: float  # the smallest one that these sentences and as many seeds could show


def resample(
    statistics_SNK: Floats | Sequence[Floats],
    score: ScoreOfSums,
    *,
    seed: int | Sequence[int],
    resamples: int = RESAMPLES,
) -> Resampled:
    """Scores each seed's system on the whole test set and on resamples of it; equal `seed` and N: equal resamples."""
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


def estimate(system: Resampled) -> Estimate:
    """Mean over seeds with intervals."""
    sentences = _interval(system.draws_RS.mean(axis=1))
    return Estimate(
        value=float(system.score_S.mean()),
        interval=_interval_with_seeds(system) if standard_error(system.score_S) > 0 else sentences,
        sentences=sentences,
        by_seed=tuple(system.score_S.tolist()),
        deviation=_deviation(system.score_S),
    )


def interval(statistics_NK: Floats, score: ScoreOfSums, *, resamples: int, seed: int) -> Interval:
    """The interval of one system's score over its sentences."""
    drawn = resample([statistics_NK], score, seed=seed, resamples=resamples)
    return estimate(drawn).sentences


def difference(baseline: Resampled, system: Resampled) -> Difference:
    """System minus baseline, paired by resample and by seed.

    Raises: ValueError when the two have other numbers of seeds or resamples.
    """
    if baseline.draws_RS.shape != system.draws_RS.shape:
        raise ValueError(
            f"resamples × seeds are {baseline.draws_RS.shape} and {system.draws_RS.shape}; a paired test needs the same"
        )
    both = Resampled(system.score_S - baseline.score_S, system.draws_RS - baseline.draws_RS)
    found, sentences_R = estimate(both), both.draws_RS.mean(axis=1)
    return Difference(
        value=found.value,
        interval=found.interval,
        sentences=found.sentences,
        by_seed=found.by_seed,
        deviation=found.deviation,
        p_value=p_value_with_seeds(both),
        p_value_sentences=p_value(sentences_R),
        detectable=smallest_detectable(sentences_R),
        detectable_with_seeds=smallest_detectable(sentences_R, both.score_S),
    )


def weighted_sum(parts: Sequence[Resampled], weights: Sequence[float]) -> Resampled:
    """The same linear combination of scores and of draws, such as a slope over several parts of a test set."""
    score_S = sum(weight * part.score_S for weight, part in zip(weights, parts, strict=True))
    draws_RS = sum(weight * part.draws_RS for weight, part in zip(weights, parts, strict=True))
    return Resampled(np.asarray(score_S), np.asarray(draws_RS))


def of_seeds(system: Resampled, places: Sequence[int]) -> Resampled:
    """Some of the seeds alone."""
    return Resampled(system.score_S[list(places)], system.draws_RS[:, list(places)])


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for how many there are, so that all may be read at one level (Holm 1979).

    The k-th smallest of n is multiplied by n - k + 1; none may be smaller than one before it, nor exceed 1.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def over_seeds(score_S: Sequence[float]) -> Interval | None:
    """Student's 95 % interval of the mean over seeds: of training again on the same data, for these test sentences.

    None with one seed. Known roughly with few: with two seeds it is 9 standard deviations wide on either side.
    """
    if len(score_S) < 2:
        return None
    mean = float(np.mean(score_S))
    half = float(stdtrit(len(score_S) - 1, (1 + CONFIDENCE) / 2)) * standard_error(score_S)
    return Interval(mean - half, mean + half)


def standard_error(score_S: Sequence[float] | Floats) -> float:
    """Of the mean over seeds, by their spread: s / sqrt(S). 0 with one seed, which says nothing of it."""
    return float(np.std(score_S, ddof=1) / np.sqrt(len(score_S))) if len(score_S) > 1 else 0.0


def p_value(draws_R: Floats) -> float:
    """Two-sided bootstrap p-value that the quantity is 0, by the formula at the top of this file."""
    return _p_value(min(int((draws_R <= 0).sum()), int((draws_R >= 0).sum())), len(draws_R))


def p_value_with_seeds(system: Resampled) -> float:
    """The same over sentences and seeds."""
    sentences_R = system.draws_RS.mean(axis=1)
    if standard_error(system.score_S) == 0:
        return p_value(sentences_R)
    below = _share_below(0.0, system)
    return _p_value(min(below, 1 - below) * len(sentences_R), len(sentences_R))


def _p_value(rarer: float, resamples: int) -> float:
    return min(1.0, (2 * rarer + 1) / (resamples + 1))


def smallest_detectable(draws_R: Floats, score_S: Sequence[float] | Floats = ()) -> float:
    """The smallest difference that a test set could show, from draws of a difference; see the top of this file.

    Args:
        draws_R: over resamples of the sentences.
        score_S: the difference of each seed, to count their chance too.
    """
    sentences, seeds = float(draws_R.var(ddof=1)), standard_error(score_S) ** 2
    levels = ((1 + CONFIDENCE) / 2, POWER)
    if seeds == 0:
        return sum(NormalDist().inv_cdf(level) for level in levels) * float(np.sqrt(sentences))
    freedom = min((len(score_S) - 1) * ((sentences + seeds) / seeds) ** 2, NORMAL)
    return sum(float(stdtrit(freedom, level)) for level in levels) * float(np.sqrt(sentences + seeds))


def perplexity_of_sums(sums_RK: Floats) -> Floats:
    """Perplexity from K = 2 sums, nats and tokens: weighted by tokens, never a mean of means; NaN above the largest."""
    with np.errstate(over="ignore"):
        found = np.asarray(np.exp(sums_RK[..., 0] / sums_RK[..., 1]), dtype=np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def _share_below(value: float, system: Resampled) -> float:
    """The distribution function over sentences and seeds, where the seeds differ."""
    error = standard_error(system.score_S)
    distance_R = (value - system.draws_RS.mean(axis=1)) / error
    return float(stdtr(len(system.score_S) - 1, distance_R).mean())


def _interval_with_seeds(system: Resampled) -> Interval:
    """Inverts `_share_below`. Between the extreme draws, each moved by t's quantile, lies the mixture's quantile."""
    sentences_R, error = system.draws_RS.mean(axis=1), standard_error(system.score_S)
    ends = []
    for level in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
        moved = float(stdtrit(len(system.score_S) - 1, level)) * error
        reach = (sentences_R.min() + moved - error, sentences_R.max() + moved + error)
        ends.append(float(brentq(lambda at, level=level: _share_below(at, system) - level, *reach, xtol=1e-9 * error)))
    return Interval(*ends)


def _interval(draws_R: Floats) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws_R, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _deviation(score_S: Floats) -> float | None:
    return float(score_S.std(ddof=1)) if len(score_S) > 1 else None
