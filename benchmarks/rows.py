"""What a benchmark leaves: rows, as JSON and as a table. Nothing here is measured."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.options import Options
from benchmarks.systems import SINGLE

OURS = "ours"
HIGHER_IS_BETTER = {"tokens/s", "operations/s", "points/min"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One system at one point.

    ``ratio_to_ours`` is value over ours, ``ours_is_better_by`` says how many times as fast (or as small) ours is; both
    are medians of the ratios within each round, and every spread is the lowest and the highest.
    """

    benchmark: str
    quantity: str  # what was done: "forward and backward", "optimizer step" ...
    system: str
    device: str
    dtype: str
    threads: int
    sizes: Mapping[str, Any]
    length: int | None
    value: float
    unit: str
    ratio_to_ours: float | None
    ours_is_better_by: float | None
    ours_is_better_by_spread: list[float] | None
    operations_per_token: float | None
    operations_per_second: float | None
    share_of_peak: float | None  # of the fastest product
    share_of_torch_product: float | None
    repeats: int
    spread: list[float]
    details: Mapping[str, Any] = field(default_factory=dict)


class Peak(Protocol):
    """Operations a second of a bare product in each round: the fastest library's, and torch's own."""

    best: list[float]
    torch: list[float]


@dataclass(frozen=True)
class LeftOut:
    """A system that was not measured."""

    system: str
    reason: str


@dataclass(frozen=True)
class Findings:
    """All of one command."""

    rows: list[Row]
    left_out: list[LeftOut]


def make_rows(
    samples: Mapping[str, Sequence[float]],
    *,
    operations: Mapping[str, float] | None = None,
    tokens: Mapping[str, float] | None = None,
    peak: Peak | None = None,
    details: Mapping[str, Mapping[str, Any]] | None = None,
    **shared: Any,
) -> list[Row]:
    """Rows of systems measured in turn: the i-th samples of all belong to one round.

    Args:
        samples: values of each system, in rounds.
        operations: of a token, by system; with them come operations a second.
        tokens: processed in the values, where these are seconds and not tokens a second.
        peak: of a bare product, in the same rounds.
        details: more to say of a system.
        shared: the fields that all rows have alike.
    """
    operations, tokens, details = operations or {}, tokens or {}, details or {}
    found = []
    for name, values in samples.items():
        speeds = [tokens[name] / value for value in values] if name in tokens else values
        work = [speed * operations[name] for speed in speeds] if name in operations else None
        found.append(
            _row(name, values, samples.get(OURS), work, peak, operations.get(name), details.get(name, {}), shared)
        )
    return found


def _row(
    name: str,
    values: Sequence[float],
    ours: Sequence[float] | None,
    work: Sequence[float] | None,
    peak: Peak | None,
    operations: float | None,
    details: Mapping[str, Any],
    shared: Mapping[str, Any],
) -> Row:
    ratios = [theirs / own for theirs, own in zip(values, ours, strict=True)] if ours and all(ours) else None
    better = ratios and [1 / r if shared["unit"] in HIGHER_IS_BETTER else r for r in ratios if r]
    if name.endswith(SINGLE):  # the peak is that of the others' type
        shared, peak = {**shared, "dtype": "float32"}, None
    return Row(
        system=name,
        value=statistics.median(values),
        ratio_to_ours=statistics.median(ratios) if ratios else None,
        ours_is_better_by=statistics.median(better) if better else None,
        ours_is_better_by_spread=[min(better), max(better)] if better else None,
        operations_per_token=operations,
        operations_per_second=statistics.median(work) if work else None,
        share_of_peak=_share(work, peak.best) if work and peak else None,
        share_of_torch_product=_share(work, peak.torch) if work and peak else None,
        repeats=len(values),
        spread=[min(values), max(values)],
        details=details,
        **shared,
    )


def _share(work: Sequence[float], peaks: Sequence[float]) -> float:
    return statistics.median(done / peak for done, peak in zip(work, peaks, strict=True))


def document(findings: Findings, options: Options) -> dict[str, Any]:
    """Everything as plain values, with machine, date and versions."""
    from rnnsearch.runs import provenance
    from rnnsearch.training.hardware import hardware

    asked = {key: value.name if isinstance(value, Path) else value for key, value in vars(options).items()}
    hidden = ("run", "json", "peers", "data_root", "results")  # paths of the machine say nothing of the figures
    return {
        "benchmark": options.command,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "options": {key: value for key, value in asked.items() if key not in hidden},
        "machine": {**hardware(), "threads": options.threads, "cores": _cores()},
        "versions": provenance.versions() | _peers_versions(options.peers),
        "git": provenance.git(),
        "rows": [asdict(row) for row in findings.rows],
        "left_out": [asdict(one) for one in findings.left_out],
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _peers_versions(python: str | None) -> dict[str, str]:
    if python is None:
        return {}
    code = (
        "import json, importlib.metadata as m\n"
        "found = {d.metadata['Name']: d.version for d in m.distributions()}\n"
        "print(json.dumps({f'peers: {n}': found[n] for n in ('joeynmt', 'OpenNMT-py', 'torch') if n in found}))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def write(findings: Findings, options: Options) -> None:
    """Print the table; write the JSON where one is asked for."""
    show(findings)
    if options.json is not None:
        save(document(findings, options), options.json)
        print(f"written: {options.json}")


def save(values: Mapping[str, Any], path: Path) -> None:
    """Write a document as JSON."""
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def show(findings: Findings) -> None:
    """The rows on standard output, then what is left out."""
    wide = None if sys.stdout.isatty() else 160
    console = Console(width=wide)
    for quantity in dict.fromkeys(row.quantity for row in findings.rows):
        rows = [row for row in findings.rows if row.quantity == quantity]
        console.print(_table(quantity, rows))
    for one in findings.left_out:
        print(f"left out: {one.system} ({one.reason})")


COLUMNS = (
    "system",
    "batch",
    "length",
    "value",
    "spread",
    "unit",
    "ours is better by",
    "MFLOP/token",
    "GFLOP/s",
    "of peak",
    "of torch's product",
)


def cells(row: Row) -> list[str]:
    """The columns of a row as text."""
    better = "" if row.ours_is_better_by is None or row.system == OURS else f"{row.ours_is_better_by:.2f}×"
    if better and row.ours_is_better_by_spread:
        better += " ({:.2f}–{:.2f})".format(*row.ours_is_better_by_spread)
    return [
        row.system,
        str(row.sizes.get("batch", "")),
        "" if row.length is None else str(row.length),
        number(row.value),
        f"{number(row.spread[0])}–{number(row.spread[1])}",
        row.unit,
        better,
        "" if row.operations_per_token is None else f"{row.operations_per_token / 1e6:.1f}",
        "" if row.operations_per_second is None else f"{row.operations_per_second / 1e9:.0f}",
        "" if row.share_of_peak is None else f"{row.share_of_peak:.0%}",
        "" if row.share_of_torch_product is None else f"{row.share_of_torch_product:.0%}",
    ]


def number(value: float) -> str:
    """Three or more digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _table(title: str, rows: Sequence[Row]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("system", "unit") else "right")
    for row in rows:
        table.add_row(*cells(row))
    return table


def progress() -> Progress:
    """A bar for long work, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
