"""What the sweepers have in common: points in a study's folder, trained by a launcher as far as not done yet."""

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, read_write

from rnnsearch.cli import launching, live
from rnnsearch.cli.build import build_data
from rnnsearch.cli.compose import Composer, known_keys
from rnnsearch.cli.describe import described
from rnnsearch.cli.errors import report
from rnnsearch.cli.inputs import Inputs
from rnnsearch.cli.main import Reported
from rnnsearch.cli.matched import matched_overrides, quantity
from rnnsearch.cli.settings import settle_budget
from rnnsearch.cli.spelling import quoted
from rnnsearch.cli.studies import checked_name
from rnnsearch.cli.trust import given
from rnnsearch.cli.values import canonical, check_values
from rnnsearch.folders import refuse_links
from rnnsearch.records import JOB, LOCK, RECORD, point_key
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import Composed, Overrides

if TYPE_CHECKING:  # Lightning takes seconds to import
    from rnnsearch.data.datamodule import ParallelDataModule

logger = logging.getLogger(__name__)

HALVINGS = 3  # of the batch, when memory does not suffice
DIVERGED_STAY = ", save those that diverged, which would do so again (to try one all the same remove its folder)"


class StudySweeper(Sweeper):
    """Trains the points of a study. Its memory is the study's folder, so that it can be killed at any time."""

    config: DictConfig
    prefix: str  # of the study's name, where none was given

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's.

        Raises:
            ValueError: for a value of the command that is not allowed.
        """
        check_values(config, str(config.hydra.job.config_name))
        self.settle_launcher(config)
        launching.check_values(config.hydra.launcher)
        launching.check_programs(config.hydra.launcher)
        self.config = config
        self.loader = hydra_context.config_loader
        self.study = (Path(config.paths.output) / self.study_name()).absolute()
        with read_write(config.hydra.sweep):
            config.hydra.sweep.dir = str(self.study)
        logging.getLogger("hydra_plugins").setLevel(logging.WARNING)  # a line for each job; the live table says more
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self.inputs = Inputs()
        self.prepared: dict[str, ParallelDataModule] = {}
        self.flags = tuple(
            f"--config-dir={source.path}"
            for source in config.hydra.runtime.config_sources
            if source.provider == "command-line"
        )
        self.composer = Composer("train", [flag.partition("=")[2] for flag in self.flags])

    @property
    @abstractmethod
    def kind(self) -> str:
        """What it makes: comparison, sweep or search."""

    def settle_launcher(self, config: DictConfig) -> None:
        """Give the launcher what keys of the command say of it, before its values are judged."""

    def study_name(self) -> str:
        """The study's name, which is its folder's: what ``study=`` says, as text, or the protocol's and corpus's names.

        Raises:
            ValueError: for one that is no plain file name.
        """
        choices = self.config.hydra.runtime.choices
        protocol, data = choices["protocol"], choices["data"]
        return checked_name(str(self.config.study or (f"{protocol}_{data}" if protocol else f"{self.prefix}-{data}")))

    def sweep(self, arguments: list[str]) -> None:
        """Train what the arguments ask for, alone in the study's folder.

        Raises:
            Reported: if something failed, or could not begin; it has been printed what.
        """
        try:
            refuse_links(self.study)
            self._check_kind()
            self.judge(arguments)
            with self._alone():
                self.run(arguments)
        except Timeout:
            self._refuse(
                ValueError(f"another {self.kind} is at work in {self.study}; wait for it or choose another study=NAME")
            )
        except ValueError as error:
            self._refuse(error)

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

    def _check_kind(self) -> None:
        found = described(self.study)
        kind = found.get("kind", "comparison")  # older ones say nothing
        if found and (kind == "comparison") != (self.kind == "comparison"):
            raise ValueError(f"{self.study} holds a {kind}, which a {self.kind} can't go on; choose another study=NAME")

    def _refuse(self, error: ValueError) -> None:
        command = str(self.config.hydra.job.config_name)
        raise Reported(report(error, command, list(self.config.hydra.overrides.task))) from None

    @abstractmethod
    def judge(self, arguments: list[str]) -> None:
        """Refuse what can't be trained, before anything is made.

        Raises:
            ValueError: naming every point that is refused.
        """

    @abstractmethod
    def run(self, arguments: list[str]) -> None:
        """Compose the points, train them, describe and report the study."""

    @abstractmethod
    def describe(self, points: Sequence[Point]) -> None:
        """Write study.json."""

    def train_described(self, points: Sequence[Point]) -> None:
        """Train points of the study, which is described before, and after with what came of them.

        Raises:
            ValueError: before anything is written, where its earlier points saw other data or code.
        """
        done = [ledger.read_run(point.folder).get("status") in ledger.DONE for point in points]
        self.inputs.check(self.study, waiting=not all(done))
        if not all(done):
            self.inputs.warn()
        write_points(points)
        self.describe(points)
        try:
            self.train(points)
        finally:
            self.describe(points)

    def train(self, points: Sequence[Point]) -> None:
        """Launch those of the points that are neither finished nor diverged nor trained by others now."""
        waiting = [
            point
            for point in points
            if ledger.state(point).status not in (*ledger.DONE, "running") and not ledger.has_diverged(point)
        ]
        waiting.sort(key=lambda point: point.seed)  # so that what a stopped study has finished can be compared
        logger.info("%s: %d points, %d of them to be trained", self.study.name, len(points), len(waiting))
        if waiting:
            with live.watching(waiting):
                self.launcher.launch([_launched(point) for point in waiting], initial_job_idx=0)

    def compose_config(self, overrides: Sequence[str]) -> DictConfig:
        """The config that ``rnnsearch train`` composes, for the caller to change."""
        config = self.composer(overrides)
        settle_budget(config, list(overrides))
        return config

    def compose_point(self, overrides: Overrides) -> Composed:
        """The overrides with the key of their config.

        Raises:
            UnknownKey: for an override of a key that the config lacks.
        """
        with known_keys():
            config = self.compose_config(overrides)
        values: Any = OmegaConf.to_container(config, resolve=True)
        return Composed(overrides, point_key(canonical(values)), config.seed, point_key(values))

    def matched(self, overrides: Overrides, reference: Overrides) -> Overrides:
        """The overrides with the hidden sizes at which their model equals the reference's, by what ``match`` says."""
        by = self.config.match
        config, other = self.compose_config(overrides), self.compose_config(reference)
        target = quantity(other, self.vocabulary_sizes(other), by, self.mean_lengths(other, by))
        sizes, lengths = self.vocabulary_sizes(config), self.mean_lengths(config, by)
        return (*overrides, *matched_overrides(config, target, sizes, by, lengths))

    def vocabulary_sizes(self, config: DictConfig) -> dict[str, int]:
        """Sizes of the vocabularies of a config."""
        return self._data(config).tokenizers.sizes

    def mean_lengths(self, config: DictConfig, by: str) -> tuple[float, float] | None:
        """Mean lengths of the training pairs of a config, in tokens, where models are matched by operations."""
        return self._data(config).mean_lengths if by == "flops" else None

    def _data(self, config: DictConfig) -> "ParallelDataModule":
        """The data of a config, prepared where that was not done yet."""
        parts = [OmegaConf.to_container(config[part], resolve=True) for part in ("data", "tokenizer", "filters")]
        key = str([*parts, config.streaming])
        if key not in self.prepared:
            data = self.prepared[key] = build_data(config)
            data.prepare_data()
        return self.prepared[key]

    def point(self, one: Composed, member: str, *, within: Path) -> Point:
        """A point with the folder that it has or will have in the folder ``within``."""
        there = [(folder, key) for key in (one.key, one.older_key) if (folder := ledger.find(within, key))]
        folder, key = (*there, (within / ledger.folder_name(member, one.seed, one.key), one.key))[0]
        overrides = (*one.overrides, *self.names(member))
        return self.point_in(folder, member, overrides, self.compose_config(one.overrides), key=key)

    def point_in(
        self,
        folder: Path,
        member: str,
        overrides: Overrides,
        config: DictConfig,
        *,
        key: str,
        trial: dict[str, Any] | None = None,
    ) -> Point:
        """A point of this command in a folder."""
        self.inputs.ask(config)
        return Point(
            folder=folder,
            key=key,
            member=member,
            seed=config.seed,
            overrides=overrides,
            flags=self.flags,
            directory=str(Path.cwd()),
            fallbacks=tuple(_fallbacks(config)),
            updates=config.budget.updates,
            devices=config.trainer.devices if type(config.trainer.devices) is int else 1,
            accelerator=str(config.trainer.accelerator),
            trial=trial,
        )

    def names(self, member: str) -> Overrides:
        """The overrides that say to what a point belongs."""
        return (f"study={quoted(self.study.name)}", f"member={quoted(member)}")


