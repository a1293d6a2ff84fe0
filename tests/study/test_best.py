"""Members that can't be told from the best."""

from collections.abc import Callable
from pathlib import Path

from tests.study.many import comparison_of

from rnnsearch.study.best import not_told_from_best
from rnnsearch.study.folder import read_study

THREE = ("fixed", "mean", "additive")


def test_the_worse_are_told_apart_and_the_best_is_first(make_study: Callable[..., Path], tmp_path: Path) -> None:
    study = read_study(make_study(tmp_path, members=THREE, seeds=(0, 1, 2), sentences=80))
    others = not_told_from_best(comparison_of(study, resamples=100))
    assert others[0] == "mean"  # the second of the made-up members is the best
    assert "fixed" not in others


def test_one_seed_tells_none_apart(make_study: Callable[..., Path], tmp_path: Path) -> None:
    comparison = comparison_of(read_study(make_study(tmp_path, members=THREE, seeds=(0,), sentences=80)), resamples=100)
    assert not_told_from_best(comparison) == ["mean", "additive", "fixed"]
