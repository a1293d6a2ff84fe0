"""The progress of a study's points: a live table on a terminal, plain lines elsewhere, with any launcher.

It only reads the study's folder, so it does not matter who trains the points and where.
"""

import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rnnsearch.evaluation.progress import can_show
from rnnsearch.records.visible import visible_line
from rnnsearch.sweeps import ledger, time_left
from rnnsearch.sweeps.ledger import Point, State
from rnnsearch.sweeps.supervisor import LOG

logger = logging.getLogger(__name__)

SECONDS = 1.0  # between updates
STYLES = {  # in the order of a table that is too long
    "running": "cyan",
    "failed": "bold red",
    "interrupted": "yellow",
    "finished": "green",
    "pruned": "magenta",
    "paused": "blue",
    "waiting": "dim",
}
URGENT = tuple(STYLES)
ROWS = 30  # of a live table, at most
LISTED = 60  # rows of a table that stays
AROUND = 4  # lines of a terminal left for the table's head, the counts and the prompt

States = dict[Path, State]
Stamps = dict[Path, ledger.Stamp]


@contextmanager
def watching(points: Sequence[Point], failed: Callable[[Point, State], None] | None = None) -> Iterator[None]:
    """Show the progress of the points while the block runs, and failures at once.

    Args:
        points: that are trained.
        failed: is told of each that fails, at once; it must not wait.
    """
    stop = threading.Event()
    stamps: Stamps = {}
    watcher = threading.Thread(
        target=_watch, args=(points, states_of(points, stamps=stamps), stamps, stop, failed), daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _watch(
    points: Sequence[Point],
    before: States,
    stamps: Stamps,
    stop: threading.Event,
    failed: Callable[[Point, State], None] | None,
) -> None:
    console = Console(stderr=True)
    live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
    with live if (shown := console.is_terminal or can_show()) else nullcontext():
        while True:
            ended = stop.wait(SECONDS)
            now = states_of(points, before, stamps)
            for point in points:
                _tell(point, before[point.folder], now[point.folder])
                if failed and now[point.folder].status == "failed" != before[point.folder].status:
                    failed(point, now[point.folder])
            before = now
            if shown:
                rows = max(1, min(ROWS, console.height - AROUND))
                live.update(table(points, now, rows=rows), refresh=True)
            if ended:
                return


def _tell(point: Point, before: State, now: State) -> None:
    """Log a line if something happened."""
    name = point.folder.name
    if len(now.attempts) > len(before.attempts):
        more = " ".join(now.attempts[-1].overrides)
        logger.info("%s begins%s", name, f" again, with {more}" if more else "")
    if now.status == before.status:
        return
    if now.status == "failed":
        logger.error("%s failed: %s (traceback in job.json, messages in %s)", name, now.error, point.folder / LOG)
    elif now.status in ("finished", "pruned", "paused", "interrupted"):
        score = f", validation {'BLEU ' if now.chrf is None else ''}{_score(now)}" if _score(now) else ""
        logger.info("%s is %s%s", name, now.status, score)


def _score(state: State) -> str:
    """BLEU, or the measure used instead, with its name."""
    if state.chrf is not None:
        return f"chrF {state.chrf:.2f}"
    return "" if state.bleu is None else f"{state.bleu:.2f}"


def states_of(points: Sequence[Point], known: States | None = None, stamps: Stamps | None = None) -> States:
    """The state of each point.

    Args:
        points: of a study.
        known: earlier states; those that were done are not read again.
        stamps: of the files that the earlier states were read from, brought up to date here; those that did not change
            are not read again, either.
    """
    stamps = {} if stamps is None else stamps
    return {point.folder: _state(point, (known or {}).get(point.folder), stamps) for point in points}


def _state(point: Point, known: State | None, stamps: Stamps) -> State:
    if known and known.status in ledger.DONE:
        return known
    before, now = stamps.get(point.folder), ledger.stamp(point.folder)
    stamps[point.folder] = now
    if known and before == now and known.status != "running" and not point.trial:  # else other files count, too
        return known
    return ledger.state(point)


def table(points: Sequence[Point], states: States, *, rows: int | None = None) -> RenderableType:
    """The points as a table, with counts; with ``rows``, running and failed ones first, then the latest to end."""
    chosen, left_out = list(points), ""
    if rows is not None and len(chosen) > rows:
        left_out = f"; the table has {rows} of them, what runs or failed first (rnnsearch status rows=null: all)"
        chosen.sort(key=lambda point: _ended(states[point.folder]), reverse=True)
        chosen = sorted(chosen, key=lambda point: URGENT.index(states[point.folder].status))[:rows]
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("point", "seed", "status", "progress", "BLEU", "time", ""):
        grid.add_column(title, justify="right" if title in ("seed", "BLEU", "time") else "left", overflow="fold")
    for point in chosen:
        grid.add_row(*_row(point, states[point.folder]))
    seconds = time_left.seconds_left(points, states, now := time_left.clock())
    ending = "" if seconds is None else f"; {time_left.in_words(seconds, now)}"
    return Group(grid, Text(summary(states) + ending + left_out))


def _row(point: Point, state: State) -> tuple[RenderableType, ...]:
    return (
        Text(visible_line(point.member)),  # not parsed as markup
        str(point.seed),
        Text(state.status, style=STYLES[state.status]),
        _progress(point, state),
        _score(state),
        _time(state),
        Text(visible_line(_note(state)), style="red" if state.error else "dim"),
    )


def _progress(point: Point, state: State) -> RenderableType:
    if point.updates and state.status in ("running", "interrupted", "paused"):
        return ProgressBar(total=point.updates, completed=state.updates, width=20)
    return f"{state.updates:,} updates" if state.updates else ""


def _ended(state: State) -> str:
    return (state.attempts[-1].ended if state.attempts else None) or ""


def _time(state: State) -> str:
    """The recorded training time, or else the time since the running attempt began."""
    seconds = state.seconds
    if seconds is None and state.status == "running" and state.attempts:
        began = datetime.fromisoformat(state.attempts[-1].started)
        seconds = (datetime.now(UTC) - began).total_seconds()
    return "" if seconds is None else f"{seconds:,.0f} s"


def _note(state: State) -> str:
    """What went wrong, and the number of attempts; continuing a paused trial is not a new one."""
    times = 1 + sum(attempt.outcome != "paused" for attempt in state.attempts[:-1])
    again = f"attempt {times}" if times > 1 else ""
    return "; ".join(filter(None, (state.error, again)))


def summary(states: States) -> str:
    """Counts in words: `6 points: 4 finished, 2 running`."""
    counts = Counter(state.status for state in states.values())
    counted = ", ".join(f"{counts[status]} {status}" for status in URGENT if counts[status])
    return f"{len(states)} points: {counted}" if counted else "no points"


def show(points: Sequence[Point], *, rows: int | None = LISTED, stderr: bool = False) -> None:
    """Print the table once, with so many rows at most."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    Console(stderr=stderr, width=None if terminal else 200).print(table(points, states_of(points), rows=rows))
