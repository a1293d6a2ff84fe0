"""The sweeper of ``rnnsearch sweep``, ``compare`` and ``train -m``: makes points, tunes, trains, writes the report."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, InstantiationException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, read_write
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.cli import launching, live
from rnnsearch.cli.asked import Asked, Request
from rnnsearch.cli.axes import sweep_text as _sweep_text  # noqa: F401 -- a name of earlier versions
from rnnsearch.cli.compose import valid_names
from rnnsearch.cli.describe import Facts, describe, described, every_point, no_differences, protocol
from rnnsearch.cli.errors import report
from rnnsearch.cli.inputs import Inputs
from rnnsearch.cli.judging import judge
from rnnsearch.cli.main import Reported
from rnnsearch.cli.matched import quantity
from rnnsearch.cli.points import Points, write_points
from rnnsearch.cli.searching import check_search, extremes, for_wandb, trials_of
from rnnsearch.cli.spelling import quoted
from rnnsearch.cli.studies import check_whole, checked_name
from rnnsearch.cli.terminal import say
from rnnsearch.cli.trial import say_best
from rnnsearch.cli.trust import given
from rnnsearch.cli.tuning import Tuner
from rnnsearch.cli.values import check_values
from rnnsearch.folders import refuse_links
from rnnsearch.keys.roles import HIDDEN_SIZES
from rnnsearch.records import LOCK, write_text
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import Composed, Overrides, UnknownKey, active, composed, in_words, labels

logger = logging.getLogger(__name__)

DIVERGED_STAY = ", save those that diverged, which would do so again (to try one all the same remove its folder)"


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
            self._check()
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
            members = self._members()
            if self.tuner.is_on:
                self._look_at_inputs(members)
                members = self.tuner.choose(members)
            points = self._points(members)
        if self.config.protocol.question or self.config.members:
            self.inputs.require_test()
        self._train_described(points)
        self._report(points)

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

    def _check(self) -> None:
        """Refuse what contradicts itself."""
        config = self.config
        if config.sweep.search and not config.sweep.wandb:
            check_search(config)
        if config.members and len(config.members) < 2:
            raise ValueError("a comparison has at least two members; see members in rnnsearch compare --cfg job")
        if config.match_to is not None and str(config.match_to) not in map(str, config.members or ()):
            names = ", ".join(map(str, config.members or ())) or "none, since members=null"
            raise ValueError(f"match_to={config.match_to}: give the name of a member; there are {names}")
        if config.match != "none" and (both := set(HIDDEN_SIZES) & {*self.request.swept}):
            raise ValueError(
                f"match={config.match} finds the hidden sizes, so {_listed(both)} can't be swept; set match=none"
            )
        if both := set(self.tuner.keys) & {*self.request.swept}:
            raise ValueError(f"tuning finds {_listed(both)}, so it can't be swept; set tuning=none")
        if self.tuner.is_on and config.protocol.metric == "tokens_per_second":
            raise ValueError(
                "tuning chooses by quality, and protocol.metric=tokens_per_second asks for speed; set tuning=none"
            )

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

    def _members(self) -> dict[str, Asked]:
        """What is trained with every seed, by labels: keys that it lacks are dropped, equal ones are one, sizes match.

        Raises:
            ValueError: for members that train the same, or a key that none has.
        """
        found = self._distinct()
        if self.config.match != "none":
            reference = self._reference(found)
            found = [self._matched(one, reference) for one in found]
        names = self._names(found)
        return dict(zip(names, found, strict=True))

    def _distinct(self) -> list[Asked]:
        """What is asked for, each once."""
        asked = {(one.member, one.overrides): one for one in self.request.asked()}

        def compose(overrides: Overrides) -> Composed:
            name, *rest = overrides
            one = self.points.composed(tuple(rest))
            return replace(one, overrides=overrides, key=f"{name} {one.key}")

        try:
            every = composed([(f"{one.member}", *one.overrides) for one in asked.values()], compose)
        except UnknownKey as error:
            raise self._nowhere(error) from None
        seen: dict[str, str] = {}
        found = []
        for one in every:
            name, *rest = one.overrides
            key = one.key.rpartition(" ")[2]
            if key in seen:
                raise ValueError(
                    f"the members {seen[key]} and {name} train the same; give one of them another override"
                )
            seen[key] = name
            first = next(ask for (_, own), ask in asked.items() if f"{ask.member}" == name and set(rest) <= set(own))
            told = tuple(text for text in first.told if text in rest)
            found.append(replace(first, overrides=tuple(rest), told=told))
        return found

    def _reference(self, members: Sequence[Asked]) -> Overrides:
        """What the others are made equal to: the member that ``match_to`` names, the last one, or the command's own."""
        if not self.config.members:
            return self.request.fixed
        name = str(self.config.match_to or list(self.config.members)[-1])
        return next(one.overrides for one in members if one.member == name)

    def _matched(self, one: Asked, reference: Overrides) -> Asked:
        with _naming(one):
            config = self.points.config(one.overrides)
            quantity(config, self.points.vocabulary_sizes(config), "parameters")  # which refuses what is no model
            overrides = self.points.matched(one.overrides, reference, by=self.config.match)
        if (sizes := overrides[len(one.overrides) :]) and one.member:
            logger.info("%s: %s, for equal %s", one.member, " ".join(sizes), self.config.match)
        return replace(one, overrides=overrides)

    def _names(self, members: Sequence[Asked]) -> list[str]:
        """Labels, that differ from those of other points of the study."""
        sources = {f"{place}": one.label_source for place, one in enumerate(members)}
        known = {} if self.config.members else self._known()
        words = self._words({**known, **sources})
        return [words[place] for place in sources]

    def _known(self) -> dict[str, Overrides]:
        """The overrides of the study's points, by the names of their folders."""
        points = ledger.read_points(self.study)
        return {point.folder.name: point.overrides for point in points if not point.trial and not point.pause}

    def _words(self, points: Mapping[str, Overrides]) -> dict[str, str]:
        return in_words(labels(points, without=self._without))

    @property
    def _without(self) -> tuple[str, ...]:
        """Keys that set no points apart."""
        tuned = {key for chosen in self.tuner.earlier.get("chosen", {}).values() for key in chosen}
        return (*no_differences(self.config.match), *self.tuner.keys, *tuned - {*self.request.swept})

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
            raise self._nowhere(error) from None
        return trials

    def _nowhere(self, error: UnknownKey) -> BaseException:
        if error.key not in valid_names("train"):
            return error.__cause__ or error
        return ValueError(
            f"{error.key}: no point of this sweep has this key; leave it out, or sweep over an option that has it too"
        )

    def _look_at_inputs(self, members: Mapping[str, Asked]) -> None:
        """Refuse data that lack a split, or changed since the study began, before a trial is trained."""
        bases = {
            name: self.points.composed((*one.overrides, f"seed={self.tuner.seed_of(one)}")).key
            for name, one in members.items()
        }
        if all(self.tuner.known(name, bases[name]) is not None for name in members):
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
        done = [ledger.read_run(point.folder).get("status") in ledger.DONE for point in points]
        self.inputs.check(self.study, waiting=not all(done))
        if not all(done):
            self.inputs.warn()
        write_points(points)
        self._describe(points)
        try:
            self.train(points)
        finally:
            self._describe(points)

    def _describe(self, points: Sequence[Point]) -> None:
        """Describe all points that the study has, those of earlier sweeps too."""
        every = every_point(self.study, points)
        own = {point.folder.name: point.member for point in every}
        if not self.config.members:
            own |= self._words({point.folder.name: point.overrides for point in every if not point.trial})
        baseline = (self._protocol() or {}).get("baseline")
        every.sort(key=lambda point: own[point.folder.name] != baseline)
        earlier = described(self.study)  # a search stays one, and the points of sweeps stand beside its trials
        facts = Facts(
            kind="search" if earlier.get("kind") == "search" else self.kind,
            protocol=self._protocol(),
            question=self._question(),
            data=self.config.hydra.runtime.choices["data"],
            match=self.config.match,
            match_to=self.config.match_to,
            tuning=self.tuner.description(),
            search=self.searched or earlier.get("search"),
            length_edges=list(self.config.get("length_edges") or []) or None,
        )
        describe(self.study, facts, every, own, self.points.config, without=self._without)

    def _protocol(self) -> dict[str, Any] | None:
        """The protocol; what it says of other members than these is not said."""
        found = protocol(self.config)
        if found is None or not self._has_own_members():
            return found
        asked = {key.partition(".")[2] for key in self.request.given_keys if key.startswith("protocol.")}
        return {key: value if key in asked or key == "metric" else None for key, value in found.items()}

    def _question(self) -> str | None:
        return self.config.get("question") or (self._protocol() or {}).get("question")

    def _has_own_members(self) -> bool:
        return any(key == "members" or key.startswith("members.") for key in self.request.given_keys)

    def _write_for_wandb(self, file: Path) -> None:
        found = for_wandb(self.config, self.request, self.study.name)
        write_text(file, yaml.safe_dump(found, sort_keys=False, width=120))
        logger.info("next: wandb sweep %s, and the command that it prints, on each machine", file)
        say(file)

    def _report(self, points: Sequence[Point]) -> None:
        from rnnsearch.study.publish import publish  # with its figures, which take seconds to import
        from rnnsearch.study.report import write_report

        live.show(points, stderr=True)
        if self.searched:
            say_best(self.study)
        states = live.states_of(points)
        told = any(state.status == "finished" for state in states.values())
        written = write_report(self.study) if told else None
        if written:
            say(written.page)
        if written and self.config.get("publish"):
            publish(self.study, Path(self.config.publish))
        diverged = [point for point in points if ledger.has_diverged(point)]
        left = [point for point in points if states[point.folder].status not in ledger.DONE]
        if self.searched and len(diverged) < len(points):  # its values were tried
            left = [point for point in left if point not in diverged]
        if left:
            story = Counter("diverged" if point in diverged else states[point.folder].status for point in left)
            logger.error(
                "%d of %d points are not finished (%s); the same command goes on with them%s",
                len(left),
                len(points),
                ", ".join(f"{count} {status}" for status, count in story.items()),
                DIVERGED_STAY if story["diverged"] else "",
            )
            raise Reported(1)
        if written:
            check_whole(written)


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


@contextmanager
def _naming(one: Asked) -> Iterator[None]:
    """A member's name before what is wrong with it."""
    who = f"member {one.member}: " if one.member else ""
    try:
        yield
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError):
            raise ValueError(f"{who}{error.__cause__}") from None
        raise
    except ValueError as error:
        raise ValueError(f"{who}{error}") from None


def _listed(keys: set[str]) -> str:
    return " and ".join(sorted(keys))


def _launched(point: Point) -> list[str]:
    """What the launcher composes a job from."""
    place = {"hydra.sweep.dir": str(point.folder.parent), "hydra.sweep.subdir": point.folder.name}
    trust = (f"trust=[{','.join(given())}]",) if given() else ()
    return [*point.overrides, *trust, *(f"{key}={quoted(value)}" for key, value in place.items())]
