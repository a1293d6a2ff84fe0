"""How far long work has come: whoever starts it may pass a function that shows this."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[int], None]
"""So many sentences more are done."""
Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""What is being done, and to how many sentences -> what counts them."""


@contextmanager
def silent(doing: str, total: int) -> Iterator[Advance]:
    """Shows nothing."""
    yield ignored


def ignored(count: int) -> None:
    """Counts nothing."""
