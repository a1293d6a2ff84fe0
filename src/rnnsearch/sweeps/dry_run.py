"""``dry=true``: what a sweep would train, what is done of it, how long it may take; nothing is trained or written."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnnsearch.config.overrides import Overrides, key_of
from rnnsearch.config.terminal import say
from rnnsearch.records.run_record import JOB
from rnnsearch.records.visible import visible_line
from rnnsearch.runs.known.listing import KnownRun, known_runs
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.estimate import Estimate, estimate, on_this_machine
from rnnsearch.sweeps.evaluations import sharing_weights
from rnnsearch.sweeps.halving import Rung
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.member_trials import overrides_of
from rnnsearch.sweeps.points import Points
from rnnsearch.sweeps.request import NAME, Asked
from rnnsearch.sweeps.search_space import Choices, Dimension
from rnnsearch.sweeps.time_left import span
from rnnsearch.sweeps.tuner import Tuner

UNKNOWN = "unknown"
WIDE = 200  # columns of a table that is written into a file


@dataclass(frozen=True)
class Planned:
    """A training that a sweep would begin, go on with, or has done.

    Attributes:
        point: with the folder that it has or would get.
        is_trial: whether it is a trial of a tuning, which goes on as a point if it is the best.
        status: as `rnnsearch.sweeps.ledger.State` has it.
        settings: the overrides that it is trained with.
        estimate: of its time; None if nothing tells it.
    """

    point: Point
    is_trial: bool
    status: str
    settings: Overrides
    estimate: Estimate | None

    @property
    def is_left(self) -> bool:
        """Whether it would be trained."""
        return self.status not in (*ledger.DONE, "running") and not ledger.has_diverged(self.point)


def plan(members: Mapping[str, Asked], points: Points, tuner: Tuner, *, output: Path) -> list[Planned]:
    """What the members stand for: their points, and before these the first trials of those that are to be tuned.

    Args:
        members: by label, matched in size.
        points: of the study.
        tuner: which members have chosen values.
        output: the folder whose finished runs tell how long such a training takes.
    """
    from rnnsearch.training.hardware import hardware  # imports torch, which takes seconds

    known = on_this_machine(known_runs(output), hardware()) if output.is_dir() else []
    chosen = tuner.before.known(members) if tuner.is_on else {}
    planned = []
    for name, asked in members.items():
        seeds = asked.seeds
        if tuner.is_on and name not in chosen:
            seed, trials = tuner.seed_of(asked), tuner.values(asked)
            share = share_of(len(trials), tuner.rungs)
            planned += [_planned(name, asked.with_(*t, f"seed={seed}"), points, known, share) for t in trials]
            seeds = tuple(other for other in seeds if other != seed)  # whose run is the best trial
        tuned = asked.with_(*overrides_of(chosen.get(name, {})))
        planned += [_planned(name, tuned.with_(f"seed={seed}"), points, known) for seed in seeds]
    shared = sharing_weights(points.study, [one.point for one in planned], points.values)
    return [
        one if one.is_trial or point.evaluates is None else replace(one, point=point, estimate=None)
        for one, point in zip(planned, shared, strict=True)
    ]


def of_trained_runs(points: Sequence[Point]) -> list[Planned]:
    """The points of a study that trains nothing."""
    settings = (tuple(word for word in point.overrides if key_of(word) != NAME) for point in points)
    return [Planned(point, False, _status(point), words, None) for point, words in zip(points, settings, strict=True)]


def _status(point: Point) -> str:
    return ledger.state(point).status if (point.folder / JOB).is_file() else "waiting"


def share_of(trials: int, rungs: Sequence[Rung]) -> float:
    """The share of its budget that a member's trial is trained on the average, if none is added at an end."""
    total, going_on, before = 0.0, trials, 0.0
    for rung in rungs:
        total += going_on * (rung.share - before)
        going_on, before = min(going_on, rung.keep), rung.share
    return (total + going_on * (1 - before)) / trials


