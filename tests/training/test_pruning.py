"""The callback that ends a trial of a search, with stand-ins for the trainer and the module."""

from typing import Any

import pytest

from rnnsearch.training import pruning as pruning_module
from rnnsearch.training.pruning import Pruning


class _Trainer:
    def __init__(self, *, first: bool, answer: bool | None = None) -> None:
        self.sanity_checking = self.should_stop = False
        self.is_global_zero = first
        self.callback_metrics = {"validation/bleu": 3.0}
        self.strategy = self
        self.answer = answer

    def broadcast(self, found: bool) -> bool:
        return found if self.answer is None else self.answer


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    class Module:
        counters = type("Counters", (), {"updates": 20})
        done = 0.5

        def progress(self) -> float:
            return self.done

    monkeypatch.setattr(pruning_module, "TranslationModule", Module)
    return Module()


def test_the_callback_stops_what_the_search_gives_up(module: Any) -> None:
    asked: list[tuple[int, float]] = []

    def report(update: int, value: float) -> bool:
        asked.append((update, value))
        return True

    pruning, trainer = Pruning(metric="bleu", report=report), _Trainer(first=True)
    pruning.on_validation_end(trainer, module)
    assert pruning.pruned
    assert trainer.should_stop
    assert asked == [(20, 3.0)]
    resumed = Pruning(metric="bleu", report=report)
    resumed.load_state_dict(pruning.state_dict())
    assert resumed.pruned  # where it was killed before it could say so


def test_a_training_that_is_at_its_end_is_not_pruned(module: Any) -> None:
    module.done = 1.0
    pruning, trainer = Pruning(metric="bleu", report=lambda update, value: True), _Trainer(first=True)
    pruning.on_validation_end(trainer, module)
    assert not pruning.pruned
    assert not trainer.should_stop


def test_other_processes_of_a_run_stop_with_the_first(module: Any) -> None:
    def never(update: int, value: float) -> bool:
        raise AssertionError("only the first process asks")

    pruning, trainer = Pruning(metric="bleu", report=never), _Trainer(first=False, answer=True)
    pruning.on_validation_end(trainer, module)
    assert pruning.pruned
    assert trainer.should_stop


def test_a_storage_that_is_away_is_warned_of_once(module: Any, caplog: pytest.LogCaptureFixture) -> None:
    def away(update: int, value: float) -> bool:
        raise OSError("the disk is away")

    pruning, trainer = Pruning(metric="bleu", report=away), _Trainer(first=True)
    for _ in range(3):
        pruning.on_validation_end(trainer, module)
    assert not trainer.should_stop
    assert caplog.text.count("the search can't be told: OSError: the disk is away") == 1
