"""One point's training, whatever becomes of it. Real processes, real signals; small programs stand in for trainings."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from tests.sweeps.trainings import FALLBACKS, PYTHON, job, outcomes, train_by, write_point, write_record

from rnnsearch.config.compose import compose
from rnnsearch.records.folders import LOCK
from rnnsearch.records.run_record import read_values
from rnnsearch.sweeps import ledger, supervisor
from rnnsearch.sweeps.ledger import Attempt
from rnnsearch.sweeps.supervisor import supervise

CUDA = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.1 GiB"
CPU = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"
SUPERVISOR = """
import pathlib, sys
from rnnsearch.sweeps import supervisor
supervisor.command = lambda point, more, **_: ["-c", sys.argv[2], str(point.folder)]
supervisor.supervise(pathlib.Path(sys.argv[1]))
"""


Train = Callable[[str], str]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Trains the test's point by a program; gives the outcome."""

    def outcome(program: str) -> str:
        train_by(monkeypatch, program)
        return supervise(tmp_path)

    return outcome


def eventually(true: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_training_that_finishes(tmp_path: Path, train: Train) -> None:
    point = write_point(tmp_path)
    assert train('record("finished", updates=[3])') == "finished"
    (attempt,) = ledger.read_attempts(tmp_path)
    assert (attempt.outcome, attempt.exit_code, attempt.signal, attempt.error) == ("finished", 0, None, None)
    assert attempt.started <= str(attempt.ended)
    assert attempt.pid == os.getpid()
    assert ledger.state(point).status == "finished"
    assert (tmp_path / "job.log").read_text() == "begun with\n"


def test_a_finished_point_is_not_trained_again(tmp_path: Path, train: Train) -> None:
    write_point(tmp_path)
    write_record(tmp_path, "finished", {1: 1.0})
    assert train('fail("ValueError", "trained again")') == "finished"
    assert outcomes(tmp_path) == []
    assert read_values(tmp_path)["status"] == "finished"


def test_a_pruned_trial_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_point(tmp_path)
    train_by(monkeypatch, 'record("pruned")')
    assert [supervise(tmp_path), supervise(tmp_path)] == ["pruned", "pruned"]
    assert outcomes(tmp_path) == ["pruned"]


def test_a_failure_is_noted_with_its_traceback(tmp_path: Path, train: Train, caplog: pytest.LogCaptureFixture) -> None:
    point = write_point(tmp_path)
    assert train('fail("ValueError", "model.hidden_size=-1 is negative")') == "failed"
    error = job(tmp_path)["attempts"][0]["error"]
    assert (error["type"], error["message"]) == ("ValueError", "model.hidden_size=-1 is negative")
    assert "Traceback" in error["traceback"]
    assert ledger.state(point).error == "ValueError: model.hidden_size=-1 is negative"


def test_a_training_that_dies_without_a_record_is_known_by_its_log(tmp_path: Path, train: Train) -> None:
    write_point(tmp_path)
    assert train('sys.exit("rnnsearch train: no such option")') == "failed"
    (attempt,) = ledger.read_attempts(tmp_path)
    assert attempt.error
    assert attempt.error["message"] == "rnnsearch train: no such option"
    assert attempt.error["traceback"] == "begun with\nrnnsearch train: no such option"
    assert attempt.exit_code == 1


def test_a_training_that_ends_well_without_a_finished_record_has_failed(tmp_path: Path, train: Train) -> None:
    write_point(tmp_path)
    assert train('record("running")') == "failed"
    assert read_values(tmp_path)["status"] == "failed"


def test_a_kill_is_noted_and_the_record_says_so(tmp_path: Path, train: Train) -> None:
    point = write_point(tmp_path, fallbacks=FALLBACKS)
    assert train('record("running", updates=[1]); os.kill(os.getpid(), signal.SIGKILL)') == "killed"
    (attempt,) = ledger.read_attempts(tmp_path)
    assert (attempt.exit_code, attempt.signal) == (-9, "SIGKILL")
    record = read_values(tmp_path)
    assert (record["status"], record["error"]["type"]) == ("failed", "Killed")
    assert record["ended"]
    assert ledger.state(point).error == "Killed: the process was ended by SIGKILL"


@pytest.mark.parametrize(
    "dies",
    [
        'fail("MemoryError", "")',
        f'fail("RuntimeError", {CPU!r})',
        f'fail("OutOfMemoryError", {CUDA!r})',
        'sys.exit("numpy: Unable to allocate 3.00 GiB for an array")',
    ],
    ids=["Python", "torch on the CPU", "CUDA", "in the log alone"],
)
@pytest.mark.slow
def test_out_of_memory_is_tried_again_with_half_the_batch(tmp_path: Path, train: Train, dies: str) -> None:
    point = write_point(tmp_path, fallbacks=FALLBACKS)
    assert train(f'checkpoint()\nif "batches.size=2" not in more: {dies}\nrecord("finished", more=more)') == "finished"
    assert outcomes(tmp_path) == ["out_of_memory", "out_of_memory", "finished"]
    assert [attempt.overrides for attempt in ledger.read_attempts(tmp_path)] == [(), *FALLBACKS]
    assert read_values(tmp_path)["more"] == list(FALLBACKS[1])  # and not resumed with another batch
    assert ledger.state(point).status == "finished"


def test_when_no_batch_is_small_enough_the_point_has_failed(tmp_path: Path, train: Train) -> None:
    point = write_point(tmp_path, fallbacks=FALLBACKS)
    assert train('fail("MemoryError", "")') == "out_of_memory"
    assert outcomes(tmp_path) == ["out_of_memory"] * 3
    assert ledger.state(point).status == "failed"
    assert supervise(tmp_path) == "out_of_memory"
    assert ledger.read_attempts(tmp_path)[-1].overrides == FALLBACKS[-1]
    assert len(outcomes(tmp_path)) == 4


def test_what_was_too_large_is_not_tried_again_after_a_stop(tmp_path: Path, train: Train) -> None:
    point = write_point(tmp_path, fallbacks=FALLBACKS)
    ledger.add_attempt(point, Attempt(started="", outcome="out_of_memory"))
    assert train('record("finished")') == "finished"
    assert ledger.read_attempts(tmp_path)[-1].overrides == FALLBACKS[0]


def test_an_attempt_goes_on_with_the_batch_of_the_last(tmp_path: Path, train: Train) -> None:
    point = write_point(tmp_path, fallbacks=FALLBACKS)
    ledger.add_attempt(point, Attempt(started="", outcome="killed", overrides=FALLBACKS[0]))
    assert train('record("finished", more=more)') == "finished"
    assert read_values(tmp_path)["more"] == list(FALLBACKS[0])


def test_the_kernel_s_kill_for_want_of_memory_is_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_point(tmp_path, fallbacks=FALLBACKS)
    train_by(monkeypatch, 'if not more: os.kill(os.getpid(), signal.SIGKILL)\nrecord("finished")')
    counts = iter([3, 4, 4, 4])
    monkeypatch.setattr(supervisor, "_kernel_kills", lambda: next(counts))
    assert supervise(tmp_path) == "finished"
    assert outcomes(tmp_path) == ["out_of_memory", "finished"]
    first = ledger.read_attempts(tmp_path)[0]
    assert (first.signal, first.error and first.error["message"]) == (
        "SIGKILL",
        "the process was ended by SIGKILL, since memory did not suffice",
    )


def test_a_stopped_training_saves_and_leaves_and_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point, stop = write_point(tmp_path), threading.Event()
    waits = """
if "resume" in more: record("finished", updates=[1, 2], more=more); sys.exit()
def leave(*_): record("interrupted", updates=[1]); sys.exit(130)
signal.signal(signal.SIGTERM, leave)
checkpoint(); record("running", updates=[1]); (folder / "ready").touch(); time.sleep(600)
"""
    train_by(monkeypatch, waits)
    stopper = threading.Thread(target=lambda: eventually((tmp_path / "ready").exists) and stop.set())
    stopper.start()
    assert supervise(tmp_path, stop=stop) == "interrupted"
    stopper.join()
    assert ledger.state(point).status == "interrupted"
    assert job(tmp_path)["attempts"][0]["error"] is None
    assert supervise(tmp_path) == "finished"
    assert read_values(tmp_path)["more"] == ["resume"]
    assert outcomes(tmp_path) == ["interrupted", "finished"]


def test_one_that_does_not_leave_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_point(tmp_path)
    stop = threading.Event()
    monkeypatch.setattr(supervisor, "PATIENCE", 0.5)
    hangs = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); record('running'); (folder / 'ready').touch(); time.sleep(600)"
    )
    train_by(monkeypatch, hangs)
    stopper = threading.Thread(target=lambda: eventually((tmp_path / "ready").exists) and stop.set())
    stopper.start()
    assert supervise(tmp_path, stop=stop) == "interrupted"
    stopper.join()
    (attempt,) = ledger.read_attempts(tmp_path)
    assert attempt.exit_code == -signal.SIGKILL
    assert read_values(tmp_path)["status"] == "interrupted"
    assert not is_alive(read_values(tmp_path)["pid"])


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", 'record("finished")'])
def test_ranks_that_are_left_behind_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    write_point(tmp_path)
    rank = "rank = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    train_by(monkeypatch, f'{rank}\n(folder / "rank.txt").write_text(str(rank.pid))\n{end}')
    supervise(tmp_path)
    pid = int((tmp_path / "rank.txt").read_text())
    assert eventually(lambda: not is_alive(pid))


