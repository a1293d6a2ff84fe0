"""Hydra's launcher for one machine: a few points at a time, each a process with slots of its own."""

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from rnnsearch.config.launcher_checks import OUR_SWEEPER
from rnnsearch.config.trust import given
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.local_pool import Environment, Job, Slots, cores, make_slots, run
from rnnsearch.sweeps.search_trial import train_point
from rnnsearch.sweeps.warm_processes import THREADS, can_be_warm, prepare


class LocalLauncher(Launcher):
    """Trains points on this machine.

    Args:
        jobs: at a time; None: one per GPU, or one per CPU core.
    """

    def __init__(self, *, jobs: int | None) -> None:
        self.jobs = jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Only check the sweeper: a point's process composes its own config.

        Raises:
            ValueError: under a sweeper that keeps no study, which a YAML file may choose.
        """
        if config.hydra.sweeper._target_ != OUR_SWEEPER:
            raise ValueError(f"{config.hydra.sweeper._target_} keeps no study; leave out what chooses hydra/sweeper")

    def prepare(self, points: Sequence[Point]) -> None:
        """Begin what launching these points takes, while the caller does something else."""
        if all(point.accelerator == "cpu" and can_be_warm({THREADS: "1"}, point.devices) for point in points):
            prepare()

    def slots(self, points: Sequence[Point]) -> Slots:
        """What these points share."""
        gpus = 0 if all(point.accelerator == "cpu" for point in points) else _gpus()
        return make_slots(self.jobs, gpus=gpus, cpus=cores(), devices=[point.devices for point in points])

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Train the points in the folders that ``hydra.sweep.dir`` and ``hydra.sweep.subdir`` name."""
        points = [ledger.read_point(_folder(overrides)) for overrides in job_overrides]
        slots = self.slots(points)
        work = partial(_train, trust=given(), warm=not any(slots.gpus))
        run([Job(point.devices, partial(work, point.folder)) for point in points], slots)
        return [JobReturn() for _ in points]


def _gpus() -> int:
    import torch  # takes seconds, and is not needed for points on a CPU

    return torch.cuda.device_count()


def _train(folder: Path, environment: Environment, stop: threading.Event, *, trust: Sequence[str], warm: bool) -> None:
    train_point(folder, environment=environment, stop=stop, trust=trust, warm=warm)


def _folder(overrides: Sequence[str]) -> Path:
    places = [word for word in overrides if word.startswith("hydra.sweep.")]  # parsing all takes long
    parsed = OverridesParser.create().parse_overrides(places)
    values = {override.key_or_group: override.value() for override in parsed}
    return Path(str(values["hydra.sweep.dir"])) / str(values["hydra.sweep.subdir"])
