"""How far long work has come: whoever starts it may pass a function that shows this."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec

Advance = Callable[[int], None]
"""So many sentences more are done."""
Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""What is being done, and to how many sentences -> what counts them."""


def can_show() -> bool:
    """Whether a bar can be shown: on a terminal, and in a notebook with the widgets that Rich draws it with."""
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell" and find_spec("ipywidgets") is not None


@contextmanager
def silent(doing: str, total: int) -> Iterator[Advance]:
    """Shows nothing."""
    yield ignored


def ignored(count: int) -> None:
    """Counts nothing."""
