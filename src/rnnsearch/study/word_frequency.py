"""The report's section on words by how often training showed them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rnnsearch.data.seen_words import SEEN_WORDS, Lookup, read_words
from rnnsearch.evaluation.significance import RESAMPLES, SEED, Estimate, Resampled, estimate
from rnnsearch.evaluation.word_frequency import BUCKETS, resample_buckets, word_counts, words_of
from rnnsearch.plots import length_curves
from rnnsearch.plots.length_curves import Band
from rnnsearch.records.run_record import check_file
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import scoring
from rnnsearch.study.plan import Pair
from rnnsearch.study.spread import over
from rnnsearch.study.statistics import Comparison, paired
from rnnsearch.study.tables import NOTHING, Table, interval, number, oriented, signed

TITLE = "Rare words"
WITHIN = (0.0, 1.0)
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Buckets:
    """F1 of some members in the buckets that have words.

    Attributes:
        labels: of the buckets.
        words: of the references, by bucket; None where members saw words unequally often, so that their buckets hold
            different words.
        drawn: member -> by bucket the scores and draws of its seeds.
    """

    labels: tuple[str, ...]
    words: tuple[int, ...] | None
    drawn: Mapping[str, Sequence[Resampled]]


def section(study: Study, comparison: Comparison) -> Section:
    """A figure with a band a member, and a table with the differences; empty where no run kept what it saw."""
    seen = {member: [_seen(run) for run in study.compared(member)] for member in study.members}
    known = {member: of_member for member, lookups in seen.items() if (of_member := _whole(lookups))}
    if not known:
        return Section(TITLE)
    buckets = _buckets(study, known)
    scores = {m: [estimate(of, within=WITHIN) for of in of_member] for m, of_member in buckets.drawn.items()}
    differ = " Members saw different training data, so each is sorted by its own, and no differences are drawn."
    note = (
        "A word is what stands between blanks of the raw text without the punctuation marks at its ends (a character, "
        "in a script without blanks). In each bucket a word is matched as often as translation and reference of a "
        "sentence both have it; F1 is the harmonic mean of precision and recall over the test set, 0 to 1. Bands and "
        f"brackets are 95 % intervals over {over(comparison)}.{differ if buckets.words is None else ''}"
    )
    pictures, tables = (_picture(buckets, scores),), (_table(study, comparison, buckets, scores),)
    return Section(TITLE, tables=tables, pictures=pictures, notes=(note,))


def of_best(study: Study, comparison: Comparison) -> Section:
    """The same for the best points of a sweep, whose members come the best first."""
    return section(replace(study, members=study.members[: length_curves.FEW]), comparison)


def words_in(study: Study) -> set[str]:
    """Every word of the references and of the members' translations."""
    runs, how = [run for member in study.members for run in study.compared(member)], scoring(study)
    return set().union(*(words_of(run.rows, how) for run in runs))


def _seen(run: Run) -> Lookup | None:
    path = check_file(run.folder, run.record, SEEN_WORDS)
    return partial(read_words, path) if path.is_file() else None


def _whole(lookups: Sequence[Lookup | None]) -> list[Lookup] | None:
    """All of them, if none is unknown."""
    known = [lookup for lookup in lookups if lookup is not None]
    return known if len(known) == len(lookups) else None


def _buckets(study: Study, lookups: Mapping[str, Sequence[Lookup]]) -> Buckets:
    how, words = scoring(study), words_in(study)
    seen = {member: [lookup(words) for lookup in of_member] for member, of_member in lookups.items()}
    counts = {
        member: np.stack(
            [
                word_counts(run.rows, of_run, how)
                for run, of_run in zip(study.compared(member), seen[member], strict=True)
            ]
        )
        for member in seen
    }
    drawn = {member: resample_buckets(of, resamples=RESAMPLES, seed=SEED) for member, of in counts.items()}
    some = [place for place in range(len(BUCKETS)) if any(of[:, :, place].any() for of in counts.values())]
    all_seen = [of_run for of_member in seen.values() for of_run in of_member]
    same = all(of_run == all_seen[0] for of_run in all_seen)
    references = next(iter(counts.values()))[0, :, :, 2].sum(axis=0)
    return Buckets(
        labels=tuple(BUCKETS[place].label for place in some),
        words=tuple(int(references[place]) for place in some) if same else None,
        drawn={member: [of_member[place] for place in some] for member, of_member in drawn.items()},
    )


def _picture(buckets: Buckets, scores: Mapping[str, Sequence[Estimate]]) -> Picture:
    bands = [
        Band(
            member,
            tuple(score.value for score in of_member),
            tuple(score.interval.low for score in of_member),
            tuple(score.interval.high for score in of_member),
        )
        for member, of_member in scores.items()
    ]
    draw = partial(
        length_curves.score_by_frequency, buckets.labels, buckets.words, bands, quantity="F1 of words in the test set"
    )
    many = len(bands) > length_curves.FEW
    caption = "F1 of words against how often the training targets have them, with bands of 95 % intervals."
    caption += f" Grey, dashed: {bands[0].member}." if many else ""
    return Picture("f1_by_frequency", caption, draw, wide=many)


def _table(study: Study, comparison: Comparison, buckets: Buckets, scores: Mapping[str, Sequence[Estimate]]) -> Table:
    pairs = [pair for pair in comparison.compared if set(pair) <= set(scores)] if buckets.words is not None else []
    together = len(comparison.pairs) * len(buckets.labels)
    rows = []
    for place, label in enumerate(buckets.labels):
        cells = [_score(scores[member][place]) if member in scores else "unknown" for member in study.members]
        gaps = [_gap(pair, buckets, comparison, place, together) for pair in pairs]
        counted = "" if buckets.words is None else f"\nn = {buckets.words[place]:,}"
        rows.append((f"{label}{counted}", *cells, *gaps))
    caption = "F1 of words by how often training showed them"
    caption += f"; the intervals of {together} differences hold together" if pairs and together > 1 else ""
    named = [" − ".join(pair) for pair in pairs]
    return oriented(Table(caption, ("times seen", *study.members, *named), tuple(rows)), len(study.members))


def _score(score: Estimate) -> str:
    return f"{number(score.value, DIGITS)}\n{interval(score.interval, DIGITS)}"


def _gap(pair: Pair, buckets: Buckets, comparison: Comparison, place: int, together: int) -> str:
    drawn = {member: {"f1": of_member[place]} for member, of_member in buckets.drawn.items()}
    gap = paired(pair, drawn, comparison.seeds_of, "f1", together=together, within=WITHIN)
    return NOTHING if gap is None else f"{signed(gap.value, DIGITS)}\n{interval(gap.interval, DIGITS)}"
