"""A study's primary measure, each member's score by it, and which members a crowded section shows."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.study.folder import Run, Study

TITLES = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "ter": "TER",
    "nll": "nats a token",
    "perplexity": "perplexity",
    "aer": "AER",
    "aer_saliency": "AER by saliency",
    "tokens_per_second": "tokens a second",
}
TIES = ("chrf", "nll")  # what decides where members are equal
FALLING = ("ter", "nll", "perplexity", "aer", "aer_saliency")  # lower is better


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of a run's record."""

    key: str
    split: str  # test | validation | training: its speed

    @property
    def title(self) -> str:
        """As an axis says it."""
        return f"{self.split} {TITLES.get(self.key, self.key)}"

    @property
    def higher(self) -> bool:
        """Whether more is better."""
        return self.key not in FALLING

    def of(self, run: Run) -> float | None:
        """The value of a finished run; None where there is none."""
        if self.split == "training":
            return _finite(run.record.get(self.key)) if run.status == "finished" else None
        metrics = (run.record.get("results") or {}).get("metrics") or {}
        return _finite((metrics.get(self.split) or {}).get(self.key)) if run.status == "finished" else None

    def last(self, run: Run) -> float | None:
        """The last validation's value of any run, also of one that was stopped or failed."""
        points = ((run.record.get("results") or {}).get("curves") or {}).get("validation") or []
        values = [value for point in points if (value := _finite(point.get(self.key))) is not None]
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
    """How the translations of a study are scored: as those of its baseline's first run that says so were."""
    records = [run.record for run in study.runs if run.record.get("results")]
    return Scoring.of_record(next(iter(records), {}))


def text_metric(study: Study) -> str:
    """``bleu``, or ``chrf`` where BLEU is degenerate on the study's references."""
    return scoring(study).primary


def primary(study: Study) -> Measure:
    """What the study is decided by: a search's on the validation set, every other's on the test set where it is."""
    search, protocol = study.description.get("search") or {}, study.description.get("protocol") or {}
    key = str(search.get("metric") or protocol.get("metric") or "bleu")
    key = text_metric(study) if key == "bleu" else key
    if key == "tokens_per_second":
        return Measure(key, "training")
    tested = Measure(key, "test")
    if study.description.get("kind") != "search" and any(tested.of(run) is not None for run in study.runs):
        return tested
    return Measure(key, "validation")


def compares(study: Study) -> bool:
    """Whether members are compared on test translations, and not only ranked, as trials and speeds are."""
    return study.description.get("kind") != "search" and primary(study).split != "training"


def is_comparison(study: Study) -> bool:
    """Whether it is told as members against a baseline; else as a sweep, whose first point nobody chose.

    Of a protocol those that name a baseline or pairs. What is only ranked, as trials and speeds are, is no comparison.
    """
    stated: Mapping[str, Any] = study.description.get("protocol") or {}
    planned = bool(stated.get("baseline") or stated.get("comparisons"))
    return compares(study) and (planned or study.description.get("kind", "comparison") == "comparison")


def best_first(study: Study) -> Study:
    """The study with its members in the order of their scores; those without one last."""
    return replace(study, members=tuple(dict.fromkeys((*ranked(study), *study.members))))


def score(values: Sequence[float]) -> Score:
    """Mean and standard deviation of one or more values."""
    return Score(fmean(values), stdev(values) if len(values) > 1 else None, tuple(values))


def scores(study: Study, measure: Measure) -> dict[str, Score]:
    """The score of each member that has a finished run, in the order of the members."""
    values = {
        member: [v for run in study.runs if run.member == member and (v := measure.of(run)) is not None]
        for member in study.members
    }
    return {member: score(of_member) for member, of_member in values.items() if of_member}


def ranked(study: Study) -> list[str]:
    """The members with a score, the best first; chrF, then likelihood, decide between equals."""
    measure = primary(study)
    found = scores(study, measure)
    others = [Measure(key, measure.split) for key in TIES] if measure.split != "training" else []
    ties = [(other, scores(study, other)) for other in others]

    def order(member: str) -> tuple[float, ...]:
        decided = (-other.better(of[member].mean) if member in of else math.inf for other, of in ties)
        return (-measure.better(found[member].mean), *decided, study.members.index(member))

    return sorted(found, key=order)


def shown_members(study: Study, members: Sequence[str], limit: int) -> list[str]:
    """Of many members the baseline and the best, in the order of the study."""
    order = [member for member in (study.members[0], *ranked(study), *members) if member in members]
    chosen = list(dict.fromkeys(order))[:limit]
    return [member for member in study.members if member in chosen]


def settings(study: Study) -> dict[str, dict[str, Any]]:
    """What differs between the members, as it was asked for: member -> key -> plain value; empty in old studies."""
    entries: Sequence[Mapping[str, Any]] = study.description.get("members") or []
    found = {str(entry["name"]): dict(entry.get("settings") or {}) for entry in entries}
    return found if any(found.values()) else {}


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each dotted key; as many parts as it takes to tell them apart."""
    parts = {key: re.split(r"[./]", key) for key in keys}
    deepest = max((len(of_key) for of_key in parts.values()), default=0)
    for kept in range(1, deepest + 1):
        short = {key: ".".join(of_key[-kept:]) for key, of_key in parts.items()}
        if len(set(short.values())) == len(short):
            return short
    return {key: key for key in keys}


def short_labels(members: Sequence[str]) -> dict[str, str]:
    """Labels without the names of settings ("additive, attention_size=8": "additive, 8") where they stay distinct."""
    short = {member: re.sub(r"[\w./+~-]+=", "", member) for member in members}
    return short if len(set(short.values())) == len(short) and all(short.values()) else {m: m for m in members}
