"""Where one line of scores overtakes another, over a logarithmic axis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.significance import RESAMPLES, SEED


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where the first of two lines rises above the second, or falls below it.

    Attributes:
        at: the place on the axis, by linear interpolation over its logarithm.
        rises: whether the first is above from there on.
        low, high: ends of the 95 % interval over seeds, of the resamples that cross once in this direction; None for
            one seed, for lines that cross more than once, or where fewer than half of the resamples cross so.
        share: of such resamples.
    """

    at: float
    rises: bool
    low: float | None = None
    high: float | None = None
    share: float = 0.0


def crossings(places: Sequence[float], first_PN: Floats, second_PN: Floats) -> list[Crossing]:
    """The crossings of two lines, each the mean over N seeds, which both share, at P places, rising and above 0.

    The interval is a bootstrap's that draws seeds, the same ones for all places and both lines.
    """
    logs_P = np.log(np.asarray(places, np.float64))
    gaps_PN = np.asarray(first_PN, np.float64) - np.asarray(second_PN, np.float64)
    found = [Crossing(math.exp(at), rises) for at, rises in _sign_changes(logs_P, gaps_PN.mean(1))]
    seeds = gaps_PN.shape[1]
    if len(found) != 1 or seeds < 2:
        return found
    drawn_RN = np.random.default_rng(SEED).integers(seeds, size=(RESAMPLES, seeds))
    resampled = [_sign_changes(logs_P, gaps_PN[:, drawn_N].mean(1)) for drawn_N in drawn_RN]
    ats = [changes[0][0] for changes in resampled if len(changes) == 1 and changes[0][1] == found[0].rises]
    share = len(ats) / RESAMPLES
    if share < 0.5:
        return found
    low, high = np.exp(np.quantile(ats, [0.025, 0.975])).tolist()
    return [Crossing(found[0].at, found[0].rises, low, high, share)]


def _sign_changes(logs_P: Floats, gaps_P: Floats) -> list[tuple[float, bool]]:
    """Where the line through the gaps changes its sign, and whether to above 0; gaps of 0 belong to neither side."""
    sides = [place for place in range(len(gaps_P)) if gaps_P[place] != 0]
    changes = []
    for before, after in pairwise(sides):
        if (gaps_P[before] > 0) == (gaps_P[after] > 0):
            continue
        zeros = logs_P[before + 1 : after]  # equal scores in between: the middle of them
        part = gaps_P[before] / (gaps_P[before] - gaps_P[after])
        at = float(zeros.mean()) if len(zeros) else float(logs_P[before] + part * (logs_P[after] - logs_P[before]))
        changes.append((at, bool(gaps_P[after] > 0)))
    return changes
