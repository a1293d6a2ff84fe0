"""``rnnsearch runs``: which runs there are, found by settings and scores; what two differ in; their tags and notes."""

from pathlib import Path

from omegaconf import DictConfig

from rnnsearch.config.terminal import say
from rnnsearch.runs.known import tables
from rnnsearch.runs.known.differences import differences
from rnnsearch.runs.known.labels import set_labels
from rnnsearch.runs.known.listing import known_runs
from rnnsearch.runs.known.selection import ALWAYS, select

FINDING = ("where", "sort")
LABELS = ("tags", "note")


def run(cfg: DictConfig) -> None:
    """Print the runs that meet a condition, or what two differ in, as a table or for other programs.

    Raises:
        FileNotFoundError, ValueError: if there is no such folder or run, or a condition or a name that can't be read.
    """
    if cfg.run is not None:
        _refuse_both(cfg, "run", "diff", *FINDING)
        _label(cfg)
        return
    _refuse_alone(cfg, *LABELS)
    if cfg.diff is not None:
        _refuse_both(cfg, "diff", *FINDING)
        _print_differences(cfg)
    else:
        _print_found(cfg)


def _refuse_both(cfg: DictConfig, key: str, *others: str) -> None:
    both = [other for other in others if cfg[other] is not None]
    if both:
        raise ValueError(f"{key} and {' and '.join(both)} are asked for at once; give one of them at a time")


def _refuse_alone(cfg: DictConfig, *labels: str) -> None:
    given = [key for key in labels if cfg[key] is not None]
    if given:
        raise ValueError(
            f"{' and '.join(given)}: of which run? name it by run=RUN; where=tags=TAG finds those that have one"
        )


def _label(cfg: DictConfig) -> None:
    """Set what is given, print what each run has now."""
    if cfg.tags is None and cfg.note is None:
        raise ValueError("run= sets what the user says of a run: give tags=[...], note=..., or both")
    from rnnsearch.runs.run_folder import given_folders  # imports torch, which takes seconds

    for folder in given_folders(cfg.run):
        tags, note = set_labels(folder, tags=cfg.tags, note=cfg.note)
        say(f"{folder}: {', '.join(tags) or 'no tags'}{'; ' if note else ''}{note or ''}")


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
