"""What is said of few seeds."""

from collections.abc import Callable
from pathlib import Path
from statistics import stdev

from rnnsearch.study.folder import read_study
from rnnsearch.study.spread import of_seeds
from rnnsearch.study.statistics import compare


def said(folder: Path) -> tuple[str | None, dict[str, float]]:
    comparison = compare(read_study(folder), resamples=10)
    assert comparison is not None
    scores = {member: found["bleu"].by_seed for member, found in comparison.whole.scores.items()}
    return of_seeds(comparison), {member: stdev(of) for member, of in scores.items() if len(of) > 1}


def test_few_seeds_are_told_with_their_own_spread(make_study: Callable[..., Path], tmp_path: Path) -> None:
    told, spread = said(make_study(tmp_path, seeds=(0, 1, 2), sentences=20, matrices=0))
    (least, low), (most, high) = sorted(spread.items(), key=lambda item: item[1])
    assert told is not None
    assert told.startswith("3 seeds: ")
    assert f"standard deviations of {low:.2f} BLEU for {least} to {high:.2f} for {most}" in told


def test_one_seed_knows_nothing_of_training(make_study: Callable[..., Path], tmp_path: Path) -> None:
    told, _ = said(make_study(tmp_path, seeds=(0,), sentences=20, matrices=0))
    assert told is not None
    assert told.startswith("One seed: the intervals cover the choice of test sentences, not the chance of training")
    assert "±" not in told
