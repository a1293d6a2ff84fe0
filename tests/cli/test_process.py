"""Processes whose standard streams are closed, and that are interrupted while they are busy."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

STREAMS = """
import os, sys
from rnnsearch.cli import process
process.open_streams()
kept = open(sys.argv[1], "w", encoding="utf-8")
assert kept.fileno() > 2
print("ü ไทย", file=sys.stderr)
os.write(kept.fileno(), f"{sys.stdin and sys.stdin.read()!r} ".encode())
try:
    print("ü ไทย")
    process.sys.stdout.flush()
    os.write(kept.fileno(), b"printed")
except OSError as error:
    os.write(kept.fileno(), error.strerror.encode())
process.end(int(sys.argv[2]))
"""
BUSY = """
import hashlib, sys
from rnnsearch.cli import process
process.open_streams()
process.answer_signals("train")
print("ready", flush=True)
try:
    hashlib.pbkdf2_hmac("sha256", b"", b"", int(sys.argv[1]))  # a library's loop, in which Python heeds no signal
except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
    process.end(130)
"""


def close(*numbers: int) -> Callable[[], None]:
    return lambda: [os.close(number) for number in numbers] and None


@pytest.mark.parametrize(
    ("closed", "kept", "out"),
    [((), "'in' printed", "ü ไทย\n"), ((0,), "None printed", "ü ไทย\n"), ((2,), "'in' printed", "ü ไทย\n"),
     ((1,), "'in' Bad file descriptor", ""), ((0, 1, 2), "None Bad file descriptor", "")],
)  # fmt: skip
@pytest.mark.parametrize("code", [0, 1])
def test_no_file_takes_the_place_of_a_closed_stream(
    tmp_path: Path, closed: tuple[int, ...], kept: str, out: str, code: int
) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    words = [sys.executable, "-c", STREAMS, str(tmp_path / "kept"), str(code)]
    process = subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=close(*closed) if closed else None,
    )  # fmt: skip
    said, error = process.communicate(b"in" if 0 not in closed else None)
    assert process.returncode == code, error.decode()
    assert (tmp_path / "kept").read_text(encoding="utf-8") == kept
    assert said.decode() == out
    assert error.decode() == ("" if 2 in closed else "ü ไทย\n")


@pytest.mark.parametrize("again", [False, True])
def test_ctrl_c_is_answered_while_python_heeds_no_signal(again: bool) -> None:
    work = 10**9 if again else 10**6
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY, str(work)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().startswith("rnnsearch train: interrupted: it leaves; with ckpt=last the same")
        if again:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == ("" if again else "interrupted\n")