def test_a_new_attempt_without_a_checkpoint_begins_in_an_empty_folder(tmp_path: Path, train: Train) -> None:
    point = write_point(tmp_path)
    write_record(tmp_path, "running")
    for name in ("train.log", ".record.json.17.part"):
        (tmp_path / name).write_text("old")
    (tmp_path / "checkpoints").mkdir()
    ledger.add_attempt(point, Attempt(started=""))
    assert train('record("finished", found=sorted(path.name for path in folder.iterdir()))') == "finished"
    assert set(read_values(tmp_path)["found"]) <= {"job.json", "job.log", ".job.lock", ".lock"}
    assert outcomes(tmp_path) == [None, "finished"]


@pytest.mark.parametrize("broken", ["last.ckpt", "record.json"])
def test_what_a_crash_of_the_machine_left_half_written_is_begun_anew(tmp_path: Path, train: Train, broken: str) -> None:
    point = write_point(tmp_path)
    assert train('checkpoint(); record("running", updates=[1]); os.kill(os.getpid(), signal.SIGKILL)') == "killed"
    path = tmp_path / ("checkpoints" if broken == "last.ckpt" else "") / broken
    path.write_bytes(path.read_bytes()[:-30])
    assert train('record("finished", more=more)') == "finished"
    assert read_values(tmp_path)["more"] == []
    assert ledger.state(point).status == "finished"


