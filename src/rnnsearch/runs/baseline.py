"""The baseline of ``rnnsearch evaluate``: another run, or an ensemble, on the same sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from omegaconf import DictConfig

from rnnsearch.evaluation.comparison import Compared, check_same_sentences
from rnnsearch.evaluation.power import detectable
from rnnsearch.evaluation.references import Aligning
from rnnsearch.evaluation.summed_metrics import WAYS
from rnnsearch.evaluation.trained_model import TrainedModel
from rnnsearch.records.metrics import METRICS
from rnnsearch.runs import run_folder
from rnnsearch.runs.kept_pairs import split_rows


def given_baseline(cfg: DictConfig, rows: Sequence[Mapping[str, Any]] | None, aligning: Aligning) -> TrainedModel:
    """The model of ``baseline``.

    Args:
        rows: the pairs of a split that the run is tested on; None: both are tested on other files.
        aligning: how references will be aligned.

    Raises:
        FileNotFoundError, ValueError: as `run_folder.load_run`, or if its split has other sentences, or it can't be
            aligned.
    """
    model, first = run_folder.load_runs(cfg, "baseline")
    if rows is not None:
        texts = [
            [(row["source_text"], row["target_text"]) for row in of] for of in (rows, split_rows(first, cfg.split))
        ]
        check_same_sentences(*texts, names=(f"{cfg.split} of {cfg.run}", f"{cfg.split} of {cfg.baseline}"))
    aligning.check(model.system)
    return model


def result_of(compared: Mapping[str, Compared], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a comparison; ``metrics`` are the baseline's own."""
    return {
        "metrics": {name: figures(result) for name, result in compared.items()},
        "alignment": metrics["alignment"],
        "attention": metrics["attention"],
    }


def figures(result: Compared, *, names: tuple[str, str] = ("run", "baseline")) -> dict[str, Any]:
    """The JSON object of one metric; ``names`` are those of the two that are compared."""
    sacrebleu = {"p_bootstrap": result.p_bootstrap, "p_randomization": result.p_randomization}
    return {
        names[0]: result.run,
        names[1]: result.baseline,
        "difference": result.difference.value,
        "interval": list(astuple(result.difference.interval)),
        "p_value": result.difference.p_value,
        "smallest_detectable": detectable(result.difference.errors, error=result.difference.error),
        **({"sacrebleu": sacrebleu} if result.p_bootstrap is not None else {}),
    }


def summary(compared: Mapping[str, Compared], *, names: tuple[str, str], sentences: int) -> str:
    """One line per metric: both scores, their difference with its interval, p-values, what is detectable."""
    lines = [f"{names[0]} against {names[1]}, {sentences:,} sentences, 95 % intervals in brackets"]
    for name, result in compared.items():
        title, digits = f"AER by {WAYS[name]}" if name in WAYS else METRICS[name].title, METRICS[name].digits
        difference = result.difference
        low, high = astuple(difference.interval)
        p_values = f"p {difference.p_value:.4f}"
        if result.p_bootstrap is not None:
            p_values += f" (sacreBLEU: bootstrap {result.p_bootstrap:.4f}, randomization {result.p_randomization:.4f})"
        lines.append(
            f"{title} {result.run:.{digits}f} against {result.baseline:.{digits}f}: these two runs differ by "
            f"{difference.value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}], sentences alone, {p_values}; "
            f"smallest detectable {detectable(difference.errors, error=difference.error):.{digits}f}"
        )
    return "\n".join(lines)
