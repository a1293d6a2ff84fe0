"""Ties of the monitored measure: checkpoints, early stopping and pruning go by what moves."""

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping as LightningEarlyStopping
from lightning.pytorch.callbacks import ModelCheckpoint

from rnnsearch.training.checkpoints import BestCheckpoint, EarlyStopping, KeptCheckpoints
from rnnsearch.training.pruning import Pruning

RISING = [(0.0, 4.5, 6.0), (0.0, 30.0, 4.0), (0.0, 99.1, 2.0)]  # BLEU, chrF, nats a token
LIKELIER = [(0.0, 0.0, 6.0), (0.0, 0.0, 5.9), (0.0, 0.0, 5.8)]
FALLING = [(9.0, 40.0, 2.0), (9.0, 39.0, 1.0), (8.9, 99.0, 0.5)]


def trainer(found: tuple[float, float, float]) -> Any:
    names = ("bleu", "chrf", "nll")
    metrics = {f"validation/{name}": torch.tensor(value) for name, value in zip(names, found, strict=True)}
    made = MagicMock(callback_metrics=metrics, fast_dev_run=False, should_stop=False, current_epoch=0, global_step=1)
    made.strategy.reduce_boolean_decision = lambda decision, all=True: decision
    return made


@pytest.mark.parametrize(("points", "best"), [(RISING, 2), (LIKELIER, 2), (FALLING, 0)])
@pytest.mark.parametrize("kind", [BestCheckpoint, KeptCheckpoints])
def test_the_best_checkpoint_is_none_of_equals_that_came_first(
    points: list[tuple[float, float, float]], best: int, kind: type[BestCheckpoint], tmp_path: Path
) -> None:
    callback = kind(tmp_path, "best", monitor="validation/bleu", mode="max", save_top_k=1)
    kept = None
    for number, found in enumerate(points):
        current = callback._monitor_candidates(trainer(found))["validation/bleu"]
        if callback.check_monitor_top_k(trainer(found), current):
            kept, callback.best_k_models, callback.kth_best_model_path = number, {"best": current}, "best"
    assert kept == best


def test_early_stopping_waits_while_anything_gets_better() -> None:
    for points, stops in ((RISING, False), (LIKELIER, False), (FALLING, True)):
        callback = EarlyStopping("validation/bleu", patience=2, mode="max", verbose=False)
        made = [trainer(found) for found in points]
        for one in made:
            callback._run_early_stopping_check(one)
        assert made[-1].should_stop is stops


def test_pruners_are_told_what_moves() -> None:
    pruning = Pruning(metric="bleu", report=lambda update, value: False)
    for points in (RISING, LIKELIER):
        told = [pruning.value(trainer(found)) for found in points]
        assert told == sorted(set(told))
        assert abs(told[-1]) < 1e-7


def test_states_of_earlier_checkpoints_are_found(tmp_path: Path) -> None:
    ours = EarlyStopping("validation/bleu", patience=2, mode="max")
    assert ours.state_key == LightningEarlyStopping("validation/bleu", patience=2, mode="max").state_key
    best = BestCheckpoint(tmp_path, "best", monitor="validation/bleu", mode="max")
    plain = ModelCheckpoint(tmp_path, "best", monitor="validation/bleu", mode="max")
    assert best.state_key == plain.state_key.replace("ModelCheckpoint", "BestCheckpoint")
