"""The tuning trials of one member: points that climb from rung to rung, where validation judges them."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rnnsearch.config.overrides import spelt
from rnnsearch.evaluation.scoring import monitored
from rnnsearch.records.metrics import METRICS
from rnnsearch.records.run_record import Record
from rnnsearch.records.study_description import Judgement, Trial
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.halving import AllDiverged, Chosen, Rule, Values, Waiting, judged
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.points import Points
from rnnsearch.sweeps.request import Asked


class Ladder:
    """The trials of one member, and how far each has come.

    Args:
        member: its label.
        wanted: its overrides and seeds.
        points: of the study.
        rule: how trials are judged.
        seed: of the trials.
        warmups: how many warmups of the schedule must be over before a trial is judged.
        measure: of validation, such as nll.
    """

    def __init__(
        self, member: str, wanted: Asked, *, points: Points, rule: Rule, seed: str, warmups: float, measure: str
    ) -> None:
        self.member, self.wanted, self.rule, self.seed, self.measure = member, wanted, rule, seed, measure
        self.maker = points
        self.least = math.ceil(warmups * points.values(wanted.overrides)["scheduler"].get("warmup", 0)) or None
        self.points: dict[Values, Point] = {}

    def step(self) -> Waiting | Chosen:
        """The next step.

        Raises:
            ValueError: if all diverged.
        """
        try:
            return judged(self.rule, self.loss)
        except AllDiverged as error:
            raise ValueError(f"{self.member}: {error}; give lower ones, tuning.factors=[...]") from None

    def asked(self, step: Waiting) -> list[Point]:
        """The points to train up to a rung."""
        return [replace(self.point(trial), pause=self.pause(step.rung)) for trial in step.trials]

    def pause(self, rung: int) -> dict[str, Any]:
        """Where a trial is judged."""
        return {"share": self.rule.rungs[rung].share, "updates": self.least}

    def point(self, trial: Values) -> Point:
        """The point that a trial is."""
        if trial not in self.points:
            overrides = (*self.wanted.overrides, *overrides_of(dict(trial)), f"seed={self.seed}")
            self.points[trial] = self.maker.point(self.maker.composed(overrides), self.member)
        return self.points[trial]

    def loss(self, trial: Values, rung: int) -> float | None:
        """The validation loss at a rung, lower is better; infinite if it diverged, None if not there yet."""
        point = self.point(trial)
        if ledger.has_diverged(point):
            return math.inf
        validation = at_rung(ledger.read_run(point.folder), self._budget(point), self.pause(rung))
        if validation is None:
            return None
        value = monitored(validation, self.measure)
        return -value if METRICS[self.measure].higher else value

    def _budget(self, point: Point) -> Mapping[str, Any]:
        return dict(self.maker.values(point.overrides)["budget"])

    def told(self) -> tuple[Trial, ...]:
        """Every trial as study.json describes it."""
        return tuple(self._told(trial, point) for trial, point in self.points.items())

    def _told(self, trial: Values, point: Point) -> Trial:
        record = ledger.read_run(point.folder)
        budget = self._budget(point)
        at = [at_rung(record, budget, self.pause(place)) for place in range(len(self.rule.rungs))]
        return Trial(
            member=self.member,
            seed=point.seed,
            values=dict(trial),
            folder=point.folder.name,
            status="diverged" if ledger.has_diverged(point) else ledger.state(point).status,
            values_at=[
                Judgement(update=validation["update"], value=validation[self.measure])
                for validation in at
                if validation is not None
            ],
            updates=record.updates,
            seconds=record.training_seconds,
        )


def at_rung(record: Record, budget: Mapping[str, Any], pause: Mapping[str, Any]) -> dict[str, Any] | None:
    """The validation at which a run is judged; None if it is not there yet."""
    paused = {entry.update: entry.share for entry in record.pauses}
    validations = record.results.curves.validation
    for place, validation in enumerate(validations, start=1):
        ended = record.status in ledger.DONE and place == len(validations)
        share = 1.0 if ended else paused.get(validation["update"], _share(validation, budget, record))
        if share >= pause["share"] and (ended or validation["update"] >= (pause["updates"] or 0)):
            return dict(validation)
    return None


def _share(validation: Mapping[str, Any], budget: Mapping[str, Any], record: Record) -> float:
    """The share of the budget used at a validation; a budget in seconds is only known at a pause."""
    tokens = validation["tokens_seen"]
    used = {"updates": validation["update"], "tokens": tokens, "flops": tokens * (record.flops_per_token or 0.0)}
    return max((float(used[key]) / budget[key] for key in used if budget[key] is not None), default=0.0)


def has_come(point: Point) -> bool:
    """Whether a trial has reached where it is judged, or never will."""
    state = ledger.state(point)
    return state.status in ledger.DONE or ledger.has_diverged(point) or ledger.is_paused(point)


def overrides_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys and values as a training gets them."""
    return tuple(f"{key}={spelt(value)}" for key, value in values.items())
