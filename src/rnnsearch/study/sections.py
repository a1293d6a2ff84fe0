"""The report's sections as plain blocks, which both templates (HTML and Markdown) render."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from matplotlib.figure import Figure

from rnnsearch.evaluation.significance import RESAMPLES
from rnnsearch.plots import learning_curves, score_bars
from rnnsearch.plots.learning_curves import Curve
from rnnsearch.plots.score_bars import Bar
from rnnsearch.records.metrics import TITLES
from rnnsearch.records.test_sets import OWN
from rnnsearch.study import (
    amounts,
    beams,
    cards,
    contrasts,
    costs,
    curves,
    differences,
    explorer,
    findings,
    headline,
    lengths,
    planned_comparisons,
    protocol,
    ranking,
    searches,
    side_by_side,
    spread,
    tables,
    test_sets,
    trade_offs,
    tuning,
    word_frequency,
)
from rnnsearch.study.blocks import Fold, Picture, Section
from rnnsearch.study.failures import attempted
from rnnsearch.study.folder import OTHER_DATA, Run, Study
from rnnsearch.study.measures import best_first, is_comparison, primary, ranked, text_metric
from rnnsearch.study.standing import marked
from rnnsearch.study.statistics import Comparison

CURVE_AXES = (("updates", "updates"), ("tokens", "target tokens seen"))


def sections(study: Study, comparison: Comparison | None) -> list[Section]:
    """All sections with something to show; one that fails keeps its heading and gets a sentence."""
    built = [_made(title, build) for title, build in _builders(study, comparison)]
    return [section for section in built if not section.empty]


def _builders(study: Study, comparison: Comparison | None) -> Iterator[tuple[str, Callable[[], Section]]]:
    if not is_comparison(study):
        yield from _of_sweep(best_first(study), comparison)
        return
    yield "Protocol", lambda: protocol.section(study)
    yield "What differs", lambda: differences.section(study)
    if comparison is not None:
        yield "Planned comparisons", lambda: planned_comparisons.section(study, comparison)
        yield "Results", lambda: _results(study, comparison)
        yield "Size and cost", lambda: Section("Size and cost", tables=(costs.table(study),))
    yield "Tuning", lambda: tuning.section(study)
    yield "Quality against cost", lambda: trade_offs.section(study)
    yield "Settings", lambda: searches.section(searches.Settings(study))
    yield "Learning curves", lambda: _curves(study)
    if comparison is not None:
        yield "Source length", lambda: lengths.section(study, comparison)
        yield "Amount of data", lambda: amounts.section(study, comparison)
        yield "Beam size", lambda: beams.section(study, comparison)
        yield word_frequency.TITLE, lambda: word_frequency.section(study, comparison)
        yield contrasts.TITLE, lambda: contrasts.section(study, comparison)
    yield from _of_both(study, comparison)


def _of_sweep(study: Study, comparison: Comparison | None) -> Iterator[tuple[str, Callable[[], Section]]]:
    """Sections of a sweep or search, its members the best first: its own, then those shared with a comparison."""
    near, settings = cache(lambda: marked(study, comparison)), searches.Settings(study)
    yield "Best points", lambda: headline.section(study, near())
    yield "Best values", lambda: searches.values(settings)
    yield "Settings", lambda: searches.section(settings, near=near())
    yield "All points", lambda: _points(study, comparison, near())
    yield "Tuning", lambda: tuning.section(study)
    yield "Protocol", lambda: protocol.section(study)
    yield "What differs", lambda: _differences(study)
    yield "Quality against cost", lambda: trade_offs.section(study)
    yield "Learning curves", lambda: _curves_of_sweep(study)
    if comparison is not None:
        yield "Amount of data", lambda: amounts.section(study, comparison)
        yield "Beam size", lambda: beams.section(study, comparison)
        yield "Source length", lambda: lengths.of_best(study, comparison)
        yield word_frequency.TITLE, lambda: word_frequency.of_best(study, comparison)
        yield contrasts.TITLE, lambda: contrasts.of_best(study, comparison)
    yield from _of_both(study, lengths.of_members(comparison, study.members) if comparison is not None else None)


def _of_both(study: Study, comparison: Comparison | None) -> Iterator[tuple[str, Callable[[], Section]]]:
    if not any(run.test_set != OWN for run in study.runs):
        yield "Other test sets", lambda: test_sets.section(study)
    yield "Alignments", lambda: side_by_side.alignments(study, comparison)
    yield "Translations side by side", lambda: side_by_side.translations(study)
    yield explorer.TITLE, lambda: explorer.section(study)
    yield "Runs", lambda: _runs(study)
    yield "Provenance", lambda: cards.section(study)


def _made(title: str, build: Callable[[], Section]) -> Section:
    section, sentence = attempted(f"The section “{title}”", build)
    return Section(title, left_out=(sentence,)) if section is None else section


def _results(study: Study, comparison: Comparison) -> Section:
    reported = comparison.compared if len(study.members) <= tables.COLUMNS else ()
    verdicts = tuple(findings.verdict(study, comparison, pair) for pair in reported)
    several = len(comparison.pairs)
    each = f" A member's interval holds by itself; those of {several} differences hold together for each measure." * (
        several > 1
    )
    notes = (
        f"95 % intervals, in brackets, are over {spread.over(comparison)}, within the values that a score can have. "
        f"The {RESAMPLES:,} resamples are the same for every member; each score is computed again from the summed "
        f"counts of the drawn sentences. sd is the standard deviation over n seeds. p-values are two-sided.{each} What "
        f"is claimed is claimed by {TITLES[comparison.primary]}, the primary measure; the others stand beside it. TER "
        "is read from the records and has no interval. Differences are left out where the better model has under "
        f"{comparison.weak:.0f} {TITLES[comparison.metric]}.",
        "Signatures: " + "; ".join(cards.signatures(study)) + ".",
    )
    pairs = (tables.differences(study, comparison),) if comparison.compared else ()
    result_tables = (tables.scores(study, comparison), *pairs)
    drawn_scores = (_score_picture(study, comparison),) if len(study.members) > 2 else ()
    return Section("Results", verdicts, tables=result_tables, pictures=drawn_scores, notes=notes)


def _score_picture(study: Study, comparison: Comparison) -> Picture:
    estimates = {member: comparison.whole.scores[member][comparison.metric] for member in study.members}
    bars = [Bar(member, of.value, of.interval.low, of.interval.high, of.by_seed) for member, of in estimates.items()]
    several = "; strokes are the seeds" if len(comparison.seeds) > 1 else ""
    name = TITLES[comparison.metric]
    over = f"95 % interval over {spread.over(comparison)}{several}"
    caption = f"Test {name} of each member with its {over}. The dashed line is {study.baseline}."
    return Picture("scores", caption, partial(score_bars.scores, bars, quantity=f"test {name}"))


def _points(study: Study, comparison: Comparison | None, near: Sequence[str]) -> Section:
    """A table of all points, and if they are few a figure of each point's score with its interval."""
    table, rest = ranking.split(ranking.table(study, comparison, near))
    folds = (Fold(f"{rest.caption} of all", tables=(rest,)),) if rest else ()
    tested = comparison is not None and primary(study).key == comparison.metric and primary(study).split == "test"
    drawn_scores = tested and 1 < len(study.members) <= ranking.SHOWN
    pictures = (_score_picture(study, comparison),) if drawn_scores and comparison is not None else ()
    note = ranking.note(comparison, repeated=len(study.seeds) > 1)
    notes = (*((note,) if note else ()), *_signatures(study))
    return Section("All points", tables=(table,), pictures=pictures, folds=folds, notes=notes)


