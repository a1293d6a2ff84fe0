"""What a point's files say of it, whatever happened to the processes that wrote them."""

import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sweeps.trainings import KEY, PYTHON, job, write_point, write_record

from rnnsearch.records.run_record import now
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.ledger import Attempt

HOLDER = """
import sys, time, pathlib
from rnnsearch.sweeps.ledger import supervising
with supervising(pathlib.Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(600)
"""


def attempted(folder: Path, *outcomes: str | None, error: dict[str, str] | None = None) -> ledger.State:
    point = write_point(folder)
    for outcome in outcomes:
        ledger.add_attempt(point, Attempt(started=now(), pid=1))
        if outcome:
            ledger.end_attempt(point, Attempt(started="", ended=now(), outcome=outcome, error=error))
    return ledger.state(point)


def test_a_point_is_read_as_it_was_written(tmp_path: Path) -> None:
    point = write_point(
        tmp_path / "ä b",
        overrides=("model/context=additive", 'paths.output="a,b é"'),
        flags=("--config-dir=x",),
        directory="/tmp",
        fallbacks=(("batches.size=4", "trainer.accumulate_grad_batches=2"),),
        updates=7,
        trial={"number": 3, "parameters": {"optimizer.lr": 0.003}},
    )
    assert ledger.read_point(point.folder) == point
    assert ledger.read_points(tmp_path) == [point]
    assert job(point.folder)["format"] == 1


def test_writing_a_point_again_keeps_its_attempts(tmp_path: Path) -> None:
    point = write_point(tmp_path / "p")
    ledger.add_attempt(point, Attempt(started="then"))
    ledger.write_point(replace(point, member="other"))
    assert ledger.read_point(point.folder).member == "other"
    assert [attempt.started for attempt in ledger.read_attempts(point.folder)] == ["then"]


@pytest.mark.parametrize(
    ("outcome", "record", "status"),
    [
        (None, None, "interrupted"),  # begun and never ended: its sweep was killed
        (None, "running", "interrupted"),
        (None, "finished", "finished"),  # killed after the last word of the training, before that of the sweep
        ("finished", "finished", "finished"),
        ("pruned", "pruned", "pruned"),
        ("interrupted", "interrupted", "interrupted"),
        ("failed", "failed", "failed"),
        ("failed", None, "failed"),
        ("killed", "failed", "failed"),
        ("out_of_memory", "failed", "failed"),
        ("finished", None, "interrupted"),  # its files were removed
    ],
)
def test_the_state_follows_from_the_files(tmp_path: Path, outcome: str | None, record: str | None, status: str) -> None:
    if record:
        write_record(tmp_path / "p", record)
    assert attempted(tmp_path / "p", outcome).status == status


def test_a_point_that_was_never_begun_waits(tmp_path: Path) -> None:
    state = attempted(tmp_path / "p")
    assert (state.status, state.updates, state.bleu, state.error, state.attempts) == ("waiting", 0, None, None, ())


def test_the_state_says_how_far_it_came(tmp_path: Path) -> None:
    write_record(tmp_path / "p", "running", {5: 2.5, 10: 7.5, 15: 6.0}, seconds=3.5)
    state = attempted(
        tmp_path / "p", "killed", error={"type": "Killed", "message": "by SIGKILL\nmore", "traceback": ""}
    )
    assert (state.updates, state.bleu, state.seconds, state.error) == (15, 7.5, 3.5, "Killed: by SIGKILL")


def test_only_the_last_attempt_counts(tmp_path: Path) -> None:
    state = attempted(tmp_path / "p", "failed", "killed", "interrupted")
    assert (state.status, state.error) == ("interrupted", None)
    assert [attempt.outcome for attempt in state.attempts] == ["failed", "killed", "interrupted"]


def test_a_failure_without_a_story_is_named_by_its_kind(tmp_path: Path) -> None:
    assert attempted(tmp_path / "p", "out_of_memory").error == "out_of_memory"


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"format": 2}', "\x00" * 20])
def test_a_damaged_job_is_one_sentence(tmp_path: Path, text: str) -> None:
    folder = write_point(tmp_path / f"p-{KEY[:8]}").folder
    (folder / "job.json").write_text(text)
    for read in (lambda: ledger.read_point(folder), lambda: ledger.find(tmp_path, KEY)):
        with pytest.raises(ValueError, match=r"job\.json is"):
            read()


@pytest.mark.parametrize("text", ["", "{", '{"format": 99}', "[]"])
def test_a_damaged_record_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    write_record(tmp_path / "p", "finished")
    (tmp_path / "p" / "record.json").write_text(text)
    assert attempted(tmp_path / "p", "finished").status == "interrupted"
    assert attempted(tmp_path / "p", "failed").status == "failed"


def test_a_point_is_found_by_its_whole_key(tmp_path: Path) -> None:
    other = write_point(tmp_path / f"additive-seed0-{KEY[:8]}", key=KEY[:8] + "0" * 8)
    assert ledger.find(tmp_path, KEY) is None
    point = write_point(tmp_path / f"with-{KEY[:8]}")
    assert ledger.find(tmp_path, KEY) == point.folder
    assert ledger.find(tmp_path, other.key) == other.folder
    assert ledger.find(tmp_path / "nowhere", KEY) is None


@given(st.text(max_size=300), st.integers(0, 2**32 - 1))
def test_a_folder_s_name_is_harmless(member: str, seed: int) -> None:
    name = ledger.folder_name(member, seed, KEY)
    assert len(name.encode()) <= 120
    assert all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in name)
    assert name.endswith(f"-seed{seed}-{KEY[:8]}")
    assert name[0] not in ".-"


def test_a_held_point_is_running_for_others_and_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    point = write_point(tmp_path / "p")
    assert not ledger.is_supervised(point.folder)
    with subprocess.Popen([PYTHON, "-c", HOLDER, str(point.folder)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "True\n"
        assert ledger.is_supervised(point.folder)
        assert ledger.state(point).status == "running"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert not ledger.is_supervised(point.folder)
    assert ledger.state(point).status == "waiting"


def test_one_who_asks_is_in_nobody_s_way(tmp_path: Path) -> None:
    point, stop = write_point(tmp_path / "p"), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            ledger.is_supervised(point.folder)
            stop.wait(0.002)

    (tmp_path / "p" / ledger.SUPERVISED).touch()
    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(20):
            with ledger.supervising(point.folder) as mine:
                assert mine
    finally:
        stop.set()
        for asker in askers:
            asker.join()


@pytest.mark.parametrize(
    ("status", "type_", "diverged"),
    [("failed", "Diverged", True), ("failed", "ValueError", False), ("interrupted", "Diverged", False)],
)
def test_a_training_that_diverged_is_told_from_others(tmp_path: Path, status: str, type_: str, diverged: bool) -> None:
    error = {"type": type_, "message": "the loss became NaN at update 3"}
    point = write_point(tmp_path / "p")
    assert not ledger.has_diverged(point)  # before its first attempt
    write_record(tmp_path / "p", status, error=error)
    assert ledger.has_diverged(point) == diverged
    waiting = write_point(tmp_path / "q", trial={"index": 1})
    write_point(tmp_path / "q", trial={"number": 1, "same_as": "p"})
    for twin in (waiting, ledger.read_point(tmp_path / "q")):  # as it was known before it began, too
        assert ledger.has_diverged(twin) == diverged
        assert ledger.state(twin).status == ledger.state(point).status
