"""What a reader must know of the seeds: how many there are, and how far runs of one member lie apart."""

from rnnsearch.study.measures import TITLES
from rnnsearch.study.planned import FEW
from rnnsearch.study.statistics import Comparison
from rnnsearch.study.tables import number


def of_seeds(comparison: Comparison) -> str | None:
    """The doubt that few seeds leave, with this study's own spread; None where there are `FEW` or more."""
    count = len(comparison.seeds)
    if count == 1:
        return (
            "One seed: the intervals cover the choice of test sentences, not the chance of training, of which one seed "
            "knows nothing. Nothing is claimed of the systems, only of these runs."
        )
    if count >= FEW:
        return None
    return (
        f"{count} seeds: the spread over training runs is itself known only roughly{_of_members(comparison)}; read the "
        "differences seed by seed."
    )


def _of_members(comparison: Comparison) -> str:
    """The least and the largest standard deviation over seeds."""
    found = {
        member: deviation
        for member, scores in comparison.whole.scores.items()
        if (deviation := scores[comparison.primary].deviation) is not None
    }
    if not found:
        return ""
    name, most = TITLES[comparison.primary], max(found, key=lambda member: found[member])
    least = min(found, key=lambda member: found[member])
    if len(found) == 1:
        return f" (here a standard deviation of {number(found[most])} {name})"
    return (
        f" (here standard deviations of {number(found[least])} {name} for {least} to {number(found[most])} for {most})"
    )
