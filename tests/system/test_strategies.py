"""Two processes train as one does: the same batches, the same updates, the same scores."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow

PLAIN = "optimizer=sgd optimizer.lr=0.5 scheduler=none budget.updates=20 validation.every=10"
SETTINGS = {
    "batches of 80": (f"{PLAIN} batches.size=80 budget.updates=50 validation.every=25", 1e-5),
    "shares that are empty": (f"{PLAIN} batches.size=1", 1e-5),
    "accumulated": (f"{PLAIN} batches.size=20 trainer.accumulate_grad_batches=3", 1e-5),
    "fewer sentences than processes": (f"{PLAIN} batches.size=80 validation.sentences=1", 1e-5),
    "buckets of tokens": (f"{PLAIN} batches=tokens batches.size=100 batches.pool=3", 1e-5),
    # Adam divides by the size of a gradient, and so makes whole steps of a rounding error where the gradient is 0
    "Adam": ("batches.size=80 budget.updates=50 validation.every=25", 1e-2),
}


def train(workshop: Any, run: Path, words: str) -> subprocess.CompletedProcess[str]:
    process = workshop.process(run.parent, "train", *workshop.overrides(run, words))
    out, error = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


def weights(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return found


@pytest.mark.parametrize(("settings", "rounding"), SETTINGS.values(), ids=SETTINGS.keys())
def test_two_processes_follow_one(workshop: Any, tmp_path: Path, settings: str, rounding: float) -> None:
    """Within the rounding of float32, for gradients are added up in another order."""
    one, two = tmp_path / "one", tmp_path / "two"
    for run, more in ((one, ""), (two, "trainer=ddp_cpu trainer.devices=2")):
        done = train(workshop, run, f"model.dropout=0 averaging=none curve_every=1 {more} {settings}")
        assert done.returncode == 0, done.stderr
    first, second = workshop.record(one), workshop.record(two)
    for key in ("updates", "tokens_seen"):
        assert first[key] == second[key]
    (ours, theirs) = (record["results"]["curves"] for record in (first, second))
    losses = [[point["loss"] for point in curves["train"]] for curves in (ours, theirs)]
    assert len(losses[0]) == first["updates"]
    assert losses[1] == pytest.approx(losses[0], rel=rounding)
    for mine, other in zip(ours["validation"], theirs["validation"], strict=True):
        assert other == pytest.approx(mine, rel=rounding)
    for name, weight in weights(one).items():
        torch.testing.assert_close(weights(two)[name], weight, rtol=rounding, atol=rounding)
