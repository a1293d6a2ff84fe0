"""Prepares a command's process: open standard streams, and an immediate answer to Ctrl-C."""

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from rnnsearch.config.exit_codes import INTERRUPTED

HEEDS = {  # what a command does when it is interrupted, after its name
    "train": "leaves; with ckpt=last the same command goes on from the last checkpoint",
    "sweep": "waits for its trainings to save and leave; the same command goes on with them",
    "compare": "waits for its trainings to save and leave; the same command goes on with them",
}


def open_streams() -> None:
    """Open closed standard streams, or the next file to be opened would become one of them.

    What goes to standard error is then lost. What is written to standard output must not be, so that writing there
    stays an error; and ``sys.stdin`` stays None, so that a command can tell it from empty input.
    """
    streams = (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))
    for number, (name, flags) in enumerate(streams):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, flags)  # the lowest free number, which may be the one
            if null != number:
                os.dup2(null, number)
                os.close(null)
            if number:
                setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
    written: tuple[Any, ...] = (sys.stdout, sys.stderr)  # io.TextIOWrapper, though typed otherwise
    for stream in written:  # regardless of the locale: a translation may be in any script
        stream.reconfigure(encoding="utf-8", errors="backslashreplace" if stream is sys.stderr else "strict")


def end(code: int) -> None:
    """Flush the streams; if the command failed or was interrupted, exit at once.

    Python takes a second to take itself apart once torch is loaded, and would try again to write to a standard output
    that takes no more.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if code:
        atexit._run_exitfuncs()
        sys.stderr.flush()
        os._exit(code)


def answer_signals(command: str) -> None:
    """Acknowledge Ctrl-C at once; a second one ends the process.

    A thread does so, for the main one may be in a library for seconds before Python lets it heed a signal.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_answer, args=(reader, command), name="signals", daemon=True).start()


def _answer(reader: int, command: str) -> None:
    interrupts = 0
    while True:
        for number in os.read(reader, 64):
            if number == signal.SIGINT:
                interrupts += 1
                if interrupts > 1:
                    os._exit(INTERRUPTED)
                _say(f"rnnsearch {command}: interrupted: it {HEEDS.get(command, 'ends')} (Ctrl-C again: at once)")
            elif number in (signal.SIGTERM, signal.SIGUSR1):
                _say(f"rnnsearch {command}: {signal.Signals(number).name}: it saves what it can and leaves")


def _say(sentence: str) -> None:
    with suppress(OSError):  # nobody can hear it
        os.write(2, f"{sentence}\n".encode())
