"""The sweeper of ``rnnsearch sweep``, ``compare`` and ``train -m``: makes points, tunes, trains and reports."""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from filelock import Timeout
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, read_write
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.config import launcher_checks
from rnnsearch.config.compose import UnknownKey
from rnnsearch.config.errors import report
from rnnsearch.config.exit_codes import Reported
from rnnsearch.config.overrides import Overrides, quoted
from rnnsearch.config.terminal import say
from rnnsearch.config.trust import given
from rnnsearch.config.value_checks import check_values
from rnnsearch.records.folders import refuse_links
from rnnsearch.records.json_files import write_text
from rnnsearch.records.study_description import StudyDescription
from rnnsearch.sweeps import dry_run, evaluations, ledger, live_table
from rnnsearch.sweeps.combinations import active
from rnnsearch.sweeps.describe_study import describe, described, every_point, protocol
from rnnsearch.sweeps.evaluations import Evaluations, sharing_weights
from rnnsearch.sweeps.inputs import Inputs
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.local_launcher import LocalLauncher
from rnnsearch.sweeps.members import Members, nowhere
from rnnsearch.sweeps.notify import Notifier, checked_command
from rnnsearch.sweeps.outcome import tell
from rnnsearch.sweeps.point_checks import judge
from rnnsearch.sweeps.points import Points, check_defaults, write_points
from rnnsearch.sweeps.request import Asked, Request
from rnnsearch.sweeps.search_points import extremes, for_wandb, space_of, trials_of
from rnnsearch.sweeps.study_lock import alone
from rnnsearch.sweeps.study_name import study_name
from rnnsearch.sweeps.tuner import Tuner

logger = logging.getLogger(__name__)


