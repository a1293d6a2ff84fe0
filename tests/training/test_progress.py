"""The progress bar."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from rnnsearch.training.callbacks import BudgetBar
from rnnsearch.training.module import TranslationModule


class Stub(TranslationModule):
    """A module that knows how far it is, and nothing else."""

    def __init__(self) -> None:
        object.__setattr__(self, "counters", SimpleNamespace(tokens=0, seconds=1.0, updates=0))
        object.__setattr__(self, "scoring", SimpleNamespace(primary="bleu"))

    def progress(self) -> float:
        return float(self.counters.updates / 6)


def test_the_loss_is_read_every_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    clock = iter([100.0, 100.01, 100.02, 100.5, 100.51, 100.52])
    monkeypatch.setattr("rnnsearch.training.callbacks.time.perf_counter", lambda: next(clock))
    bar, module, trainer = BudgetBar(), Stub(), SimpleNamespace(callback_metrics={})
    bar._task = 0
    bar._bar = SimpleNamespace(update=lambda task, completed, figures: shown.append(figures))
    given: Any = (trainer, module)
    for update, loss in enumerate((2.0, 4.0, 8.0, 6.0, 1.0, 3.0), start=1):
        module.counters.updates = update
        bar.on_train_batch_end(*given, {"sum": torch.tensor(10 * loss), "tokens": 10}, None, 0)
    first = 2.0
    second = 0.98**3 * first + (1 - 0.98**3) * 6.0  # the mean of three updates weighs as each of them would
    last = 0.98**2 * second + (1 - 0.98**2) * 2.0  # the last update of the budget is shown at once
    assert [line.split(" · ")[0] for line in shown] == [f"loss {loss:.3f}" for loss in (first, second, last)]


def test_there_is_none_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_model_summary=False)
    bar = BudgetBar()
    bar.on_train_start(trainer, Stub())
    assert bar._bar is None
