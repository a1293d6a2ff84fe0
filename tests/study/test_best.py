"""Members that can't be told from the best."""

from collections.abc import Callable
from pathlib import Path

from rnnsearch.study.best import not_told_from_best
from rnnsearch.study.folder import read_study
from rnnsearch.study.statistics import Comparison, compare

THREE = ("fixed", "mean", "additive")


def compared(folder: Path) -> Comparison:
    found = compare(read_study(folder), resamples=100)
    assert found is not None
    return found


def test_the_worse_are_told_apart_and_the_best_is_first(make_study: Callable[..., Path], tmp_path: Path) -> None:
    comparison = compared(make_study(tmp_path, members=THREE, seeds=(0, 1, 2), sentences=80))
    best, others = not_told_from_best(comparison)
    assert (best, others[0]) == ("mean", "mean")  # the second of the made-up members is the best
    assert "fixed" not in others


def test_one_seed_tells_none_apart(make_study: Callable[..., Path], tmp_path: Path) -> None:
    comparison = compared(make_study(tmp_path, members=THREE, seeds=(0,), sentences=80))
    assert not_told_from_best(comparison) == ("mean", ["mean", "additive", "fixed"])