def write_points(points: Sequence[Point]) -> None:
    """Write down what is to be trained, but for what is being trained.

    Raises:
        ValueError: if a folder holds a run that is no point: it would be cleared.
    """
    for point in points:
        if (point.folder / RECORD).is_file() and not (point.folder / JOB).is_file():
            raise ValueError(
                f"{point.folder} holds a run that no study asked for; remove it, or choose another study=NAME"
            )
        if not ledger.is_supervised(point.folder):
            ledger.write_point(point)


def _launched(point: Point) -> list[str]:
    """What the launcher composes a job from."""
    place = {"hydra.sweep.dir": str(point.folder.parent), "hydra.sweep.subdir": point.folder.name}
    trust = (f"trust=[{','.join(given())}]",) if given() else ()
    return [*point.overrides, *trust, *(f"{key}={quoted(value)}" for key, value in place.items())]


def _fallbacks(config: DictConfig) -> Iterator[tuple[str, ...]]:
    """Half the batch and twice the accumulation, a few times over."""
    key = "size" if "size" in config.batches else "batch_size"
    for times in (2**halving for halving in range(1, HALVINGS + 1)):
        if config.batches[key] >= times:
            yield (
                f"batches.{key}={config.batches[key] // times}",
                f"trainer.accumulate_grad_batches={config.trainer.accumulate_grad_batches * times}",
            )
