"""How attention is spread: its entropy, how much of the source it covers, and how close it keeps to the diagonal.

α_ij is the weight of target token i on source token j, for pieces or for words, of one pair: weights [T, S], without
the rows and columns of the ends of sentence, so that a row sums to at most 1. Entropy and diagonality are of a row's
distribution over the source tokens, p_ij = α_ij / Σ_j α_ij; a row without any weight has none and is left out.

    entropy      - Σ_j p_ij ln p_ij, in nats; 0 looks at one token, ln S at all of them alike; mean over target tokens
    coverage     min(1, Σ_i α_ij): how much of source token j was ever looked at; mean over source tokens
    diagonality  1 - Σ_j p_ij |(j + ½) / S - (i + ½) / T|, the distance of the tokens' middles, each as a fraction of
                 its sentence; mean over target tokens. It is in [0, 1]: 1 on the diagonal of a square, and over long
                 sentences 2/3 for weights that are all alike and 1/2 for a source that is read backwards

A corpus's figures are sums over all its tokens divided by their number, so that long sentences count for more; they are
not means of the sentences' own figures.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class AttentionSums:
    """One pair's sums: entropy and diagonality over `targets` tokens, coverage over `sources` tokens."""

    entropy: float
    diagonality: float
    targets: int
    coverage: float
    sources: int


@dataclass(frozen=True, slots=True)
class AttentionStatistics:
    """Means over the tokens of a corpus, as the top of this file says; None without tokens."""

    entropy: float | None
    coverage: float | None
    diagonality: float | None


def attention_sums(weights_TS: ArrayLike) -> AttentionSums:
    """The sums of one pair's weights [T, S], ends of sentence left out.

    Raises: ValueError for weights that are no matrix, or negative or not finite.
    """
    weights_TS = np.asarray(weights_TS, dtype=np.float64)
    if weights_TS.ndim != 2:
        raise ValueError(f"weights have shape {weights_TS.shape}; one row a target token is needed, [T, S]")
    if not (np.isfinite(weights_TS).all() and (weights_TS >= 0).all()):
        raise ValueError("weights must be numbers of at least 0")
    targets, sources = weights_TS.shape
    rows = np.flatnonzero(weights_TS.sum(axis=1))  # rows that have a distribution
    p_TS = weights_TS[rows] / weights_TS[rows].sum(axis=1, keepdims=True)
    distance_TS = np.abs((np.arange(sources) + 0.5) / max(sources, 1) - (rows[:, None] + 0.5) / max(targets, 1))
    return AttentionSums(
        entropy=float(-(p_TS * np.log(np.where(p_TS > 0, p_TS, 1.0))).sum()),
        diagonality=float(len(rows) - (p_TS * distance_TS).sum()),
        targets=len(rows),
        coverage=float(np.minimum(1.0, weights_TS.sum(axis=0)).sum()),
        sources=sources,
    )


def attention_statistics(pairs: Iterable[AttentionSums]) -> AttentionStatistics:
    """The figures of a corpus from the sums of its pairs."""
    sums = list(pairs)
    targets, sources = sum(pair.targets for pair in sums), sum(pair.sources for pair in sums)
    return AttentionStatistics(
        entropy=sum(pair.entropy for pair in sums) / targets if targets else None,
        coverage=sum(pair.coverage for pair in sums) / sources if sources else None,
        diagonality=sum(pair.diagonality for pair in sums) / targets if targets else None,
    )
