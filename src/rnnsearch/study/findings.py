"""The report's sentences: what was found, and what stands against believing it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rnnsearch.evaluation.metrics import BLEU
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.significance import Difference, Interval
from rnnsearch.study.best import standing
from rnnsearch.study.folder import OTHER_DATA, Run, Study
from rnnsearch.study.measures import FALLING, TITLES, compares, scoring
from rnnsearch.study.origins import tokenizer_checksums
from rnnsearch.study.plan import Pair
from rnnsearch.study.planned import planned
from rnnsearch.study.statistics import Comparison
from rnnsearch.study.tables import interval, number, p_value, signed

MANY = 8  # runs that are named one by one
SIZE_TOLERANCE = 0.01  # of what is matched
BUDGET_TOLERANCE = 0.01
SCORE_TOLERANCE = 0.005  # BLEU points between a record and its translations


def headline(study: Study, comparison: Comparison | None) -> str:
    """The first sentence of a comparison's report."""
    if comparison is not None and len(study.members) == 1:
        found = comparison.whole.scores[study.baseline][comparison.metric]
        name = TITLES[comparison.metric]
        value = f"{number(found.value)} {name} {interval(found.interval)}"
        return f"{study.baseline} has {value}; there is nothing to compare."
    if comparison is None:
        untested = _untested(study)
        why = f"{_of_runs(len(untested))} finished, but {_no_test(untested)}" if untested else "no run is finished"
        return f"No comparison yet: {why}."
    best, score = better(study, comparison)
    name, least = TITLES[comparison.metric], f"{comparison.weak:.0f}"
    if score < comparison.weak:
        return f"This comparison says nothing: the better member, {best}, has {number(score)} {name}, under {least}."
    if not comparison.whole.differences:
        one = len({baseline for _, baseline in comparison.pairs}) == 1
        none = (
            f"no other member has finished a seed in common with {comparison.pairs[0][1]}" if one else "no seed shared"
        )
        return f"No comparison yet: {none}."
    if not comparison.compared:
        return f"No comparison is reported: the better of every pair has under {least} {name}."
    return _held(comparison) + finding(study, comparison, leader(comparison))


def _held(comparison: Comparison) -> str:
    """How many hold, where several do not share a baseline, so that no member is the one that all are told of."""
    found = planned(comparison)
    if len({one.baseline for one in found}) == 1 or not any(one.holds for one in found):
        return ""
    return f"{sum(one.holds for one in found)} of {len(found)} planned comparisons hold, the largest: "


def finding(study: Study, comparison: Comparison, pair: Pair) -> str:
    """What a system gains over its baseline, and whether the interval excludes 0; of one seed how two runs differ."""
    (system, baseline), found = pair, comparison.whole.differences[pair][comparison.primary]
    shown = system if "=" in system else system[0].upper() + system[1:]
    name = TITLES[comparison.primary]
    if len(found.by_seed) == 1:
        value = f"{signed(found.value)} {name} {interval(found.interval)}"
        says = f"these two runs differ by {value}, sentences alone; of the systems one seed says nothing"
        return f"{shown} − {baseline}: {says}."
    rises = found.value >= 0
    ends = found.interval if rises else Interval(-found.interval.high, -found.interval.low)
    value, bounds = number(abs(found.value)), interval(ends)
    if comparison.primary in FALLING:
        does = f"{'raises' if rises else 'lowers'} {name} by {value} {bounds} against"
    else:
        does = f"{'gains' if rises else 'loses'} {value} {name} {bounds} {'over' if rises else 'against'}"
    return f"{shown} {does} {baseline}: the 95 % interval{_several(found)} {excludes(found)}."


def _several(found: Difference) -> str:
    return f" of {found.together} together" if found.together > 1 else ""


def excludes(found: Difference) -> str:
    """The verdict on a difference."""
    return "excludes 0" if found.interval.excludes_zero else "does not exclude 0"


def verdict(study: Study, comparison: Comparison, pair: Pair) -> str:
    """The difference in full, with its p-value, its sources of chance and how both were reckoned with."""
    (system, baseline), found = pair, comparison.whole.differences[pair][comparison.primary]
    value = f"{system} − {baseline} = {signed(found.value)} {TITLES[comparison.primary]}"
    ends, p = f"95 % interval{_several(found)} {interval(found.interval)}", f"two-sided {p_value(found.p_value)}"
    if len(found.by_seed) == 1:
        return f"{value}, {ends} over test sentences alone (bootstrap), {p}: it speaks of these two runs."
    how = "over test sentences (bootstrap) and seeds (Student's t)"
    return f"{value}, {ends} {how}, {p}: the interval {excludes(found)}."


