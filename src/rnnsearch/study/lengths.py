"""The report's section on scores against source length."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from rnnsearch.evaluation.length import MINIMUM
from rnnsearch.plots import length_curves
from rnnsearch.plots.length_curves import Band
from rnnsearch.records.metrics import TITLES
from rnnsearch.study import slopes, tables
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.folder import Study
from rnnsearch.study.spread import over
from rnnsearch.study.statistics import Comparison, Part


def section(study: Study, comparison: Comparison) -> Section:
    """A figure with a band a member, the slopes, and the scores in each bucket."""
    metric, name, unit = comparison.metric, TITLES[comparison.metric], comparison.unit
    scores = {member: [part.scores[member][metric] for part in comparison.by_length] for member in study.members}
    bands = [
        Band(
            member,
            tuple(estimate.value for estimate in of_member),
            tuple(estimate.interval.low for estimate in of_member),
            tuple(estimate.interval.high for estimate in of_member),
        )
        for member, of_member in scores.items()
    ]
    trained = study.description.trained_length
    spans = [(bucket.low, bucket.high) for bucket in comparison.buckets]
    draw = partial(
        length_curves.score_by_length,
        [bucket.label for bucket in comparison.buckets],
        [bucket.n for bucket in comparison.buckets],
        bands,
        quantity=f"test {name}",
        unit=unit,
        trained=length_curves.trained_place(spans, trained) if trained else None,
    )
    caption = f"{name} against source length (Figure 2 of the paper), with bands of 95 % intervals."
    caption += f" Training sentences had at most {trained} {unit}." if trained else ""
    counted = "blank-separated words" if unit == "words" else "characters, since its script has no blanks,"
    note = f"Lengths are {counted} of the raw source; buckets of fewer than {MINIMUM} sentences are merged."
    note += f" Bands and brackets are 95 % intervals over {over(comparison)}."
    many = len(bands) > length_curves.FEW
    caption += f" Grey, dashed: {study.baseline}." if many else ""
    picture = Picture("bleu_by_length", caption, draw, wide=many)
    slope = slopes.table(comparison, longest=trained)
    result_tables = (*((slope,) if slope else ()), tables.by_length(study, comparison))
    return Section("Source length", tables=result_tables, pictures=(picture,), notes=(note,))


def of_best(study: Study, comparison: Comparison) -> Section:
    """The same for the best points of a sweep, whose members come the best first; empty with one bucket."""
    if len(comparison.buckets) < 2:
        return Section("Source length")
    members = study.members[: length_curves.FEW]
    left = len(study.members) - len(members)
    best = section(replace(study, members=members), of_members(comparison, members))
    text = (f"Shown are the best {len(members)}; {left} more are left out.",) if left else ()
    return replace(best, text=text)


def of_members(comparison: Comparison, members: Sequence[str]) -> Comparison:
    """Scores of some members, in their order, and no differences."""

    def few(part: Part) -> Part:
        scores = {member: part.scores[member] for member in members if member in part.scores}
        return replace(part, scores=scores, differences={}, drawn={member: part.drawn[member] for member in scores})

    return replace(
        comparison,
        whole=few(comparison.whole),
        aer={method: few(part) for method, part in comparison.aer.items()},
        by_length=tuple(few(part) for part in comparison.by_length),
        trained=tuple(replace(lengths, part=few(lengths.part)) for lengths in comparison.trained),
    )
