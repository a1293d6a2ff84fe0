"""A study is refused as a whole before anything is trained or made, with every reason and its points."""

import time
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.config.compose import Composer, compose
from rnnsearch.config.overrides import Overrides, as_typed
from rnnsearch.sweeps.point_checks import judge

TINY = ("model=tiny", "trainer=cpu")


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=small", "optimizer.lr=0.5", "seed=7"),
        ("optimizer.lr=0.5", "model=tiny", "model/context=fixed", "+optimizer.momentum=0.1", "optimizer.momentum=0.2"),
        ("seed=7", "~early_stopping", "study=2024_11_30", "data=files", "data.train.source=a b"),
        ("+experiment=reference", "tokenizer.source_size=300", "data.train_pairs=5"),
    ],
)
def test_a_config_composed_from_another_is_the_same(overrides: Overrides) -> None:
    composer = Composer("train")
    composer(tuple(word.replace("seed=7", "seed=8") for word in overrides))  # what the next one may begin with
    assert composer(overrides) == compose("train", overrides)
    assert list(composer(overrides)) == list(compose("train", overrides))


@pytest.mark.slow
def test_points_that_fit_together_in_no_training_are_named() -> None:
    composer = Composer("train")
    points: list[Overrides] = [
        (*TINY, "model/context=additive", "seed=0"),
        (*TINY, "model/context=dot", "model.decoder.hidden_size=7", "seed=0"),
        (*TINY, "model/context=additive", "search.n_best=9", "seed=1"),
        (*TINY, "model/context=nothing", "seed=1"),
        (*TINY, "model/context=additive", "validation.every=0", "seed=2"),
    ]
    judge(points[:1], composer, composer.values)
    judge(points[:1] * 100, composer, composer.values)
    with pytest.raises(ValueError, match=r"^2 of 5 points are refused, so none is trained: ") as early:
        judge(points, composer, composer.values)
    assert "validation.every=0" in str(early.value)
    assert "model/context has no option 'nothing'" in str(early.value)
    with pytest.raises(ValueError, match=r"^2 of 3 points are refused, so none is trained: ") as late:
        judge(points[:3], composer, composer.values)
    assert "(dot, seed=0)" in str(late.value)
    assert "n_best" in str(late.value)
    with pytest.raises(ValueError, match=r"^search\.n_best"):
        judge(points[2:3], composer, composer.values)


@pytest.mark.parametrize(
    ("base", "wrong"),
    [
        (["budget.until=converged", "scheduler=cosine"], "callbacks=early_stopping"),
        (["early_stopping=3"], "callbacks=early_stopping"),
        ([], "keep_best=-1"),
    ],
)
def test_a_verdict_holds_for_its_own_point_alone(base: list[str], wrong: str) -> None:
    """Equal sections are judged once: whatever a check reads must be among them."""
    sound, refused = (*TINY, *base), (*TINY, *base, wrong)
    composer = Composer("train")
    for points in ([sound, refused], [refused, sound]):
        with pytest.raises(ValueError, match=r"^1 of 2 points are refused"):
            judge(points, composer, composer.values)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("sweep study=s validation.every=5,0 seed=0,1", ["2 of 4 points", "seed=0, every=0 | seed=1, every=0"]),
        ("sweep study=s sweep=optuna_tpe sweep.search.trials=2 seed=-1", ["seed=-1"]),
        ("compare study=s keep_best=-1", ["keep_best=-1"]),
    ],
)
def test_a_refused_study_leaves_nothing(
    plan: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: str, told: list[str]
) -> None:
    assert plan(words, *TINY) != 0
    said = capsys.readouterr().err
    assert all(part in said for part in told), said
    assert said.count("\n") == 1
    assert plan.launched == []
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_that_comes_late_leaves_nothing_either(plan: Any, tmp_path: Path) -> None:
    assert plan("sweep study=s", *TINY, "model/context=fixed", "model.context.attention_size=8") != 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_many_points_are_judged_in_time() -> None:
    composer = Composer("train")
    points = [(*TINY, f"optimizer.lr={rate}", f"seed={seed}") for rate in range(1, 11) for seed in range(100)]
    begun = time.process_time()
    judge(points, composer, composer.values)
    assert time.process_time() - begun < 30


def test_a_path_of_a_grid_reaches_the_point(plan: Any) -> None:
    names = ("data.train.source=10,'/d/a,b.en'", "data.source_language=no")
    plan("sweep study=2024_11_30 data=files seed=0", *TINY, *names)
    found = plan.points("2024_11_30")
    assert sorted(one for point in found for one in point.overrides if one.startswith("data.train")) == [
        'data.train.source="/d/a,b.en"',
        'data.train.source="10"',
    ]
    assert all(as_typed(one, swept=False) == one for point in found for one in point.overrides)
