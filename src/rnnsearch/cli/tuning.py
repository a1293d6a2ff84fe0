"""The tuning stage of a study: each member's learning rate, and other keys, by trials that are points of the study.

A trial trains on the real schedule and pauses where it is judged; the better ones go on from their checkpoints, and the
best one is the member's run of that seed. What was chosen stands in study.json and is never chosen anew.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli.asked import Asked
from rnnsearch.cli.chosen_before import RATE, ChosenBefore
from rnnsearch.cli.ladder import Ladder, has_come, overrides_of
from rnnsearch.cli.points import Points, write_points
from rnnsearch.keys.roles import CORRECTED, LIMITS, Role, keys_of, within
from rnnsearch.sweep import ledger
from rnnsearch.sweep.halving import Chosen, Rule, Rung, Values, Waiting
from rnnsearch.sweep.ledger import Point

logger = logging.getLogger(__name__)

RATES = (RATE, "learning_rate")  # the second is where the first comes from
DATA = ("data", "tokenizer", "filters")  # with others of these, likelihoods are of other tokens
UNTOLD = keys_of(Role.ABOUT, Role.CONTINUED, Role.MACHINE)
FIXED = ("seed", *LIMITS, *CORRECTED, "search", "validation", *UNTOLD)  # nothing to tune

Train = Callable[[Sequence[Point]], None]


@dataclass(frozen=True)
class Tuned:
    """What came of a member's trials.

    Attributes:
        member: its label.
        base: tells it from others of its name.
        chosen: the best trial's values.
        at_edge: whether the rate is an end of those tried.
        trials: each with its values, folder, and what it had reached.
    """

    member: str
    base: str
    chosen: dict[str, Any]
    at_edge: bool
    trials: tuple[dict[str, Any], ...]


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
        self, config: DictConfig, points: Points, train: Train, earlier: Mapping[str, Any] | None = None
    ) -> None:
        self.tuning = config.tuning
        self.points = points
        self.train = train
        self.grid: dict[str, list[Any]] = {str(key): _listed(str(key), one) for key, one in _items(self.tuning)}
        self.keys = (*((RATE,) if self.tuning.factors else ()), *self.grid)
        self.measure = _measure(str(config.protocol.metric), self.grid)
        self.rungs = _rungs(self.tuning)
        self.before = ChosenBefore(earlier or {}, config.tuning, self.keys, self._base)
        self.tuned: list[Tuned] = []
        self._bases: dict[tuple[str, ...], str] = {}

    @property
    def is_on(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self.keys)

    def _base(self, one: Asked, chosen: Mapping[str, Any]) -> str:
        """The key of a member's config with what was chosen; the same for all seeds, and whatever its default rate."""
        overrides = (*one.overrides, *overrides_of(chosen), "seed=0")
        if overrides not in self._bases:
            self._bases[overrides] = self.points.composed(overrides).key
        return self._bases[overrides]

    def choose(self, asked: Mapping[str, Asked]) -> dict[str, Asked]:
        """Each member with what is best for it.

        Args:
            asked: by labels.

        Raises:
            ValueError: if a trial failed, all of a member diverged, or two members are one with what was chosen.
        """
        chosen = self.before.known(asked)
        new = {name: one for name, one in asked.items() if name not in chosen}
        self.before.check_alike(new, [[rung.share, rung.keep] for rung in self.rungs])
        for name, (best, trials) in self._tried(new).items():
            values = dict(best.trial)
            self.tuned.append(Tuned(name, self._base(new[name], values), values, best.at_edge, trials))
            chosen[name] = values
            if best.at_edge:
                logger.warning("%s: %s=%g is an end of what was tried; raise tuning.extensions", name, *best.trial[0])
        for name, values in chosen.items():
            logger.info("%s: %s%s", name, " ".join(overrides_of(values)), "" if name in new else ", as chosen before")
        self._check_apart({name: self._base(one, chosen[name]) for name, one in asked.items()})
        return {name: one.with_(*overrides_of(chosen[name])) for name, one in asked.items()}

    def _check_apart(self, bases: Mapping[str, str]) -> None:
        """Refuse members that only what is tuned told apart."""
        names: dict[str, str] = {}
        for name, base in bases.items():
            if base in names:
                raise ValueError(f"{names[base]} and {name} train the same once they are tuned; set tuning=none")
            names[base] = name

    def values(self, one: Asked) -> list[tuple[str, ...]]:
        """The overrides of every trial that a member has at first, to be judged before anything is trained."""
        return [overrides_of(dict(trial)) for trial in self._first(one)] if self.is_on else [()]

    def description(self, labels: Mapping[str, str]) -> dict[str, Any] | None:
        """What study.json says; None where nothing was ever tuned.

        Args:
            labels: of the study's members now, by the folders of their runs.
        """
        before = self.before.relabelled(labels)
        if not self.tuned:
            return {**before, "trials": [self._fresh(one) for one in before["trials"]]} if before else None
        names = {one.member for one in self.tuned}
        kept = [one for one in before.get("trials", []) if one["member"] not in names]
        trials = [self._fresh(trial) for trial in (*kept, *(trial for one in self.tuned for trial in one.trials))]
        return {
            "measure": self.measure,
            "seed": self.tuning.seed if self.tuning.seed is not None else self.tuned[0].trials[0]["seed"],
            "rungs": [{**asdict(rung), "updates": _updates_at(place, trials)} for place, rung in enumerate(self.rungs)],
            **self.before.settings,
            "extensions": self.tuning.extensions,
            "trials": trials,
            "chosen": {**before.get("chosen", {}), **{one.member: one.chosen for one in self.tuned}},
            "bases": {**before.get("bases", {}), **{one.member: one.base for one in self.tuned}},
            "at_edge": sorted({*before.get("at_edge", ())} - names | {one.member for one in self.tuned if one.at_edge}),
        }

    def otherwise(self, point: Point, chosen: Mapping[str, Any]) -> str:
        """In words, what a point has in place of what was chosen for its member; nothing where it has just that."""
        if set(overrides_of(chosen)) <= set(point.overrides):
            return ""
        config = self.points.config(point.overrides)
        has = {key: OmegaConf.select(config, key) for key in chosen}
        return ", ".join(f"{key.rpartition('.')[2]}={has[key]}" for key in chosen if has[key] != chosen[key])

    def _fresh(self, trial: Mapping[str, Any]) -> dict[str, Any]:
        """What study.json says of a trial, with how far it is now: the chosen one goes on."""
        folder = self.points.study / str(trial.get("folder"))
        record = ledger.read_run(folder) if "folder" in trial else {}
        if not record:
            return dict(trial)
        status = trial["status"] if trial["status"] == "diverged" else record["status"]
        return {**trial, "status": status, "updates": record.get("updates"), "seconds": record.get("training_seconds")}

    def _tried(self, members: Mapping[str, Asked]) -> dict[str, tuple[Chosen, tuple[dict[str, Any], ...]]]:
        """Train the trials of all members, rung by rung, until each has its best."""
        trials = {name: self._ladder(name, one) for name, one in members.items()}
        while True:
            steps = {name: trials[name].step() for name in members}
            waiting = [
                point for name, step in steps.items() if isinstance(step, Waiting) for point in trials[name].asked(step)
            ]
            if not waiting:
                found = {name: step for name, step in steps.items() if isinstance(step, Chosen)}
                return {name: (step, trials[name].told()) for name, step in found.items()}
            logger.info("tuning: %d trials of %d members are trained on", len(waiting), len(members))
            write_points(waiting)
            self.train(waiting)
            broken = [one.folder.name for one in waiting if not has_come(one)]
            if broken:
                raise ValueError(f"trials are not where they are judged: {', '.join(broken)}; the same command goes on")

    def _ladder(self, member: str, one: Asked) -> Ladder:
        return Ladder(
            member, one, points=self.points, rule=self.rule(one), seed=self.seed_of(one),
            warmups=float(self.tuning.warmups), measure=self.measure,
        )  # fmt: skip

    def seed_of(self, one: Asked) -> str:
        """With which a member's trials are trained."""
        return str(self.tuning.seed) if self.tuning.seed is not None else one.seeds[0]

    def rule(self, one: Asked) -> Rule:
        """How the trials of a member are judged.

        Raises:
            ValueError: where the optimiser has no rate.
        """
        optimizer = self.points.config(one.overrides).optimizer
        if "lr" not in optimizer:
            raise ValueError(f"tuning: {optimizer.get('_target_')} has no key lr; set tuning=none")
        rate = float(optimizer.lr)
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
        return [overrides_of(dict(one)) for one in self._others()]

    def _first(self, one: Asked) -> list[Values]:
        rule = self.rule(one)
        return rule.trials(rule.values)


