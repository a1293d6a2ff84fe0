"""Callbacks that a configuration chooses: ours by name, a user's own with trust, and the keys that mean the same."""

import csv
from pathlib import Path
from typing import Any

import pytest

MINE = """
from lightning.pytorch import Callback


class Counted(Callback):
    def __init__(self, *, folder, word: str):
        self.folder, self.word, self.count = folder, word, 0

    def on_train_batch_end(self, *_):
        self.count += 1

    def on_fit_end(self, trainer, module):
        samples = sum(type(callback).__name__ == "Samples" for callback in trainer.callbacks)
        (self.folder / "counted.txt").write_text(f"{self.word} {self.count}, samples {samples}")
"""


def columns(run: Path) -> dict[str, list[str]]:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {key: [row[key] for row in rows if row[key]] for key in rows[0]}


def test_chosen_callbacks_write_into_the_loggers_and_change_no_result(
    workshop: Any, trained: Path, tmp_path: Path
) -> None:
    words = "budget.updates=12 model.dropout=0.2 callbacks=[throughput,gradient_norm] callbacks.gradient_norm.every=2"
    assert workshop.train(tmp_path / "run", f"{words} callbacks.throughput.every=2") == 0
    found, record, plain = columns(tmp_path / "run"), workshop.record(tmp_path / "run"), workshop.record(trained)
    assert len(found["train/gradient_norm"]) == 6
    assert all(0 < float(norm) < 100 for norm in found["train/gradient_norm"])
    assert len(found["throughput/tokens_per_second"]) == 3  # of each four updates between validations
    assert record["results"] == plain["results"]
    assert record["config_hash"] == plain["config_hash"]


@pytest.mark.slow
def test_keys_and_callbacks_mean_the_same(workshop: Any, tmp_path: Path) -> None:
    """A model that learns nothing ends after as many validations as patience says."""
    lazy = "budget.updates=40 optimizer.lr=1e-9 test=false samples=0"
    for name, how in (
        ("key", "early_stopping=2 keep_best=2"),
        ("group", "callbacks=[early_stopping,kept_checkpoints]"),
    ):
        more = ("callbacks.early_stopping.patience=2", "callbacks.kept_checkpoints.count=2") if name == "group" else ()
        assert workshop.train(tmp_path / name, f"{lazy} {how}", *more) == 0
    key, group = (workshop.record(tmp_path / name) for name in ("key", "group"))
    assert key["updates"] == group["updates"] < 40
    assert key["results"] == group["results"]
    kept = [sorted(path.name for path in (tmp_path / name / "checkpoints").iterdir()) for name in ("key", "group")]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 4


def test_a_callback_of_ones_own_needs_trust_and_gets_the_runs_folder(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "callback_of_mine.py").write_text(MINE, encoding="utf-8")
    (tmp_path / "conf" / "callbacks").mkdir(parents=True)
    (tmp_path / "conf" / "callbacks" / "mine.yaml").write_text(
        "mine:\n  _target_: callback_of_mine.Counted\n  word: batches\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = ("budget.updates=3 test=false callbacks=[mine,samples]", f"--config-dir={tmp_path / 'conf'}")
    assert workshop.train(tmp_path / "run", *words) != 0
    assert "add trust=[callback_of_mine]" in capsys.readouterr().err
    assert workshop.train(tmp_path / "run", *words, "trust=[callback_of_mine]") == 0
    assert (tmp_path / "run" / "counted.txt").read_text() == "batches 3, samples 1"
    assert workshop.train(tmp_path / "other", *words, "trust=[callback_of_mine]", "callbacks.mine.wrod=x") != 0
    assert "did you mean callbacks.mine.word?" in capsys.readouterr().err


def test_early_stopping_and_convergence_do_not_go_together(
    workshop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "budget.until=converged scheduler=cosine callbacks=early_stopping"
    assert workshop.train(tmp_path / "run", words) != 0
    assert "early stopping would cut off" in capsys.readouterr().err
