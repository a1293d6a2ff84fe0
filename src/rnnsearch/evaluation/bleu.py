"""Corpus scores of detokenised text, as sacreBLEU computes them, and the sums that they are made of.

Shape suffixes: N sentences, K sufficient statistics, R resamples (any leading dimensions).

BLEU is Papineni et al. 2002 with the 13a tokenizer, cased, exponential smoothing; chrF is Popović 2015 (character
6-grams, beta 2); TER is Snover et al. 2006 with sacreBLEU's defaults, which ignore case. The signature beside each
score says so. Post, 2018, "A call for clarity in reporting BLEU scores".
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

ORDERS = 4  # n-gram orders of BLEU
CHARACTER_ORDERS = 6  # of chrF
BETA_SQUARED = 4.0  # chrF weighs recall twice as much as precision
BLEU_STATISTICS = 2 + 2 * ORDERS  # hypothesis length, reference length, matches of order 1..4, n-grams of order 1..4
CHRF_STATISTICS = 3 * CHARACTER_ORDERS  # for each order: n-grams of the hypothesis, of the reference, matches

Floats = NDArray[np.float64]


def score(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float | str]:
    """BLEU, chrF and TER of a corpus (percent), each with sacreBLEU's signature.

    Raises: ValueError when there is nothing to score or the two differ in length.
    """
    _check(hypotheses, references)
    scores: dict[str, float | str] = {}
    for name, metric in (("bleu", _bleu()), ("chrf", CHRF()), ("ter", TER())):
        scores[name] = float(metric.corpus_score(hypotheses, [references]).score)
        scores[f"{name}_signature"] = str(metric.get_signature())
    return scores


def bleu_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> Floats:
    """BLEU's counts of each sentence, [N, BLEU_STATISTICS]; sum them over sentences for the corpus."""
    return _statistics(_bleu(), hypotheses, references)


def chrf_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> Floats:
    """chrF's counts of each sentence, [N, CHRF_STATISTICS]; sum them over sentences for the corpus."""
    return _statistics(CHRF(), hypotheses, references)


def bleu_from_statistics(summed_K: ArrayLike) -> float:
    """BLEU (percent) from one corpus's summed counts: sacreBLEU's own arithmetic, so equal to its corpus_bleu."""
    counts = np.asarray(summed_K).tolist()
    matches, ngrams = counts[2 : 2 + ORDERS], counts[2 + ORDERS :]
    return float(BLEU.compute_bleu(matches, ngrams, int(counts[0]), int(counts[1]), smooth_method="exp").score)


def chrf_from_statistics(summed_K: ArrayLike) -> float:
    """chrF (percent) from one corpus's summed counts: sacreBLEU's own arithmetic, so equal to its corpus_chrf."""
    return float(CHRF()._compute_score_from_stats(np.asarray(summed_K).tolist()).score)


def bleu_of_sums(sums_RK: Floats) -> Floats:
    """BLEU (percent) of many sums at once, [..., BLEU_STATISTICS] -> [...]; sacreBLEU's formula, vectorised."""
    lengths, references = sums_RK[..., 0], sums_RK[..., 1]
    matches, ngrams = sums_RK[..., 2 : 2 + ORDERS], sums_RK[..., 2 + ORDERS :]
    halvings = 2.0 ** np.cumsum((matches == 0) & (ngrams > 0), axis=-1)  # exponential smoothing: 1/2, 1/4, ... a match
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(matches > 0, matches, 1.0 / halvings) / ngrams
        brevity = np.minimum(0.0, 1.0 - references / lengths)
        score = 100.0 * np.exp(np.log(precision).mean(axis=-1) + brevity)
    undefined = (matches.sum(axis=-1) == 0) | (ngrams == 0).any(axis=-1) | (lengths == 0)
    return np.where(undefined, 0.0, score)


def chrf_of_sums(sums_RK: Floats) -> Floats:
    """chrF (percent) of many sums at once, [..., CHRF_STATISTICS] -> [...]; sacreBLEU's formula, vectorised."""
    hypothesis, reference, matches = (sums_RK[..., first::3] for first in range(3))
    counted = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision = (np.where(counted, matches, 0.0) / np.maximum(hypothesis, 1)).sum(axis=-1) / orders
    recall = (np.where(counted, matches, 0.0) / np.maximum(reference, 1)).sum(axis=-1) / orders
    weighted = BETA_SQUARED * precision + recall
    score = 100.0 * (1.0 + BETA_SQUARED) * precision * recall / np.where(weighted > 0, weighted, 1.0)
    return np.asarray(score, dtype=np.float64)


def _bleu() -> BLEU:
    return BLEU(tokenize="13a", lowercase=False, force=True)  # force: no warning about text that looks tokenized


def _statistics(metric: BLEU | CHRF, hypotheses: Sequence[str], references: Sequence[str]) -> Floats:
    _check(hypotheses, references)
    return np.asarray(metric._extract_corpus_statistics(hypotheses, [references]), dtype=np.float64)


def _check(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses but {len(references)} references; they must pair one to one")
    if not hypotheses:
        raise ValueError("no sentences to score; give at least one hypothesis and its reference")
