"""What commands print and log: the one place that does, so that no text of anybody's file acts on a terminal."""

import logging
import sys
from typing import TextIO

from rnnsearch.config.secrets import hidden
from rnnsearch.records.visible import visible


def say(text: object, *, end: str = "\n", stderr: bool = False) -> None:
    """Print a text at once, on standard output unless told otherwise, with what would act in it made visible."""
    stream = sys.stderr if stderr else sys.stdout
    if stream is not None:  # somebody closed it
        print(visible(str(text)), end=end, file=stream, flush=True)


def for_stdout(text: str) -> str:
    """A result for standard output: made visible on a terminal; into a file or a pipe as it is, for it is data."""
    return visible(text) if sys.stdout.isatty() else text


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at that moment: a progress bar puts itself there, and lines come above it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self.stream = sys.stderr
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """The line, without anything that would change the terminal."""
        return visible(hidden(super().format(record)))
