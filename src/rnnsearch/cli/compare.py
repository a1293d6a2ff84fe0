"""The sweeper of ``rnnsearch compare``: models that differ in one thing, trained alike, and a report on them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import InstantiationException
from omegaconf import DictConfig, read_write

from rnnsearch.cli import live
from rnnsearch.cli.axes import together
from rnnsearch.cli.build import build_data
from rnnsearch.cli.describe import Facts, describe, protocol
from rnnsearch.cli.judging import judge
from rnnsearch.cli.matched import quantity
from rnnsearch.cli.studies import check_whole
from rnnsearch.cli.study_sweeper import DIVERGED_STAY, StudySweeper, write_points
from rnnsearch.cli.terminal import say
from rnnsearch.keys.roles import COMPARISON, HYDRA, TRUST
from rnnsearch.records import read_record
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import Overrides, key_of

logger = logging.getLogger(__name__)

OWN_KEYS = (*COMPARISON, TRUST, *HYDRA)


@dataclass(frozen=True)
class Member:
    """One of the compared models: its name and the overrides that make it."""

    name: str
    overrides: Overrides

    def and_(self, *more: str) -> "Member":
        """The same with more overrides."""
        return Member(self.name, (*self.overrides, *more))


class ComparisonSweeper(StudySweeper):
    """Makes members equal, chooses their learning rates, trains each with every seed, and writes one report."""

    kind = "comparison"
    prefix = "compare"

    def settle_launcher(self, config: DictConfig) -> None:
        """``jobs`` is the local launcher's.

        Raises:
            ValueError: if another one is chosen.
        """
        if config.jobs is not None:
            launcher = config.hydra.runtime.choices["hydra/launcher"]
            if launcher != "local":
                raise ValueError(f"jobs={config.jobs} is for hydra/launcher=local; {launcher} has keys of its own")
            with read_write(config.hydra.launcher):
                config.hydra.launcher.jobs = config.jobs

    def run(self, arguments: list[str]) -> None:
        """Prepare, match, tune, train, report; prints the report's path.

        Raises:
            ValueError: for a comparison that cannot be, or one that could not be finished.
        """
        members = self._members(arguments)
        self._check_inputs(members)
        for member in members:
            with _naming(member):
                config = self.compose_config(member.overrides)
                quantity(config, self.vocabulary_sizes(config), "parameters")
        if self.config.match != "none":
            members = [self._equal(member, members[-1]) for member in members]
        self.tuning, members = self._tuned(members)
        points = self._points(members, self.config.seeds, within=self.study)
        self.train_described(points)
        self._report(points)

    def judge(self, arguments: list[str]) -> None:
        """Refuse what cannot be compared, and members that can't be trained, before anything is made."""
        self._check(arguments)
        members = self._members(arguments)
        judge([(*member.overrides, f"seed={self.config.seeds[0]}") for member in members], self.compose_config)

    def _members(self, arguments: Sequence[str]) -> list[Member]:
        """The members as they are given."""
        common = tuple(one for one in arguments if key_of(one).split(".")[0] not in OWN_KEYS)
        return [
            Member(str(name), (*common, *together(overrides, f"members.{name}", owned=("seed",))))
            for name, overrides in self.config.members.items()
        ]

    def describe(self, points: Sequence[Point]) -> None:
        """Describe what is compared now; what the folder has besides is left out."""
        edges = self.config.length_edges
        facts = Facts(
            kind=self.kind,
            question=self.config.question,
            protocol=protocol(self.config),
            data=build_data(self.compose_config(points[0].overrides)).corpus.name,
            match=self.config.match,
            tuning=self.tuning,
            length_edges=edges and list(edges),
        )
        describe(self.study, facts, points, {point.folder.name: point.member for point in points}, self.compose_config)

    def _check_inputs(self, members: Sequence[Member]) -> None:
        """Refuse data that lack a split, or changed since the study began, before anything is prepared."""
        for member in members:
            with _naming(member):
                self.inputs.ask(self.compose_config(member.overrides))
        self.inputs.require_test()
        self.inputs.check(self.study, waiting=True)
        self.inputs.warn()

    def _check(self, arguments: Sequence[str]) -> None:
        """Refuse what cannot be compared."""
        for override in OverridesParser.create(config_loader=self.loader).parse_overrides(list(arguments)):
            key = override.get_key_element()
            if override.is_sweep_override():
                raise ValueError(
                    f"{override.input_line}: a comparison takes one value of {key}; put others into members, write "
                    "a list as 'seeds=[0,1]', or use rnnsearch sweep"
                )
            if key.lstrip("+") == "seed":
                seed = override.value()
                raise ValueError(f"seed={seed}: a comparison takes a list; write 'seeds=[{seed}]'")
        if len(self.config.members) < 2:
            raise ValueError("a comparison has at least two members; see members in rnnsearch compare --cfg job")

    def _equal(self, member: Member, reference: Member) -> Member:
        """The member with hidden sizes that make it equal to the reference."""
        with _naming(member):
            overrides = self.matched(member.overrides, reference.overrides)
        if sizes := overrides[len(member.overrides) :]:
            logger.info("%s: %s, for equal %s", member.name, " ".join(sizes), self.config.match)
        return Member(member.name, overrides)

    def _points(self, members: Sequence[Member], seeds: Sequence[int], *, within: Path) -> list[Point]:
        """The trainings of the members with all seeds, in a folder.

        Raises:
            ValueError: if two members are the same.
        """
        points: dict[str, Point] = {}
        for seed, member in product(seeds, members):
            one = self.compose_point((*member.overrides, f"seed={seed}"))
            if one.key in points:
                raise ValueError(
                    f"the members {points[one.key].member} and {member.name} train the same; "
                    "give one of them another override"
                )
            points[one.key] = self.point(one, member.name, within=within)
        return list(points.values())

    def _tuned(self, members: list[Member]) -> tuple[dict[str, Any] | None, list[Member]]:
        """Each member with its best learning rate of the trials, and the trials' table."""
        factors = self.config.tuning.factors
        rates = list(dict.fromkeys(float(f"{self.config.optimizer.lr * factor:.6g}") for factor in factors))
        if not rates:
            return None, members
        updates = self._trial_updates(members[0])
        trials = {(member.name, rate): self._trial(member, rate, updates) for rate, member in product(rates, members)}
        self._train_trials(list(trials.values()))
        nll = {key: _likelihood(trial) for key, trial in trials.items() if not ledger.has_diverged(trial)}
        chosen = {member.name: _best_rate(member.name, nll) for member in members}
        logger.info("learning rates chosen: %s", chosen)
        for name, rate in chosen.items():
            if len(rates) > 1 and rate in (min(rates), max(rates)):
                logger.warning("%s: %g is the %s rate tried; widen tuning.factors", name, rate, _end(rate, rates))
        table = [{"member": name, "learning_rate": rate, "nll": nll.get((name, rate))} for name, rate in trials]
        tuning = {"learning_rates": rates, "updates": updates, "trials": table, "chosen": chosen}
        return tuning, [member.and_(f"optimizer.lr={chosen[member.name]}") for member in members]

    def _trial_updates(self, member: Member) -> int:
        most: int = self.config.tuning.updates
        return min(most, self.compose_config(member.overrides).budget.updates or most)

    def _trial(self, member: Member, rate: float, updates: int) -> Point:
        """A short training of a member with a learning rate."""
        short = (
            f"budget.updates={updates}",
            f"trainer.max_steps={updates}",
            f"validation.every={updates}",
            f"scheduler.warmup={min(self.config.scheduler.warmup, updates // 10)}",  # so that the full rate is reached
            "test=false",
            f"optimizer.lr={rate}",
            f"seed={self.config.seeds[0]}",
        )
        one = self.compose_point((*member.overrides, *short))
        return self.point(one, f"{member.name}, lr={rate}", within=self.study / "trials")

    def _train_trials(self, trials: Sequence[Point]) -> None:
        """Train the trials but for those that diverged already, which would again.

        Raises:
            ValueError: if one is not finished for another reason than its rate.
        """
        write_points(trials)
        self.train(trials)
        broken = [trial.folder.name for trial in trials if not _is_done(trial) and not ledger.has_diverged(trial)]
        if broken:
            raise ValueError(f"trials failed: {', '.join(broken)}; mend them and start again")

    def _report(self, points: Sequence[Point]) -> None:
        from rnnsearch.study.publish import publish  # with its figures, which take seconds to import
        from rnnsearch.study.report import write_report

        live.show(points, stderr=True)
        report = write_report(self.study)
        if self.config.publish:
            publish(self.study, Path(self.config.publish))
        left = [point.folder.name for point in points if not _is_done(point)]
        if left:
            names, diverged = ", ".join(left), any(ledger.has_diverged(point) for point in points)
            raise ValueError(
                f"not finished: {names}; the same command again goes on with them"
                f"{DIVERGED_STAY if diverged else ''} (report so far: {report.page})"
            )
        say(report.page)
        check_whole(report)


@contextmanager
def _naming(member: Member) -> Iterator[None]:
    """A member's name before what is wrong with it."""
    try:
        yield
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError):
            raise ValueError(f"member {member.name}: {error.__cause__}") from None
        raise
    except ValueError as error:
        raise ValueError(f"member {member.name}: {error}") from None


def _end(rate: float, rates: list[float]) -> str:
    return "lowest" if rate == min(rates) else "highest"


def _is_done(point: Point) -> bool:
    return ledger.state(point).status in ledger.DONE


def _likelihood(trial: Point) -> float:
    return float(read_record(trial.folder)["results"]["metrics"]["validation"]["nll"])


def _best_rate(member: str, nll: Mapping[tuple[str, float], float]) -> float:
    own = {rate: value for (name, rate), value in nll.items() if name == member}
    if not own:
        raise ValueError(f"every trial of {member} diverged; add lower ones to tuning.factors")
    return min(own, key=lambda rate: own[rate])
