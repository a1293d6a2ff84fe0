"""Corpus scores of detokenised text, as sacreBLEU computes them, and the sums that they are computed from.

Shape suffixes: N sentences, K sufficient statistics, R resamples (any leading dimensions).

BLEU is Papineni et al. 2002 with the tokenizer of a `Scoring`, cased, exponential smoothing; chrF is Popović 2015
(character 6-grams, beta 2); TER is Snover et al. 2006 with sacreBLEU's defaults, which ignore case, and its support of
Asian scripts where those are scored by characters. The signature beside each score says so (Post 2018, "A call for
clarity in reporting BLEU scores"). Hypotheses and references are brought to one Unicode form first.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from rnnsearch.data.normalization import normalized
from rnnsearch.evaluation.scoring import EARLIER, Scoring, bleu_tokenizer, check_known

ORDERS = 4  # n-gram orders of BLEU
CHARACTER_ORDERS = 6  # of chrF
BETA_SQUARED = 4.0  # chrF weighs recall twice as much as precision
BLEU_STATISTICS = 2 + 2 * ORDERS  # hypothesis length, reference length, matches of order 1..4, n-grams of order 1..4
CHRF_STATISTICS = 3 * CHARACTER_ORDERS  # for each order: n-grams of the hypothesis, of the reference, matches

Floats = NDArray[np.float64]


def score(
    hypotheses: Sequence[str], references: Sequence[str], scoring: Scoring | None = None
) -> dict[str, float | str]:
    """BLEU, chrF and TER of a corpus (percent), each with sacreBLEU's signature.

    Args:
        scoring: None takes the one that suits the references. sacreBLEU's warnings are logged once.

    Raises: ValueError when there is nothing to score, the two differ in length, or a tokenizer is not installed.
    """
    _check(hypotheses, references)
    how = scoring or Scoring(bleu_tokenizer(references, None), "nfc")
    texts = [[normalized(text, how.normalization) for text in side] for side in (hypotheses, references)]
    scores: dict[str, float | str] = {}
    with _told_once():
        for name, metric in (("bleu", _bleu(how, warns=True)), ("chrf", CHRF()), ("ter", _ter(how))):
            scores[name] = float(metric.corpus_score(texts[0], texts[1:]).score)
            scores[f"{name}_signature"] = str(metric.get_signature())
    return scores


def suitable_scoring(
    references: Sequence[Sequence[str]], *, language: str, normalization: str, tokenizer: str | None = None
) -> Scoring:
    """How translations into a language are scored, decided by the references of one or more test sets alone.

    Args:
        references: of each set.
        language: declared language of the references.
        normalization: Unicode form of what the model writes; the references are brought to it, at least to NFC.
        tokenizer: of BLEU, instead of the one that suits the references.

    Raises: ValueError for a tokenizer that is not known or not installed.
    """
    check_known(tokenizer)
    all_references = [text for of_set in references for text in of_set]
    form = "nfkc" if normalization == "nfkc" else "nfc"
    how = Scoring(tokenizer or bleu_tokenizer(all_references, language), form)
    with _told_once() as warnings:
        degenerate = [score(of_set, of_set, how)["bleu"] == 0 for of_set in references if of_set]
    return replace(how, primary="chrf" if any(degenerate) else "bleu", warnings=tuple(warnings))


def bleu_statistics(hypotheses: Sequence[str], references: Sequence[str], scoring: Scoring = EARLIER) -> Floats:
    """BLEU's counts of each sentence, [N, BLEU_STATISTICS]; sum them over sentences for the corpus."""
    return _statistics("bleu", hypotheses, references, scoring)


def brevity_penalty(ratio: float) -> float:
    """The factor on BLEU when the hypotheses have ``ratio`` times the references' tokens."""
    return 1.0 if ratio >= 1.0 else math.exp(1.0 - 1.0 / ratio) if ratio > 0 else 0.0


def chrf_statistics(hypotheses: Sequence[str], references: Sequence[str], scoring: Scoring = EARLIER) -> Floats:
    """chrF's counts of each sentence, [N, CHRF_STATISTICS]; sum them over sentences for the corpus."""
    return _statistics("chrf", hypotheses, references, scoring)


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


def _bleu(scoring: Scoring, *, warns: bool = False, references: Sequence[Sequence[str]] | None = None) -> BLEU:
    try:
        return BLEU(tokenize=scoring.bleu_tokenizer, lowercase=False, force=not warns, references=references)
    except (ImportError, RuntimeError):
        package = scoring.bleu_tokenizer.partition("-")[0]
        raise ValueError(
            f"BLEU by {scoring.bleu_tokenizer} needs packages that are not installed; install them with "
            f"pip install 'sacrebleu[{package}]', or choose another validation.bleu_tokenizer"
        ) from None


def _ter(scoring: Scoring) -> TER:
    asian = scoring.bleu_tokenizer in ("zh", "char", "ja-mecab")
    return TER(normalized=asian, asian_support=asian)


def _statistics(name: str, hypotheses: Sequence[str], references: Sequence[str], scoring: Scoring) -> Floats:
    _check(hypotheses, references)
    metric = _with_references(name, tuple(references), scoring)
    texts = [normalized(text, scoring.normalization) for text in hypotheses]
    return np.asarray(metric._extract_corpus_statistics(texts, None), dtype=np.float64)


@lru_cache(maxsize=2)  # both of the references in use
def _with_references(name: str, references: tuple[str, ...], scoring: Scoring) -> BLEU | CHRF:
    """A metric that knows the n-grams of its references, which the runs of a study share."""
    texts = [[normalized(text, scoring.normalization) for text in references]]
    return _bleu(scoring, references=texts) if name == "bleu" else CHRF(references=texts)


@contextmanager
def _told_once() -> Iterator[list[str]]:
    """sacreBLEU's warnings in the block, each passed on once a process."""
    messages: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.levelno >= logging.WARNING and "`force`" not in message:  # that is no option here
            messages.append(message)
        return False

    sacrebleu = logging.getLogger("sacrebleu")
    sacrebleu.addFilter(keep)
    try:
        yield messages
    finally:
        sacrebleu.removeFilter(keep)
    for message in messages:
        _tell(message)


@cache
def _tell(message: str) -> None:
    logging.getLogger("sacrebleu").warning(message)


def _check(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses but {len(references)} references; they must pair one to one")
    if not hypotheses:
        raise ValueError("no sentences to score; give at least one hypothesis and its reference")
