"""Everything a reader must know before believing the headline, collected from all that can be wrong with a study."""

from collections.abc import Sequence

from rnnsearch.records.metrics import TITLES
from rnnsearch.study import output_lengths, spread, test_sets, trained_enough, tuning, unequal, unfinished
from rnnsearch.study.findings import better
from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import is_comparison
from rnnsearch.study.remarks import Remark, listed
from rnnsearch.study.statistics import Comparison
from rnnsearch.study.tables import number

ADDED = (
    "Added when a look was possible: {}, asked for after runs of other seeds had ended. p-values hold for a number of "
    "seeds that was set before; repeat the study with all of them under a new name."
)
GONE = (
    "Asked for earlier and not in the study any more: {}. What is left may have been chosen; ask for all of them "
    "again, or repeat the study under a new name."
)


def remarks(study: Study, comparison: Comparison | None) -> list[Remark]:
    """Notes and doubts, the doubts first."""
    collected = [*unfinished.remarks(study), *tuning.at_edge(study)]
    if len(study.members) > 1:
        runs = {member: study.compared(member) or _finished(study, member) for member in study.members}
        collected += [] if comparison is None else _weak(study, comparison)
        collected += seeds_changed(study)
        collected += [*(unequal.sizes_and_budgets(study, runs) if is_comparison(study) else ()), *unequal.sources(runs)]
        collected += [*trained_enough.remarks(study, runs), *test_sets.tested_alike(study)]
        collected += [] if comparison is None else _of_translations(study, comparison, runs)
    return sorted(collected, key=lambda remark: remark.level)  # stable: d before n


def _of_translations(study: Study, comparison: Comparison, runs: unequal.Runs) -> list[Remark]:
    members = study.members if is_comparison(study) else (better(study, comparison)[0],)  # of a sweep the best point
    return [
        *unequal.records(study, comparison),
        *output_lengths.remarks(study, comparison, members),
        *spread.remarks(comparison),
        *unequal.how_scored(study, runs),
    ]


def _finished(study: Study, member: str) -> tuple[Run, ...]:
    """A member's finished runs, in a study whose runs are not compared on translations."""
    return tuple(run for run in study.runs if run.member == member and run.status == "finished")


def _weak(study: Study, comparison: Comparison) -> list[Remark]:
    """Members whose score is too low for a model that has learnt to translate."""
    name, least = TITLES[comparison.metric], comparison.weak
    scores = {member: comparison.whole.scores[member][comparison.metric].value for member in study.members}
    best, score = better(study, comparison)
    if score < least:
        text = (
            f"The better member, {best}, has {number(score)} {name}, under {least:.0f}, so that a difference says "
            "nothing; train longer, or tune the learning rate."
        )
        return [Remark("doubt", "weak", text, tuple(study.members), scores)]
    low = {member: value for member, value in scores.items() if value < least}
    if not low or not is_comparison(study):
        return []
    names = listed([f"{member} ({number(value)})" for member, value in low.items()])
    verb = "lie" if len(low) > 1 else "lies"
    text = (
        f"At the floor, under {least:.0f} {name}, {verb} {names}: what is lost there can't show, such as with length, "
        "and the size of a difference says little."
    )
    return [Remark("note", "floor", text, tuple(low), low)]


def seeds_changed(study: Study) -> list[Remark]:
    """Seeds that were asked for after runs of others had ended, and seeds that were asked for and are gone.

    Stopping at a welcome result, or leaving out an unwelcome one, finds too much. The description's ``asked_seeds``
    lists what was asked for, and when; studies of earlier versions lack it.
    """
    known: list[int] = []
    added: list[int] = []
    for request in study.description.asked_seeds:
        new = [seed for seed in request.seeds if seed not in known]
        if new and _ended_before(study, known, request.at):
            added += new
        known += new
    gone = [seed for seed in known if seed not in {run.seed for run in study.runs}]
    return [*_of_seeds("seeds_added", added, ADDED), *_of_seeds("seeds_gone", gone, GONE)]


def _of_seeds(kind: str, seeds: Sequence[int], text: str) -> list[Remark]:
    listing = f"{'seeds' if len(seeds) > 1 else 'seed'} {listed([str(seed) for seed in seeds])}"
    return [Remark("doubt", kind, text.format(listing), (), {"seeds": list(seeds)})] if seeds else []


def _ended_before(study: Study, seeds: Sequence[int], time: str) -> bool:
    """Whether a run of some seeds had ended by a time; the records' times, in UTC, sort as text."""
    ends = [run.record.ended or "" for run in study.runs if run.seed in seeds]
    return any(end and end <= time for end in ends)
