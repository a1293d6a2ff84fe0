"""``rnnsearch runs``: which runs there are, found by what was asked of them and what came out."""

from pathlib import Path

from omegaconf import DictConfig

from rnnsearch.config.terminal import say
from rnnsearch.runs.known import tables
from rnnsearch.runs.known.listing import known_runs
from rnnsearch.runs.known.selection import select


def run(cfg: DictConfig) -> None:
    """Print the runs that meet a condition, as a table or for other programs; then how many could not be asked.

    Raises:
        FileNotFoundError, ValueError: if there is no such folder, or a condition or a name that can't be read.
    """
    runs = known_runs(Path(cfg.paths.output))
    chosen = select(runs, where=cfg.where, sort=cfg.sort, columns=list(cfg.columns))
    if cfg.format == "table":
        tables.show(chosen, rows=cfg.rows)
    else:
        say(tables.FORMATS[cfg.format](chosen), end="")
    say(chosen.summary, stderr=cfg.format != "table")
