"""A progress bar on standard error, if that is a terminal or a notebook."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rnnsearch.evaluation.progress import Advance, can_show, ignored


@contextmanager
def bar(doing: str, total: int | None) -> Iterator[Advance]:
    """Shows what is being done and how many of ``total`` sentences (None: unknown) are done; vanishes at the end."""
    if not can_show():
        yield ignored
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    left = (TextColumn("left"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, *left, console=console, transient=True, redirect_stdout=False) as progress:
        yield partial(progress.advance, progress.add_task(doing, total=total))
