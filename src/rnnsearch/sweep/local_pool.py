"""Runs jobs on one machine: a queue of slots, each a GPU or a share of the processor's cores, and no barrier."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Environment = Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """What to run, with more environment variables, and on how many devices; 0 or less: on all."""

    devices: int
    work: Callable[[Environment, threading.Event], None]


@dataclass(frozen=True)
class Slots:
    """What jobs share.

    Attributes:
        gpus: a slot's GPU, as CUDA_VISIBLE_DEVICES names it; None for a slot without.
        threads: of each slot.
    """

    gpus: tuple[str | None, ...]
    threads: int

    def environment(self, taken: Sequence[int]) -> dict[str, str]:
        """What a job on these slots is told; a job on several has a process on each."""
        gpus = [gpu for slot in taken if (gpu := self.gpus[slot]) is not None]
        shown = {"CUDA_VISIBLE_DEVICES": ",".join(dict.fromkeys(gpus))} if gpus else {}
        return {"OMP_NUM_THREADS": str(self.threads), **shown}


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_slots(jobs: int | None, *, gpus: int, cpus: int) -> Slots:
    """So many slots, or one a GPU, or one a core.

    Args:
        jobs: at a time; None chooses.
        gpus: that CUDA sees; with more jobs than GPUs they share them.
        cpus: cores, whose threads are divided among the slots.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",")[:gpus] if visible else [str(i) for i in range(gpus)]
    count = jobs or gpus or cpus
    return Slots(tuple(names[i % gpus] if gpus else None for i in range(count)), max(1, cpus // count))


def run(jobs: Sequence[Job], slots: Slots) -> None:
    """Run all jobs, begun in their order as slots become free; a job that takes several waits for them at the head.

    An exception in the calling thread, such as KeyboardInterrupt, sets every job's event, begins no other and waits
    for those that run. An exception of a job does the same and is raised again.
    """
    pool = _Pool(len(slots.gpus))
    threads = []
    try:
        for job in jobs:
            taken = pool.take(min(job.devices, pool.size) if job.devices > 0 else pool.size)
            thread = threading.Thread(target=pool.work, args=(job, taken, slots.environment(taken)))
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
    except BaseException:
        pool.stop.set()
        raise
    finally:
        for thread in threads:
            thread.join()
    if pool.errors:
        raise pool.errors[0]


class _Pool:
    def __init__(self, size: int) -> None:
        self.size = size
        self.free = list(range(size))
        self.changed = threading.Condition()
        self.stop = threading.Event()
        self.errors: list[BaseException] = []

    def take(self, count: int) -> list[int]:
        with self.changed:
            while len(self.free) < count and not self.errors:
                self.changed.wait(0.5)  # not for ever: signals are handled between waits
            if self.errors:
                raise self.errors[0]
            taken, self.free = self.free[:count], self.free[count:]
            return taken

    def work(self, job: Job, taken: Sequence[int], environment: Environment) -> None:
        try:
            job.work(environment, self.stop)
        except BaseException as error:
            self.errors.append(error)
        finally:
            with self.changed:
                self.free = sorted([*self.free, *taken])
                self.changed.notify_all()
