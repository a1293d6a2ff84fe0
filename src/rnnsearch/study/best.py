"""Which member is best, as far as its runs can tell: all pairs of members are compared together."""

from collections import defaultdict
from itertools import combinations

import numpy as np

from rnnsearch.evaluation.error_model import Errors, errors_of, hold
from rnnsearch.evaluation.summed_metrics import CHRF, PERPLEXITY
from rnnsearch.records.metrics import METRICS
from rnnsearch.study.plan import Pair
from rnnsearch.study.statistics import Comparison, gap


def not_told_from_best(comparison: Comparison) -> list[str]:
    """All members that no other is known to beat in the primary score, by descending score, the best first.

    In 95 % of studies no member is left out wrongly, however many are equally good: each pair's p-value is multiplied
    by the number of pairs (Bonferroni). Members with one seed, or without a common seed, can't be told apart; in a
    study of one seed all remain, and the best is only the best observed.
    """
    ranked = sorted(comparison.whole.scores, key=lambda member: standing(comparison, member), reverse=True)
    worse = {member for pair in _told_apart(comparison) for member in pair[1:]}
    return [member for member in ranked if member == ranked[0] or member not in worse]


def standing(comparison: Comparison, member: str) -> tuple[float, ...]:
    """A sort key: the primary score, turned so that more is better; chrF, then likelihood, break ties."""
    scores = comparison.whole.scores[member]
    return tuple(
        -scores[name].value if not METRICS[name].higher else scores[name].value
        for name in (comparison.primary, CHRF.name, PERPLEXITY.name)
    )


def _told_apart(comparison: Comparison) -> list[Pair]:
    """The pairs (better, worse) whose difference in the primary score holds when all pairs are tested together."""
    metric, members = comparison.primary, list(comparison.whole.scores)
    sign = -1 if not METRICS[metric].higher else 1
    pairs = list(combinations(members, 2))
    of_freedom: dict[int, list[tuple[Pair, float, Errors]]] = defaultdict(list)  # tested together
    for pair in pairs:
        both = gap(pair, comparison.whole.drawn, comparison.seeds_of, metric)
        if both is not None:
            errors = errors_of(both.score_S, both.draws_RS)
            of_freedom[errors.freedom].append((pair, sign * float(both.score_S.mean()), errors))
    apart = []
    for freedom, tested in of_freedom.items():
        values, sentences, seeds = np.array([(value, errors.sentences, errors.seeds) for _, value, errors in tested]).T
        held = hold(values, sentences, seeds, freedom, together=len(pairs))
        apart += [
            pair if value > 0 else pair[::-1] for (pair, value, _), holds in zip(tested, held, strict=True) if holds
        ]
    return apart
