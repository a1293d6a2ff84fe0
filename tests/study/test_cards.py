"""Run cards: where a run comes from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnnsearch.study import cards
from rnnsearch.study.folder import read_study


def test_a_card_says_whose_weights_a_run_began_from(
    make_study: Callable[..., Path], edit_json: Callable[[Path, Callable[[Any], None]], None], tmp_path: Path
) -> None:
    folder = make_study(tmp_path, seeds=(0,), sentences=4)
    line = [
        {"id": "20250301-1", "name": "parent", "checkpoint": "best", "weights_sha256": "ab" * 32},
        {"id": "20250228-7", "name": "first", "checkpoint": "last", "weights_sha256": "cd" * 32},
    ]
    edit_json(folder / "additive-seed0" / "record.json", lambda record: record.update(ancestors=line))
    scratch, tuned = (dict(fold.facts) for fold in cards.section(read_study(folder)).folds)
    assert "Began from" not in scratch
    assert tuned["Began from"] == (
        f"parent (20250301-1), best, weights {'ab' * 32}; that one from first (20250228-7), last, weights {'cd' * 32}",
    )
