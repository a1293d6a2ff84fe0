"""Which points of a sweep can't be told from the best one.

The best of many is chosen after looking at all of them, so an interval of its own for each pair would find too many
differences: all pairs are read together.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from rnnsearch.evaluation.significance import CONFIDENCE
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import best_first, primary
from rnnsearch.study.statistics import Comparison


def near_best(study: Study, comparison: Comparison | None) -> Sequence[str] | None:
    """The best point and those that can't be told from it, in the order of their scores.

    None where nothing is known of training anew: speeds, untested trials, one seed each, or a single point.
    """
    measure = primary(study)
    if comparison is None or measure.split != "test" or len(comparison.whole.scores) < 2:
        return None
    if measure.key not in next(iter(comparison.whole.drawn.values())):
        return None
    if not any(set(one) & set(other) for one, other in combinations(comparison.seeds_of.values(), 2)):
        return None
    if max(map(len, comparison.seeds_of.values())) < 2:
        return None
    order = [member for member in best_first(study).members if member in comparison.whole.scores]
    return [order[0], *(one for one in order[1:] if not _told(comparison, measure.key, order[0], one))]


def _told(comparison: Comparison, metric: str, best: str, other: str) -> bool:
    mean_R = {member: of[metric].draws_RS.mean(axis=1) for member, of in comparison.whole.drawn.items()}
    pairs = list(combinations(mean_R, 2))
    draws_RP = np.stack([mean_R[one] - mean_R[two] for one, two in pairs], axis=1)
    errors_P = np.maximum(draws_RP.std(axis=0, ddof=1), 1e-12)
    factor = np.quantile((np.abs(draws_RP - draws_RP.mean(axis=0)) / errors_P).max(axis=1), CONFIDENCE)
    gap_R = mean_R[best] - mean_R[other]
    return bool(abs(gap_R.mean()) > factor * gap_R.std(ddof=1))
