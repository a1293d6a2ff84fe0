"""Protocols: each says what it asks before it runs, and its planned comparisons are of points that its sweep makes."""

from pathlib import Path

import pytest

from rnnsearch.cli.asked import Request
from rnnsearch.cli.compose import compose
from rnnsearch.cli.inputs import Inputs
from rnnsearch.cli.points import Points
from rnnsearch.cli.sweeper import DurableSweeper
from rnnsearch.cli.tuning import Tuner
from rnnsearch.keys.roles import HIDDEN_SIZES

CONF = Path(__file__).resolve().parents[2] / "conf"
PROTOCOLS = sorted(path.stem for path in (CONF / "protocol").glob("*.yaml"))


def sweeper(protocol: str, folder: Path) -> DurableSweeper:
    """A sweeper of the protocol's config that launches nothing."""
    made = object.__new__(DurableSweeper)
    made.config = compose("sweep", [f"protocol={protocol}"])
    made.study, made.inputs = folder, Inputs()
    made.points = Points(folder, (), made.inputs)
    made.request = Request(made.config, [f"protocol={protocol}"], None)
    made.tuner = Tuner(made.config, made.points, made.train)
    return made


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_says_everything(name: str) -> None:
    config = compose("train", [f"protocol={name}"])
    protocol, is_speed = config.protocol, config.protocol.metric == "tokens_per_second"
    assert all(protocol[key] for key in ("question", "expectation", "varies", "held_equal", "metric"))
    assert protocol.comparisons or is_speed  # speeds are ranked
    assert protocol.question.endswith("?")
    assert list(config.tuning.factors) == ([] if is_speed else [0.5, 1, 2])
    assert is_speed or list(config.seeds) == [0, 1, 2]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_planned_comparisons_are_of_points_of_the_sweep(name: str, tmp_path: Path) -> None:
    made = sweeper(name, tmp_path)
    asked = made._distinct()
    names = made._names(asked)
    protocol = made.config.protocol
    assert {one for pair in protocol.comparisons or () for one in pair} <= set(names)
    assert protocol.baseline in names
    assert len(set(names)) == len(names)
    assert made.config.match == "none" or not {*HIDDEN_SIZES} & {*made.request.swept}