def test_a_second_failure_is_not_taken_for_what_the_record_says_of_the_first(tmp_path: Path, train: Train) -> None:
    point = write_point(tmp_path)
    assert train('checkpoint(); record("interrupted"); sys.exit(130)') == "interrupted"
    assert train('sys.exit("no module named torch")') == "failed"
    assert ledger.state(point).error == "Failed: no module named torch"


def test_a_point_that_another_process_has_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_point(tmp_path)
    monkeypatch.setattr(ledger, "ASKING", 0.1)
    with FileLock(tmp_path / ledger.SUPERVISED):
        assert supervise(tmp_path) == "running"
    assert outcomes(tmp_path) == []


def test_the_training_of_a_killed_sweep_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_point(tmp_path)
    train_by(monkeypatch, 'record("finished", found=sorted(path.name for path in folder.iterdir()))')
    old = FileLock(tmp_path / LOCK, thread_local=False)
    old.acquire()

    def leave() -> None:
        time.sleep(0.5)
        write_record(tmp_path, "interrupted")  # its last word
        old.release()

    leaving = threading.Thread(target=leave)
    leaving.start()
    assert supervise(tmp_path) == "finished"
    leaving.join()
    assert "record.json" not in read_values(tmp_path)["found"]


def test_a_folder_in_which_somebody_stays_is_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_point(tmp_path)
    monkeypatch.setattr(supervisor, "PATIENCE", -9.9)
    with FileLock(tmp_path / LOCK):
        assert supervise(tmp_path) == "running"


