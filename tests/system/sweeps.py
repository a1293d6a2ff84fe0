"""Sweeps as processes, and what is left of them."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.forked import Process, start

from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.ledger import Point

SHORT = "test=false samples=0 budget.updates=4 validation.every=2 hydra.launcher.jobs=2 study=s"


def words(workshop: Any, output: Path, more: str) -> list[str]:
    """The arguments of a small sweep on the workshop's corpus; what stands last counts."""
    tiny = workshop.overrides(output)[:-1]  # without the folder of a single run
    texts = {word.partition("=")[0]: word for word in (*tiny, *SHORT.split(), *more.split())}
    return ["sweep", *texts.values(), workshop.quoted("paths.output", output)]


def sweep(
    workshop: Any, output: Path, more: str, *, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a sweep to its end."""
    process = started(words(workshop, output, more), cwd or output.parent, **environment)
    out, error = process.communicate(timeout=900)
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


def started(arguments: list[str], cwd: Path, **environment: str) -> Process:
    """A sweep that goes on by itself."""
    return start(arguments, cwd, {**os.environ, "OMP_NUM_THREADS": "1", **environment})


def points(output: Path, study: str = "s") -> dict[str, Point]:
    """The points of a study by label and seed."""
    return {f"{point.member}/{point.seed}": point for point in ledger.read_points(output / study)}


def statuses(output: Path, study: str = "s") -> dict[str, str]:
    return {name: ledger.state(point).status for name, point in points(output, study).items()}


def results(workshop: Any, output: Path, study: str = "s") -> dict[str, Any]:
    """What each point's record says that the same seed gives again."""
    return {name: workshop.record(point.folder)["results"] for name, point in points(output, study).items()}


def trainings(output: Path) -> dict[int, str]:
    """The processes at work below a folder: pid -> command line."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "rnnsearch train" in line and f"{output}/" in line:
            found[int(path.parent.name)] = line
    return found


def eventually(true: Callable[[], Any], seconds: float = 120) -> Any:
    """What a function says as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def has_validated(point: Point) -> bool:
    return ledger.state(point).updates > 0 and (point.folder / "checkpoints" / "last.ckpt").is_file()
