"""What a study set out to compare: the pairs that are read together, and by which measure."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnsearch.evaluation.metrics import BLEU, CHRF, PERPLEXITY
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import Measure, text_metric

METRICS = {"bleu": BLEU.name, "chrf": CHRF.name, "perplexity": PERPLEXITY.name}

Pair = tuple[str, str]  # system, baseline


def pairs(study: Study) -> tuple[Pair, ...]:
    """System and baseline of each comparison: those of the protocol, else each member with the baseline."""
    stated: Mapping[str, Any] = study.description.get("protocol") or {}
    written: Sequence[Sequence[str]] = stated.get("comparisons") or []
    if written:
        return tuple((str(system), str(baseline)) for system, baseline in written)
    return tuple((member, study.baseline) for member in study.all_members if member != study.baseline)


def metric_of(study: Study) -> str:
    """The primary metric, as `rnnsearch.evaluation.metrics` names it."""
    stated: Mapping[str, Any] = study.description.get("protocol") or {}
    metric = METRICS.get(str(stated.get("metric") or "bleu"), BLEU.name)
    return text_metric(study) if metric == BLEU.name else metric


def title(study: Study) -> str:
    """Of the primary metric on the test set."""
    return Measure(metric_of(study), "test").title