def test_a_directory_that_this_machine_lacks_is_a_failure_of_the_point(tmp_path: Path) -> None:
    point = write_point(tmp_path / "p", directory=str(tmp_path / "elsewhere"))
    assert supervise(tmp_path / "p") == "failed"
    assert "elsewhere" in str(ledger.state(point).error)


def test_a_rank_s_environment_does_not_reach_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_point(tmp_path)
    ranks = ("LOCAL_RANK", "RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_PORT", "PL_GLOBAL_SEED", "SLURM_NTASKS")
    for name in (*ranks, "SLURM_PROCID", "TORCHELASTIC_RUN_ID", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "777")
    train_by(monkeypatch, 'record("finished", environment=dict(os.environ))')
    supervise(tmp_path, environment={"OMP_NUM_THREADS": "2"})
    environment = read_values(tmp_path)["environment"]
    assert [name for name, value in environment.items() if value == "777"] == ["CUDA_VISIBLE_DEVICES"]
    assert environment["OMP_NUM_THREADS"] == "2"


def test_the_death_of_a_sweep_ends_its_trainings(tmp_path: Path) -> None:
    write_point(tmp_path)
    tied = f"""
import os, pathlib, sys, time
from rnnsearch.sweeps.parent import follow_parent
follow_parent()
pathlib.Path({str(tmp_path / "pid.txt")!r}).write_text(str(os.getpid()))
time.sleep(600)
"""
    with subprocess.Popen([PYTHON, "-c", SUPERVISOR, str(tmp_path), tied]) as sweep:
        assert eventually(lambda: (tmp_path / "pid.txt").exists() and (tmp_path / "pid.txt").read_text() != "")
        pid = int((tmp_path / "pid.txt").read_text())
        assert is_alive(pid)
        sweep.kill()
    assert eventually(lambda: not is_alive(pid))
    assert not ledger.is_supervised(tmp_path)
    assert ledger.state(ledger.read_point(tmp_path)).status == "interrupted"


@pytest.mark.parametrize(
    "name", ["plain", "a b", "a,b=c", "é書", 'qu"ote', "apo's", "back\\slash", "end\\", '\\"', "{x}", "(y)", "#", "a:b"]
)
@pytest.mark.slow
def test_a_folder_of_any_name_reaches_hydra(tmp_path: Path, name: str) -> None:
    point = write_point(tmp_path / name)
    words = supervisor.command(point, (), resume=True)
    assert words[:3] == ["-m", "rnnsearch", "train"]
    assert words[-1] == "ckpt=last"
    (place,) = [word for word in words if word.startswith("hydra.run.dir=")]
    value = compose("train", [place.replace("hydra.run.dir=", "paths.output=")]).paths.output
    assert Path(value) == tmp_path / name


def test_a_training_can_save_when_a_cluster_ends_its_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Launchers turn a scheduler's signal into an exit of the thread that supervises."""

    class Ending(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if (tmp_path / "ready").exists():
                raise SystemExit(-1)
            return super().wait(timeout)

    point = write_point(tmp_path)
    program = """
signal.signal(signal.SIGTERM, lambda *_: (checkpoint(), record("interrupted"), sys.exit(130)))
(folder / "ready").touch()
time.sleep(60)
"""
    train_by(monkeypatch, program)
    with pytest.raises(SystemExit):
        supervise(tmp_path, stop=Ending())
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()
    assert ledger.state(point).status == "interrupted"
