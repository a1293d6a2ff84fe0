"""The report's sections as plain blocks, which both templates (HTML and Markdown) render."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from rnnsearch.evaluation.significance import RESAMPLES
from rnnsearch.study import (
    cards,
    costs,
    curve_figures,
    curves,
    differences,
    findings,
    length_figures,
    planned,
    protocol,
    score_figures,
    searches,
    side_by_side,
    slopes,
    tables,
    trade_offs,
    tuning,
)
from rnnsearch.study.blocks import Picture, Section
from rnnsearch.study.curves import Curve
from rnnsearch.study.failures import attempted
from rnnsearch.study.folder import OTHER_DATA, Study
from rnnsearch.study.length_figures import Band
from rnnsearch.study.measures import TITLES, ranked, text_metric
from rnnsearch.study.score_figures import Bar
from rnnsearch.study.statistics import Comparison

CURVE_AXES = (("updates", "updates"), ("tokens", "target tokens seen"))


def sections(study: Study, comparison: Comparison | None) -> list[Section]:
    """All sections for which there is something to show; of one that fails the heading and a sentence."""
    made = [_made(title, build) for title, build in _builders(study, comparison)]
    return [section for section in made if not section.empty]


def _builders(study: Study, comparison: Comparison | None) -> Iterator[tuple[str, Callable[[], Section]]]:
    yield "Protocol", lambda: protocol.section(study)
    yield "What differs", lambda: differences.section(study)
    if comparison is not None:
        yield "Planned comparisons", lambda: planned.section(study, comparison)
        yield "Results", lambda: _results(study, comparison)
        yield "Size and cost", lambda: Section("Size and cost", tables=(costs.table(study),))
    yield "Tuning", lambda: tuning.section(study)
    yield "Quality against cost", lambda: trade_offs.section(study)
    yield "Settings", lambda: searches.section(study)
    yield "Learning curves", lambda: _curves(study)
    if comparison is not None:
        yield "Source length", lambda: _length(study, comparison)
    yield "Alignments", lambda: side_by_side.alignments(study, comparison)
    yield "Translations side by side", lambda: side_by_side.translations(study)
    yield "Runs", lambda: _runs(study)
    yield "Provenance", lambda: cards.section(study)


def _made(title: str, build: Callable[[], Section]) -> Section:
    section, sentence = attempted(f"The section “{title}”", build)
    return Section(title, left_out=(sentence,)) if section is None else section


def _results(study: Study, comparison: Comparison) -> Section:
    told = comparison.compared if len(study.members) <= tables.COLUMNS else ()
    verdicts = tuple(findings.verdict(study, comparison, member) for member in told)
    several = len(comparison.pairs)
    both = (
        " and, by Student's t, over seeds" if len(comparison.seeds) > 1 else " alone, so that they speak of these runs"
    )
    each = f" A member's interval holds by itself; those of {several} differences hold together for each measure." * (
        several > 1
    )
    notes = (
        f"95 % intervals, in brackets, are over test sentences (bootstrap, {RESAMPLES:,} resamples, the same for every "
        f"member){both}, within the values that a score can have. Each score is computed again from the summed counts "
        f"of the drawn sentences; sd is the standard deviation over n seeds. p-values are two-sided.{each} What "
        f"is claimed is claimed by {TITLES[comparison.primary]}, the primary measure; the others stand beside it. TER "
        "is read from the records and has no interval. Differences are left out where the better model has under "
        f"{comparison.weak:.0f} {TITLES[comparison.metric]}.",
        "Signatures: " + "; ".join(cards.signatures(study)) + ".",
    )
    pairs = (tables.differences(study, comparison),) if comparison.compared else ()
    shown = (tables.scores(study, comparison), *pairs)
    drawn_scores = (_score_picture(study, comparison),) if len(study.members) > 2 else ()
    return Section("Results", verdicts, tables=shown, pictures=drawn_scores, notes=notes)


def _score_picture(study: Study, comparison: Comparison) -> Picture:
    found = {member: comparison.whole.scores[member][comparison.metric] for member in study.members}
    bars = [Bar(member, of.value, of.interval.low, of.interval.high, of.by_seed) for member, of in found.items()]
    several = "; strokes are the seeds" if len(comparison.seeds) > 1 else ""
    name = TITLES[comparison.metric]
    caption = f"Test {name} of each member with its 95 % interval{several}. The dashed line is {study.baseline}."
    return Picture("scores", caption, partial(score_figures.scores, bars, quantity=f"test {name}"))


def _curves(study: Study) -> Section:
    runs = [run for run in study.runs if run.record and run.status != OTHER_DATA]
    pictures = []
    metric = text_metric(study)
    for key, quantity in (
        ("nll", "validation loss, nats a token"),
        (metric, f"validation {TITLES[metric]}, greedy"),
    ):
        found = curves.curves_of(runs, key=key)
        for axis, words in CURVE_AXES:
            drawn = [curve for curve in found if curve.at(axis)]
            if drawn:
                pictures.append(_curve_picture(study, drawn, key=key, quantity=quantity, axis=axis, words=words))
    return Section("Learning curves", pictures=tuple(pictures))


def _curve_picture(study: Study, drawn: Sequence[Curve], *, key: str, quantity: str, axis: str, words: str) -> Picture:
    look, how = curve_figures.look_for(len({curve.member for curve in drawn}))
    best = (ranked(study) or [""])[0]
    members = tuple(dict.fromkeys((*study.members, *study.all_members)))  # also those that have finished none
    draw = partial(look, drawn, members=members, quantity=quantity, axis=axis, words=words, best=best)
    several = len({curve.seed for curve in drawn}) > 1 and look is curve_figures.learning_curves
    seeds = " A thin line is one seed, the thick one their mean." if several else ""
    stopped = "" if all(curve.finished for curve in drawn) else " A cross: a run ended there unfinished."
    caption = f"{quantity[0].upper()}{quantity[1:]}, against {words}.{seeds}{how}{stopped}"
    name = f"learning_{key}" + ("" if axis == "updates" else f"_{axis}")
    return Picture(name, caption, draw, wide=look is curve_figures.small_multiples)


def _length(study: Study, comparison: Comparison) -> Section:
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
    lengths = "blank-separated words" if unit == "words" else "characters, since its script has no blanks,"
    note = f"Lengths are {lengths} of the raw source; buckets of fewer than 50 sentences are merged."
    many = len(bands) > length_figures.FEW
    caption += f" Grey, dashed: {study.baseline}." if many else ""
    picture = Picture("bleu_by_length", caption, draw, wide=many)
    slope = slopes.table(comparison, longest=trained)
    shown = (*((slope,) if slope else ()), tables.by_length(study, comparison))
    return Section("Source length", tables=shown, pictures=(picture,), notes=(note,))


def _runs(study: Study) -> Section:
    left_out = tables.not_compared(study)
    return Section("Runs", tables=(tables.runs(study), *((left_out,) if left_out else ())))
