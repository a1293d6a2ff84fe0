"""The sweeper of ``rnnsearch sweep``, ``compare`` and ``train -m``: makes points, tunes, trains, writes the report."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, read_write
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.cli import launching, live
from rnnsearch.cli.asked import Asked, Request
from rnnsearch.cli.axes import sweep_text as _sweep_text  # noqa: F401 -- a name of earlier versions
from rnnsearch.cli.describe import Facts, describe, described, every_point, protocol
from rnnsearch.cli.errors import report
from rnnsearch.cli.inputs import Inputs
from rnnsearch.cli.judging import judge
from rnnsearch.cli.main import Reported
from rnnsearch.cli.members import Members, nowhere
from rnnsearch.cli.outcome import tell
from rnnsearch.cli.points import Points, check_defaults, write_points
from rnnsearch.cli.searching import extremes, for_wandb, trials_of
from rnnsearch.cli.spelling import quoted
from rnnsearch.cli.studies import checked_name
from rnnsearch.cli.terminal import say
from rnnsearch.cli.trust import given
from rnnsearch.cli.tuning import Tuner
from rnnsearch.cli.values import check_values
from rnnsearch.folders import refuse_links
from rnnsearch.records import LOCK, write_text
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import Overrides, UnknownKey, active

logger = logging.getLogger(__name__)


class DurableSweeper(Sweeper):
    """Trains the points of a study. Its memory is the study's folder, so that it can be killed at any time."""

    config: DictConfig

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's.

        Raises:
            ValueError: for a value of the command that is not allowed.
        """
        check_values(config, str(config.hydra.job.config_name))
        _settle_jobs(config)
        launching.check_values(config.hydra.launcher)
        launching.check_programs(config.hydra.launcher)
        self.config = config
        self.loader = hydra_context.config_loader
        self.study = (Path(config.paths.output) / study_name(config)).absolute()
        with read_write(config.hydra.sweep):
            config.hydra.sweep.dir = str(self.study)
        logging.getLogger("hydra_plugins").setLevel(logging.WARNING)  # a line for each job; the live table says more
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self.inputs = Inputs()
        flags = [
            f"--config-dir={source.path}"
            for source in config.hydra.runtime.config_sources
            if source.provider == "command-line"
        ]
        self.points = Points(self.study, flags, self.inputs)
        self.searched: dict[str, Any] | None = None  # of a search: its space, sampler and the rest

    @property
    def kind(self) -> str:
        """What it makes: comparison, of members that are named; search, where the sweep section has one; or sweep."""
        return "search" if self.config.sweep.search else "comparison" if self.config.members else "sweep"

    def sweep(self, arguments: list[str]) -> None:
        """Train what the arguments ask for, alone in the study's folder.

        Raises:
            Reported: if something failed, or could not begin; it has been printed what.
        """
        try:
            refuse_links(self.study)
            self.request = Request(self.config, arguments, self.loader)
            self.tuner = Tuner(self.config, self.points, self.train, described(self.study).get("tuning"))
            self.members = Members(self.config, self.request, self.points, self.tuner)
            self.members.check()
            self.judge()
            with self._alone():
                self.run()
        except Timeout:
            self._refuse(
                ValueError(f"another {self.kind} is at work in {self.study}; wait for it or choose another study=NAME")
            )
        except ValueError as error:
            self._refuse(error)

    def run(self) -> None:
        """Make the points, train those that are not finished, describe and report the study."""
        if self.config.sweep.wandb:
            self._write_for_wandb(Path(self.config.sweep.wandb))
            return
        if self.config.sweep.search:
            points = self._trials()
        else:
            members = self.members.found()
            if self.tuner.is_on:
                self._look_at_inputs(members)
                members = self.tuner.choose(members)
            points = self._points(members)
        if self.config.protocol.question or self.config.members:
            self.inputs.require_test()
        self._train_described(points)
        tell(self.study, points, searched=self.searched is not None, publish_to=self.config.get("publish"))

    def judge(self) -> None:
        """Refuse points that can't be trained, or a search that could try what can't be, before anything is made.

        Raises:
            ValueError: naming every point that is refused.
        """
        if self.config.sweep.wandb:
            return
        if self.config.sweep.search:
            candidates = extremes(self.request)
        else:
            candidates = [
                (*one.overrides, *values, f"seed={seed}")
                for one in self.request.asked()
                for values in (self.tuner.values(one) if self._composes(one) else [()])
                for seed in one.seeds
            ]
        judge(list(dict.fromkeys(map(self._active, candidates))), self.points.config)

    def train(self, points: Sequence[Point]) -> None:
        """Launch those of the points that are not as far as they are to go, nor diverged, nor trained by others now."""
        waiting = [
            point
            for point in points
            if ledger.state(point).status not in (*ledger.DONE, "running")
            and not ledger.has_diverged(point)
            and not ledger.is_paused(point)
        ]
        waiting.sort(key=lambda point: point.seed)  # so that what a stopped study has finished can be compared
        logger.info("%s: %d points, %d of them to be trained", self.study.name, len(points), len(waiting))
        if waiting:
            with live.watching(waiting):
                self.launcher.launch([_launched(point) for point in waiting], initial_job_idx=0)

    def _composes(self, one: Asked) -> bool:
        """Whether a training can be composed at all; where not, judging says why."""
        try:
            self.points.config((*one.overrides, f"seed={one.seeds[0]}"))
        except (ValueError, HydraException, OmegaConfBaseException):
            return False
        return True

    def _active(self, overrides: Overrides) -> Overrides:
        """The overrides that a point has a place for; all of them where they make no config."""
        try:
            return active(overrides, self.points.composed)[0]
        except (ValueError, HydraException, OmegaConfBaseException):
            return overrides

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the study's folder, which is made where it is missing; what was refused leaves none behind."""
        from rnnsearch.cli.recording import interruptible  # and what trains, which takes seconds to import

        made = [folder for folder in (self.study, *self.study.parents) if not folder.exists()]
        self.study.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.study / LOCK, timeout=0), interruptible():
                try:
                    yield
                finally:
                    if made and [path.name for path in self.study.iterdir()] == [LOCK]:
                        (self.study / LOCK).unlink()
        finally:
            with suppress(OSError):  # something lies in it
                for folder in made:
                    folder.rmdir()

    def _refuse(self, error: ValueError) -> None:
        command = str(self.config.hydra.job.config_name)
        raise Reported(report(error, command, list(self.config.hydra.overrides.task))) from None

    def _points(self, members: Mapping[str, Asked]) -> list[Point]:
        """The points of all members and seeds, with the folders that they have or will have; seeds change slowest."""
        made = []
        for seed in dict.fromkeys(seed for one in members.values() for seed in one.seeds):
            for name, one in members.items():
                if seed in one.seeds:
                    made.append(self.points.point(self.points.composed((*one.overrides, f"seed={seed}")), name))
        return made

    def _trials(self) -> list[Point]:
        try:
            trials, self.searched = trials_of(self.config, self.request, self.points)
        except UnknownKey as error:
            raise nowhere(error) from None
        return trials

    def _look_at_inputs(self, members: Mapping[str, Asked]) -> None:
        """Refuse data that lack a split, or changed since the study began, before a trial is trained."""
        if len(self.tuner.before.known(members)) == len(members):
            return
        for one in members.values():
            self.inputs.ask(self.points.config(one.overrides))
        if self.config.protocol.question or self.config.members:
            self.inputs.require_test()
        self.inputs.check(self.study, waiting=True)
        self.inputs.warn()

    def _train_described(self, points: Sequence[Point]) -> None:
        """Train points of the study, which is described before, and after with what came of them.

        Raises:
            ValueError: before anything is written, where its earlier points saw other data or code.
        """
        check_defaults(self.study, [point for point in points if point.trial is None])
        done = [ledger.read_run(point.folder).get("status") in ledger.DONE for point in points]
        self.inputs.check(self.study, waiting=not all(done))
        if not all(done):
            self.inputs.warn()
        write_points(points)
        other = self._of_other_settings(points)
        if other:
            logger.info("of other settings than now, and not in the report: %s", ", ".join(sorted(other)))
        self._describe(points, other)
        try:
            self.train(points)
        finally:
            self._describe(points, other)

    def _describe(self, points: Sequence[Point], other: Collection[str]) -> None:
        """Describe all points that the study has, those of earlier sweeps too, without some folders."""
        every = [point for point in every_point(self.study, points) if point.folder.name not in other]
        own = {point.folder.name: point.member for point in every}
        if not self.config.members:
            own |= self.members.words({point.folder.name: point.overrides for point in every if not point.trial})
        tuning = self.tuner.description(own)
        for point in every:
            if (chosen := (tuning or {}).get("chosen", {}).get(own[point.folder.name])) and not point.trial:
                other = self.tuner.otherwise(point, chosen)
                own[point.folder.name] += f", {other}" if other else ""
        asked = protocol(self.config, self.request.given_keys, list(dict.fromkeys(own.values())))
        baseline = (asked or {}).get("baseline")
        every.sort(key=lambda point: own[point.folder.name] != baseline)
        earlier = described(self.study)  # a search stays one, and the points of sweeps stand beside its trials
        facts = Facts(
            kind="search" if earlier.get("kind") == "search" else self.kind,
            protocol=asked,
            question=self.config.get("question") or (asked or {}).get("question"),
            data=self.config.hydra.runtime.choices["data"],
            match=self.config.match,
            match_to=self.config.match_to,
            tuning=tuning,
            search=self.searched or earlier.get("search"),
            length_edges=list(self.config.get("length_edges") or []) or None,
        )
        describe(self.study, facts, every, own, self.points.config, without=self.members.without)

    def _of_other_settings(self, points: Sequence[Point]) -> set[str]:
        """The folders of named members' earlier points that have other settings than now."""
        if not self.config.members:
            return set()
        folders, now = {one.folder for one in points}, {one.member: one for one in points}
        return {
            point.folder.name
            for point in every_point(self.study, points)
            if point.folder not in folders and point.member in now and not self._is_like(point, now[point.member])
        }

    def _is_like(self, point: Point, other: Point) -> bool:
        """Whether two points differ in nothing but the seed."""
        try:
            return self.points.composed((*point.overrides, f"seed={other.seed}")).key == other.key
        except (ValueError, HydraException, OmegaConfBaseException):
            return False

    def _write_for_wandb(self, file: Path) -> None:
        found = for_wandb(self.config, self.request, self.study.name)
        write_text(file, yaml.safe_dump(found, sort_keys=False, width=120))
        logger.info("next: wandb sweep %s, and the command that it prints, on each machine", file)
        say(file)


