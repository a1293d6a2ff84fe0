"""The same seed gives the same results, also where a run was stopped and taken up again."""

import csv
import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.system.here import interrupt_after

DROPOUT = "budget.updates=12 model.dropout=0.2 "
SETTINGS = {
    "averaged": "",
    "at an epoch's end": "validation.every=6",
    "accumulated": "trainer.accumulate_grad_batches=2",
    "plateau": "averaging=none scheduler=plateau scheduler.patience=1 scheduler.warmup=0 optimizer=adadelta",
    "buckets of tokens": "batches=tokens batches.size=60 batches.pool=3 scheduler=inverse_sqrt optimizer=sgd",
    "until converged": "budget.until=converged budget.updates=30 convergence.patience=1 convergence.least=9 "
    "validation.every=4 convergence.decay=0.5",
    "transformer": "model/encoder=transformer model/decoder=transformer",
    "without a chain": "model.cell=mingru model.decoder.query_state=current model/context=slots",
    "layers": "model.encoder.layers=2 model.variational_dropout=true curve_every=5 early_stopping=50",
}
QUICK = ("averaged",)  # the others are slow


def test_the_same_seed_gives_the_same_results(workshop: Any, trained: Path, tmp_path: Path) -> None:
    assert workshop.train(tmp_path / "again", DROPOUT) == 0
    assert workshop.record(tmp_path / "again")["results"] == workshop.record(trained)["results"]
    assert workshop.record(tmp_path / "again")["config_hash"] == workshop.record(trained)["config_hash"]


@pytest.mark.slow
def test_another_seed_gives_other_results(workshop: Any, trained: Path, tmp_path: Path) -> None:
    assert workshop.train(tmp_path / "other", DROPOUT, "seed=0") == 0
    other, first = workshop.record(tmp_path / "other"), workshop.record(trained)
    assert other["seed"] == 0
    assert other["results"]["weights_sha256"] != first["results"]["weights_sha256"]
    assert other["config_hash"] != first["config_hash"]


