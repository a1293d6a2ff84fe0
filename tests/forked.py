"""Commands in processes of their own that begin with everything imported, so that hundreds of them are quick."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnsearch.sweeps.warm_processes import WarmProcess, can_be_warm


class Command:
    """`rnnsearch WORDS`, which goes on by itself; what tests want of `subprocess.Popen`. Its input is empty."""

    def __init__(self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        self.args = ["-m", "rnnsearch", *words]
        self._out, self._error = tempfile.TemporaryFile("w+b"), tempfile.TemporaryFile("w+b")  # noqa: SIM115 -- until read
        self._process = WarmProcess(
            self.args, environment=environment, directory=str(folder), log=self._out, errors=self._error
        )
        self._process.stdin.close()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float = 600) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(timeout)

    def communicate(self, timeout: float = 600) -> tuple[str, str]:
        """Wait for its end; what it printed, and what it said as errors."""
        self.wait(timeout)
        texts = []
        for file in (self._out, self._error):
            file.seek(0)
            texts.append(file.read().decode())
            file.close()
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


Process = Command | subprocess.Popen[str]


def start(words: Sequence[str], folder: Path, environment: Mapping[str, str], *, fresh: bool = False) -> Process:
    """A process; not a fork if `fresh`, and where none can be made."""
    if fresh or not can_be_warm(environment, 1):
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "rnnsearch", *words],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    return Command(words, folder=folder, environment=environment)
