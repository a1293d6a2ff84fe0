"""``rnnsearch runs``: which runs there are, found by what was asked of them and what came out; what two differ in."""

from pathlib import Path

from omegaconf import DictConfig

from rnnsearch.config.terminal import say
from rnnsearch.runs.known import tables
from rnnsearch.runs.known.differences import differences
from rnnsearch.runs.known.listing import known_runs
from rnnsearch.runs.known.selection import ALWAYS, select

FINDING = ("where", "sort")


def run(cfg: DictConfig) -> None:
    """Print the runs that meet a condition, or what two differ in, as a table or for other programs.

    Raises:
        FileNotFoundError, ValueError: if there is no such folder or run, or a condition or a name that can't be read.
    """
    if cfg.diff is not None:
        _refuse_both(cfg, "diff", *FINDING)
        _print_differences(cfg)
    else:
        _print_found(cfg)


def _refuse_both(cfg: DictConfig, key: str, *others: str) -> None:
    both = [other for other in others if cfg[other] is not None]
    if both:
        raise ValueError(f"{key} and {' and '.join(both)} are asked for at once; give one of them at a time")


def _print_found(cfg: DictConfig) -> None:
    """The runs, then how many could not be asked."""
    runs = known_runs(Path(cfg.paths.output))
    chosen = select(runs, where=cfg.where, sort=cfg.sort, columns=list(cfg.columns))
    if cfg.format == "table":
        tables.show(chosen, rows=cfg.rows)
    else:
        say(tables.FORMATS[cfg.format](tables.rows_of(chosen), ALWAYS), end="")
    say(chosen.summary, stderr=cfg.format != "table")


def _print_differences(cfg: DictConfig) -> None:
    """What differs, then what is equal."""
    compared = differences(*map(Path, cfg.diff))
    if cfg.format == "table":
        tables.show_differences(compared)
    else:
        say(tables.FORMATS[cfg.format](tables.difference_rows(compared), ("part", "key", *cfg.diff)), end="")
    say(compared.summary, stderr=cfg.format != "table")
