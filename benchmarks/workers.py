"""The other end of `worker`: start a system's process, ask it, stop it."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.options import Options
from benchmarks.systems import PEERS, SINGLE, Sizes

ROOT = Path(__file__).resolve().parents[1]


class SystemFailed(Exception):
    """A system can't be built or run here; the sentence says why."""


def environment(threads: int) -> dict[str, str]:
    """What every timed process runs under: so many threads, and our package where the checkout has it."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    count = str(threads)
    return os.environ | {
        "PYTHONPATH": path, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "TOKENIZERS_PARALLELISM": "false",
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "PYTHONWARNINGS": "ignore", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


class Worker:
    """A process of one system. Use it as a context, or `close` it."""

    def __init__(self, module: str, *, python: str, threads: int) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 -- closed with the worker
        self.process = subprocess.Popen(
            [python, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=ROOT,
            env=environment(threads),
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """The worker's answer.

        Raises:
            SystemFailed: it ended, or answered with an error.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"error": self._last_words()}
        if "error" in answer:
            raise SystemFailed(answer["error"])
        return answer

    def _last_words(self) -> str:
        code = self.process.wait()
        self.errors.seek(0)
        said = [line.strip() for line in self.errors if line.strip()]
        return f"its process ended with code {code}" + (f": {said[-1]}" if said else "")

    def close(self) -> None:
        """End the process, which reads to the end of its input."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def start(name: str, sizes: Sizes, options: Options) -> Worker:
    """A worker that holds the system ``name``, in single precision where the name says so.

    Raises:
        SystemFailed: it can't be built.
    """
    system, dtype = name.removesuffix(SINGLE), "float32" if name.endswith(SINGLE) else options.dtype
    python = options.peers if system in PEERS else sys.executable
    assert python is not None
    worker = Worker("benchmarks.worker", python=python, threads=options.threads)
    try:
        worker.ask(
            "build",
            name=system,
            sizes=asdict(sizes),
            options={"opennmt_attention": options.opennmt_attention, "query_state": options.query_state},
            device=options.device,
            dtype=dtype,
            threads=options.threads,
        )
    except BaseException:
        worker.close()
        raise
    return worker
