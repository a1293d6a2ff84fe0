"""Runs as a table for the terminal, or as rows for other programs."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnnsearch.plots.style import value_text
from rnnsearch.records.metrics import METRICS
from rnnsearch.records.visible import visible, visible_line
from rnnsearch.runs.known.differences import PARTS, Difference, Differences
from rnnsearch.runs.known.listing import ABSENT, KnownRun
from rnnsearch.runs.known.names import Name
from rnnsearch.runs.known.selection import Selection
from rnnsearch.study.export import Row, csv_text, json_text, measured

WIDE = 200  # columns of a table that is written into a file


def show(selection: Selection, *, rows: int | None = None) -> None:
    """Print a line a run, at most ``rows``, with the folder last, as ``run=`` takes it."""
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    chosen = selection.runs[:rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("study", "member", "seed", "status"):
        table.add_column(title, justify="right" if title == "seed" else "left", overflow="fold")
    for name in selection.shown:
        table.add_column(Text(visible_line(name.name)), justify="right", overflow="fold")
    table.add_column("run", overflow="fold", no_wrap=not sys.stdout.isatty())
    for run in chosen:
        cells = (run.study, run.member, run.seed, run.status, *(_shown(name, run) for name in selection.shown))
        table.add_row(*(Text(visible_line(str("" if cell is None else cell))) for cell in (*cells, run.folder)))
    if chosen:
        console.print(table)
    if len(chosen) < len(selection.runs):
        console.print(Text(f"the table has the first {len(chosen)} (rows=null: all)"))


def _shown(name: Name, run: KnownRun) -> str:
    value = name.read(run)
    if value is ABSENT or (name.name == "note" and value is None):
        return ""
    if name.name == "tags":
        return ", ".join(value)
    metric = METRICS.get(name.name.rpartition(".")[2])
    if metric and isinstance(value, float):
        return f"{value:.{metric.digits}f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else text_of(value)


def text_of(value: Any) -> str:
    """A value in a cell."""
    if isinstance(value, list):
        return f"[{', '.join(map(text_of, value))}]"
    return f"{value:g}" if isinstance(value, float) else value_text(value)


def row(run: KnownRun, selection: Selection) -> Row:
    """A run with every number in full precision, and the values that are asked for under their names."""
    values = {name.name: name.read(run) for name in selection.shown if name.name not in METRICS}
    return {
        "run": str(run.folder),
        "study": run.study,
        "member": run.member,
        "seed": run.seed,
        "status": run.status,
        **{name: None if value is ABSENT else value for name, value in values.items()},
        "error": run.damage or (run.record.error and f"{run.record.error.type}: {run.record.error.message}"),
        **measured(run.record),
    }


def rows_of(selection: Selection) -> list[Row]:
    """A row a run."""
    return [row(run, selection) for run in selection.runs]


def _lines(rows: Sequence[Row], empty: Sequence[str]) -> str:
    return "".join(visible(json.dumps(of_run, ensure_ascii=False)) + "\n" for of_run in rows)


def show_differences(found: Differences) -> None:
    """Print a table for each part in which two runs differ, with the difference of results that are numbers."""
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    names = [Text(visible_line(str(run.folder))) for run in found.runs]
    for part in PARTS:
        if not (differing := [one for one in found.differing if one.part == part]):
            continue
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in (Text(part), *names, *(("difference",) if part == "results" else ())):
            table.add_column(title, overflow="fold")
        for one in differing:
            cells = [one.key, *("" if value is None else text_of(value) for value in one.values)]
            cells += [_change(one)] if part == "results" else []
            table.add_row(*(Text(visible_line(cell)) for cell in cells))
        console.print(table, "")


def _change(one: Difference) -> str:
    was, now = one.values
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in one.values)
    return f"{now - was:+g}" if numbers else ""


def difference_rows(found: Differences) -> list[Row]:
    """A row for each key in which two runs differ, with their folders as columns."""
    first, second = (str(run.folder) for run in found.runs)
    return [{"part": one.part, "key": one.key, first: one.values[0], second: one.values[1]} for one in found.differing]


FORMATS: Mapping[str, Callable[[Sequence[Row], Sequence[str]], str]] = {  # of rows, and the header if there are none
    "csv": lambda rows, empty: csv_text(rows, empty=empty),
    "json": lambda rows, empty: json_text(rows),
    "jsonl": _lines,
}
