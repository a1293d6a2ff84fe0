"""Several processes of one run: when one ends too early, the run ends and reports that one's error."""

import atexit
import json
import logging
import os
import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_only
from torch.distributed.rendezvous import rendezvous

from rnnsearch.records.json_files import write_json
from rnnsearch.records.run_record import STORIES
from rnnsearch.training import cluster
from rnnsearch.training.cluster import Place

logger = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds that the other processes, or a hanging first one, may take to end by themselves
LOOK_EVERY = 1  # seconds


MEETING = timedelta(seconds=120)  # within which all processes of a run must arrive
AGENT = timedelta(seconds=10)  # within which torchrun, which runs already, must answer
SILENCE = timedelta(minutes=30)  # torch's own: between messages of a training


class Placed(ClusterEnvironment):
    """Tells Lightning the place of a process that something else started."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place

    @property
    def creates_processes_externally(self) -> bool:
        """All are running already."""
        return True

    @property
    def main_address(self) -> str:
        """Of the first one."""
        return self.place.address

    @property
    def main_port(self) -> int:
        """Of the first one."""
        return self.place.port

    @staticmethod
    def detect() -> bool:
        """Lightning has nothing to detect."""
        return False

    def world_size(self) -> int:
        """How many there are."""
        return self.place.processes

    def set_world_size(self, size: int) -> None:
        """Their number is fixed."""

    def global_rank(self) -> int:
        """Among all."""
        return self.place.rank

    def set_global_rank(self, rank: int) -> None:
        """It stays."""

    def local_rank(self) -> int:
        """On this machine."""
        return self.place.local_rank

    def node_rank(self) -> int:
        """Of this machine."""
        return self.place.node_rank


def joined(devices: int, nodes: int, *, gpu: bool) -> ClusterEnvironment:
    """This process's place in its run, once all processes that a launcher started have met.

    A run of one process trains alone, whatever the environment says: under srun each task may train a run of its own.

    Args:
        devices: on each machine; each device has a process.
        nodes: machines.
        gpu: whether the devices are GPUs.

    Raises:
        ValueError: if the launcher started a different number, some never arrive, or several machines have no launcher.
    """
    place = cluster.place(os.environ)
    if place is None or devices * nodes == 1:
        if nodes > 1:
            raise ValueError(
                f"trainer.num_nodes={nodes}: torchrun or srun must start the command on each machine, and has not here"
            )
        cluster.leave(os.environ)
        rank_zero_only.rank = 0  # type: ignore[attr-defined]  # Lightning's place for it
        if devices > 1:
            os.environ[cluster.FIRST] = str(os.getpid())  # Lightning starts the others
        return LightningEnvironment()
    if place.processes != devices * nodes:
        raise ValueError(
            f"{place.launcher} started {place.processes} processes, but trainer.devices={devices} on {nodes} machines "
            f"are {devices * nodes}; let them agree{_leftovers(place)}"
        )
    rank_zero_only.rank = place.rank  # type: ignore[attr-defined]  # as above
    if place.launcher != "run":
        _meet(place, gpu=gpu)
    return Placed(place)


def _meet(place: Place, *, gpu: bool) -> None:
    """Open torch's communication; Lightning would wait half an hour for a missing process."""
    os.environ |= {"MASTER_ADDR": place.address, "MASTER_PORT": str(place.port)}
    patience = AGENT if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" else MEETING
    try:
        store, *_ = next(rendezvous("env://", rank=place.rank, world_size=place.processes, timeout=patience))
    except (RuntimeError, ValueError) as error:  # torch's DistError is a RuntimeError
        raise ValueError(
            f"process {place.rank} of {place.processes}, by {place.launcher}: the others did not meet at "
            f"{place.address}:{place.port} within {patience.total_seconds():.0f} s{_leftovers(place)}"
        ) from error
    store.set_timeout(SILENCE)
    backend = "nccl" if gpu else "gloo"
    torch.distributed.init_process_group(backend, store=store, rank=place.rank, world_size=place.processes)
    if gpu:
        atexit.register(torch.distributed.destroy_process_group)


def _leftovers(place: Place) -> str:
    name = "TORCHELASTIC_RUN_ID" if place.launcher == "torchrun" else "SLURM_PROCID"
    return f"; if no {place.launcher} started this command, its variables are left over: begin it with env -u {name}"


