"""A study's primary measure, each member's score by it, and which members a crowded section shows."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.records.metrics import METRICS, Split
from rnnsearch.records.run_record import NO_RESULTS
from rnnsearch.study.folder import Run, Study

TIES = ("chrf", "nll")  # what breaks ties


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric, and the split it is measured on."""

    key: str
    split: Split

    @property
    def title(self) -> str:
        """As an axis is labelled."""
        return f"{self.split} {METRICS[self.key].title}"

    @property
    def higher(self) -> bool:
        """Whether more is better."""
        return METRICS[self.key].higher

    def of(self, run: Run) -> float | None:
        """The value of a finished run; None if it lacks one or is not finished."""
        return _finite(METRICS[self.key].of(run.record, self.split)) if run.status == "finished" else None

    def last(self, run: Run) -> float | None:
        """The value at a run's last validation, also if it was stopped or failed."""
        values = [
            value
            for point in run.record.results.curves.validation
            if (value := _finite(point.get(self.key))) is not None
        ]
        return values[-1] if values else None

    def better(self, value: float) -> float:
        """The value, turned so that more is better."""
        return value if self.higher else -value


@dataclass(frozen=True, slots=True)
class Score:
    """A member's mean over its finished runs."""

    mean: float
    deviation: float | None  # over seeds; None for one
    values: tuple[float, ...]


def scoring(study: Study) -> Scoring:
    """How the translations of a study are scored: as the record of its first run with results says."""
    recorded = [run.record.scoring for run in study.runs if run.record.results != NO_RESULTS]
    return Scoring.of_record(next(iter(recorded), {}))


def text_metric(study: Study) -> str:
    """``bleu``, or ``chrf`` where BLEU is degenerate on the study's references."""
    return scoring(study).primary


def primary(study: Study) -> Measure:
    """What the study is decided by: in a search on the validation set, otherwise on the test set if one was scored."""
    search = study.description.search or {}
    key = str(search.get("metric") or study.description.planned.metric or "bleu")
    key = text_metric(study) if key == "bleu" else key
    if key == "tokens_per_second":
        return Measure(key, "training")
    tested = Measure(key, "test")
    if study.description.kind != "search" and any(tested.of(run) is not None for run in study.runs):
        return tested
    return Measure(key, "validation")


def compares(study: Study) -> bool:
    """Whether members are compared on test translations; trials and speeds are only ranked."""
    return study.description.kind != "search" and primary(study).split != "training"


def is_comparison(study: Study) -> bool:
    """Whether it is reported as members against a baseline; else as a sweep, whose first point nobody chose.

    A sweep is one if its protocol names a baseline or pairs. What is only ranked, trials and speeds, never is.
    """
    stated = study.description.planned
    planned = bool(stated.baseline or stated.comparisons)
    return compares(study) and (planned or study.description.kind == "comparison")


def best_first(study: Study) -> Study:
    """The study with its members ordered by score, the best first; those without a score last."""
    return replace(study, members=tuple(dict.fromkeys((*ranked(study), *study.members))))


def score(values: Sequence[float]) -> Score:
    """Mean and standard deviation of one or more values."""
    return Score(fmean(values), stdev(values) if len(values) > 1 else None, tuple(values))


def scores(study: Study, measure: Measure) -> dict[str, Score]:
    """The score of each member with a finished run, in the members' order."""
    values = {
        member: [v for run in study.runs if run.member == member and (v := measure.of(run)) is not None]
        for member in study.members
    }
    return {member: score(of_member) for member, of_member in values.items() if of_member}


def ranked(study: Study) -> list[str]:
    """The members with a score, the best first; chrF, then likelihood, break ties."""
    measure = primary(study)
    by_member = scores(study, measure)
    others = [Measure(key, measure.split) for key in TIES] if measure.split != "training" else []
    ties = [(other, scores(study, other)) for other in others]

    def order(member: str) -> tuple[float, ...]:
        decided = (-other.better(of[member].mean) if member in of else math.inf for other, of in ties)
        return (-measure.better(by_member[member].mean), *decided, study.members.index(member))

    return sorted(by_member, key=order)


def shown_members(study: Study, members: Sequence[str], limit: int) -> list[str]:
    """The baseline and the best of the members, at most ``limit``, in the order of the study."""
    order = [member for member in (study.members[0], *ranked(study), *members) if member in members]
    chosen = list(dict.fromkeys(order))[:limit]
    return [member for member in study.members if member in chosen]


def settings(study: Study) -> dict[str, dict[str, Any]]:
    """The settings in which the members differ: member -> key -> plain value; empty in studies of earlier versions."""
    by_member = {member.name: member.settings for member in study.description.members}
    return by_member if any(by_member.values()) else {}


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each dotted key; as many parts as it takes to tell them apart."""
    parts = {key: re.split(r"[./]", key) for key in keys}
    deepest = max((len(of_key) for of_key in parts.values()), default=0)
    for count in range(1, deepest + 1):
        short = {key: ".".join(of_key[-count:]) for key, of_key in parts.items()}
        if len(set(short.values())) == len(short):
            return short
    return {key: key for key in keys}


def short_labels(members: Sequence[str]) -> dict[str, str]:
    """Labels without the settings' names ("additive, attention_size=8": "additive, 8") if they stay distinct."""
    short = {member: re.sub(r"[\w./+~-]+=", "", member) for member in members}
    return short if len(set(short.values())) == len(short) and all(short.values()) else {m: m for m in members}
