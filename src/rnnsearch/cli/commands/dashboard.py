"""``rnnsearch dashboard``: everything there is to look at, each on a port of this machine."""

import importlib.util
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from omegaconf import DictConfig

try:
    from rnnsearch.page import serving
    from rnnsearch.page.reports import Link, make_reports
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] not in ("starlette", "uvicorn"):
        raise
    raise ValueError(
        f"the dashboard needs {error.name}, which is not installed; install it with: pip install 'rnnsearch[page]'"
    ) from None

from rnnsearch.config.terminal import say
from rnnsearch.sweeps.hyperparameter_search import STORAGES
from rnnsearch.sweeps.parent import BOUND

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
PATIENCE = 10.0  # seconds that a program may take to end


@dataclass(frozen=True)
class Board:
    """A program that shows something, and how to start it on a socket."""

    name: str
    package: str  # required; without it the program is left out
    extra: str
    words: tuple[str, ...]  # followed by the number of a socket's file descriptor
    place: str = ""  # the most useful one of its pages


def run(cfg: DictConfig) -> None:
    """Serve the reports, and TensorBoard, Optuna's and MLflow's pages where there is something for them.

    Raises:
        FileNotFoundError: if there is no such folder.
        OSError, ValueError: for a port that can't be had.
    """
    output = Path(cfg.paths.output)
    if not output.is_dir():
        raise FileNotFoundError(f"{output} does not exist; train something first, or say where: paths.output=DIR")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        listener = stack.enter_context(serving.listen(HOST, cfg.port))
        links = [stack.enter_context(started(board)) for board in _boards(output) if _is_installed(board)]
        for link in (Link("reports", serving.address(listener)), *links):
            say(f"{link.name}: {link.address}")
        logger.info("Ctrl-C ends them all")
        if cfg.open:
            threading.Timer(1.0, webbrowser.open, (serving.address(listener),)).start()
        app = make_reports(output, links, hosts=serving.hosts(listener, HOST))
        with suppress(KeyboardInterrupt):
            serving.make_server(app).run(sockets=[listener])
        logger.info("ended")


def _boards(output: Path) -> Iterator[Board]:
    """The programs that have something to show."""
    if next(output.glob("**/events.out.tfevents.*"), None):
        yield _board("TensorBoard", "tensorboard", "", "tensorboard", output)
    for name in STORAGES.values():
        for path in sorted(output.glob(f"*/{name}")):
            if path.is_file():
                yield _board(f"Optuna, {path.parent.name}", "optuna_dashboard", "search", "optuna", path)
    if (output / "mlflow.db").is_file():
        board = _board("MLflow", "mlflow", "mlflow", "mlflow", output / "mlflow.db")
        yield replace(board, place=_newest_experiment(output / "mlflow.db"))


def _board(name: str, package: str, extra: str, kind: str, path: Path) -> Board:
    return Board(name, package, extra, (sys.executable, "-m", "rnnsearch.cli.served_dashboard", kind, str(path)))


def _newest_experiment(database: Path) -> str:
    """The page of the last run's MLflow experiment, or of all experiments if the database can't be read."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            row = opened.execute("SELECT experiment_id FROM runs ORDER BY start_time DESC LIMIT 1").fetchone()
    except sqlite3.Error as error:
        logger.warning("%s can't be read: %s", database, error)
        return "#/experiments"
    return f"#/experiments/{row[0]}/runs" if row else "#/experiments"


def _is_installed(board: Board) -> bool:
    if importlib.util.find_spec(board.package) is not None:
        return True
    logger.warning("%s is left out: pip install 'rnnsearch[%s]' brings it", board.name, board.extra)
    return False


@contextmanager
def started(board: Board) -> Iterator[Link]:
    """Run the program on a free port; it ends, with its children, with the block or this process."""
    with tempfile.TemporaryFile() as said:
        with serving.listen(HOST, 0) as listener:  # early requests wait until it is ready
            address, descriptor = serving.address(listener), listener.fileno()
            process = subprocess.Popen(
                [*board.words, str(descriptor)],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                pass_fds=[descriptor],
                start_new_session=True,
                env=os.environ | BOUND,
            )
        ending = threading.Event()
        threading.Thread(target=_watch, args=(board, process, said, ending), name=board.name, daemon=True).start()
        try:
            yield Link(board.name, address + board.place)
        finally:
            ending.set()
            _end(process)


def _watch(board: Board, process: subprocess.Popen[bytes], said: IO[bytes], ending: threading.Event) -> None:
    """Log if the program ends by itself, with its last output."""
    code = process.wait()
    if not ending.is_set():
        said.seek(0)
        last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
        logger.warning("%s has ended by itself with exit code %d: %s", board.name, code, last or "it said nothing")


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
