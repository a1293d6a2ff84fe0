"""Gradients that are no numbers, in whole runs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rnnsearch.training.checkpoints import AtomicCheckpoints
from rnnsearch.training.faults import Diverged
from rnnsearch.training.module import TranslationModule

WORDS = "budget.updates=12 model.dropout=0.2 "


def spoil(updates: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses of these updates, from 1, are no numbers."""
    original = TranslationModule.log_likelihood_loss

    def loss(self: TranslationModule, *given: Any) -> torch.Tensor:
        found = original(self, *given)
        return found * float("nan") if self.training and self.counters.batches + 1 in updates else found

    monkeypatch.setattr(TranslationModule, "log_likelihood_loss", loss)


@pytest.mark.parametrize(
    "settings",
    ["", pytest.param("averaging=none optimizer=sgd trainer.gradient_clip_val=null", marks=pytest.mark.slow)],
)
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
    assert "the loss became NaN at update 6, and 3 updates in a row" in last
    assert f"the last good checkpoint is kept, {run}/checkpoints/last.ckpt; lower optimizer.lr=" in last
    assert record["error"]["update"] == 6
    lines = {int(number) for number in last.partition("training lines ")[2].partition(";")[0].split(", ")}
    assert len(lines) == 16
    assert lines <= set(range(1, 97))
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 4
    assert all(weight.isfinite().all() for weight in checkpoint["state_dict"].values())
    assert workshop.train(run, WORDS + "skip_limit=5", "ckpt=last") == 0
    assert workshop.record(run)["skipped_updates"] == 0


@pytest.mark.parametrize(
    ("spoilt", "settings"),
    [
        (lambda output: output.weight.fill_(3e38), "skip_limit=2"),  # finite, so large that their loss is not
        (lambda output: output.bias[3].fill_(float("inf")), ""),
    ],
)
def test_weights_whose_loss_is_no_number_replace_no_checkpoint(
    spoilt: Callable[[nn.Linear], Any],
    settings: str,
    workshop: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The last step before they are spoilt is the last good one."""
    run, original = tmp_path / "run", TranslationModule.on_train_batch_start

    def broken(self: TranslationModule, *given: Any) -> None:
        original(self, *given)
        if self.counters.batches == 6:
            with torch.no_grad():
                spoilt(self.translator.decoder.output)

    monkeypatch.setattr(TranslationModule, "on_train_batch_start", broken)
    assert workshop.train(run, WORDS + f"checkpoints.every=1 validation.every=100 {settings}") == 1
    assert "the loss became NaN at update 7" in capsys.readouterr().err
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 6


def test_weights_that_are_no_numbers_are_refused_by_what_saves(tmp_path: Path) -> None:
    path, bias = tmp_path / "last.ckpt", torch.ones(3)
    AtomicCheckpoints().save_checkpoint({"state_dict": {"bias": bias}, "global_step": 6}, path)
    spoilt = {"state_dict": {"bias": bias * float("inf")}, "global_step": 7}
    with pytest.raises(Diverged, match="bias is not finite after update 7"):
        AtomicCheckpoints().save_checkpoint(spoilt, path)
    assert torch.load(path, weights_only=True)["global_step"] == 6


@pytest.mark.slow
def test_two_processes_skip_alike(workshop: Any, tmp_path: Path) -> None:
    """One of them has a loss that is no number; the gradients of both are its gradients."""
    run = tmp_path / "run"
    script = """if True:
        import os, sys
        from rnnsearch.cli.main import main
        from rnnsearch.training.module import TranslationModule

        original = TranslationModule.log_likelihood_loss

        def loss(self, *given):
            found = original(self, *given)
            bad = self.training and self.global_rank == 1 and self.counters.batches in (3, 4)
            return found * float("nan") if bad else found

        TranslationModule.log_likelihood_loss = loss
        sys.exit(main(sys.argv[1:]))
    """
    (tmp_path / "spoilt.py").write_text(script)
    words = ["train", *workshop.overrides(run, WORDS + "trainer=ddp_cpu trainer.devices=2")]
    done = subprocess.run(
        [sys.executable, str(tmp_path / "spoilt.py"), *words], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    record = workshop.record(run)
    assert (record["updates"], record["skipped_updates"]) == (12, 2)
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(weight.isfinite().all() for weight in checkpoint["current_model_state"].values())
