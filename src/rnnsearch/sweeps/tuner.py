"""The tuning stage of a study: each member's learning rate, and other keys, by trials that are points of the study.

A trial trains on the real schedule and pauses where it is judged; the better ones go on from their checkpoints, and the
best one is the member's run of that seed. What was chosen stands in study.json and is never chosen anew.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import msgspec
from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.keys.roles import CORRECTED, LIMITS, Role, keys_of, within
from rnnsearch.config.plain_values import plain
from rnnsearch.records import study_description
from rnnsearch.records.nested import value_at
from rnnsearch.records.run_record import NO_RECORD
from rnnsearch.records.study_description import RATE
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.chosen_before import ChosenBefore
from rnnsearch.sweeps.halving import Chosen, Rule, Rung, Values, Waiting
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.member_trials import Ladder, has_come, overrides_of
from rnnsearch.sweeps.points import Points, write_points
from rnnsearch.sweeps.request import Asked

logger = logging.getLogger(__name__)

RATES = (RATE, "learning_rate")  # the first is computed from the second
DATA = ("data", "tokenizer", "filters")  # if these differ, likelihoods are over different tokens
UNTOLD = keys_of(Role.ABOUT, Role.CONTINUED, Role.MACHINE)
FIXED = ("seed", *LIMITS, *CORRECTED, "search", "validation", *UNTOLD)  # can't be tuned

Train = Callable[[Sequence[Point]], None]


@dataclass(frozen=True)
class Tuned:
    """The outcome of a member's trials.

    Attributes:
        member: its label.
        base: distinguishes it from others of its name.
        chosen: the best trial's values.
        at_edge: whether the rate is the lowest or highest tried.
        trials: each with its values, folder and progress.
    """

    member: str
    base: str
    chosen: dict[str, Any]
    at_edge: bool
    trials: tuple[study_description.Trial, ...]


class Tuner:
    """Chooses values for the members of a study.

    Args:
        config: of the command.
        points: of the study.
        train: trains points as far as they are to go.
        earlier: what study.json says of earlier tuning; None: nothing.

    Raises:
        ValueError: for a key that can't be tuned.
    """

    def __init__(
        self, config: DictConfig, points: Points, train: Train, earlier: study_description.Tuning | None = None
    ) -> None:
        self.tuning = config.tuning
        self.points = points
        self.train = train
        grid = plain(self.tuning.get("grid") or OmegaConf.create({}))
        self.grid: dict[str, list[Any]] = {key: _listed(key, values) for key, values in grid.items()}
        self.keys = (*((RATE,) if self.tuning.factors else ()), *self.grid)
        self.measure = _measure(str(config.protocol.metric), self.grid)
        self.rungs = _rungs(self.tuning)
        self.before = ChosenBefore(earlier, config.tuning, self.keys, self._base)
        self.tuned: list[Tuned] = []

    @property
    def is_on(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self.keys)

    def _base(self, asked: Asked, chosen: Mapping[str, Any]) -> str:
        """The key of a member's config with the chosen values, whatever its seed and default rate."""
        return self.points.composed((*asked.overrides, *overrides_of(chosen), "seed=0")).key

    def choose(self, asked: Mapping[str, Asked]) -> dict[str, Asked]:
        """Each member with the values that are best for it.

        Args:
            asked: by label.

        Raises:
            ValueError: if a trial failed, all trials of a member diverged, or two members are equal once tuned.
        """
        chosen = self.before.known(asked)
        new = {name: member for name, member in asked.items() if name not in chosen}
        self.before.check_alike(new, [[rung.share, rung.keep] for rung in self.rungs])
        for name, (best, trials) in self._tried(new).items():
            values = dict(best.trial)
            self.tuned.append(Tuned(name, self._base(new[name], values), values, best.at_edge, trials))
            chosen[name] = values
            if best.at_edge:
                logger.warning("%s: %s=%g is an end of what was tried; raise tuning.extensions", name, *best.trial[0])
        for name, values in chosen.items():
            logger.info("%s: %s%s", name, " ".join(overrides_of(values)), "" if name in new else ", as chosen before")
        self._check_apart({name: self._base(member, chosen[name]) for name, member in asked.items()})
        return {name: member.with_(*overrides_of(chosen[name])) for name, member in asked.items()}

    def _check_apart(self, bases: Mapping[str, str]) -> None:
        """Refuse members that differed only in what is tuned."""
        names: dict[str, str] = {}
        for name, base in bases.items():
            if base in names:
                raise ValueError(f"{names[base]} and {name} train the same once they are tuned; set tuning=none")
            names[base] = name

    def values(self, asked: Asked) -> list[tuple[str, ...]]:
        """The overrides of a member's first trials, to be checked before anything is trained."""
        if not self.is_on:
            return [()]
        rule = self.rule(asked)
        return [overrides_of(dict(trial)) for trial in rule.trials(rule.values)]

    def description(self, labels: Mapping[str, str]) -> study_description.Tuning | None:
        """The tuning as study.json describes it; None if nothing was ever tuned.

        Args:
            labels: the members' present ones, by run folder.
        """
        before = self.before.relabelled(labels)
        if not self.tuned:
            return before and msgspec.structs.replace(before, trials=[self._fresh(trial) for trial in before.trials])
        names = {tuned.member for tuned in self.tuned}
        earlier = before or study_description.Tuning()
        kept = [trial for trial in earlier.trials if trial.member not in names]
        trials = [self._fresh(trial) for trial in (*kept, *(trial for tuned in self.tuned for trial in tuned.trials))]
        return study_description.Tuning(
            measure=self.measure,
            seed=self.tuning.seed if self.tuning.seed is not None else self.tuned[0].trials[0].seed,
            rungs=[
                study_description.Rung(share=rung.share, keep=rung.keep, updates=_updates_at(place, trials))
                for place, rung in enumerate(self.rungs)
            ],
            **self.before.settings,
            extensions=self.tuning.extensions,
            trials=trials,
            chosen={**earlier.chosen, **{tuned.member: tuned.chosen for tuned in self.tuned}},
            bases={**earlier.bases, **{tuned.member: tuned.base for tuned in self.tuned}},
            at_edge=sorted({*earlier.at_edge} - names | {tuned.member for tuned in self.tuned if tuned.at_edge}),
        )

    def otherwise(self, point: Point, chosen: Mapping[str, Any]) -> str:
        """In words, where a point differs from the values chosen for its member; empty if it does not."""
        if set(overrides_of(chosen)) <= set(point.overrides):
            return ""
        values = self.points.values(point.overrides)
        has = {key: value_at(values, key) for key in chosen}
        return ", ".join(f"{key.rpartition('.')[2]}={has[key]}" for key in chosen if has[key] != chosen[key])

    def _fresh(self, trial: study_description.Trial) -> study_description.Trial:
        """A trial's description, updated with its progress, since the chosen one goes on."""
        record = ledger.read_run(self.points.study / trial.folder) if trial.folder else NO_RECORD
        if not record.is_there:
            return trial
        status = trial.status if trial.status == "diverged" else record.status
        return msgspec.structs.replace(trial, status=status, updates=record.updates, seconds=record.training_seconds)

    def _tried(self, members: Mapping[str, Asked]) -> dict[str, tuple[Chosen, tuple[study_description.Trial, ...]]]:
        """Train the trials of all members, rung by rung, until each has its best."""
        trials = {name: self._ladder(name, asked) for name, asked in members.items()}
        while True:
            steps = {name: trials[name].step() for name in members}
            waiting = [
                point for name, step in steps.items() if isinstance(step, Waiting) for point in trials[name].asked(step)
            ]
            if not waiting:
                chosen = {name: step for name, step in steps.items() if isinstance(step, Chosen)}
                return {name: (step, trials[name].told()) for name, step in chosen.items()}
            logger.info("tuning: %d trials of %d members are trained on", len(waiting), len(members))
            write_points(waiting)
            self.train(waiting)
            broken = [point.folder.name for point in waiting if not has_come(point)]
            if broken:
                raise ValueError(f"trials are not where they are judged: {', '.join(broken)}; the same command goes on")

    def _ladder(self, member: str, asked: Asked) -> Ladder:
        return Ladder(
            member, asked, points=self.points, rule=self.rule(asked), seed=self.seed_of(asked),
            warmups=float(self.tuning.warmups), measure=self.measure,
        )  # fmt: skip

    def seed_of(self, asked: Asked) -> str:
        """The seed of a member's trials."""
        return str(self.tuning.seed) if self.tuning.seed is not None else asked.seeds[0]

    def rule(self, asked: Asked) -> Rule:
        """How the trials of a member are judged.

        Raises:
            ValueError: if the optimiser has no rate.
        """
        optimizer = self.points.values(asked.overrides)["optimizer"]
        if "lr" not in optimizer:
            raise ValueError(f"tuning: {optimizer.get('_target_')} has no key lr; set tuning=none")
        rate = float(optimizer["lr"])
        return Rule(
            key=RATE,
            values=tuple(float(f"{rate * factor:.6g}") for factor in self.tuning.factors or (1,)),
            others=self._others(),
            rungs=self.rungs,
            extensions=int(self.tuning.extensions),
        )

    def _others(self) -> tuple[Values, ...]:
        return tuple(tuple(zip(self.grid, values, strict=True)) for values in product(*self.grid.values()))

    def combinations(self) -> list[tuple[str, ...]]:
        """The overrides of every combination of the grid's values, whatever the rate."""
        return [overrides_of(dict(values)) for values in self._others()]


