"""The beginning of a sweep's or search's report: the best point, its settings, and those that can't be told from it."""

from collections.abc import Sequence

from rnnsearch.records.metrics import TITLES
from rnnsearch.study import ranking
from rnnsearch.study.blocks import Card, First, Section
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import Measure, primary, short_keys
from rnnsearch.study.points import Point, points, scored
from rnnsearch.study.ranking import shown
from rnnsearch.study.statistics import WEAK, Comparison
from rnnsearch.study.tables import Table, interval

FEW = 10  # points that are listed at the front
CARDS = 6  # settings with a card each


def first(study: Study, comparison: Comparison | None, near: Sequence[str] | None) -> First:
    """The best point and its settings, before all else."""
    measure, done = primary(study), scored(points(study))
    if not done:
        return First("No run is finished yet.")
    best = done[0]
    repeated = near is not None and best.score is not None and len(best.score.values) > 1
    sentences = (_near(done, near), "" if repeated else _once(done, measure, near), _weak(best, measure))
    headline = _headline(study, done, measure, repeated=repeated)
    others = tuple(sentence for sentence in sentences if sentence)
    return First(headline, others=others, cards=_cards(best, measure, comparison))


def _headline(study: Study, done: Sequence[Point], measure: Measure, *, repeated: bool) -> str:
    best = done[0]
    value = f"{shown(best.mean, measure)} {measure.title}"
    if measure.split == "training":
        against = f"{best.mean / done[-1].mean:.1f} times the slowest, {done[-1].member}"
        return f"The fastest of {len(done)} is {best.member}, {against}: {best.mean:,.0f} {TITLES[measure.key]}."
    if len(done) == 1:
        return f"{best.member} has {value}; no other point is finished."
    finished = "finished " if len(done) < len(study.all_members) else ""
    points_of = "finished trials" if study.description.kind == "search" else f"{finished}points"
    return f"The best{'' if repeated else ' observed'} of {len(done)} {points_of} is {best.member} with {value}."


def _near(done: Sequence[Point], near: Sequence[str] | None) -> str:
    if near is None:
        return ""
    left, others = len(near) - 1, len(done) - 1
    together = "over test sentences and seeds (95 %, all pairs together)"
    if not left:
        return f"{'The other is' if others == 1 else f'The {others} others are all'} worse, {together}."
    if others == 1:
        return f"The other can't be told from it, {together}: more seeds would tell more."
    lone = sum(len(point.score.values) == 1 for point in done if point.score and point.member in near[1:])
    few = f", {lone} of them for having one seed" if lone else ""
    worse = "None" if left == others else str(others - left)
    certain = f"{worse} of the {others} others {'are' if others - left > 1 else 'is'} certainly worse, {together}"
    return f"{certain}; {left} can't be told from it{few}: more seeds would tell more."


def _once(done: Sequence[Point], measure: Measure, near: Sequence[str] | None) -> str:
    """What a reader must know of a best point that was observed only once."""
    if measure.split == "training" or len(done) < 2:
        return ""
    if measure.split == "validation":
        return (
            "As the best of many it is probably worse on new data: train it anew, with several seeds, before "
            "believing it."
        )
    return f"{'One seed' if near is None else 'It has one seed'}, so nothing is known of training anew."


def _weak(best: Point, measure: Measure) -> str:
    least = WEAK.get(measure.key)
    if least is None or best.mean >= least:
        return ""
    return (
        f"Even the best has under {least:.0f} {TITLES[measure.key]}: none has learnt to translate, so that their order "
        "says little of models that have."
    )


def _cards(best: Point, measure: Measure, comparison: Comparison | None) -> tuple[Card, ...]:
    names = short_keys(list(best.settings))
    known = comparison.whole.scores.get(best.member, {}).get(measure.key) if comparison else None
    spread = f" {interval(known.interval)}" if known and measure.split == "test" else ""
    settings = [Card(names[key], ranking.short(value), "") for key, value in best.settings.items()]
    few = settings if len(settings) <= CARDS else []
    return (Card("the best", shown(best.mean, measure), f"{measure.title}{spread}"), *few)


def section(study: Study, near: Sequence[str]) -> Section:
    """The best point and those that can't be told from it; empty if there are no others."""
    if len(near) < 2:
        return Section("Best points")
    by_member = {point.member: point for point in points(study)}
    columns = ranking.setting_columns(list(by_member.values()))
    measure = primary(study)
    rows = tuple(
        (
            *(column.cell(by_member[member]) for column in columns),
            shown(by_member[member].mean, measure),
            ranking.behind(by_member[near[0]], by_member[member], measure),
        )
        for member in near[:FEW]
    )
    header = (*(column.title for column in columns), measure.title, "behind the best by")
    more = f"; the first {FEW} of {len(near)}" if len(near) > FEW else ""
    caption = f"The best point and those that can't be told from it{more}"
    note = (
        "The best was chosen after looking at all points, so that all pairs are read together: in 95 % of studies none "
        "is left out wrongly. That two can't be told apart does not show that they are equal."
    )
    return Section("Best points", tables=(Table(caption, header, rows, len(columns)),), notes=(note,))
