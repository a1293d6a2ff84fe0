"""Processes that begin with everything imported: each is as a new one would be, but for the seconds."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.records.run_record import read_record
from rnnsearch.sweeps import warm_processes
from rnnsearch.sweeps.warm_processes import WarmProcess, can_be_warm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each training is a new process"),
]
TELL = """
import json, os, sys, threading, torch
print(json.dumps({
    "argv": sys.argv[1:], "environment": dict(os.environ), "directory": os.getcwd(), "session": os.getsid(0),
    "pid": os.getpid(), "threads": torch.get_num_threads(), "tasks": len(os.listdir("/proc/self/task")),
    "command": open("/proc/self/cmdline").read(), "main": __name__,
    "open": sorted(int(name) for name in os.listdir("/proc/self/fd")),
}))
print("aside", file=sys.stderr)
"""


STARTED: list[WarmProcess] = []


@pytest.fixture(autouse=True)
def _inputs_are_closed() -> Iterator[None]:
    yield
    while STARTED:
        STARTED.pop().stdin.close()


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of modules that children can import; the server of these tests ends with them."""
    folder = tmp_path_factory.mktemp("modules")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.setattr(warm_processes, "_servers", {})
        yield folder
        warm_processes._close(os.getpid())


def start(modules: Path, name: str, program: str, *words: str, **environment: str) -> WarmProcess:
    (modules / f"{name}.py").write_text(program)
    whole = {"OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"], **environment}
    with open(modules / f"{name}.log", "ab") as log:
        STARTED.append(WarmProcess(["-m", name, *words], environment=whole, directory=str(modules), log=log))
    return STARTED[-1]


def test_it_has_what_it_was_given_and_nothing_of_the_servers(modules: Path) -> None:
    process = start(modules, "tell", TELL, "a b", "c", OMP_NUM_THREADS="3", COLOUR="blue")
    assert process.wait(60) == 0
    first, second = (modules / "tell.log").read_text().splitlines()
    told: dict[str, Any] = json.loads(first)
    assert (told["argv"], told["main"], second) == (["a b", "c"], "__main__", "aside")
    assert told["environment"] == {"OMP_NUM_THREADS": "3", "PATH": os.environ["PATH"], "COLOUR": "blue"}
    assert (Path(told["directory"]), told["threads"]) == (modules, 3)
    assert told["command"].rstrip("\0") == "tell a b c"  # as ps shows it
    assert told["session"] == told["pid"] == process.pid
    assert told["open"][:3] == [0, 1, 2]
    assert len(told["open"]) <= 4  # and the folder that is being listed


def test_the_server_has_one_thread_and_the_modules_of_a_training(modules: Path) -> None:
    assert start(modules, "nothing", "").wait(60) == 0
    server = warm_processes._servers[os.getpid()]._process.pid
    assert len(os.listdir(f"/proc/{server}/task")) == 1
    needed = {"torch", "lightning", "hydra", "rnnsearch.cli.commands.train"}
    program = f"import sys; sys.exit(not {needed} <= {{*sys.modules}})"
    assert start(modules, "imported", program).wait(60) == 0


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("raise SystemExit(7)", 7, ""),
        ("raise SystemExit('enough')", 1, "enough"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        ("import atexit; atexit.register(print, 'later')", 0, "later"),
    ],
)
def test_it_ends_as_any_process(modules: Path, program: str, code: int, said: str) -> None:
    name = f"ends{abs(hash(program))}"
    process = start(modules, name, program)
    assert (process.wait(60), process.poll(), process.returncode) == (code, code, code)
    assert said in (modules / f"{name}.log").read_text()
    process.terminate()
    process.kill()


def test_signals_and_a_closed_input_reach_it(modules: Path) -> None:
    sleeping = start(modules, "sleeping", "import time; time.sleep(600)")
    assert sleeping.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        sleeping.wait(0.01)
    sleeping.terminate()
    assert sleeping.wait(60) == -signal.SIGTERM
    reading = start(modules, "reading", "import os; os.read(0, 1); print('closed')")
    reading.stdin.close()
    assert reading.wait(60) == 0
    assert (modules / "reading.log").read_text() == "closed\n"