def _planned(
    name: str, asked: Asked, points: Points, known: Sequence[KnownRun], trained: float | None = None
) -> Planned:
    """One training; of a trial with the share that is trained of it."""
    point = points.point(points.composed(asked.overrides), name)
    whole = estimate(points.values(asked.overrides), known)
    expected = whole and replace(whole, seconds=whole.seconds * (1 if trained is None else trained))
    return Planned(point, trained is not None, _status(point), asked.overrides, expected)


def show(planned: Sequence[Planned], *, slots: int | None) -> None:
    """Print the trainings as a table, their counts, and how long what is left would take.

    Args:
        planned: all of them.
        slots: how many are trained at a time; None where a cluster decides it.
    """
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("point", "seed", "status", "about", "parameters", "overrides"):
        table.add_column(
            title, justify="right" if title in ("seed", "about", "parameters") else "left", overflow="fold"
        )
    shared = [word for word in planned[0].settings if all(word in one.settings for one in planned)] if planned else []
    for one in planned:
        own = " ".join(word for word in one.settings if word not in shared and key_of(word) != "seed")
        about = UNKNOWN if one.estimate is None else span(one.estimate.seconds)
        size = "" if one.estimate is None or one.estimate.parameters is None else f"{one.estimate.parameters:,}"
        kind = " (trial)" if one.is_trial else " (only translates)" if one.point.evaluates else ""
        label = f"{one.point.member}{kind}"
        cells = (label, str(one.point.seed), one.status, about if one.is_left else "", size, own)
        table.add_row(*(Text(visible_line(cell)) for cell in cells))
    console.print(table)
    if shared:
        say(f"all: {' '.join(shared)}")
    for line in summary(planned, slots=slots):
        say(line)


def summary(planned: Sequence[Planned], *, slots: int | None) -> list[str]:
    """How many trainings are left, how long they may take, and what says so."""
    left = [one for one in planned if one.is_left]
    counts = Counter(one.status for one in planned)
    counted = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    points = "1 point" if len(planned) == 1 else f"{len(planned)} points"
    at_once = min(slots or 1, len(left))
    begun = f"{len(left)} to do{f', {at_once} at a time' if slots else ''}"
    lines = [f"{points}: {counted}; {begun if left else 'nothing is left to do'}"]
    told = [one.estimate for one in left if one.estimate is not None]
    if left and told:
        total = sum(each.seconds for each in told)
        untold = len(left) - len(told)
        rest = f", and {untold} of unknown length" if untold else ""
        shared = f", {span(total / at_once)} with {at_once} at a time" if at_once > 1 else ""
        lines.append(f"time, without beginning and test: about {span(total)} one after the other{shared}{rest}")
        sources = Counter(each.source for each in told)
        lines += [f"  {count} by {source} on this processor" for source, count in sources.items()]
    elif left:
        lines.append("time: unknown, since no finished run on this processor is like them")
    if any(one.is_trial for one in planned):
        lines.append(
            "trials: the worse ones pause, and more are tried while the best is at an end; then all get its values"
        )
    return lines


def show_search(study: Path, trials: int, space: Mapping[str, Dimension]) -> None:
    """Print what a search would do: its values are chosen as it goes."""
    there = [point for point in ledger.read_points(study) if point.trial] if study.is_dir() else []
    counts = Counter(ledger.state(point).status for point in there)
    counted = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "none begun"
    say(f"{trials} trials: {counted}; Optuna chooses their values as they go, of:")
    for key, dimension in space.items():
        say(f"  {key}: {_in_words(dimension)}")
    say("time: unknown, since it depends on these values")


def _in_words(dimension: Dimension) -> str:
    if isinstance(dimension, Choices):
        return ", ".join(dimension.choices)
    return f"{dimension.low:g} to {dimension.high:g}{' on a logarithmic scale' if dimension.log else ''}"
