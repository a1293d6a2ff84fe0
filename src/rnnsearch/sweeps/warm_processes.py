"""Processes that begin with everything imported: forked from a server that has done so, in milliseconds, not seconds.

The server is executed afresh with one thread, imports what a training imports, and runs nothing. For each training it
forks a child, which takes environment, folder, session, streams, arguments and threads of its own before it runs
anything. The server ends with the process that started it; its children are told by their standard input.
"""

import atexit
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO, NoReturn

from setproctitle import setproctitle

from rnnsearch.training import quick_import
from rnnsearch.training.cluster import without_ranks

PRELOADED = ("hydra", "rnnsearch.cli.main", "rnnsearch.cli.commands.train")
THREADS = "OMP_NUM_THREADS"
ONE_THREAD = {
    **dict.fromkeys((THREADS, "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # else Arrow's allocator starts one when it is imported
}
LOST = -signal.SIGKILL  # the exit code of a child whose server was killed
REQUEST, DIRECTORY, STDIN, STDOUT, STDERR, STATUS = range(6)  # descriptors that come with a request


class WarmProcess:
    """A child of the server, with what `subprocess.Popen` has of pid, stdin, returncode and methods.

    Args:
        arguments: of the interpreter, which are to be ``-m MODULE ...``.
        environment: all of it; OMP_NUM_THREADS must be in it.
        directory: to work in.
        log: an open file, for standard output and error.
        errors: an open file, for standard error alone.

    Raises:
        ChildProcessError: if the server has ended.
        OSError: if the folder is not there.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: str | None,
        log: BinaryIO,
        errors: BinaryIO | None = None,
    ) -> None:
        self.returncode: int | None = None
        flag, *words = arguments
        assert flag == "-m", flag
        asked = {"words": words, "environment": dict(environment)}
        place = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY)
        stdin, write_end = os.pipe()
        self._status, status = os.pipe()
        self.stdin = open(write_end, "wb", buffering=0)  # noqa: SIM115 - closed by whoever waits for the process
        try:
            with tempfile.TemporaryFile("w+") as request:
                json.dump(asked, request)
                request.seek(0)
                _server().ask([request.fileno(), place, stdin, log.fileno(), (errors or log).fileno(), status])
        finally:
            for descriptor in (place, stdin, status):
                os.close(descriptor)
        self.pid = int(self._read() or 0)
        if not self.pid:
            self.stdin.close()
            os.close(self._status)
            raise ChildProcessError("the process that starts others has ended")

    def _read(self) -> str:
        """The next line of the server's: the process's number, then its exit code; nothing if the server is gone."""
        line = b""
        while not line.endswith(b"\n") and (byte := os.read(self._status, 1)):
            line += byte
        return line.decode()

    def poll(self) -> int | None:
        """The exit code (negative: a signal), or None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: if it runs for longer than so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("rnnsearch", timeout or 0)
            said = self._read()
            os.close(self._status)
            self.returncode = int(said) if said else LOST
        return self.returncode

    def terminate(self) -> None:
        """Ask it to end."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class _Server:
    """The client's end: the server ends when its socket is closed, as at this process's end."""

    def __init__(self) -> None:
        self._is_asked = False
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env={**without_ranks(os.environ), **ONE_THREAD, "PYTHONSAFEPATH": "1"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # signals from the terminal are not for it
            )

    def ask(self, descriptors: Sequence[int]) -> None:
        """Ask for a child; the descriptors close unanswered if the server ends."""
        self._is_asked = True
        with suppress(OSError):
            socket.send_fds(self._socket, [b"?"], descriptors)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """Let it end; at once if nobody asked it for anything."""
        self._socket.close()
        if not self._is_asked:
            self._process.kill()
        self._process.wait()


_lock = threading.Lock()
_servers: dict[int, _Server] = {}  # by process, for a fork of this one has none


def _server() -> _Server:
    """This process's server, begun when it is first needed, or has ended."""
    with _lock:
        if (server := _servers.get(os.getpid())) and server.is_alive():
            return server
        _close(os.getpid())
        _servers[os.getpid()] = server = _Server()
        atexit.register(_close, os.getpid())
        return server


def prepare() -> None:
    """Let the server begin, so that it has imported everything when the first process is asked for."""
    _server()


def _close(pid: int) -> None:
    """Let a process's server end; nothing in a fork of that process."""
    if pid == os.getpid() and pid in _servers:
        _servers.pop(pid).close()


def can_be_warm(environment: Mapping[str, str], devices: int) -> bool:
    """Whether a training can be a fork: on one processor, under Linux, with a stated number of threads."""
    return sys.platform == "linux" and devices == 1 and environment.get(THREADS, "").isdecimal()


def _serve(channel: socket.socket) -> NoReturn:
    """Fork a child for each request until the channel closes."""
    setproctitle("rnnsearch: a process that trainings are forked from")  # and titles have a place
    for name in PRELOADED:
        quick_import.module(name, lightning=True)  # frozen: collections in children would copy pages that they share
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    children: dict[int, int] = {}  # by process, where its exit code is awaited
    while True:
        ready = select.select([channel.fileno(), woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _reap(children)
        if channel.fileno() in ready:
            message, descriptors, _, _ = socket.recv_fds(channel, 1, STATUS + 1)
            if not message:
                os._exit(0)  # at once: Python takes a second to take itself apart once torch is loaded
            pid = os.fork()
            if not pid:
                _begin(descriptors, unwanted=[channel.detach(), woken, wake, *children.values()])
            children[pid] = descriptors[STATUS]
            os.write(descriptors[STATUS], b"%d\n" % pid)
            for descriptor in descriptors[:STATUS]:
                os.close(descriptor)


def _reap(children: dict[int, int]) -> None:
    """Tell the exit codes of children that have ended."""
    for pid, status in [*children.items()]:
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            with suppress(BrokenPipeError):
                os.write(status, b"%d\n" % os.waitstatus_to_exitcode(code))
            os.close(children.pop(pid))


def _begin(descriptors: Sequence[int], *, unwanted: Sequence[int]) -> NoReturn:
    """In the child: become the process that was asked for, run it, and exit."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with open(descriptors[REQUEST], encoding="utf-8") as request:
            asked = json.load(request)
        os.fchdir(descriptors[DIRECTORY])
        for source, stream in ((STDIN, 0), (STDOUT, 1), (STDERR, 2)):
            os.dup2(descriptors[source], stream)
        for descriptor in (*descriptors[DIRECTORY:], *unwanted):
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(asked["environment"])
        _set_threads(int(os.environ[THREADS]))
        importlib.invalidate_caches()  # for modules that were written since
        sys.argv = asked["words"]
        setproctitle(" ".join(sys.argv))
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if code and code != ended.code:
            sys.stderr.write(f"{ended.code}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        for written in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                written.flush()
        os._exit(code)


def _set_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