def study_name(config: DictConfig) -> str:
    """A study's name, which is its folder's: what ``study=`` says, as text, or the protocol's and corpus's names.

    Raises:
        ValueError: for one that is no plain file name.
    """
    choices, command = config.hydra.runtime.choices, config.hydra.job.config_name
    asks, data = choices["protocol"], choices["data"]
    named = f"compare-{data}" if command == "compare" else f"{asks}_{data}" if asks else f"sweep-{data}"
    return checked_name(str(config.study or named))


def _settle_jobs(config: DictConfig) -> None:
    """Give the local launcher what ``jobs`` says.

    Raises:
        ValueError: if another one is chosen.
    """
    if config.get("jobs") is None:
        return
    launcher = config.hydra.runtime.choices["hydra/launcher"]
    if launcher != "local":
        raise ValueError(f"jobs={config.jobs} is for hydra/launcher=local; {launcher} has keys of its own")
    with read_write(config.hydra.launcher):
        config.hydra.launcher.jobs = config.jobs


def _launched(point: Point) -> list[str]:
    """What the launcher composes a job from."""
    place = {"hydra.sweep.dir": str(point.folder.parent), "hydra.sweep.subdir": point.folder.name}
    trust = (f"trust=[{','.join(given())}]",) if given() else ()
    return [*point.overrides, *trust, *(f"{key}={quoted(value)}" for key, value in place.items())]
