"""A sweep's or search's points in a table, sorted by score: a column for each setting, then seeds, score and cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from rnnsearch.evaluation.significance import RESAMPLES
from rnnsearch.plots.style import value_text
from rnnsearch.records.metrics import METRICS
from rnnsearch.records.run_record import Record
from rnnsearch.study import tuning
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import Measure, primary, short_keys
from rnnsearch.study.points import Point, points
from rnnsearch.study.spread import over
from rnnsearch.study.statistics import Comparison
from rnnsearch.study.tables import NOTHING, Table, count, duration, interval, number
from rnnsearch.study.trade_offs import COSTS, varies

SHOWN = 30  # points shown at once; a reader opens the rest


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title and its cell for a point."""

    title: str
    cell: Callable[[Point], str]


def shown(value: float, measure: Measure) -> str:
    """A score in the digits of its measure."""
    return number(value, METRICS[measure.key].digits)


def table(study: Study, comparison: Comparison | None, near: Sequence[str]) -> Table:
    """Every point, the best first; for one without a score, the state of its runs and their last validation.

    near: the best point, and those that can't be told from it if others can.
    """
    ranked, measure = points(study), primary(study)
    settings = setting_columns(ranked)
    repeated = any(len(point.runs) > 1 for point in ranked)
    columns = [
        *settings,
        *([Column("seeds", lambda point: str(len(point.score.values) if point.score else 0))] if repeated else []),
        Column(measure.title, lambda point: _score(point, measure)),
        *_intervals(measure, comparison),
        *_tuned(study),
        *([Column("behind the best by", partial(_behind, ranked[0], measure, near))] if len(ranked) > 1 else []),
        *_costs(ranked),
    ]
    rows = tuple(tuple(column.cell(point) for column in columns) for point in ranked)
    caption = f"All {len(ranked)} points by {measure.title}" if len(ranked) > 1 else f"The point's {measure.title}"
    return Table(caption, tuple(column.title for column in columns), rows, len(settings))


def setting_columns(every: Sequence[Point]) -> list[Column]:
    """A column for each setting; a column of labels if there are no settings."""
    names = short_keys(list(dict.fromkeys(key for point in every for key in point.settings)))

    def of(key: str) -> Column:
        return Column(names[key], lambda point: short(point.settings.get(key)))

    return [of(key) for key in names] or [Column("point", lambda point: point.member)]


def short(value: Any) -> str:
    """A setting's value in a table."""
    if value is None:
        return NOTHING
    return f"{value:.4g}" if isinstance(value, float) else value_text(value)


def split(whole: Table) -> tuple[Table, Table | None]:
    """The rows shown at once, and the rest."""
    if len(whole.rows) <= SHOWN + SHOWN // 10:  # a fold of two or three would gain nothing
        return whole, None
    rest = Table(f"Points {SHOWN + 1} to {len(whole.rows)}", whole.header, whole.rows[SHOWN:], whole.text_columns)
    return Table(whole.caption + f"; the first {SHOWN}", whole.header, whole.rows[:SHOWN], whole.text_columns), rest


def _score(point: Point, measure: Measure) -> str:
    if point.score is None:
        last = [f"{state}, last {number(value)}" if value is not None else state for state, value in point.last]
        return "\n".join(dict.fromkeys(last)) or NOTHING
    deviation = f" ± {shown(point.score.deviation, measure)}" if point.score.deviation is not None else ""
    return shown(point.score.mean, measure) + deviation


def _intervals(measure: Measure, comparison: Comparison | None) -> list[Column]:
    """A column of the scores' intervals, if they have any."""
    if comparison is None or measure.split != "test":
        return []
    estimates = {member: of[measure.key] for member, of in comparison.whole.scores.items() if measure.key in of}
    cell = Column("95 %", lambda p: interval(estimates[p.member].interval) if p.member in estimates else NOTHING)
    return [cell] if estimates else []


def _tuned(study: Study) -> list[Column]:
    """A column of the tuned values, if any were tuned."""
    title = f"{tuning.names(study)}, tuned"
    return [Column(title, lambda p: tuning.chosen_in_words(study, p.member))] if tuning.chosen(study) else []


def behind(best: Point, point: Point, measure: Measure) -> str:
    """How far a point is behind the best one."""
    if point is best:
        return "the best"
    return shown(measure.better(best.mean - point.mean), measure)


def _behind(best: Point, measure: Measure, near: Sequence[str], point: Point) -> str:
    if point.score is None:
        return NOTHING
    if point is best or point.member not in near:
        return behind(best, point, measure)
    return behind(best, point, measure) + (", one seed" if len(point.score.values) == 1 else ", not told apart")


def _costs(ranked: Sequence[Point]) -> list[Column]:
    """Columns of parameters and tokens if they vary, and of the training time."""
    columns = []
    for cost in COSTS:
        paid = {point.member: mean_of(point, cost.of) for point in ranked}
        known = [value for value in paid.values() if value is not None]
        if known and (varies(known) or cost.name == "time"):
            columns.append(Column(cost.name, partial(_cost, paid, duration if cost.name == "time" else count)))
    return columns


def _cost(paid: Mapping[str, float | None], show: Callable[[float | None], str], point: Point) -> str:
    return show(paid[point.member])


def mean_of(point: Point, read: Callable[[Record], float | None]) -> float | None:
    """The mean of a record's number over the finished runs."""
    values = [value for run in point.runs if run.status == "finished" and (value := read(run.record)) is not None]
    return fmean(values) if values else None


def note(comparison: Comparison | None, *, repeated: bool) -> str:
    """What the numbers of the table are; repeated: whether points have several seeds."""
    sentences = ["± is the standard deviation over seeds (n − 1)."] if repeated else []
    if comparison is not None:
        sentences.append(f"Intervals are over {over(comparison)}, {RESAMPLES:,} resamples, each for itself.")
    return " ".join(sentences)
