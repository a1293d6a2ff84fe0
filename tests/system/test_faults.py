"""Gradients that are no numbers, in whole runs."""

from pathlib import Path
from typing import Any

import pytest
import torch

from rnnsearch.training.module import TranslationModule

WORDS = "budget.updates=12 model.dropout=0.2 "


def spoil(updates: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses of these updates, from 1, are no numbers."""
    original = TranslationModule.log_likelihood_loss

    def loss(self: TranslationModule, *given: Any) -> torch.Tensor:
        found = original(self, *given)
        return found * float("nan") if self.training and self.counters.batches + 1 in updates else found

    monkeypatch.setattr(TranslationModule, "log_likelihood_loss", loss)


@pytest.mark.parametrize("settings", ["", "averaging=none optimizer=sgd trainer.gradient_clip_val=null"])
def test_a_skipped_update_is_counted_and_the_run_goes_on(
    workshop: Any, tmp_path: Path, settings: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil({3, 5, 6}, monkeypatch)
    assert workshop.train(tmp_path / "run", WORDS + settings) == 0
    record = workshop.record(tmp_path / "run")
    assert (record["updates"], record["skipped_updates"]) == (12, 3)
    curve = record["results"]["curves"]["train"]
    assert [point["update"] for point in curve] == [2, 4, 8, 10, 12]
    assert [point.get("skipped", 0) for point in curve] == [0, 1, 3, 3, 3]
    error = capsys.readouterr().err
    assert error.count("is skipped") == 3
    assert "update 5 is skipped" in error
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["skipped"] == {"total": 3, "in_a_row": 0}
    steps = [state["step"] for state in checkpoint["optimizer_states"][0]["state"].values() if "step" in state]
    assert {int(number) for number in steps} <= {9}


def test_too_many_end_the_run_and_the_last_good_checkpoint_stays(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        spoil({6, 7, 8}, patch)
        assert workshop.train(run, WORDS + "skip_limit=3") == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    record = workshop.record(run)
    assert (record["status"], record["error"]["type"]) == ("failed", "Diverged")
    last = error.strip().splitlines()[-1]
    assert "3 updates in a row" in last
    lines = {int(number) for number in last.partition("training lines ")[2].partition(";")[0].split(", ")}
    assert len(lines) == 16
    assert lines <= set(range(1, 97))
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 4
    assert all(weight.isfinite().all() for weight in checkpoint["state_dict"].values())
    assert workshop.train(run, WORDS + "skip_limit=5", "ckpt=last") == 0
    assert workshop.record(run)["skipped_updates"] == 0


def test_weights_that_are_no_numbers_are_not_saved(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, original = tmp_path / "run", TranslationModule.on_train_batch_start

    def broken(self: TranslationModule, *given: Any) -> None:
        original(self, *given)
        if self.counters.batches == 6:
            with torch.no_grad():
                self.translator.decoder.output.bias[3] = float("inf")

    monkeypatch.setattr(TranslationModule, "on_train_batch_start", broken)
    assert workshop.train(run, WORDS + "checkpoints.every=1 validation.every=100") == 1
    assert "decoder.output.bias is not finite after update 7" in capsys.readouterr().err
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 6
