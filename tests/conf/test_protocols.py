"""Protocols: each says what it asks before it runs, and its planned comparisons are of points that its sweep makes."""

from pathlib import Path

import pytest

from rnnsearch.cli.compose import Composer, compose
from rnnsearch.cli.describe import no_differences
from rnnsearch.cli.sweeper import DurableSweeper
from rnnsearch.sweep.points import composed, label, labels

CONF = Path(__file__).resolve().parents[2] / "conf"
PROTOCOLS = sorted(path.stem for path in (CONF / "protocol").glob("*.yaml"))


def sweeper(protocol: str) -> DurableSweeper:
    """A sweeper of the protocol's config that launches nothing."""
    made = object.__new__(DurableSweeper)
    made.config = compose("train", [f"protocol={protocol}"])
    made.loader, made.flags, made.vocabularies = None, (), {}  # type: ignore[assignment]
    made.composer = Composer("train")
    return made


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_says_everything(name: str) -> None:
    protocol = compose("train", [f"protocol={name}"]).protocol
    assert all(protocol[key] for key in ("question", "expectation", "varies", "held_equal", "metric"))
    assert protocol.comparisons or protocol.metric == "tokens_per_second"  # speeds are ranked
    assert protocol.question.endswith("?")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_planned_comparisons_are_of_points_of_the_sweep(name: str) -> None:
    made = sweeper(name)
    points = composed(made._candidates([f"protocol={name}"]), made.compose_point)
    settings = labels({point.key: point.overrides for point in points}, without=no_differences(made.config.match))
    found = {label(one) for one in settings.values()}
    protocol = made.config.protocol
    assert {one for pair in protocol.comparisons or () for one in pair} <= found
    assert protocol.baseline in found
    assert len({(label(settings[point.key]), point.seed) for point in points}) == len(points)
