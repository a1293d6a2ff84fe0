"""Draws many pictures at a time, in processes that import what drawing takes while the study is compared.

They are executed afresh, for threads of one process take turns, and get pictures on their standard input.
"""

import logging
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from rnnsearch.study.blocks import Picture
from rnnsearch.study.drawing import Drawing, drawn

MANY = 20  # runs of a study, from which on another process saves more time than it takes
MOST = 3  # processes besides this one

Helper = subprocess.Popen[bytes]


@contextmanager
def helpers(runs: int) -> Iterator[list[Helper]]:
    """Processes that draw for a study of so many runs, one for each further core; none if it is small."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = min(cores - 1, MOST) if runs >= MANY else 0
    begun = [
        subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        for _ in range(count)
    ]
    try:
        yield begun
    finally:
        for helper in begun:
            helper.kill()
            helper.communicate()


def drawn_together(pictures: Sequence[Picture], figures: Path, helpers: Sequence[Helper]) -> dict[str, Drawing]:
    """All pictures by name, each drawn here or by a helper, whoever is free.

    Args:
        pictures: what a helper can't draw without a word is drawn here.
        figures: the folder of an earlier report's PNGs.
        helpers: of `helpers`.
    """
    waiting, found = deque(pictures), dict[str, Drawing]()
    threads = [Thread(target=_ask, args=(helper, waiting, figures, found), daemon=True) for helper in helpers]
    for thread in threads:
        thread.start()
    with suppress(IndexError):
        while True:
            picture = waiting.popleft()
            found[picture.name] = drawn(picture, figures / f"{picture.name}.png")
    for thread in threads:
        thread.join()
    return {
        picture.name: found.get(picture.name) or drawn(picture, figures / f"{picture.name}.png") for picture in pictures
    }


def _ask(helper: Helper, waiting: deque[Picture], figures: Path, found: dict[str, Drawing]) -> None:
    """Let a helper draw one picture after another, until none waits or it has ended."""
    assert helper.stdin
    assert helper.stdout
    with suppress(IndexError, OSError, EOFError):
        while True:
            picture = waiting.popleft()
            try:
                asked = pickle.dumps((picture, figures / f"{picture.name}.png"))
            except (pickle.PicklingError, AttributeError, TypeError):  # drawn by a function without a name, say
                continue
            helper.stdin.write(asked)
            helper.stdin.flush()
            if (drawing := pickle.load(helper.stdout)) is not None:
                found[picture.name] = drawing


class _Words(logging.Handler):
    """Counts what is logged as a warning or worse."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def _serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Draw what is asked for until nobody asks; None for a picture of which something has to be said."""
    words = _Words(logging.WARNING)
    logging.getLogger().addHandler(words)
    with suppress(EOFError):
        while True:
            before = words.count
            drawing: Drawing | None = drawn(*pickle.load(asked))
            pickle.dump(drawing if words.count == before else None, answers)
            answers.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
