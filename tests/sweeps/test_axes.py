"""Which values an axis or a list of a sweep may have: those of what all points share, and none at all, are refused."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from rnnsearch.sweeps import axes
from rnnsearch.sweeps.search_space import Choices, Range


def parsed(word: str) -> Override:
    (found,) = OverridesParser.create().parse_overrides([word])
    return found


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("seed=range(3,1)", "there is no value in it; give some, such as seed=A,B"),
        ("seed=range(1,3,-1)", "there is no value in it"),
        ("seed=shuffle()", "there is no value in it"),
        ("seed=range(1,3,0)", "the step of a range can't be 0"),
        ("seed=range(1,10000000000)", "these are more than 100,000 values"),
        ("sweep=optuna_tpe,paired_sizes", "sweep is the same for a whole study; give it one value"),
        ("sweep.search.trials=1,2", r"sweep\.search\.trials is the same for a whole study"),
        ("hydra/launcher=local,joblib", "hydra/launcher is the same for a whole study"),
        ("match=none,flops", "match is the same for a whole study"),
    ],
)
def test_an_axis_that_can_not_be(word: str, told: str) -> None:
    for read in (axes.axis, axes.dimension):
        with pytest.raises(ValueError, match=told):
            read(parsed(word))


def test_dimensions_and_their_ends() -> None:
    assert axes.dimension(parsed("a.b=1,2,1")) == Choices(("1", "2"))
    assert axes.dimension(parsed("a.b=int(interval(1,8))")) == Range(1, 8, whole=True)
    assert axes.ends(Range(1, 8, whole=True)) == ("1", "8")
    assert axes.ends(Choices(("a", "b"))) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed=1,2", "sweep.points: seed=1,2 has several values; give it one"),
        ("seed=range(1,3)", "has several values"),
        ("hydra.run.dir=y", "sweep.points: hydra.run.dir is the same for a whole study"),
        ("study=y", "study is the same"),
        ("+trust=[os]", "trust is the same"),
        ("sweep.grid={}", "sweep.grid is the same"),
        ("paths.output=y", "paths.output is the same"),
    ],
)
def test_overrides_that_go_in_no_list(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace(".", r"\.")):
        list(axes.together(["model=tiny", text], "sweep.points"))


def test_a_list_may_share_more() -> None:
    assert list(axes.together(["data.train.source=10", "seed=3"], "members.a")) == ['data.train.source="10"', "seed=3"]
    with pytest.raises(ValueError, match=r"members\.a: seed is the same for a whole study"):
        list(axes.together(["seed=3"], "members.a", owned=("seed",)))


@pytest.mark.parametrize("key", ["study", "hydra/launcher", "hydra.run.dir", "paths.output", "trust", "protocol"])
def test_a_grid_has_no_key_that_all_points_share(key: str) -> None:
    with pytest.raises(ValueError, match=rf"^sweep\.grid: {key} is the same for a whole study"):
        axes.grid_text(key, "a")
    assert axes.grid_text("data.train.source", OmegaConf.create([10, "b"])) == 'data.train.source="10",b'
