"""Where log lines go."""

import logging
import sys
from typing import TextIO

from rnnsearch.cli.secrets import hidden
from rnnsearch.visible import visible


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
