"""The report's sentences on what was found."""

from rnnsearch.evaluation.significance import Difference, Interval
from rnnsearch.records.metrics import METRICS, TITLES
from rnnsearch.study.best import standing
from rnnsearch.study.folder import Study
from rnnsearch.study.plan import Pair
from rnnsearch.study.planned_comparisons import equivalent, planned
from rnnsearch.study.statistics import Comparison
from rnnsearch.study.tables import interval, number, p_value, signed
from rnnsearch.study.unfinished import no_test, of_runs, untested


def headline(study: Study, comparison: Comparison | None) -> str:
    """The first sentence of a comparison's report."""
    if comparison is not None and len(study.members) == 1:
        estimate = comparison.whole.scores[study.baseline][comparison.metric]
        name = TITLES[comparison.metric]
        value = f"{number(estimate.value)} {name} {interval(estimate.interval)}"
        return f"{study.baseline} has {value}; there is nothing to compare."
    if comparison is None:
        without = untested(study)
        why = f"{of_runs(len(without))} finished, but {no_test(without)}" if without else "no run is finished"
        return f"No comparison yet: {why}."
    best, score = better(study, comparison)
    name, least = TITLES[comparison.metric], f"{comparison.weak:.0f}"
    if score < comparison.weak:
        return f"This comparison says nothing: the better member, {best}, has {number(score)} {name}, under {least}."
    if not comparison.whole.differences:
        if len({baseline for _, baseline in comparison.pairs}) != 1:
            return "No comparison yet: no seed shared."
        return f"No comparison yet: no other member has finished a seed in common with {comparison.pairs[0][1]}."
    if not comparison.compared:
        return f"No comparison is reported: the better of every pair has under {least} {name}."
    margin = study.description.planned.equivalence
    tested = f" {equivalent(planned(comparison), margin, TITLES[comparison.primary])}" if margin else ""
    return _held(comparison) + finding(study, comparison, leader(comparison)) + tested


def _held(comparison: Comparison) -> str:
    """How many comparisons hold, where they do not all share a baseline."""
    plans = planned(comparison)
    if len({plan.baseline for plan in plans}) == 1 or not any(plan.holds for plan in plans):
        return ""
    return f"{sum(plan.holds for plan in plans)} of {len(plans)} planned comparisons hold, the largest: "


def finding(study: Study, comparison: Comparison, pair: Pair) -> str:
    """What a system gains over its baseline and whether the interval excludes 0; with one seed, how two runs differ."""
    (system, baseline), gap = pair, comparison.whole.differences[pair][comparison.primary]
    subject = system if "=" in system else system[0].upper() + system[1:]
    name = TITLES[comparison.primary]
    if len(gap.by_seed) == 1:
        value = f"{signed(gap.value)} {name} {interval(gap.interval)}"
        says = f"these two runs differ by {value}, sentences alone; of the systems one seed says nothing"
        return f"{subject} − {baseline}: {says}."
    rises = gap.value >= 0
    ends = gap.interval if rises else Interval(-gap.interval.high, -gap.interval.low)
    value, bounds = number(abs(gap.value)), interval(ends)
    if not METRICS[comparison.primary].higher:
        does = f"{'raises' if rises else 'lowers'} {name} by {value} {bounds} against"
    else:
        does = f"{'gains' if rises else 'loses'} {value} {name} {bounds} {'over' if rises else 'against'}"
    return f"{subject} {does} {baseline}: the 95 % interval{_several(gap)} {excludes(gap)}."


def _several(gap: Difference) -> str:
    return f" of {gap.together} together" if gap.together > 1 else ""


def excludes(found: Difference) -> str:
    """The verdict on a difference."""
    return "excludes 0" if found.interval.excludes_zero else "does not exclude 0"


def verdict(study: Study, comparison: Comparison, pair: Pair) -> str:
    """The difference in full, with its p-value, the sources of chance and the methods that account for them."""
    (system, baseline), gap = pair, comparison.whole.differences[pair][comparison.primary]
    value = f"{system} − {baseline} = {signed(gap.value)} {TITLES[comparison.primary]}"
    ends, p = f"95 % interval{_several(gap)} {interval(gap.interval)}", f"two-sided {p_value(gap.p_value)}"
    if len(gap.by_seed) == 1:
        return f"{value}, {ends} over test sentences alone (bootstrap), {p}: it speaks of these two runs."
    how = "over test sentences (bootstrap) and seeds (Student's t)"
    return f"{value}, {ends} {how}, {p}: the interval {excludes(gap)}."


def better(study: Study, comparison: Comparison) -> tuple[str, float]:
    """The member with the highest primary score of text, and that score."""
    value = {member: comparison.whole.scores[member][comparison.metric].value for member in study.members}
    best = max(study.members, key=lambda member: (value[member], *standing(comparison, member)))
    return best, value[best]


def leader(comparison: Comparison) -> Pair:
    """The pair to report first: the best system's; where baselines differ, that with the largest difference."""
    if len({baseline for _, baseline in comparison.pairs}) == 1:
        return max(comparison.compared, key=lambda pair: standing(comparison, pair[0]))
    gaps = {pair: comparison.whole.differences[pair][comparison.primary] for pair in comparison.compared}
    return max(gaps, key=lambda pair: (gaps[pair].holds, abs(gaps[pair].value)))
