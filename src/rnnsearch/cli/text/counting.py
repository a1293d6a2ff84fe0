"""Adds up warnings that count something over the blocks of a command, and gives each once."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rnnsearch.evaluation import translating, word_alignment

COUNTING = (word_alignment.logger, translating.logger)  # their warnings end in a count


class _Sums(logging.Filter):
    """Holds back warnings and adds up their last argument."""

    def __init__(self) -> None:
        super().__init__()
        self.sums: Counter[tuple[str, tuple[object, ...]]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is given now."""
        if record.levelno != logging.WARNING or not isinstance(record.args, tuple):
            return True
        *others, count = record.args
        assert isinstance(count, int)
        self.sums[str(record.msg), tuple(others)] += count
        return False


@contextmanager
def summed_up() -> Iterator[None]:
    """Give the warnings of translation and alignment when the block ends, one of each kind."""
    held = {logger: _Sums() for logger in COUNTING}
    for logger, sums in held.items():
        logger.addFilter(sums)
    try:
        yield
    finally:
        for logger, sums in held.items():
            logger.removeFilter(sums)
            for (message, others), count in sums.sums.items():
                logger.warning(message, *others, count)
