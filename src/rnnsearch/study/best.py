"""Which member is best, as far as its runs can tell: all pairs of members are compared together."""

from collections import defaultdict
from itertools import combinations

import numpy as np

from rnnsearch.evaluation.error_model import Errors, errors_of, hold
from rnnsearch.evaluation.metrics import CHRF, PERPLEXITY
from rnnsearch.study.measures import FALLING
from rnnsearch.study.plan import Pair
from rnnsearch.study.statistics import Comparison, gap


def not_told_from_best(comparison: Comparison) -> tuple[str, list[str]]:
    """The member with the best primary score, and all members, itself among them, that no other is known to beat.

    In 95 % of studies nobody is left out wrongly, however many members are equally good: the p-value of each pair is
    counted as many times as there are pairs (Bonferroni). Members with one seed, or none in common, are told from none;
    in a study of one seed all remain, and the best is no more than the best observed.

    Returns: the best, and those that can't be told from it in the order of the scores, itself first.
    """
    ranked = sorted(comparison.whole.scores, key=lambda member: standing(comparison, member), reverse=True)
    worse = {member for pair in _told_apart(comparison) for member in pair[1:]}
    return ranked[0], [member for member in ranked if member == ranked[0] or member not in worse]


def standing(comparison: Comparison, member: str) -> tuple[float, ...]:
    """Orders members by their primary score, more is better; chrF, then likelihood, decide between equals."""
    found = comparison.whole.scores[member]
    return tuple(
        -found[name].value if name in FALLING else found[name].value
        for name in (comparison.primary, CHRF.name, PERPLEXITY.name)
    )


def _told_apart(comparison: Comparison) -> list[Pair]:
    """The pairs, better and worse, whose difference in the primary score holds beside all other pairs."""
    metric, members = comparison.primary, list(comparison.whole.scores)
    sign = -1 if metric in FALLING else 1
    every = list(combinations(members, 2))
    of_freedom: dict[int, list[tuple[Pair, float, Errors]]] = defaultdict(list)  # that are tested at once
    for pair in every:
        both = gap(pair, comparison.whole.drawn, comparison.seeds_of, metric)
        if both is not None:
            errors = errors_of(both.score_S, both.draws_RS)
            of_freedom[errors.freedom].append((pair, sign * float(both.score_S.mean()), errors))
    told = []
    for freedom, found in of_freedom.items():
        values, sentences, seeds = np.array([(value, one.sentences, one.seeds) for _, value, one in found]).T
        held = hold(values, sentences, seeds, freedom, together=len(every))
        told += [
            pair if value > 0 else pair[::-1] for (pair, value, _), holds in zip(found, held, strict=True) if holds
        ]
    return told
