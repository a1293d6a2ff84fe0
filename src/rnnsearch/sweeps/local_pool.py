"""Runs jobs on one machine in a queue of slots, each a GPU or a share of the processor's cores."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Environment = Mapping[str, str]
GPUS, THREADS = "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Job:
    """What to run with extra environment variables, and on how many devices; 0 or less: all."""

    devices: int
    work: Callable[[Environment, threading.Event], None]


@dataclass(frozen=True)
class Slots:
    """What jobs share.

    Attributes:
        gpus: of each slot, as CUDA_VISIBLE_DEVICES names them; () for a slot without GPUs.
        threads: of each slot.
    """

    gpus: tuple[tuple[str, ...], ...]
    threads: int

    def fitting(self, free: Sequence[int], devices: int) -> list[int] | None:
        """The first free slots that together have so many devices, or None.

        A slot without GPUs counts as a device. A job that wants more devices than there are gets all slots.
        """
        everything = len({device for slot in range(len(self.gpus)) for device in self._devices(slot)})
        wanted = min(devices, everything) if devices > 0 else everything
        taken: list[int] = []
        covered: set[str] = set()
        for slot in free:
            if len(covered) < wanted and not covered.issuperset(self._devices(slot)):
                taken.append(slot)
                covered.update(self._devices(slot))
        return taken if len(covered) >= wanted else None

    def environment(self, taken: Sequence[int], devices: int) -> dict[str, str]:
        """The environment of a job on these slots: its GPUs, and the threads of each of its processes, one per device.

        A number of threads set by the user is kept.
        """
        gpus = list(dict.fromkeys(gpu for slot in taken for gpu in self.gpus[slot]))
        visible = gpus[:devices] if devices > 0 else gpus
        processes = len(visible) or max(devices, 1)
        threads = {} if THREADS in os.environ else {THREADS: str(max(1, self.threads * len(taken) // processes))}
        return {**threads, **({GPUS: ",".join(visible)} if visible else {})}

    def _devices(self, slot: int) -> tuple[str, ...]:
        return self.gpus[slot] or (f"slot {slot}",)


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_slots(jobs: int | None, *, gpus: int, cpus: int, devices: Sequence[int]) -> Slots:
    """``jobs`` slots, or one per GPU, or one per core; not more than there is work for.

    Args:
        jobs: at a time; None: chosen here. More jobs than GPUs share them, fewer have several each.
        gpus: how many CUDA sees.
        cpus: cores, divided among the slots.
        devices: of each job.
    """
    visible = os.environ.get(GPUS)
    names = visible.split(",")[:gpus] if visible else [str(index) for index in range(gpus)]
    wanted = sum(count if count > 0 else gpus or cpus for count in devices)
    count = max(1, min(jobs or gpus or cpus, wanted))
    dealt = tuple(tuple(names[slot % gpus :: count]) if gpus else () for slot in range(count))
    return Slots(dealt, max(1, cpus // count))


def run(jobs: Sequence[Job], slots: Slots) -> None:
    """Run all jobs in order as slots become free; one that needs several slots waits for them at the head.

    An exception in the calling thread, such as KeyboardInterrupt, sets every job's event, starts no further job and
    waits for the running ones; a second exception does not wait. An exception in a job stops no other: the first one
    is raised when all have ended.
    """
    pool = _Pool(slots)
    try:
        for job in jobs:
            taken = pool.take(job.devices)
            environment = slots.environment(taken, job.devices)
            threading.Thread(target=pool.work, args=(job, taken, environment), daemon=True).start()
        pool.drain()
    except BaseException:
        pool.stop.set()
        pool.drain()
        raise
    if pool.errors:
        raise pool.errors[0]


class _Pool:
    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.free = list(range(len(slots.gpus)))
        self.changed = threading.Condition()
        self.stop = threading.Event()
        self.errors: list[BaseException] = []

    def take(self, devices: int) -> list[int]:
        with self.changed:
            while (taken := self.slots.fitting(self.free, devices)) is None:
                self.changed.wait(0.5)  # not forever: signals are handled between waits
            self.free = [slot for slot in self.free if slot not in taken]
            return taken

    def drain(self) -> None:
        """Wait until nothing runs. A Thread.join interrupted by a signal would take its thread for ended."""
        with self.changed:
            while len(self.free) < len(self.slots.gpus):
                self.changed.wait(0.5)

    def work(self, job: Job, taken: Sequence[int], environment: Environment) -> None:
        try:
            job.work(environment, self.stop)
        except BaseException as error:
            self.errors.append(error)
        finally:
            with self.changed:
                self.free = sorted([*self.free, *taken])
                self.changed.notify_all()
