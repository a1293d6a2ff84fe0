"""The baseline of ``rnnsearch evaluate``: another run, or an ensemble, on the same sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from omegaconf import DictConfig

from rnnsearch.api import TrainedModel
from rnnsearch.cli import runs
from rnnsearch.cli.rows import split_rows
from rnnsearch.evaluation.comparison import Compared, check_same_sentences
from rnnsearch.evaluation.power import detectable
from rnnsearch.evaluation.references import Aligning

TITLES = {"bleu": ("BLEU", 2), "chrf": ("chrF", 2), "aer": ("AER", 3)}
"""How each metric is shown: its name, and the digits after the point."""


def given_baseline(cfg: DictConfig, rows: Sequence[Mapping[str, Any]], aligning: Aligning) -> TrainedModel:
    """The model of ``baseline``.

    Args:
        rows: the pairs that the run is tested on.
        aligning: how references will be aligned.

    Raises:
        FileNotFoundError, ValueError: as `runs.load_run`, or if its split has other sentences, or it can't be aligned.
    """
    model, first = runs.load_runs(cfg, "baseline")
    texts = [
        [(row["source_text"], row["target_text"]) for row in of_run] for of_run in (rows, split_rows(first, cfg.split))
    ]
    check_same_sentences(*texts, names=(f"{cfg.split} of {cfg.run}", f"{cfg.split} of {cfg.baseline}"))
    aligning.check(model.system)
    return model


def result_of(compared: Mapping[str, Compared], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a comparison; ``metrics`` are the baseline's own."""
    return {
        "metrics": {name: _figures(one) for name, one in compared.items()},
        "alignment": metrics["alignment"],
        "attention": metrics["attention"],
    }


def _figures(one: Compared) -> dict[str, Any]:
    sacrebleu = {"p_bootstrap": one.p_bootstrap, "p_randomization": one.p_randomization}
    return {
        "run": one.run,
        "baseline": one.baseline,
        "difference": one.difference.value,
        "interval": list(astuple(one.difference.interval)),
        "p_value": one.difference.p_value,
        "smallest_detectable": detectable(one.difference.errors, error=one.difference.error),
        **({"sacrebleu": sacrebleu} if one.p_bootstrap is not None else {}),
    }


def summary(compared: Mapping[str, Compared], *, names: tuple[str, str], sentences: int) -> str:
    """A line a metric for a reader: both scores, their difference with its interval, p-values, what could be shown."""
    lines = [f"{names[0]} against {names[1]}, {sentences:,} sentences, 95 % intervals in brackets"]
    for name, one in compared.items():
        title, digits = TITLES[name]
        low, high = astuple(one.difference.interval)
        p_values = f"p {one.difference.p_value:.4f}"
        if one.p_bootstrap is not None:
            p_values += f" (sacreBLEU: bootstrap {one.p_bootstrap:.4f}, randomization {one.p_randomization:.4f})"
        lines.append(
            f"{title} {one.run:.{digits}f} against {one.baseline:.{digits}f}: these two runs differ by "
            f"{one.difference.value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}], sentences alone, {p_values}; "
            f"smallest detectable {detectable(one.difference.errors, error=one.difference.error):.{digits}f}"
        )
    return "\n".join(lines)