def _measure(metric: str, grid: Collection[str]) -> str:
    """By what trials are judged: the primary measure where their likelihoods are of other tokens.

    Raises:
        ValueError: where that one is of tokens, too.
    """
    if not any(within(key, DATA) for key in grid):
        return "nll"
    if metric == "perplexity":
        raise ValueError(
            f"tuning.grid: with other {', '.join(grid)} perplexities are of other tokens, so that protocol.metric="
            "perplexity can't tell which is better; set protocol.metric=bleu or chrf"
        )
    return "chrf" if metric == "chrf" else "bleu"


def _updates_at(place: int, trials: Sequence[Mapping[str, Any]]) -> int | None:
    """After how many updates trials were judged; None where they differ."""
    found = {one["values_at"][place]["update"] for one in trials if len(one["values_at"]) > place}
    return found.pop() if len(found) == 1 else None


def _items(tuning: DictConfig) -> list[tuple[Any, Any]]:
    grid: Any = OmegaConf.to_container(tuning.get("grid") or OmegaConf.create({}), resolve=True)
    return list(grid.items())


def _rungs(tuning: DictConfig) -> tuple[Rung, ...]:
    """Where trials are judged.

    Raises:
        ValueError: for as many places as nobody is kept at.
    """
    shares, kept = list(tuning.judged_at), list(tuning.keep)
    if len(shares) != len(kept):
        raise ValueError(f"tuning.judged_at={shares} and tuning.keep={kept}: give as many numbers to both")
    return tuple(Rung(share=float(share), keep=int(keep)) for share, keep in zip(shares, kept, strict=True))


def _listed(key: str, values: Any) -> list[Any]:
    """The values of a key of the grid.

    Raises:
        ValueError: for a key that training doesn't read, or values that are no list.
    """
    if key in RATES or within(key, FIXED) or key in FIXED:
        why = "tuning.factors tunes the rate" if key in RATES else "no validation of a trial tells what it is good for"
        raise ValueError(f"tuning.grid: {key} can't be tuned: {why}; leave it out")
    if not isinstance(values, list) or not values:
        raise ValueError(f"tuning.grid: {key}={values}: give a list of values, such as [0.1,0.2]")
    return values
