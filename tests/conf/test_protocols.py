"""Protocols: each says what it asks before it runs, and its planned comparisons are of points that its sweep makes."""

from pathlib import Path

import pytest

from rnnsearch.config.compose import compose
from rnnsearch.config.keys.roles import HIDDEN_SIZES
from rnnsearch.sweeps.inputs import Inputs
from rnnsearch.sweeps.members import Members
from rnnsearch.sweeps.points import Points
from rnnsearch.sweeps.request import Request
from rnnsearch.sweeps.tuner import Tuner

CONF = Path(__file__).resolve().parents[2] / "conf"
DECODING = {"beam_curve"}  # these ask runs that are trained already
PROTOCOLS = sorted({path.stem for path in (CONF / "protocol").glob("*.yaml")} - DECODING)


def members(protocol: str, folder: Path) -> Members:
    """Those of the protocol's config."""
    config = compose("sweep", [f"protocol={protocol}"])
    points = Points(folder, (), Inputs())
    request = Request(config, [f"protocol={protocol}"], None)
    return Members(config, request, points, Tuner(config, points, lambda points: None))


@pytest.mark.parametrize("name", sorted(DECODING))
def test_a_protocol_for_trained_runs_says_everything(name: str) -> None:
    config = compose("sweep", [f"protocol={name}"])
    assert all(config.protocol[key] for key in ("question", "expectation", "varies", "held_equal", "metric"))
    assert all(key.startswith("search.") for key in config.sweep.grid)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_says_everything(name: str) -> None:
    config = compose("train", [f"protocol={name}"])
    protocol, is_speed = config.protocol, config.protocol.metric == "tokens_per_second"
    assert all(protocol[key] for key in ("question", "expectation", "varies", "held_equal", "metric"))
    assert protocol.comparisons or is_speed  # speeds are ranked
    assert protocol.question.endswith("?")
    is_tuned = "trials of the learning rate" in protocol.held_equal
    assert list(config.tuning.factors) == ([0.5, 1, 2] if is_tuned else [])
    assert is_speed or "learning rate" in protocol.held_equal
    assert is_speed or list(config.seeds) == [0, 1, 2]


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.slow
def test_planned_comparisons_are_of_points_of_the_sweep(name: str, tmp_path: Path) -> None:
    made = members(name, tmp_path)
    asked = made.distinct()
    names = made.names(asked)
    protocol = made.config.protocol
    assert {one for pair in protocol.comparisons or () for one in pair} <= set(names)
    assert protocol.baseline in names
    assert len(set(names)) == len(names)
    assert made.config.match == "none" or not {*HIDDEN_SIZES} & {*made.request.swept}