class DurableSweeper(Sweeper):
    """Trains the points of a study. All state is in the study's folder, so it can be killed at any time."""

    config: DictConfig

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's.

        Raises:
            ValueError: for an invalid value of the command.
        """
        check_values(config, str(config.hydra.job.config_name))
        launcher_checks.settle_jobs(config)
        launcher_checks.check_values(config.hydra.launcher)
        launcher_checks.check_programs(config.hydra.launcher)
        self.config = config
        self.loader = hydra_context.config_loader
        self.study = (Path(config.paths.output) / study_name(config)).absolute()
        with read_write(config.hydra.sweep):
            config.hydra.sweep.dir = str(self.study)
        logging.getLogger("hydra_plugins").setLevel(logging.WARNING)  # one line per job; the live table says more
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
        self.searched: dict[str, Any] | None = None  # a search's description

    @property
    def kind(self) -> str:
        """What it makes: a search, if the sweep section has one; a comparison, if members are named; else a sweep."""
        return "search" if self.config.sweep.search else "comparison" if self.config.members else "sweep"

    def sweep(self, arguments: list[str]) -> None:
        """Train what the arguments ask for, alone in the study's folder.

        Raises:
            Reported: if something failed or could not begin; the reason has been printed.
        """
        try:
            refuse_links(self.study)
            self.request = Request(self.config, arguments, self.loader)
            earlier = described(self.study)
            if (question := earlier.planned.question) and not self.config.protocol.question:
                raise ValueError(
                    f"{self.study} asks “{question}”, and this command asks nothing; give the protocol= that it began "
                    "with, or take another study=NAME"
                )
            self.tuner = Tuner(self.config, self.points, self.train, earlier.tuning)
            self.members = Members(self.config, self.request, self.points, self.tuner)
            self.members.check()
            self.notifier = Notifier(checked_command(self.config, self.request.given_keys), self.study)
            self.evaluations = self._evaluations()
            self.evaluated = self.evaluations.points() if self.evaluations else []
            self.judge()
            if self.config.get("dry"):
                self._show_plan()
                return
            with alone(self.study), self.notifier.telling():
                self.run()
        except Timeout:
            self._refuse(
                ValueError(f"another {self.kind} is at work in {self.study}; wait for it or choose another study=NAME")
            )
        except ValueError as error:
            self._refuse(error)

    def _show_plan(self) -> None:
        """Print what would be trained."""
        if self.config.sweep.search:
            dry_run.show_search(self.study, self.config.sweep.search.trials, space_of(self.request)[0])
            return
        output = self.study.parent
        planned = (
            dry_run.of_trained_runs(self.evaluated)
            if self.evaluations
            else dry_run.plan(self.members.found(), self.points, self.tuner, output=output)
        )
        left = [one.point for one in planned if one.is_left]
        dry_run.show(
            planned, slots=len(self.launcher.slots(left).gpus) if isinstance(self.launcher, LocalLauncher) else None
        )

    def run(self) -> None:
        """Make the points, train those that are not finished, describe and report the study."""
        if self.config.sweep.wandb:
            self._write_for_wandb(Path(self.config.sweep.wandb))
            return
        if self.evaluations:
            points = self.evaluated
        elif self.config.sweep.search:
            points = self._trials()
        else:
            members = self.members.found()
            if self.tuner.is_on:
                self._look_at_inputs(members)
                members = self.tuner.choose(members)
            points = sharing_weights(self.study, self._points(members), self.points.values)
        if self.config.protocol.question or self.config.members:
            self.inputs.require_test()
        self._train_described(points)
        tell(self.study, points, searched=self.searched is not None, publish_to=self.config.get("publish"))

    def judge(self) -> None:
        """Refuse points that can't be trained, or a search that could try such a point, before anything is made.

        Raises:
            ValueError: naming every refused point.
        """
        if self.config.sweep.wandb or self.evaluations:
            return
        if self.config.sweep.search:
            candidates = extremes(self.request)
        else:
            candidates = [
                (*asked.overrides, *values, f"seed={seed}")
                for asked in self.request.asked()
                for values in (self.tuner.values(asked) if self._composes(asked) else [()])
                for seed in asked.seeds
            ]
        judge(list(dict.fromkeys(map(self._active, candidates))), self.points.config, self.points.values)

    def train(self, points: Sequence[Point]) -> None:
        """Launch the points that are not finished, paused or diverged, nor being trained by another process.

        Those that translate with the weights of others come when these have finished.
        """
        waiting = [
            point
            for point in points
            if ledger.state(point).status not in (*ledger.DONE, "running")
            and not ledger.has_diverged(point)
            and not ledger.is_paused(point)
        ]
        waiting.sort(key=lambda point: point.seed)  # so that a stopped study has comparable finished points
        trained = [point for point in waiting if point.evaluates is None]
        logger.info("%s: %d points, %d of them to be trained", self.study.name, len(points), len(trained))
        if waiting:
            with live_table.watching(waiting, self.notifier.failed):
                for launched in (trained, [point for point in waiting if point.evaluates is not None]):
                    if ready := [point for point in launched if evaluations.is_ready(point)]:
                        self.launcher.launch([_launched(point) for point in ready], initial_job_idx=0)

    def _evaluations(self) -> Evaluations | None:
        """What makes the points of a study of trained runs; None for a study that trains.

        Raises:
            ValueError: for a key that is for the other kind of study.
        """
        if any(self.config.get(key) for key in evaluations.SOURCES):
            return Evaluations(self.config, self.request, self.study, self.points.flags)
        if strange := [key for key in evaluations.TESTED if key in self.request.given_keys]:
            raise ValueError(
                f"{strange[0]} is for a study of trained runs; give runs=[RUN_A,RUN_B] or of=STUDY, or leave it out"
            )
        return None

    def _composes(self, asked: Asked) -> bool:
        """Whether a training can be composed at all; if not, judging says why."""
        try:
            self.points.values((*asked.overrides, f"seed={asked.seeds[0]}"))
        except (ValueError, HydraException, OmegaConfBaseException):
            return False
        return True

    def _active(self, overrides: Overrides) -> Overrides:
        """The overrides whose keys a point has; all of them if they make no valid config."""
        try:
            return active(overrides, self.points.composed)[0]
        except (ValueError, HydraException, OmegaConfBaseException):
            return overrides

    def _refuse(self, error: ValueError) -> None:
        command = str(self.config.hydra.job.config_name)
        raise Reported(report(error, command, list(self.config.hydra.overrides.task)), str(error)) from None

    def _points(self, members: Mapping[str, Asked]) -> list[Point]:
        """The points of all members and seeds, with their folders; seeds change slowest."""
        points = []
        for seed in dict.fromkeys(seed for asked in members.values() for seed in asked.seeds):
            for name, asked in members.items():
                if seed in asked.seeds:
                    points.append(self.points.point(self.points.composed((*asked.overrides, f"seed={seed}")), name))
        return points

    def _trials(self) -> list[Point]:
        try:
            trials, self.searched = trials_of(self.config, self.request, self.points)
        except UnknownKey as error:
            raise nowhere(error) from None
        return trials

    def _look_at_inputs(self, members: Mapping[str, Asked]) -> None:
        """Refuse data that lack a split or have changed since the study began, before any trial is trained."""
        if len(self.tuner.before.known(members)) == len(members):
            return
        for asked in members.values():
            self.inputs.ask(self.points.values(asked.overrides))
        if self.config.protocol.question or self.config.members:
            self.inputs.require_test()
        self.inputs.check(self.study, waiting=True)
        self.inputs.warn()

    def _train_described(self, points: Sequence[Point]) -> None:
        """Train points of the study, and describe it before and after.

        Raises:
            ValueError: before anything is written, if its earlier points saw other data or code.
        """
        check_defaults(self.study, [point for point in points if point.trial is None and point.evaluates is None])
        done = [ledger.read_run(point.folder).status in ledger.DONE for point in points]
        self.inputs.check(self.study, waiting=not all(done))
        if not all(done):
            if isinstance(self.launcher, LocalLauncher):
                self.launcher.prepare([point for point, is_done in zip(points, done, strict=True) if not is_done])
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
        """Describe all points of the study, including those of earlier sweeps, except some folders."""
        all_points = [point for point in every_point(self.study, points) if point.folder.name not in other]
        own = {point.folder.name: point.member for point in all_points}
        if not self.config.members:
            words = self.evaluations.words if self.evaluations else self.members.words
            own |= words({point.folder.name: point.overrides for point in all_points if not point.trial})
        tuning = self.tuner.description(own)
        for point in all_points:
            if tuning and (chosen := tuning.chosen.get(own[point.folder.name])) and not point.trial:
                difference = self.tuner.otherwise(point, chosen)
                own[point.folder.name] += f", {difference}" if difference else ""
        planned = protocol(self.config, self.request.given_keys, list(dict.fromkeys(own.values())))
        baseline = planned.baseline if planned else None
        all_points.sort(key=lambda point: own[point.folder.name] != baseline)
        earlier = described(self.study)  # a search stays one, and the points of sweeps stand beside its trials
        facts = StudyDescription(
            kind="search" if earlier.kind == "search" else self.kind,
            protocol=planned,
            question=self.config.get("question") or (planned.question if planned else None),
            data=self.evaluations.corpus if self.evaluations else self.config.hydra.runtime.choices["data"],
            match=self.config.match,
            match_to=self.config.match_to,
            tuning=tuning,
            search=self.searched or earlier.search,
            length_edges=list(self.config.get("length_edges") or []) or None,
        )
        without = (*self.members.without, *(evaluations.TESTED[1:] if self.evaluations else ()))
        describe(self.study, facts, all_points, own, self._values, without=without)

    def _values(self, point: Point) -> Mapping[str, Any]:
        """The values of a point's config."""
        return self.evaluations.values(point) if self.evaluations else self.points.values(point.overrides)

    def _of_other_settings(self, points: Sequence[Point]) -> set[str]:
        """The folders of earlier points of named members whose settings have changed since."""
        if not self.config.members:
            return set()
        folders, now = {point.folder for point in points}, {point.member: point for point in points}
        return {
            point.folder.name
            for point in every_point(self.study, points)
            if point.folder not in folders and point.member in now and not self._is_like(point, now[point.member])
        }

    def _is_like(self, point: Point, other: Point) -> bool:
        """Whether two points differ only in the seed."""
        try:
            return self.points.composed((*point.overrides, f"seed={other.seed}")).key == other.key
        except (ValueError, HydraException, OmegaConfBaseException):
            return False

    def _write_for_wandb(self, file: Path) -> None:
        settings = for_wandb(self.config, self.request, self.study.name)
        write_text(file, yaml.safe_dump(settings, sort_keys=False, width=120))
        logger.info("next: wandb sweep %s, and the command that it prints, on each machine", file)
        say(file)


def _launched(point: Point) -> list[str]:
    """The overrides from which the launcher composes a job."""
    place = {"hydra.sweep.dir": str(point.folder.parent), "hydra.sweep.subdir": point.folder.name}
    trust = (f"trust=[{','.join(given())}]",) if given() else ()
    own = point.overrides if point.evaluates is None else ()
    return [*own, *trust, *(f"{key}={quoted(value)}" for key, value in place.items())]
