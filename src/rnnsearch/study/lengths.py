"""The report's section on scores against source length."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from rnnsearch.study import length_figures, slopes, tables
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.folder import Study
from rnnsearch.study.length_figures import Band
from rnnsearch.study.measures import TITLES
from rnnsearch.study.spread import over
from rnnsearch.study.statistics import Comparison, Part


def section(study: Study, comparison: Comparison) -> Section:
    """A figure with a band a member, the slopes, and the scores in each bucket."""
    metric, name, unit = comparison.metric, TITLES[comparison.metric], comparison.unit
    scores = {member: [part.scores[member][metric] for part in comparison.by_length] for member in study.members}
    bands = [
        Band(
            member,
            tuple(found.value for found in of_member),
            tuple(found.interval.low for found in of_member),
            tuple(found.interval.high for found in of_member),
        )
        for member, of_member in scores.items()
    ]
    trained = study.description.get("trained_length")
    spans = [(bucket.low, bucket.high) for bucket in comparison.buckets]
    draw = partial(
        length_figures.score_by_length,
        [bucket.label for bucket in comparison.buckets],
        [bucket.n for bucket in comparison.buckets],
        bands,
        quantity=f"test {name}",
        unit=unit,
        trained=length_figures.trained_place(spans, trained) if trained else None,
    )
    caption = f"{name} against source length (Figure 2 of the paper), with bands of 95 % intervals."
    caption += f" Training sentences had at most {trained} {unit}." if trained else ""
    counted = "blank-separated words" if unit == "words" else "characters, since its script has no blanks,"
    note = f"Lengths are {counted} of the raw source; buckets of fewer than 50 sentences are merged."
    note += f" Bands and brackets are 95 % intervals over {over(comparison)}."
    many = len(bands) > length_figures.FEW
    caption += f" Grey, dashed: {study.baseline}." if many else ""
    picture = Picture("bleu_by_length", caption, draw, wide=many)
    slope = slopes.table(comparison, longest=trained)
    shown = (*((slope,) if slope else ()), tables.by_length(study, comparison))
    return Section("Source length", tables=shown, pictures=(picture,), notes=(note,))


def of_best(study: Study, comparison: Comparison) -> Section:
    """The same of a sweep's best points alone, whose members come the best first; empty with one bucket."""
    if len(comparison.buckets) < 2:
        return Section("Source length")
    members = study.members[: length_figures.FEW]
    left = len(study.members) - len(members)
    made = section(replace(study, members=members), of_members(comparison, members))
    text = (f"Shown are the best {len(members)}; {left} more are left out.",) if left else ()
    return replace(made, text=text)


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
        trained=tuple(replace(one, part=few(one.part)) for one in comparison.trained),
    )
