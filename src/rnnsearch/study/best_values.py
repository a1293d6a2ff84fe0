"""The best value of each setting within each value of the others, and how much each setting moves the score.

Each combination of the other settings is a contest between the values that were tried in it. A point that lacks a
setting (a fixed context has no attention size) takes part in the contests of every value of that setting.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rnnsearch.plots.search_charts import Axis
from rnnsearch.study.measures import Measure
from rnnsearch.study.points import Point
from rnnsearch.study.ranking import shown
from rnnsearch.study.tables import NOTHING, Table

LISTED = 6  # combinations that are named one by one
MOST = 12  # with more values than this, as when a sampler drew them, no best value is named
ENDS = 3  # with this many numbers or more, the lowest and the highest tried are marked

BEST_PART = 4  # a quarter: the best points, whose values of each setting are listed
EFFECTS = ("setting", "best point", "importance", "moves the score by, median", "at most", "combinations")

Where = tuple[str | None, ...]  # a value of each other setting; None where a point lacks it


@dataclass(frozen=True, slots=True)
class Contest:
    """The values of one setting, all else being equal: label -> score, the best first."""

    where: Where
    scores: Mapping[str, float]

    @property
    def winner(self) -> str:
        """The label of the best value."""
        return next(iter(self.scores))

    @property
    def lead(self) -> float:
        """Of the best value over the next."""
        best, second, *_ = self.scores.values()
        return abs(best - second)

    @property
    def spread(self) -> float:
        """Of the best value over the worst."""
        *_, worst = self.scores.values()
        return abs(self.scores[self.winner] - worst)


def contests(found: Sequence[Point], axis: Axis, others: Sequence[Axis], measure: Measure) -> list[Contest]:
    """Every combination of the other settings in which two or more values were tried; found: points with a score."""
    groups: dict[Where, dict[str, float]] = defaultdict(dict)
    places = [(point, _where(point, others)) for point in found]
    combinations = list(dict.fromkeys(where for _, where in places))
    for point, where in places:
        value = axis.label(point.settings.get(axis.key))
        fits = [where] if None not in where else [full for full in combinations if _within(full, where)]
        for full in fits:
            known = groups[full].get(value)
            better = known is None or measure.better(point.mean) > measure.better(known)
            groups[full][value] = point.mean if better else groups[full][value]
    return [
        Contest(where, dict(sorted(groups[where].items(), key=lambda item: -measure.better(item[1]))))
        for where in combinations
        if len(groups[where]) > 1
    ]


def _where(point: Point, others: Sequence[Axis]) -> Where:
    return tuple(axis.label(point.settings[axis.key]) if axis.key in point.settings else None for axis in others)


def _within(full: Where, where: Where) -> bool:
    """Whether a combination agrees with a point in every setting that the point has."""
    return all(mine is None or mine == its for mine, its in zip(where, full, strict=True))


def within_table(
    found: Sequence[Point], over: Sequence[Axis], names: Mapping[str, str], measure: Measure
) -> Table | None:
    """A row for each value that is best somewhere: in how many combinations of the others, in which, by how much."""
    rows: list[tuple[str, ...]] = []
    for axis in over:
        others = [other for other in over if other is not axis]
        held = contests(found, axis, others, measure)
        if others and held and len(axis.labels) <= MOST:
            rows += _rows(axis, others, held, names, measure)
    header = ("setting", "value", "best in", "of the others' combinations", "ahead of the next by")
    caption = f"The best value of each setting within each value of the others, by {measure.title}"
    return Table(caption, header, tuple(rows), len(header)) if rows else None


def _rows(
    axis: Axis, others: Sequence[Axis], held: Sequence[Contest], names: Mapping[str, str], measure: Measure
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    combinations = [contest.where for contest in held]
    tried = {label for contest in held for label in contest.scores}
    labels = [label for label in (NOTHING, *axis.labels) if label in tried]
    won = {label: [contest for contest in held if contest.winner == label] for label in labels}
    for label in labels:
        if of_label := won[label]:
            where = _listed(covered([contest.where for contest in of_label], combinations, others, names))
            leads = sorted(contest.lead for contest in of_label)
            ahead = shown(leads[0], measure) + (f" to {shown(leads[-1], measure)}" if len(leads) > 1 else "")
            value = label + _end(axis, label, sorted(tried - {NOTHING}, key=axis.labels.index))
            rows.append((value, f"{len(of_label)} of {len(held)}", where, ahead))
    if never := [label for label in labels if not won[label]]:
        rows.append((_listed(never, ", "), f"0 of {len(held)}", "nowhere", NOTHING))
    return [(names[axis.key] if place == 0 else "", *row) for place, row in enumerate(rows)]


def _end(axis: Axis, label: str, tried: Sequence[str]) -> str:
    """A second line for a number beyond which nothing was tried."""
    if not axis.numeric or len(tried) < ENDS or label not in (tried[0], tried[-1]):
        return ""
    return f"\nthe {'lowest' if label == tried[0] else 'highest'} tried"


def covered(
    won: Sequence[Where], every: Sequence[Where], others: Sequence[Axis], names: Mapping[str, str]
) -> list[str]:
    """The combinations in few words: where all that share a value of one setting are won, the value stands for them."""
    if len(won) == len(every):
        return ["everywhere"]
    left, words = list(won), []
    for place, axis in enumerate(others):
        values: list[str] = []
        tried = {value for where in won if (value := where[place]) is not None}
        for value in sorted(tried, key=axis.labels.index if NOTHING not in tried else str):
            having = [where for where in every if where[place] == value]
            if (len(having) > 1 or len(others) == 1) and set(having) <= set(won) and set(having) & set(left):
                values.append(value)
                left = [where for where in left if where not in having]
        words += [_named(axis, ", ".join(values), names)] if values else []
    return [*words, *(" + ".join(_words(where, others, names)) for where in left)]


def _words(where: Where, others: Sequence[Axis], names: Mapping[str, str]) -> list[str]:
    words = [_named(axis, value, names) for axis, value in zip(others, where, strict=True) if value is not None]
    return words or ["no other setting"]


def _named(axis: Axis, values: str, names: Mapping[str, str]) -> str:
    plainly = not axis.numeric and values[0].isalpha() and values not in ("true", "false")
    return values if plainly else f"{names[axis.key]}={values}"


def _listed(words: Sequence[str], between: str = "; ") -> str:
    more = f"{between}and {len(words) - LISTED} more" if len(words) > LISTED else ""
    return between.join(words[:LISTED]) + more


def effects_table(
    found: Sequence[Point],
    over: Sequence[Axis],
    names: Mapping[str, str],
    measure: Measure,
    shares: Mapping[str, float] | None,
) -> Table | None:
    """A row a setting: its value in the best point, its importance, and how far it alone moves the score."""
    rows = []
    for axis in sorted(over, key=lambda axis: -(shares or {}).get(axis.key, 0.0)):
        held = contests(found, axis, [other for other in over if other is not axis], measure)
        spreads = [contest.spread for contest in held]
        moved = (
            (shown(median(spreads), measure), shown(max(spreads), measure), str(len(held)))
            if spreads
            else (NOTHING,) * 3
        )
        share = f"{100 * shares[axis.key]:.0f} %" if shares else NOTHING
        rows.append((names[axis.key], axis.label(found[0].settings.get(axis.key)), share, *moved))
    return Table("How much each setting matters", EFFECTS, tuple(rows), 2) if rows else None


def ranges_table(
    found: Sequence[Point], over: Sequence[Axis], names: Mapping[str, str], measure: Measure
) -> Table | None:
    """The ranges of values in the best quarter of a search, beside all that were tried; None with too few points."""
    best = found[: len(found) // BEST_PART]
    if len(best) < 2:
        return None
    rows = tuple((names[axis.key], _spans(best, axis), _spans(found, axis)) for axis in over)
    caption = f"Values of the best {len(best)} of {len(found)} trials by {measure.title}, and of all"
    return Table(caption, ("setting", f"the best {len(best)}", f"all {len(found)}"), rows, 3) if rows else None


def _spans(points: Sequence[Point], axis: Axis) -> str:
    """The lowest and the highest number, or how often each word was taken."""
    values = [point.settings.get(axis.key) for point in points]
    counts = Counter(axis.label(value) for value in values)
    if axis.numeric and len(axis.values) > LISTED:
        numbers = sorted((value for value in values if value is not None), key=axis.number)
        ends = dict.fromkeys(axis.label(value) for value in (numbers[:1] + numbers[-1:]))
        lacking = f"; {NOTHING} in {counts[NOTHING]}" if counts[NOTHING] else ""
        return " to ".join(ends) + lacking
    order = sorted(counts, key=lambda label: (-counts[label], label))
    return ", ".join(f"{label} in {counts[label]}" for label in order)
