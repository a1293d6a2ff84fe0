"""How sure a score is: bootstrap intervals, the paired bootstrap, and several seeds.

Shape suffixes: N test sentences, K sufficient statistics, S seeds, R resamples.

A resample draws N of the N test sentences with replacement; the score of the corpus is computed again from the summed
sufficient statistics (Koehn 2004). Every system and every seed sees the same resamples, so differences are paired.

Two sources of chance are kept apart:

- *sentences*: the mean score over seeds on each resample of the sentences. It speaks of these very training runs.
- *sentences and seeds*: in each resample the seeds are drawn with replacement too (the same seeds for both systems of a
  pair). S seeds drawn with replacement vary by (S - 1)/S too little about their mean, so that part of each draw is
  stretched by sqrt(S / (S - 1)) (the rescaled bootstrap of Rao and Wu 1988). It speaks of the next training run too.
  With one seed there is nothing to draw and the two intervals are the same. With two or three, the spread over seeds is
  itself known badly; show each seed beside the interval.

Intervals are the 2.5 % and 97.5 % quantiles of the draws. The two-sided p-value inverts them: with k = twice the number
of draws on the rarer side of 0 (0 counts for both), p = (k + 1) / (R + 1), at most 1. (sacreBLEU 2.6's paired bootstrap
counts the draws of one side only, so its p-value is about half of this one.)

The smallest difference that a test set could show is one that a test at 5 % significance finds with 80 % power: for an
estimate that is about normal, (z_0.975 + z_0.80) = 2.80 times its standard error, which is here the standard deviation
of the paired differences over resamples of the sentences. It is known before one looks at which system is better, and
speaks of the same two systems on other sentences; whether an observed difference is chance is the p-value's business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

Floats = NDArray[np.float64]
ScoreOfSums = Callable[[Floats], Floats]  # [..., K] -> [...]

RESAMPLES = 2000
SEED = 12345  # sacreBLEU's
CONFIDENCE = 0.95
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
    seed: int,
    resamples: int = RESAMPLES,
) -> Resampled:
    """Scores each seed's system on the whole test set and on resamples of it; equal `seed` and N: equal resamples."""
    stacked_SNK = np.asarray(statistics_SNK, dtype=np.float64)
    if stacked_SNK.ndim != 3 or 0 in stacked_SNK.shape:
        raise ValueError(f"statistics have shape {stacked_SNK.shape}; seeds × sentences × counts, none 0, is needed")
    sums_RSK = resampled_sums(stacked_SNK, seed=seed, resamples=resamples)
    return Resampled(score_S=score(stacked_SNK.sum(axis=1)), draws_RS=score(sums_RSK))


def resampled_sums(statistics_SNK: Floats, *, seed: int, resamples: int) -> Floats:
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


def estimate(system: Resampled, *, seed: int) -> Estimate:
    """Mean over seeds with intervals; `seed` decides which seeds are drawn."""
    sentences_R = system.draws_RS.mean(axis=1)
    return Estimate(
        value=float(system.score_S.mean()),
        interval=_interval(_with_seeds(system.draws_RS, seed=seed)),
        sentences=_interval(sentences_R),
        by_seed=tuple(system.score_S.tolist()),
        deviation=_deviation(system.score_S),
    )


def interval(statistics_NK: Floats, score: ScoreOfSums, *, resamples: int, seed: int) -> Interval:
    """The interval of one system's score over its sentences."""
    drawn = resample([statistics_NK], score, seed=seed, resamples=resamples)
    return estimate(drawn, seed=seed).sentences


def difference(baseline: Resampled, system: Resampled, *, seed: int) -> Difference:
    """System minus baseline, paired by resample and by seed.

    Raises: ValueError when the two have other numbers of seeds or resamples.
    """
    if baseline.draws_RS.shape != system.draws_RS.shape:
        raise ValueError(
            f"resamples × seeds are {baseline.draws_RS.shape} and {system.draws_RS.shape}; a paired test needs the same"
        )
    both = Resampled(system.score_S - baseline.score_S, system.draws_RS - baseline.draws_RS)
    found = estimate(both, seed=seed)
    return Difference(
        value=found.value,
        interval=found.interval,
        sentences=found.sentences,
        by_seed=found.by_seed,
        deviation=found.deviation,
        p_value=p_value(_with_seeds(both.draws_RS, seed=seed)),
        p_value_sentences=p_value(both.draws_RS.mean(axis=1)),
        detectable=smallest_detectable(both.draws_RS.mean(axis=1)),
        detectable_with_seeds=smallest_detectable(_with_seeds(both.draws_RS, seed=seed)),
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
    values = np.asarray(score_S, dtype=np.float64)
    half = student_t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return Interval(float(values.mean() - half), float(values.mean() + half))


def p_value(draws_R: Floats) -> float:
    """Two-sided bootstrap p-value that the quantity is 0, by the formula at the top of this file."""
    rarer = min(int((draws_R <= 0).sum()), int((draws_R >= 0).sum()))
    return min(1.0, (2 * rarer + 1) / (len(draws_R) + 1))


def smallest_detectable(draws_R: Floats) -> float:
    """The smallest difference that a test set could show, from draws of a difference; see the top of this file."""
    normal = NormalDist()
    quantiles = normal.inv_cdf((1 + CONFIDENCE) / 2) + normal.inv_cdf(POWER)
    return float(quantiles * draws_R.std(ddof=1))


def perplexity_of_sums(sums_RK: Floats) -> Floats:
    """Perplexity from K = 2 sums, nats and tokens: weighted by tokens, never a mean of means."""
    return np.asarray(np.exp(sums_RK[..., 0] / sums_RK[..., 1]), dtype=np.float64)


def _with_seeds(draws_RS: Floats, *, seed: int) -> Floats:
    resamples, seeds = draws_RS.shape
    mean_R: Floats = draws_RS.mean(axis=1)
    if seeds == 1:
        return mean_R
    drawn_RS = np.random.default_rng([seed, seeds]).integers(seeds, size=(resamples, seeds))
    moved_R = np.take_along_axis(draws_RS, drawn_RS, axis=1).mean(axis=1)
    return np.asarray(mean_R + np.sqrt(seeds / (seeds - 1)) * (moved_R - mean_R), dtype=np.float64)


def _interval(draws_R: Floats) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws_R, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _deviation(score_S: Floats) -> float | None:
    return float(score_S.std(ddof=1)) if len(score_S) > 1 else None