def logged(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv, without how fast it was."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{key: cell for key, cell in row.items() if "second" not in key} for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    "settings",
    [pytest.param(words, id=name, marks=[] if name in QUICK else pytest.mark.slow) for name, words in SETTINGS.items()],
)
def test_a_resumed_run_ends_as_one_that_never_stopped(
    workshop: Any, tmp_path: Path, settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert workshop.train(whole, DROPOUT + settings) == 0
    with monkeypatch.context() as patch:
        interrupt_after(9, patch)
        assert workshop.train(stopped, DROPOUT + settings) == 130
    halted = workshop.record(stopped)
    assert (halted["status"], halted["error"]["type"]) == ("interrupted", "KeyboardInterrupt")
    assert halted["ended"] is not None
    assert halted["results"]["curves"]["validation"][-1]["update"] in (6, 8)
    assert workshop.train(stopped, DROPOUT + settings, "ckpt=last") == 0
    resumed, expected = workshop.record(stopped), workshop.record(whole)
    assert (resumed["status"], resumed["error"]) == ("finished", None)
    assert resumed["results"] == expected["results"]
    assert (resumed["updates"], resumed["tokens_seen"]) == (expected["updates"], expected["tokens_seen"])
    assert (resumed["id"], resumed["started"]) == (halted["id"], halted["started"])
    assert resumed["config_hash"] == expected["config_hash"]
    assert logged(stopped) == logged(whole)


@pytest.fixture(scope="module")
def interrupted(workshop: Any) -> Path:
    """A run that was stopped after five updates. Tests only read it."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(5, patch)
        assert workshop.train(workshop.folder / "interrupted", DROPOUT) == 130
    return Path(workshop.folder / "interrupted")


def test_the_last_checkpoint_of_a_resumed_run_is_that_of_a_whole_one(
    workshop: Any, trained: Path, interrupted: Path, tmp_path: Path
) -> None:
    shutil.copytree(interrupted, tmp_path / "run")
    assert workshop.train(tmp_path / "run", DROPOUT, "ckpt=last") == 0
    ours, theirs = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (tmp_path / "run", trained)
    )
    for key in ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "plateau"):
        torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=0, msg=key)
    assert ours["global_step"] == theirs["global_step"] == 12
    for key in ("updates", "batches", "tokens"):
        assert ours["counters"][key] == theirs["counters"][key]


@pytest.mark.slow
def test_other_data_are_refused(
    workshop: Any, tmp_path: Path, monkeypatch: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    own = workshop.corpus(tmp_path / "corpus")
    with monkeypatch.context() as patch:
        interrupt_after(5, patch)
        assert workshop.train(tmp_path / "run", DROPOUT, *own) == 130
    before = workshop.snapshot(tmp_path / "run")
    source = tmp_path / "corpus" / "train.source"
    text = source.read_text()
    source.write_text(text.replace("Hund", "Katze"))
    capfd.readouterr()
    assert workshop.train(tmp_path / "run", DROPOUT, *own, "ckpt=last") == 1
    said = capfd.readouterr().err
    assert "began with other data (their checksums differ: train.source)" in said
    assert workshop.snapshot(tmp_path / "run") == before
    source.write_text(text)
    assert workshop.train(tmp_path / "run", DROPOUT, *own, "ckpt=last") == 0


def test_a_failed_run_can_be_taken_up(workshop: Any, trained: Path, tmp_path: Path, monkeypatch: Any) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(5, patch, error=RuntimeError)
        assert workshop.train(tmp_path / "run", DROPOUT) == 1
    failed = workshop.record(tmp_path / "run")
    assert (failed["status"], failed["error"]["message"]) == ("failed", "stopped by a test")
    assert "stopping" in failed["error"]["traceback"]
    assert workshop.train(tmp_path / "run", DROPOUT, "ckpt=last") == 0
    assert workshop.record(tmp_path / "run")["results"] == workshop.record(trained)["results"]


@pytest.mark.slow
def test_a_finished_run_taken_up_stays_as_it_was(workshop: Any, trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    before = {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in run.rglob("*")}
    for more in ("test=true", "budget.updates=10"):
        assert workshop.train(run, DROPOUT, more, "ckpt=last") == 0
        after = {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in run.rglob("*")}
        assert after == before


@pytest.mark.slow
def test_a_finished_run_without_its_checkpoints_is_not_begun_anew(
    workshop: Any, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    before = workshop.snapshot(run)
    assert workshop.train(run, DROPOUT, "ckpt=last") == 0
    assert workshop.train(run, f"{DROPOUT} budget.updates=14", "ckpt=last") == 1
    error = capsys.readouterr().err
    assert "is finished and its checkpoints are gone" in error
    assert "anew" not in error
    assert workshop.snapshot(run) == before


def test_other_settings_are_refused(workshop: Any, interrupted: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(interrupted, tmp_path / "run")
    before = workshop.snapshot(tmp_path / "run")
    capsys.readouterr()
    assert workshop.train(tmp_path / "run", "label_smoothing=0.3 model.dropout=0.2 samples=1", "ckpt=last") == 1
    error = capsys.readouterr().err
    assert "label_smoothing was 0.1, is 0.3" in error
    assert "samples" not in error
    assert "Traceback" not in error
    assert workshop.snapshot(tmp_path / "run") == before
    assert workshop.train(tmp_path / "run", DROPOUT, "samples=1", "ckpt=last") == 0


def test_a_finished_run_can_be_given_a_larger_budget(workshop: Any, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    assert workshop.train(tmp_path / "run", f"{DROPOUT} budget.updates=14", "ckpt=last") == 0
    assert workshop.record(tmp_path / "run")["updates"] == 14


@pytest.mark.slow
def test_a_run_that_was_moved_knows_its_best_checkpoint(workshop: Any, tmp_path: Path) -> None:
    words = "model.dropout=0.2 optimizer.lr=0.05 validation.every=2 validation.monitor=nll keep_best=2 averaging=none"
    assert workshop.train(tmp_path / "old", f"{words} budget.updates=6") == 0
    (tmp_path / "old").rename(tmp_path / "new")
    assert workshop.train(tmp_path / "new", f"{words} budget.updates=12", "ckpt=last") == 0
    points = workshop.record(tmp_path / "new")["results"]["curves"]["validation"]
    best = torch.load(tmp_path / "new" / "checkpoints" / "best.ckpt", weights_only=True)
    assert len(points) == 6
    assert best["counters"]["updates"] == min(points, key=lambda point: point["nll"])["update"]
    assert len(list((tmp_path / "new" / "checkpoints").glob("update-*.ckpt"))) == 2
    assert not (tmp_path / "old").exists()


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["removed", "damaged"])
@pytest.mark.parametrize("budget", [12, 14])  # without a validation after the loss, and with one
def test_a_run_that_lost_its_best_checkpoint_ends_with_another(
    workshop: Any, tmp_path: Path, capsys: Any, harm: str, budget: int
) -> None:
    """Validation gets worse from the first on, so that none to come is as good as the lost one."""
    words = "optimizer=sgd optimizer.lr=9 validation.every=2 scheduler=none averaging=none keep_best=1"
    run, untested = tmp_path / "run", f"{words} test=false budget.updates=12"
    assert workshop.train(run, untested) == 0
    best = run / "checkpoints" / "best.ckpt"
    best.unlink() if harm == "removed" else best.write_bytes(best.read_bytes()[:-9])
    capsys.readouterr()
    assert workshop.train(run, f"{words} budget.updates={budget}", "ckpt=last") == 0
    assert capsys.readouterr().err.count(str(best)) == (2 if budget == 12 else 1)
    found = torch.load(best, weights_only=True)["counters"]["updates"]
    results = workshop.record(run)["results"]
    assert found == results["metrics"]["validation"]["update"] == budget
    assert results["metrics"]["test"]["bleu"] >= 0


@pytest.mark.slow
def test_operations_stop_as_so_many_tokens_do(workshop: Any, trained: Path, tmp_path: Path, monkeypatch: Any) -> None:
    each = workshop.record(trained)["flops_per_token"]
    words = "budget.updates=null budget.{}={} scheduler=cosine curve_every=1"
    operations = words.format("flops", 700 * each)
    assert workshop.train(tmp_path / "tokens", words.format("tokens", 700)) == 0
    assert workshop.train(tmp_path / "flops", operations) == 0
    tokens, flops = (workshop.record(tmp_path / name) for name in ("tokens", "flops"))
    assert 700 <= flops["tokens_seen"] < 700 + 16 * 7
    for key in ("updates", "tokens_seen"):
        assert flops[key] == tokens[key], key
    losses, expected = (one["results"]["curves"]["train"] for one in (flops, tokens))
    assert [point["loss"] for point in losses] == pytest.approx([point["loss"] for point in expected], rel=1e-5)
    with monkeypatch.context() as patch:
        interrupt_after(5, patch)
        assert workshop.train(tmp_path / "stopped", operations) == 130
    assert workshop.train(tmp_path / "stopped", operations, "ckpt=last") == 0
    assert workshop.record(tmp_path / "stopped")["results"] == flops["results"]


@pytest.mark.slow
def test_a_run_of_an_earlier_version_keeps_its_count_of_operations(
    workshop: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    words = "budget.updates=null budget.flops=7e4 scheduler=cosine"
    with monkeypatch.context() as patch:
        interrupt_after(5, patch)
        assert workshop.train(tmp_path / "run", words.replace("7e4", "1e12")) == 130
    kept = ("flops_lengths", "sha256", "files")  # earlier versions wrote none of them
    record = {key: value for key, value in workshop.record(tmp_path / "run").items() if key not in kept}
    (tmp_path / "run" / "record.json").write_text(json.dumps({**record, "flops_per_token": 100.0}))
    assert workshop.train(tmp_path / "run", words, "ckpt=last") == 0
    after = workshop.record(tmp_path / "run")
    assert after["flops_per_token"] == 100.0
    assert "flops_lengths" not in after
    assert 700 <= after["tokens_seen"] < 700 + 16 * 7


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_a_process(workshop: Any, tmp_path: Path, number: signal.Signals) -> None:
    run = tmp_path / "run"
    process = workshop.process(tmp_path, "train", *workshop.overrides(run, "budget.updates=100000 validation.every=5"))
    for _ in range(600):
        if (run / "checkpoints" / "last.ckpt").exists():
            break
        time.sleep(0.1)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip().splitlines()[-1] == "rnnsearch train: interrupted"
    assert "Traceback" not in error
    record = json.loads((run / "record.json").read_text())
    assert record["status"] == "interrupted"
    assert record["results"]["curves"]["validation"]
