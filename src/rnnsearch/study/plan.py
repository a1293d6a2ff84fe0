"""What a study set out to compare: the pairs that are read together, and by which measure."""

from rnnsearch.evaluation.summed_metrics import BLEU, CHRF, PERPLEXITY
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import Measure, text_metric

Pair = tuple[str, str]  # system, baseline


def pairs(study: Study) -> tuple[Pair, ...]:
    """System and baseline of each comparison: those of the protocol, else each other member with the baseline."""
    if written := study.description.planned.comparisons:
        return tuple((system, baseline) for system, baseline in written)
    return tuple((member, study.baseline) for member in study.all_members if member != study.baseline)


def metric_of(study: Study) -> str:
    """The primary metric, as `rnnsearch.evaluation.summed_metrics` names it."""
    planned = study.description.planned.metric
    metric = planned if planned in (CHRF.name, PERPLEXITY.name) else BLEU.name
    return text_metric(study) if metric == BLEU.name else metric


def title(study: Study) -> str:
    """The title of the primary metric on the test set."""
    return Measure(metric_of(study), "test").title
