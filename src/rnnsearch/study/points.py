"""The points of a sweep or search, the best first: settings, score over seeds, state of the runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnsearch.plots.search_charts import Trial
from rnnsearch.study.folder import Run, Study
from rnnsearch.study.measures import Measure, Score, best_first, primary, score
from rnnsearch.study.trials import trials


@dataclass(frozen=True, slots=True)
class Point:
    """One member of a sweep.

    Attributes:
        settings: what was varied: key -> value; without the keys that do not apply to it.
        score: over its finished runs, by the primary measure; None without any.
        last: the state and the last validation of each run that did not finish.
        runs: all of them.
    """

    member: str
    settings: Mapping[str, Any]
    score: Score | None
    last: tuple[tuple[str, float | None], ...]
    runs: tuple[Run, ...]

    @property
    def mean(self) -> float:
        """The mean of its score, which it must have."""
        assert self.score is not None
        return self.score.mean


def points(study: Study) -> list[Point]:
    """Every point, the best first; those without a score last."""
    measure, tried = primary(study), trials(study)
    order = dict.fromkeys((*best_first(study).members, *study.all_members))
    return [_point(study, measure, member, [trial for trial in tried if trial.member == member]) for member in order]


def _point(study: Study, measure: Measure, member: str, tried: Sequence[Trial]) -> Point:
    runs = tuple(run for run in study.runs if run.member == member)
    values = [value for run in runs if (value := measure.of(run)) is not None]
    last = tuple((trial.state, trial.value) for trial in tried if not trial.done)
    settings = tried[0].settings if tried else {}
    return Point(member, settings, score(values) if values else None, last, runs)


def scored(found: Sequence[Point]) -> list[Point]:
    """Those that have a score."""
    return [point for point in found if point.score is not None]