def better(study: Study, comparison: Comparison) -> tuple[str, float]:
    """The member with the highest primary score of text, and that score."""
    value = {member: comparison.whole.scores[member][comparison.metric].value for member in study.members}
    best = max(study.members, key=lambda member: (value[member], *standing(comparison, member)))
    return best, value[best]


def leader(comparison: Comparison) -> Pair:
    """The pair that is told of first: the best system's; where baselines differ, that of the largest difference."""
    if len({baseline for _, baseline in comparison.pairs}) == 1:
        return max(comparison.compared, key=lambda pair: standing(comparison, pair[0]))
    gaps = {pair: comparison.whole.differences[pair][comparison.primary] for pair in comparison.compared}
    return max(gaps, key=lambda pair: (gaps[pair].holds, abs(gaps[pair].value)))


def doubts(study: Study, comparison: Comparison | None) -> list[str]:
    """Everything a reader must know before believing the headline; empty when there is nothing."""
    found = _unfinished(study) + _without_test(study) + _made_apart(study) + _other_baseline(study)
    if comparison is None or len(study.members) == 1:
        return found
    if len(comparison.seeds) == 1:
        found.append(
            "One seed: the intervals cover the choice of test sentences, not the chance of training. Reruns of such "
            "systems differ by about ±0.5 BLEU."
        )
    elif len(comparison.seeds) < 5:
        found.append(
            f"{len(comparison.seeds)} seeds: the spread over training runs is itself known only roughly; read the "
            "differences seed by seed."
        )
    found += rates_at_an_end(study)
    runs = {member: study.compared(member) for member in study.members}
    found += unequal(study, runs)
    found += _unequal_data(runs) + _unequal_scoring(study, runs) + _unequal_records(study, comparison)
    return found


def _other_baseline(study: Study) -> list[str]:
    if study.baseline == study.all_members[0] or not compares(study):
        return []
    return [f"{study.all_members[0]}, the baseline, has no finished run; differences are from {study.baseline}."]


def _unfinished(study: Study) -> list[str]:
    done = ("finished", "pruned", OTHER_DATA)
    left = [f"{run.member} seed {run.seed} ({run.status})" for run in study.runs if run.status not in done]
    return [f"Not every run is finished: {_listed(left)}."] if left else []


def _untested(study: Study) -> list[Run]:
    """Finished runs without test translations, where members are compared on them."""
    return [run for run in study.runs if run.status == "finished" and not run.comparable] if compares(study) else []


def _no_test(untested: Sequence[Run]) -> str:
    splits = [(run.record.get("data") or {}).get("pairs") or {} for run in untested]
    if all(found and "test" not in found for found in splits):
        return "their data have no test split (data.test), so that only the validation set can be told of"
    return "without test translations: they were trained with test=false, or the files are gone"


def _without_test(study: Study) -> list[str]:
    untested = _untested(study)
    if not untested:
        return []
    named = "All runs are" if len(untested) == len(study.runs) else f"{_of_runs(len(untested))}"
    listed = "" if len(untested) == len(study.runs) else f": {_listed([_named(run) for run in untested])}"
    return [f"{named} finished, but {_no_test(untested)}{listed}."]


def _made_apart(study: Study) -> list[str]:
    """Runs that are left out since they were made from other data, vocabularies or code; which files differ."""
    if not study.apart:
        return []
    runs = {run.folder.name: run for run in study.runs}
    told = [
        f"{_named(runs[one.run.label])} ({', '.join(one.names)} {'is' if len(one.names) == 1 else 'are'} not of the "
        f"same content as for {one.others} other{'s' if one.others > 1 else ''})"
        for one in study.apart
    ]
    return [
        f"Left out, for what they were made from has changed: {_listed(told)}. Train them anew from the same files, "
        "or keep them in a study of their own."
    ]


def _named(run: Run) -> str:
    return f"{run.member} seed {run.seed}"


def _of_runs(count: int) -> str:
    return "1 run is" if count == 1 else f"{count} runs are"


def _listed(told: Sequence[str]) -> str:
    return ", ".join(told[:MANY]) + (f" and {len(told) - MANY} more" if len(told) > MANY else "")


