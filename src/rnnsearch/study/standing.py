"""Which points of a sweep can't be told from the best one."""

from rnnsearch.study.best import not_told_from_best
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import best_first, primary, ranked
from rnnsearch.study.statistics import Comparison


def near_best(study: Study, comparison: Comparison | None) -> list[str] | None:
    """The best point and those that can't be told from it, by descending score; all pairs are tested together.

    None if nothing is known of training anew: for speeds, untested trials, one seed each, or a single point.
    """
    measure = primary(study)
    if comparison is None or measure.split != "test" or measure.key != comparison.primary:
        return None
    if sum(len(seeds) > 1 for seeds in comparison.seeds_of.values()) < 2:
        return None
    near = not_told_from_best(comparison)
    return [member for member in best_first(study).members if member in near]


def marked(study: Study, comparison: Comparison | None) -> list[str]:
    """The best point, and those that can't be told from it if others can."""
    near, order = near_best(study, comparison), ranked(study)
    return near if near is not None and len(near) < len(order) else order[:1]
