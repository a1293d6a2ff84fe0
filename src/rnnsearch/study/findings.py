"""The report's sentences on what was found."""

from rnnsearch.evaluation.metrics import CHRF, PERPLEXITY
from rnnsearch.evaluation.significance import Difference
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import TITLES, compares, primary, ranked, scores
from rnnsearch.study.statistics import Comparison
from rnnsearch.study.tables import interval, number, p_value, signed
from rnnsearch.study.unfinished import no_test, of_runs, untested


def headline(study: Study, comparison: Comparison | None) -> str:
    """The report's first sentence."""
    if not compares(study):
        return _best_trial(study)
    if comparison is not None and len(study.members) == 1:
        found = comparison.whole.scores[study.baseline][comparison.metric]
        name = TITLES[comparison.metric]
        value = f"{number(found.value)} {name} {interval(found.interval)}"
        return f"{study.baseline} has {value}; there is nothing to compare."
    if comparison is None:
        without = untested(study)
        why = f"{of_runs(len(without))} finished, but {no_test(without)}" if without else "no run is finished"
        return f"No comparison yet: {why}."
    best, score = better(study, comparison)
    if score < comparison.weak:
        name, least = TITLES[comparison.metric], f"{comparison.weak:.0f}"
        return f"This comparison says nothing: the better member, {best}, has {number(score)} {name}, under {least}."
    if not comparison.compared:
        return f"No comparison yet: no other member has finished a seed in common with {study.baseline}."
    return finding(study, comparison, leader(comparison))


def _best_trial(study: Study) -> str:
    measure, order = primary(study), ranked(study)
    if not order:
        return "No run is finished yet."
    found = scores(study, measure)
    best = found[order[0]].mean
    if measure.split == "training":
        slowest = found[order[-1]].mean
        against = f"{best / slowest:.1f} times the slowest, {order[-1]}"
        return f"The fastest of {len(order)} is {order[0]}, {against}: {best:,.0f} {TITLES[measure.key]}."
    return (
        f"The best of {len(order)} finished trials is {order[0]} with {number(best)} {measure.title}; as the best of "
        "many it is probably worse on new data: train it anew, with several seeds, before believing it."
    )


def finding(study: Study, comparison: Comparison, member: str) -> str:
    """What a member gains over the baseline, and whether the interval excludes 0."""
    found = comparison.whole.differences[member][comparison.metric]
    verb = "gains" if found.value >= 0 else "loses"
    against = "over" if found.value >= 0 else "against"
    name = member if "=" in member else member[0].upper() + member[1:]
    ends = (
        (found.interval.low, found.interval.high) if found.value >= 0 else (-found.interval.high, -found.interval.low)
    )
    return (
        f"{name} {verb} {number(abs(found.value))} {TITLES[comparison.metric]} [{number(ends[0])}, {number(ends[1])}] "
        f"{against} {study.baseline}: the 95 % interval {excludes(found)}."
    )


def excludes(found: Difference) -> str:
    """The verdict on a difference."""
    return "excludes 0" if found.interval.excludes_zero else "does not exclude 0"


def verdict(study: Study, comparison: Comparison, member: str) -> str:
    """The difference in full, with its p-value and its sources of chance."""
    found = comparison.whole.differences[member][comparison.metric]
    chance = "test sentences and seeds" if len(comparison.seeds) > 1 else "test sentences"
    return (
        f"{member} − {study.baseline} = {signed(found.value)} {TITLES[comparison.metric]}, "
        f"95 % interval {interval(found.interval)} over {chance}, two-sided {p_value(found.p_value)}: "
        f"the interval {excludes(found)}."
    )


def better(study: Study, comparison: Comparison) -> tuple[str, float]:
    """The member with the highest primary score, and that score."""
    best = max(study.members, key=lambda member: standing(comparison, member))
    return best, comparison.whole.scores[best][comparison.metric].value


def standing(comparison: Comparison, member: str) -> tuple[float, ...]:
    """Orders members by their primary score; chrF, then likelihood, decide between equals."""
    found = comparison.whole.scores[member]
    return found[comparison.metric].value, found[CHRF.name].value, -found[PERPLEXITY.name].value


def leader(comparison: Comparison) -> str:
    """The member with the highest primary score of those that are compared with the baseline."""
    return max(comparison.compared, key=lambda member: standing(comparison, member))