def _signatures(study: Study) -> tuple[str, ...]:
    signatures = cards.signatures(study)
    return (f"Signatures: {'; '.join(signatures)}.",) if signatures else ()


def _differences(study: Study) -> Section:
    """Without the table of settings, which stand beside the scores already."""
    section = differences.section(study)
    return replace(section, tables=()) if section.folds else section


def _curves(study: Study) -> Section:
    look, how = learning_curves.look_for(len({run.member for run in _with_curves(study)}))
    return Section("Learning curves", pictures=_curve_pictures(study, look, how))


def _curves_of_sweep(study: Study) -> Section:
    """Colours for the best few; if there are not too many members, a panel for each behind a fold."""
    members = len({run.member for run in _with_curves(study)})
    pictures = _curve_pictures(study, *learning_curves.best_of(members))
    if not pictures or not learning_curves.FEW < members <= learning_curves.PANELS:
        return Section("Learning curves", pictures=pictures)
    each = _curve_pictures(study, *learning_curves.look_for(members), name="each_")
    return Section("Learning curves", pictures=pictures, folds=(Fold("The curves of each point", pictures=each),))


def _with_curves(study: Study) -> list[Run]:
    return [run for run in study.runs if run.record.is_there and run.status != OTHER_DATA]


def _curve_pictures(study: Study, look: Callable[..., Figure], how: str, name: str = "") -> tuple[Picture, ...]:
    """Loss and score against updates, and against tokens if the members see different numbers of them per update.

    Args:
        look: draws the figure.
        how: what its caption says of it.
        name: distinguishes the files.
    """
    pictures = []
    metric = text_metric(study)
    for key, quantity in (("nll", "validation loss, nats a token"), (metric, f"validation {TITLES[metric]}, greedy")):
        all_curves = curves.curves_of(_with_curves(study), key=key)
        for axis, words in CURVE_AXES[: 2 if curves.tokens_differ(all_curves) else 1]:
            if drawn := [curve for curve in all_curves if curve.at(axis)]:
                texts = {"quantity": quantity, "axis": axis, "words": words}
                file = f"learning_{name}{key}" + ("" if axis == "updates" else f"_{axis}")
                pictures.append(_curve_picture(study, drawn, look, how, file, texts))
    return tuple(pictures)


def _curve_picture(
    study: Study, drawn: Sequence[Curve], look: Callable[..., Figure], how: str, name: str, texts: Mapping[str, str]
) -> Picture:
    best = (ranked(study) or [""])[0]
    members = tuple(dict.fromkeys((*study.members, *study.all_members)))  # also those that have finished none
    draw = partial(look, drawn, members=members, **texts, best=best)
    several = len({curve.seed for curve in drawn}) > 1 and look is learning_curves.learning_curves
    seeds = " A thin line is one seed, the thick one their mean." if several else ""
    stopped = "" if all(curve.finished for curve in drawn) else " A cross: a run ended there unfinished."
    quantity = texts["quantity"]
    caption = f"{quantity[0].upper()}{quantity[1:]}, against {texts['words']}.{seeds}{how}{stopped}"
    return Picture(name, caption, draw, wide=look is learning_curves.small_multiples)


def _runs(study: Study) -> Section:
    """A row a run; behind a fold in a sweep, whose points have a table of their own."""
    left_out, all_runs = tables.not_compared(study), tables.runs(study)
    more = (left_out,) if left_out else ()
    if is_comparison(study):
        return Section("Runs", tables=(all_runs, *more))
    return Section("Runs", tables=more, folds=(Fold(f"Every run: {len(all_runs.rows)}", tables=(all_runs,)),))
