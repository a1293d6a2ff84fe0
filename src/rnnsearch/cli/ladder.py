"""The trials of one member of a study: points that climb from rung to rung, where validation judges them."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig

from rnnsearch.cli.asked import Asked
from rnnsearch.cli.points import Points
from rnnsearch.cli.spelling import spelt
from rnnsearch.evaluation.scoring import monitored
from rnnsearch.sweep import ledger
from rnnsearch.sweep.halving import AllDiverged, Chosen, Rule, Values, Waiting, judged
from rnnsearch.sweep.ledger import Point


class Ladder:
    """The trials of one member, and how far each has come.

    Args:
        member: its label.
        one: what it is.
        points: of the study.
        rule: how trials are judged.
        seed: with which they are trained.
        warmups: of the schedule, that are over before a trial is judged.
        measure: of validation: nll, or one of which more is better.
    """

    def __init__(
        self, member: str, one: Asked, *, points: Points, rule: Rule, seed: str, warmups: float, measure: str
    ) -> None:
        self.member, self.one, self.rule, self.seed, self.measure = member, one, rule, seed, measure
        self.maker = points
        self.least = math.ceil(warmups * points.config(one.overrides).scheduler.get("warmup", 0)) or None
        self.points: dict[Values, Point] = {}

    def step(self) -> Waiting | Chosen:
        """What is next.

        Raises:
            ValueError: if all diverged.
        """
        try:
            return judged(self.rule, self.loss)
        except AllDiverged as error:
            raise ValueError(f"{self.member}: {error}; give lower ones, tuning.factors=[...]") from None

    def asked(self, step: Waiting) -> list[Point]:
        """The points that are to be trained up to a rung."""
        return [replace(self.point(trial), pause=self.pause(step.rung)) for trial in step.trials]

    def pause(self, rung: int) -> dict[str, Any]:
        """Where a trial is judged."""
        return {"share": self.rule.rungs[rung].share, "updates": self.least}

    def point(self, trial: Values) -> Point:
        """The point that a trial is."""
        if trial not in self.points:
            overrides = (*self.one.overrides, *overrides_of(dict(trial)), f"seed={self.seed}")
            self.points[trial] = self.maker.point(self.maker.composed(overrides), self.member)
        return self.points[trial]

    def loss(self, trial: Values, rung: int) -> float | None:
        """What validation found at a rung, lower is better; infinite where the trial diverged, None before."""
        point = self.point(trial)
        if ledger.has_diverged(point):
            return math.inf
        found = at_rung(ledger.read_run(point.folder), self.maker.config(point.overrides).budget, self.pause(rung))
        if found is None:
            return None
        value = monitored(found, self.measure)
        return value if self.measure == "nll" else -value

    def told(self) -> tuple[dict[str, Any], ...]:
        """What study.json says of every trial."""
        return tuple(self._told(trial, point) for trial, point in self.points.items())

    def _told(self, trial: Values, point: Point) -> dict[str, Any]:
        record = ledger.read_run(point.folder)
        budget = self.maker.config(point.overrides).budget
        at = [at_rung(record, budget, self.pause(place)) for place in range(len(self.rule.rungs))]
        return {
            "member": self.member,
            "seed": point.seed,
            "values": dict(trial),
            "folder": point.folder.name,
            "status": "diverged" if ledger.has_diverged(point) else ledger.state(point).status,
            "values_at": [{"update": one["update"], "value": one[self.measure]} for one in at if one is not None],
            "updates": record.get("updates"),
            "seconds": record.get("training_seconds"),
        }


def at_rung(record: Mapping[str, Any], budget: DictConfig, pause: Mapping[str, Any]) -> dict[str, Any] | None:
    """The validation at which a run is judged; None before."""
    paused = {one["update"]: one["share"] for one in record.get("pauses", [])}
    validations = record.get("results", {}).get("curves", {}).get("validation", [])
    for place, one in enumerate(validations, start=1):
        ended = record.get("status") in ledger.DONE and place == len(validations)
        share = 1.0 if ended else paused.get(one["update"], _share(one, budget, record))
        if share >= pause["share"] and (ended or one["update"] >= (pause["updates"] or 0)):
            return dict(one)
    return None


def _share(validation: Mapping[str, Any], budget: DictConfig, record: Mapping[str, Any]) -> float:
    """The share of the budget that was used up at a validation; of seconds only a pause knows."""
    tokens = validation["tokens_seen"]
    used = {"updates": validation["update"], "tokens": tokens, "flops": tokens * (record.get("flops_per_token") or 0.0)}
    return max((float(used[key]) / budget[key] for key in used if budget[key] is not None), default=0.0)


def has_come(point: Point) -> bool:
    """Whether a trial is where it is to be judged, or will never be."""
    state = ledger.state(point)
    return state.status in ledger.DONE or ledger.has_diverged(point) or ledger.is_paused(point)


def overrides_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys and values as a training gets them."""
    return tuple(f"{key}={spelt(value)}" for key, value in values.items())
