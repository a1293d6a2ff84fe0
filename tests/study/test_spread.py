"""What is said of few seeds."""

import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import stdev

from tests.study.many import comparison_of

from rnnsearch.study.folder import read_study
from rnnsearch.study.spread import over, remarks


def said(folder: Path) -> tuple[dict[str, str], dict[str, float]]:
    comparison = comparison_of(read_study(folder), resamples=10)
    scores = {member: found["bleu"].by_seed for member, found in comparison.whole.scores.items()}
    texts = {one.kind: one.text for one in remarks(comparison)} | {"chance": over(comparison)}
    return texts, {member: stdev(of) for member, of in scores.items() if len(of) > 1}


def test_few_seeds_are_told_with_their_own_spread(make_study: Callable[..., Path], tmp_path: Path) -> None:
    told, spread = said(make_study(tmp_path, seeds=(0, 1, 2), sentences=20, matrices=0))
    (least, low), (most, high) = sorted(spread.items(), key=lambda item: item[1])
    assert told.keys() == {"few_seeds", "chance"}
    assert told["few_seeds"].startswith("3 seeds: ")
    assert f"standard deviations of {low:.2f} BLEU for {least} to {high:.2f} for {most}" in told["few_seeds"]
    assert told["chance"] == "test sentences (bootstrap) and seeds (Student's t)"


def test_one_seed_knows_nothing_of_training(make_study: Callable[..., Path], tmp_path: Path) -> None:
    told, _ = said(make_study(tmp_path, seeds=(0,), sentences=20, matrices=0))
    assert told.keys() == {"one_seed", "chance"}
    assert told["one_seed"].startswith("One seed: the intervals cover the choice of test sentences, not the chance of")
    assert "±" not in told["one_seed"]
    assert told["chance"] == "test sentences alone (bootstrap)"


def test_one_seed_of_some_members_is_told_beside_the_others(make_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_study(tmp_path, seeds=(0, 1, 2, 3, 4), sentences=20, matrices=0)
    assert said(folder)[0].keys() == {"chance"}
    for seed in (0, 2, 3, 4):
        shutil.rmtree(folder / f"additive-seed{seed}")
    told, _ = said(folder)
    assert told["one_seed"].startswith("One seed alone of additive:")
    assert told["chance"] == "test sentences (bootstrap) and, where there are several, seeds (Student's t)"


def test_pairs_that_share_one_seed_are_told(make_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_study(tmp_path, seeds=(0, 1, 2), sentences=20, matrices=0)
    shutil.rmtree(folder / "additive-seed0")
    shutil.rmtree(folder / "fixed-seed2")
    told, _ = said(folder)
    assert told["one_seed"].startswith("One seed alone of additive − fixed:")
    assert told["few_seeds"].startswith("2 seeds: ")