class ProcessFailed(RuntimeError):
    """Another process of the run has failed; ``story`` holds the error's type, message and traceback."""

    def __init__(self, message: str, story: Mapping[str, str]) -> None:
        super().__init__(message)
        self.story = dict(story)


class Processes:
    """Ends the run when one of its processes has ended, instead of waiting half an hour for that one's messages.

    Args:
        folder: the run's, where processes other than the first leave their story.
        failed: writes a story into the run's record when the first process hangs and can't.
        hidden: removes secrets from a text.
    """

    def __init__(self, *, folder: Path, failed: Callable[[dict[str, str]], None], hidden: Callable[[str], str]) -> None:
        self.folder = folder
        self.failed = failed
        self.hidden = hidden
        self._children: Sequence[subprocess.Popen[Any]] = ()
        self._is_over = False

    def _take_over(self) -> None:
        """Take over from Lightning's own watch, which kills the first process before it can write its record.

        That watch starts with the other processes, and first looks after some seconds.
        """
        while not self._is_over:
            for thread in threading.enumerate():
                if isinstance(thread, _ChildProcessObserver):
                    self._children = thread._child_processes
                    thread._sleep_period = LOOK_EVERY
                    thread._terminate_all = self._end  # type: ignore[method-assign]  # meant
                    return
            time.sleep(0.05)

    @contextmanager
    def together(self, trainer: Trainer) -> Iterator[None]:
        """Train within this.

        Raises:
            ProcessFailed: if the first process ends because another one has ended.
        """
        if trainer.world_size > 1 and trainer.is_global_zero:
            threading.Thread(target=self._take_over, daemon=True).start()
        try:
            yield
        except BaseException as error:
            self._is_over = True
            if trainer.world_size > 1 and not trainer.is_global_zero and isinstance(error, Exception):
                self._leave_story(trainer.global_rank, error)
            elif trainer.world_size > 1 and _is_from_outside(error):
                self._wait()
                # an interrupt ends the others too: Lightning kills them
                interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
                if story := self._left_story() or (None if interrupted else self._end_of_another()):
                    raise ProcessFailed(story["message"], story) from error
            raise
        finally:
            self._is_over = True

    def _leave_story(self, rank: int, error: Exception) -> None:
        if _is_from_outside(error):  # the cause is another process's end
            return
        message = f"process {rank} of this run failed: {type(error).__name__}: {error}"
        texts = {"message": message, "traceback": "".join(traceback.format_exception(error))}
        story = {"type": type(error).__name__, **{key: self.hidden(text) for key, text in texts.items()}}
        write_json(self.folder / STORIES.replace("*", str(rank)), story)

    def _left_story(self) -> dict[str, str] | None:
        """The story of the first process that left one."""
        for path in sorted(self.folder.glob(STORIES)):
            story: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
            return story
        return None

    def _end_of_another(self) -> dict[str, str] | None:
        """What is known of a process that ended without a story: it was killed, for example."""
        for rank, child in enumerate(self._children, start=1):
            if child.returncode:
                message = f"process {rank} of this run {_ending(child.returncode)}; ckpt=last goes on with the run"
                return {"type": "ProcessFailed", "message": message, "traceback": ""}
        return None

    def _wait(self) -> None:
        """Wait until all others have ended, or a story is there; what still runs is killed."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            alive = [child for child in self._children if child.poll() is None]
            if (self._children and not alive) or any(self.folder.glob(STORIES)):
                break
            time.sleep(0.05)
        self._kill()

    def _kill(self) -> None:
        for child in self._children:
            child.kill()
            child.wait()

    def _end(self) -> None:
        """Called by the watch when a process has ended; usually the first one notices by itself."""
        threading.main_thread().join(PATIENCE)
        if self._is_over:
            return
        story = self._left_story() or self._end_of_another()
        assert story is not None
        logger.error("%s", story["message"])
        self.failed(story)
        self._kill()
        os._exit(1)  # the main thread waits for messages that will not come


def _is_from_outside(error: BaseException) -> bool:
    """Whether an error means that another process is gone, or that a signal came."""
    if isinstance(error, KeyboardInterrupt | SystemExit | torch.distributed.DistError):
        return True
    return type(error) is RuntimeError and "gloo" in str(error)


def _ending(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