def rates_at_an_end(study: Study) -> list[str]:
    """Members whose chosen learning rate is the lowest or highest tried: a better one may lie beyond."""
    tuning = study.description.get("tuning") or {}
    rates = tuning.get("learning_rates", [])
    ends = {member: rate for member, rate in tuning.get("chosen", {}).items() if rate in (min(rates), max(rates))}
    if len(rates) < 2 or not ends:
        return []
    named = ", ".join(f"{member} {rate:g}" for member, rate in ends.items())
    return [f"Learning rates at an end of those tried, so that a better one may lie beyond: {named}."]


def unequal(study: Study, runs: Mapping[str, tuple[Run, ...]]) -> list[str]:
    """Members that differ from the baseline in what was matched, or in the budget they used up, by more than 1 %."""
    return _unequal_sizes(study, runs) + _unequal_budgets(study, runs)


def _unequal_sizes(study: Study, runs: Mapping[str, tuple[Run, ...]]) -> list[str]:
    kinds = {
        "parameters": ("parameters", "total parameters"),
        "flops": ("flops_per_token", "operations a target token"),
    }
    if (match := study.description.get("match")) not in kinds:
        return []
    key, name = kinds[match]
    return _apart(study, runs, lambda run: run.record.get(key), name, SIZE_TOLERANCE)


def _unequal_budgets(study: Study, runs: Mapping[str, tuple[Run, ...]]) -> list[str]:
    budget = study.description.get("budget") or {}
    kinds: dict[str, tuple[str, Callable[[Run], float | None]]] = {
        "flops": ("operations", _operations),
        "seconds": ("training seconds", lambda run: run.record.get("training_seconds")),
        "tokens": ("target tokens", lambda run: run.record.get("tokens_seen")),
        "updates": ("updates", lambda run: run.record.get("updates")),
    }
    name, read = next((kinds[key] for key in kinds if budget.get(key)), kinds["updates"])
    return _apart(study, runs, read, name, BUDGET_TOLERANCE)


def _operations(run: Run) -> float | None:
    tokens, each = run.record.get("tokens_seen"), run.record.get("flops_per_token")
    return None if tokens is None or each is None else tokens * each


def _apart(
    study: Study,
    runs: Mapping[str, tuple[Run, ...]],
    read: Callable[[Run], float | None],
    name: str,
    tolerance: float,
) -> list[str]:
    reference, found = read(runs[study.baseline][0]), []
    for member in study.members:
        values = [value for run in runs[member] if (value := read(run)) is not None]
        if reference and values and max(abs(value / reference - 1) for value in values) > tolerance:
            worst = max(values, key=lambda value: abs(value / reference - 1))
            found.append(f"{member} has {worst:,.0f} {name}, {study.baseline} {reference:,.0f}: more than 1 % apart.")
    return found


def _unequal_data(runs: Mapping[str, tuple[Run, ...]]) -> list[str]:
    found = []
    readers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "data": lambda record: (record.get("data") or {}).get("checksums"),
        "tokenizer": tokenizer_checksums,
    }
    for name, read in readers.items():
        seen = {repr(read(run.record)) for of_member in runs.values() for run in of_member}
        if len(seen) > 1:
            found.append(f"The runs do not share one {name}: its checksums differ.")
    return found


def _unequal_scoring(study: Study, runs: Mapping[str, tuple[Run, ...]]) -> list[str]:
    every = {Scoring.of_record(run.record) for of_member in runs.values() for run in of_member}
    warned = sorted({warning for how in every for warning in how.warnings})
    found = [f"sacreBLEU warns of the references: {' '.join(warned)}"] if warned else []
    if scoring(study).primary != "bleu":
        found.append("BLEU is 0 even of the references against themselves: chrF is this study's primary measure.")
    if len({(how.bleu_tokenizer, how.normalization, how.primary) for how in every}) > 1:
        used = scoring(study).bleu_tokenizer
        found.append(f"The records do not share one way of scoring; this report scores all translations by {used}.")
    return found


def _unequal_records(study: Study, comparison: Comparison) -> list[str]:
    found = []
    for member in study.members:
        counts = comparison.whole.scores[member][BLEU.name].by_seed
        for run, counted in zip(study.compared(member), counts, strict=True):
            recorded = float(run.test["bleu"])
            if abs(counted - recorded) > SCORE_TOLERANCE:
                found.append(
                    f"{run.member} seed {run.seed}: its record says {number(recorded)} BLEU but its translations give "
                    f"{number(counted)}; this report uses the translations."
                )
    return found