def _measure(metric: str, grid: Collection[str]) -> str:
    """The measure that judges trials: the primary one if their likelihoods are over different tokens.

    Raises:
        ValueError: if that one depends on the tokens, too.
    """
    if not any(within(key, DATA) for key in grid):
        return "nll"
    if metric == "perplexity":
        raise ValueError(
            f"tuning.grid: with other {', '.join(grid)} perplexities are of other tokens, so that protocol.metric="
            "perplexity can't tell which is better; set protocol.metric=bleu or chrf"
        )
    return "chrf" if metric == "chrf" else "bleu"


def _updates_at(place: int, trials: Sequence[study_description.Trial]) -> int | None:
    """After how many updates trials were judged; None if they differ."""
    updates = {trial.values_at[place].update for trial in trials if len(trial.values_at) > place}
    return updates.pop() if len(updates) == 1 else None


def _rungs(tuning: DictConfig) -> tuple[Rung, ...]:
    """Where trials are judged.

    Raises:
        ValueError: unless judged_at and keep are equally long.
    """
    shares, keeps = list(tuning.judged_at), list(tuning.keep)
    if len(shares) != len(keeps):
        raise ValueError(f"tuning.judged_at={shares} and tuning.keep={keeps}: give as many numbers to both")
    return tuple(Rung(share=float(share), keep=int(keep)) for share, keep in zip(shares, keeps, strict=True))


def _listed(key: str, values: Any) -> list[Any]:
    """The values of a key of the grid.

    Raises:
        ValueError: for a key that can't be tuned, or values that are no list.
    """
    if key in RATES or within(key, FIXED) or key in FIXED:
        why = "tuning.factors tunes the rate" if key in RATES else "no validation of a trial tells what it is good for"
        raise ValueError(f"tuning.grid: {key} can't be tuned: {why}; leave it out")
    if not isinstance(values, list) or not values:
        raise ValueError(f"tuning.grid: {key}={values}: give a list of values, such as [0.1,0.2]")
    if any(isinstance(value, list | dict) for value in values):
        raise ValueError(f"tuning.grid: {key}={values}: give numbers or words, for lists of lists can't be tuned")
    return values
