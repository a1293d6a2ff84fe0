"""What committed studies asked for composes to the points that they hold: their keys and hashes stay what they were."""

import json
from pathlib import Path

import pytest

from rnnsearch.cli.compose import compose
from rnnsearch.cli.runs import plain
from rnnsearch.cli.settings import settle_budget
from rnnsearch.cli.values import canonical, check_values
from rnnsearch.records import JOB, RECORD, config_hash, point_key
from rnnsearch.sweep.ledger import read_point

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
OLDER = "fixed_vs_attention_bible"  # whose defaults were others; its runs' own configs are beside them
FOLDERS = sorted(path.parent for path in EXPERIMENTS.rglob(JOB) if path.parents[1].name != OLDER)
FIRST = [next(folder for folder in FOLDERS if folder.parent == study) for study in {one.parent for one in FOLDERS}]


def check(folder: Path) -> None:
    point, record = read_point(folder), json.loads((folder / RECORD).read_text(encoding="utf-8"))
    config = compose("train", point.overrides, [flag.partition("=")[2] for flag in point.flags])
    settle_budget(config, list(point.overrides))
    assert point_key(plain(config)) == point_key(canonical(plain(config))) == point.key
    check_values(config)
    assert config_hash(plain(config)) == record["config_hash"]


@pytest.mark.parametrize("folder", sorted(FIRST), ids=lambda folder: folder.parent.name)
def test_a_point_of_each_study(folder: Path) -> None:
    check(folder)


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_every_point(folder: Path) -> None:
    check(folder)
