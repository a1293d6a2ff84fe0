"""Whether two accounts of what a model looked at rank the source words alike: attention, saliency, other runs.

For each target word of a sentence, Kendall's τ-b (1938; of ties, 1945) between the two rows of weights over the source
words, as `word_alignment` has them; a row all of whose weights are equal ranks nothing and is left out. A sentence's
agreement is the mean over its target words, a corpus's the mean over sentences, with a bootstrap interval over these.
Independent rankings agree with 0 on average, equal ones with 1.

Between attention and gradients it is the measure of Jain and Wallace 2019 (arXiv 1902.10186); how much seeds differ is
the yardstick that Wiegreffe and Pinter 2019 (arXiv 1908.04626) ask for.

T target words, S source words, N sentences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from rnnsearch.evaluation.alignment_links import Weights
from rnnsearch.evaluation.progress import Progress, silent
from rnnsearch.evaluation.references import TOGETHER
from rnnsearch.evaluation.significance import interval, mean_of_sums
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.word_alignment import align

Pair = tuple[str, str]  # texts of source and target


def rank_agreement(first_TS: Weights, second_TS: Weights) -> float:
    """A sentence's agreement; NaN if no target word has one.

    Raises:
        ValueError: if the weights are of other words.
    """
    if first_TS.shape != second_TS.shape:
        raise ValueError(f"weights of {first_TS.shape} and {second_TS.shape} words; they must be of the same words")
    if first_TS.shape[1] < 2:
        return float("nan")
    rows = [
        float(kendalltau(first_S, second_S).statistic)
        for first_S, second_S in zip(first_TS, second_TS, strict=True)
        if np.ptp(first_S) > 0 and np.ptp(second_S) > 0
    ]
    return float(np.mean(rows)) if rows else float("nan")


def agreements(
    systems: Mapping[str, System],
    pairs: Sequence[Pair],
    *,
    saliency: bool,
    sentences: int,
    resamples: int,
    seed: int,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Agreement of the first system's attention with its saliency, and between all systems.

    Args:
        systems: models with attention, by name; the first is the one that is asked about.
        pairs: of which so many ``sentences``, spread evenly, are looked at: saliency takes a backward pass a token.
        saliency: whether it is compared at all; also between systems, if there are several.
        resamples, seed: of the intervals.

    Returns: kendall_tau, its 95 % interval and the number of sentences of attention_and_saliency, attention_of_runs and
    saliency_of_runs, as far as they are there.
    """
    count = min(sentences, len(pairs))
    chosen = [pairs[i * len(pairs) // count] for i in range(count)]
    methods = ("attention", "saliency") if saliency else ("attention",)
    weights = {
        (name, method): _weights(system, chosen, method, progress)
        for name, system in systems.items()
        for method in methods
    }
    first, *others = systems
    compared = {}
    if saliency:
        compared["attention_and_saliency"] = [((first, "attention"), (first, "saliency"))]
    for method in methods if others else ():
        compared[f"{method}_of_runs"] = [((one, method), (other, method)) for one, other in combinations(systems, 2)]
    return {
        name: _summary([(weights[one], weights[other]) for one, other in of_name], resamples, seed)
        for name, of_name in compared.items()
    }


def _weights(system: System, pairs: Sequence[Pair], method: str, progress: Progress) -> list[Weights]:
    weights: list[Weights] = []
    with progress(method, len(pairs)) as advance:
        for start in range(0, len(pairs), TOGETHER):
            together = pairs[start : start + TOGETHER]
            weights += [alignment.weights_TS for alignment in align(system, together, method=method)]
            advance(len(together))
    return weights


def _summary(compared: Sequence[tuple[list[Weights], list[Weights]]], resamples: int, seed: int) -> dict[str, Any]:
    """Over sentences; a sentence's agreement is the mean over all that is compared."""
    taus_XN = np.array([[rank_agreement(*both) for both in zip(*lists, strict=True)] for lists in compared])
    tau_N = taus_XN.mean(axis=0)
    tau_N = tau_N[np.isfinite(tau_N)]
    if not len(tau_N):
        return {"kendall_tau": None, "interval": None, "sentences": 0}
    bounds = interval(np.stack([tau_N, np.ones_like(tau_N)], axis=1), mean_of_sums, resamples=resamples, seed=seed)
    return {"kendall_tau": float(tau_N.mean()), "interval": list(astuple(bounds)), "sentences": len(tau_N)}
