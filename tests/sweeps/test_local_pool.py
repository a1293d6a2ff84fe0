"""The local pool: never more than there are slots, every job once, in order, none starved; and how it is stopped."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsearch.sweeps.local_pool import GPUS, THREADS, Environment, Job, Slots, make_slots, run

CPU4 = Slots(gpus=((),) * 4, threads=2)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (GPUS, THREADS):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Diary:
    """Jobs that note what runs together; they take so long as it takes others to be begun beside them."""

    capacity: int
    begun: list[int] = field(default_factory=list)
    now: dict[int, int] = field(default_factory=dict)
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def job(self, number: int, devices: int, seconds: float) -> Job:
        width = min(devices, self.capacity) if devices > 0 else self.capacity

        def work(environment: Environment, stop: threading.Event) -> None:
            with self.lock:
                self.begun.append(number)
                self.now[number] = width
                self.most = max(self.most, sum(self.now.values()))
            time.sleep(seconds)
            with self.lock:
                del self.now[number]

        return Job(devices, work)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.lists(st.tuples(st.integers(-1, 7), st.sampled_from([0, 0.001, 0.003])), max_size=12))
def test_never_over_capacity_and_each_once(size: int, jobs: list[tuple[int, float]]) -> None:
    diary = Diary(size)
    run([diary.job(i, *one) for i, one in enumerate(jobs)], Slots(gpus=((),) * size, threads=1))
    assert sorted(diary.begun) == list(range(len(jobs)))
    assert diary.most <= size
    assert diary.now == {}


def test_jobs_begin_in_their_order_and_a_wide_one_is_not_passed() -> None:
    begun: list[int] = []

    def job(number: int, devices: int) -> Job:
        def work(environment: Environment, stop: threading.Event) -> None:
            begun.append(number)
            time.sleep(0.05)

        return Job(devices, work)

    run([job(i, devices) for i, devices in enumerate([1, 4, 1, 2, 1])], CPU4)
    assert begun[:2] == [0, 1]
    assert sorted(begun[2:]) == [2, 3, 4]


def test_a_slot_is_taken_up_at_once() -> None:
    """No barrier: while one job lasts, the others go through the other slot."""
    others_done = threading.Event()
    count = iter(range(3))

    def long(environment: Environment, stop: threading.Event) -> None:
        assert others_done.wait(20)

    def short(environment: Environment, stop: threading.Event) -> None:
        if next(count) == 2:
            others_done.set()

    run([Job(1, long), *[Job(1, short)] * 3], Slots(gpus=((), ()), threads=1))
    assert others_done.is_set()


def test_a_job_s_error_stops_no_other() -> None:
    done = []

    def bad(environment: Environment, stop: threading.Event) -> None:
        raise OSError("the first")

    jobs = [Job(1, bad), *(Job(1, lambda environment, stop: done.append(stop.is_set())) for _ in range(5))]
    with pytest.raises(OSError, match="the first"):
        run(jobs, Slots(gpus=((),), threads=1))
    assert done == [False] * 5


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_an_interruption_stops_what_runs_waits_for_it_and_begins_nothing_more(jobs: int) -> None:
    told = []

    def work(environment: Environment, stop: threading.Event) -> None:
        stopped = stop.wait(60)
        time.sleep(0.3)  # to save
        told.append(stopped)

    old = signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run([Job(1, work)] * jobs, Slots(gpus=((), ()), threads=1))
    finally:
        timer.join()
        signal.signal(signal.SIGINT, old)
    assert told == [True] * min(jobs, 2)


@pytest.mark.parametrize(
    ("jobs", "cpus", "devices", "count", "threads"),
    [
        (None, 4, [1] * 9, 4, 1),
        (None, 8, [1, 1], 2, 4),
        (None, 8, [2, 2], 4, 2),
        (3, 2, [1] * 9, 3, 1),
    ],
    ids=["one a core", "few jobs have more threads", "by devices", "more than cores"],
)
def test_slots_of_cores(jobs: int | None, cpus: int, devices: list[int], count: int, threads: int) -> None:
    assert make_slots(jobs, gpus=0, cpus=cpus, devices=devices) == Slots(((),) * count, threads)


@pytest.mark.parametrize(
    ("jobs", "devices", "expected"),
    [
        (None, [1] * 9, [("0",), ("1",), ("2",), ("3",)]),
        (1, [4], [("0", "1", "2", "3")]),
        (2, [1] * 9, [("0", "2"), ("1", "3")]),
        (6, [1] * 9, [("0",), ("1",), ("2",), ("3",), ("0",), ("1",)]),
        (None, [-1, -1], [("0",), ("1",), ("2",), ("3",)]),
    ],
)
def test_slots_of_gpus(jobs: int | None, devices: list[int], expected: list[tuple[str, ...]]) -> None:
    assert list(make_slots(jobs, gpus=4, cpus=16, devices=devices).gpus) == expected


def test_gpus_are_named_as_the_user_named_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GPUS, "GPU-aa,MIG-bb,7")
    slots = make_slots(None, gpus=3, cpus=6, devices=[1] * 5)
    assert slots.environment([1], 1) == {GPUS: "MIG-bb", THREADS: "2"}
    assert slots.environment([0, 2], 2) == {GPUS: "GPU-aa,7", THREADS: "2"}


def test_threads_that_the_user_set_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS, "3")
    assert CPU4.environment([0], 1) == {}


def test_threads_are_each_process_s() -> None:
    assert CPU4.environment([0, 1], 2) == {THREADS: "2"}
    assert Slots(((),), threads=4).environment([0], 2) == {THREADS: "2"}  # jobs=1, two processes share the slot


@settings(deadline=None)
@given(st.data())
def test_a_job_has_as_many_different_gpus_as_it_wants_or_all(data: st.DataObject) -> None:
    gpus, jobs = data.draw(st.integers(1, 5)), data.draw(st.none() | st.integers(1, 8))
    devices = data.draw(st.integers(-1, 7))
    slots = make_slots(jobs, gpus=gpus, cpus=8, devices=[devices, *data.draw(st.lists(st.integers(1, 3)))])
    reach = len({gpu for slot in slots.gpus for gpu in slot})
    taken = slots.fitting(range(len(slots.gpus)), devices)
    assert taken is not None
    shown = slots.environment(taken, devices)[GPUS].split(",")
    assert len(set(shown)) == len(shown) == (min(devices, reach) if devices > 0 else reach)


@settings(deadline=None)
@given(st.data())
def test_jobs_that_run_together_share_no_gpu_unless_there_are_more_jobs_than_gpus(data: st.DataObject) -> None:
    gpus = data.draw(st.integers(1, 5))
    jobs = data.draw(st.none() | st.integers(1, gpus))
    devices = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=6))
    slots = make_slots(jobs, gpus=gpus, cpus=8, devices=devices)
    free = list(range(len(slots.gpus)))
    used: list[str] = []
    for wanted in devices:
        taken: Sequence[int] | None = slots.fitting(free, wanted)
        if taken is None:
            break
        free = [slot for slot in free if slot not in taken]
        used += slots.environment(taken, wanted)[GPUS].split(",")
    assert len(used) == len(set(used))