def test_many_at_once(modules: Path) -> None:
    processes = [start(modules, f"many{n}", f"raise SystemExit({n})") for n in range(20)]
    assert [process.wait(60) for process in processes] == list(range(20))


def test_a_folder_that_is_not_there(modules: Path, tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as log, pytest.raises(FileNotFoundError, match="nowhere"):
        WarmProcess(["-m", "tell"], environment={}, directory=str(tmp_path / "nowhere"), log=log)


def test_a_server_that_was_killed(modules: Path) -> None:
    """Its trainings count as killed, and the next one has a new server."""
    process = start(modules, "orphan", "import time; time.sleep(600)")
    server = warm_processes._servers[os.getpid()]._process
    server.kill()
    assert process.wait(60) == -signal.SIGKILL
    os.killpg(process.pid, signal.SIGKILL)
    server.wait()
    assert start(modules, "after", "").wait(60) == 0


def test_a_server_that_cannot_import(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_processes, "_servers", {})
    monkeypatch.setattr(warm_processes, "ONE_THREAD", {"PYTHONPATH": str(modules)})
    (modules / "hydra.py").write_text("raise ImportError('broken')")
    with pytest.raises(ChildProcessError, match="has ended"):
        start(modules, "never", "")
    (modules / "hydra.py").unlink()
    warm_processes._close(os.getpid())


def test_it_ends_with_the_process_that_needed_it(modules: Path) -> None:
    program = f"""
import os, sys
from pathlib import Path
from rnnsearch.sweeps import warm_processes
with open({str(modules / "ended.log")!r}, "ab") as log:
    environment = {{**os.environ, "OMP_NUM_THREADS": "1"}}
    process = warm_processes.WarmProcess(["-m", "nothing"], environment=environment, directory=None, log=log)
process.wait()
print(warm_processes._servers[os.getpid()]._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    (modules / "nothing.py").write_text("")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    server = Path(f"/proc/{int(done.stdout)}/stat")
    end = time.monotonic() + 30
    while server.exists() and server.read_text().rpartition(")")[2].split()[0] not in "ZX" and time.monotonic() < end:
        time.sleep(0.02)
    assert not server.exists() or server.read_text().rpartition(")")[2].split()[0] in "ZX"


@pytest.mark.parametrize(
    ("environment", "devices", "expected"),
    [({"OMP_NUM_THREADS": "2"}, 1, True), ({"OMP_NUM_THREADS": "2"}, 2, False), ({}, 1, False)],
)
def test_what_can_be_warm(environment: dict[str, str], devices: int, expected: bool) -> None:
    assert can_be_warm(environment, devices) is expected


def test_a_training_is_the_same(tmp_path: Path) -> None:
    """As in a new process, to the last bit of its weights."""
    environment, weights = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}, []
    for kind in ("warm", "new"):
        train = ["-m", "rnnsearch", "train", "data=controlled", "data.train_pairs=64", "data.validation_pairs=8"]
        train += ["test=false", "model=tiny", "trainer=cpu", "budget.updates=3", f"hydra.run.dir={tmp_path / kind}"]
        train += [f"paths.cache={tmp_path / 'cache'}"]
        with open(tmp_path / f"{kind}.log", "ab") as log:
            if kind == "warm":
                STARTED.append(WarmProcess(train, environment=environment, directory=None, log=log))
                code = STARTED[-1].wait(200)
            else:
                code = subprocess.run([sys.executable, *train], env=environment, stdout=log, stderr=log).returncode
        assert code == 0, (tmp_path / f"{kind}.log").read_text()
        weights.append(read_record(tmp_path / kind).results.weights_sha256)
    assert weights[0] == weights[1] is not None
