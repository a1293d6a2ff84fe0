"""A run goes on from whatever a kill leaves in its folder; damaged checkpoints are passed over."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from rnnsearch.records.json_files import write_object
from rnnsearch.records.run_record import read_values
from rnnsearch.training.callbacks import Clock
from rnnsearch.training.checkpoints import AtomicCheckpoints
from rnnsearch.training.last_checkpoint import LastCheckpoint
from rnnsearch.training.module import TranslationModule

DROPOUT = "budget.updates=12 model.dropout=0.2 "
OFTEN = DROPOUT + "checkpoints.every=1 "
EVERYWHERE = {
    "averaged": "keep_best=2",
    "inside accumulations": "trainer.accumulate_grad_batches=4 budget.updates=6 validation.every=2",
    "plateau": "averaging=none scheduler=plateau scheduler.patience=1 scheduler.warmup=0 optimizer=adadelta",
    "buckets of tokens": "batches=tokens batches.size=60 batches.pool=3 validation.every=5 early_stopping=1",
    "streamed": "streaming=1000 batches.size=7 curve_every=5",
    "until converged": "budget.until=converged budget.updates=30 convergence.patience=1 convergence.least=9 "
    "convergence.decay=0.5",
    "close to a cap of tokens": "budget.until=converged budget.updates=null budget.tokens=700 curve_every=5",
    "tokens as a budget": "budget.updates=null budget.tokens=700 scheduler=cosine curve_every=5",
}
QUICK = ("averaged",)
KNOWN = ("update", "bleu")


@contextmanager
def snapshots(run: Path, aside: Path) -> Iterator[list[Path]]:
    """Copies of a run's folder as it is just after each checkpoint: what a kill at that moment would leave."""
    taken: list[Path] = []
    original = AtomicCheckpoints.save_checkpoint

    def saving(self: AtomicCheckpoints, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        original(self, checkpoint, path, storage_options)
        taken.append(aside / f"{len(taken)}-{Path(path).stem}-{checkpoint['global_step']}")
        shutil.copytree(run, taken[-1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AtomicCheckpoints, "save_checkpoint", saving)
        yield taken


def put(snapshot: Path, run: Path) -> None:
    shutil.rmtree(run)
    shutil.copytree(snapshot, run)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(words, id=name, marks=[] if name in QUICK else pytest.mark.slow)
        for name, words in EVERYWHERE.items()
    ],
)
@pytest.mark.slow
def test_a_run_goes_on_from_any_of_its_checkpoints(workshop: Any, tmp_path: Path, settings: str) -> None:
    run = tmp_path / "run"
    with snapshots(run, tmp_path / "aside") as taken:
        assert workshop.train(run, OFTEN + settings) == 0
    expected = workshop.record(run)
    names = [path.name.split("-", 1)[1] for path in taken]
    assert {"last-1", "last-2", "last-3"} <= set(names)
    for snapshot in taken if "accumulate" in settings else taken[1::3]:
        put(snapshot, run)
        assert workshop.train(run, OFTEN + settings, "ckpt=last") == 0
        found = workshop.record(run)
        assert found["results"] == expected["results"], snapshot.name
        assert [found[key] for key in ("updates", "tokens_seen")] == [
            expected[key] for key in ("updates", "tokens_seen")
        ]


def test_checkpoints_in_between_change_nothing(workshop: Any, trained: Path, tmp_path: Path) -> None:
    assert workshop.train(tmp_path / "run", OFTEN + "checkpoints.minutes=0.0001") == 0
    often, never = workshop.record(tmp_path / "run"), workshop.record(trained)
    assert often["results"] == never["results"]
    assert often["config_hash"] == never["config_hash"]


def asked_to_stop(where: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a signal does at the end of a batch of training, or within a batch of validation."""
    owner, name = (Clock, "on_train_batch_end") if where == "training" else (TranslationModule, "validation_step")
    original, calls = getattr(owner, name), [0]

    def asking(self: Any, *given: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            trainer = given[0] if where == "training" else self.trainer
            (last,) = (one for one in trainer.checkpoint_callbacks if isinstance(one, LastCheckpoint))
            last.stop.asked = True
        return original(self, *given)

    monkeypatch.setattr(owner, name, asking)


@pytest.mark.parametrize(
    ("where", "number", "saved", "settings"),
    [
        ("training", 3, 3, ""),
        pytest.param("training", 4, 4, "", marks=pytest.mark.slow),  # where validation is due
        ("training", 12, 12, ""),  # where the budget ends
        pytest.param("training", 12, 12, "validation.every=5", marks=pytest.mark.slow),
        pytest.param("training", 1, 1, "trainer.accumulate_grad_batches=4 budget.updates=5", marks=pytest.mark.slow),
        ("validation", 1, 4, "validation.batch_size=4"),
        pytest.param("validation", 5, 8, "validation.batch_size=4", marks=pytest.mark.slow),
        pytest.param("validation", 5, 8, "validation.batch_size=4 averaging=none", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_a_run_that_is_asked_to_stop_saves_and_leaves(
    workshop: Any, tmp_path: Path, where: str, number: int, saved: int, settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert workshop.train(whole, DROPOUT + settings) == 0
    with monkeypatch.context() as patch:
        asked_to_stop(where, number, patch)
        assert workshop.train(stopped, DROPOUT + settings) == 130
    assert workshop.record(stopped)["status"] == "interrupted"
    checkpoint = torch.load(stopped / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == checkpoint["counters"]["updates"] == saved
    assert workshop.train(stopped, DROPOUT + settings, "ckpt=last") == 0
    assert workshop.record(stopped)["results"] == workshop.record(whole)["results"]


def test_a_run_that_is_not_there_is_started(workshop: Any, trained: Path, tmp_path: Path) -> None:
    assert workshop.train(tmp_path / "run", DROPOUT, "ckpt=last") == 0
    assert workshop.record(tmp_path / "run")["results"] == workshop.record(trained)["results"]


@pytest.mark.slow
def test_a_run_that_ended_before_its_first_checkpoint_starts_anew(
    workshop: Any, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    write_object(run / "record.json", {**read_values(trained), "status": "interrupted"})
    (run / "checkpoints" / ".last.ckpt.17.part").write_bytes(b"half")
    assert workshop.train(run, DROPOUT, "ckpt=last") == 0
    assert "it starts anew" in capsys.readouterr().err
    assert not [*run.rglob("*.part")]
    assert workshop.record(run)["results"] == workshop.record(trained)["results"]
    assert workshop.record(run)["id"] != workshop.record(trained)["id"]


@pytest.fixture(scope="module")
def stopped(workshop: Any) -> Path:
    """A run that was asked to stop. Tests only read it."""
    with pytest.MonkeyPatch.context() as patch:
        asked_to_stop("training", 9, patch)
        assert workshop.train(workshop.folder / "stopped", DROPOUT) == 130
    return Path(workshop.folder / "stopped")


@pytest.fixture
def halted(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "halted"))


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign", "weights alone"])
def test_a_damaged_checkpoint_is_passed_over(
    workshop: Any, trained: Path, halted: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    last = halted / "checkpoints" / "last.ckpt"
    content = last.read_bytes()
    if damage == "foreign":
        torch.save({"model": torch.ones(2)}, last)
    elif damage == "weights alone":
        torch.save({key: torch.load(last, weights_only=True)[key] for key in ("rnnsearch", "state_dict")}, last)
    else:
        last.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    capsys.readouterr()
    assert workshop.train(halted, DROPOUT, "ckpt=last") == 0
    error = capsys.readouterr().err
    assert str(last) in error
    assert f"going on from {last.with_name('best.ckpt')} instead" in error
    assert workshop.record(halted)["results"] == workshop.record(trained)["results"]


def test_where_no_checkpoint_is_whole_nothing_is_lost(
    workshop: Any, halted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (halted / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    before = workshop.snapshot(halted)
    capsys.readouterr()
    assert workshop.train(halted, DROPOUT, "ckpt=last") == 1
    error = capsys.readouterr().err
    assert "no other checkpoint is whole" in error
    assert "Traceback" not in error
    assert workshop.snapshot(halted) == before


@pytest.mark.parametrize(
    "word", ["checkpoints.every=0", "checkpoints.every=1.5", "checkpoints.minutes=-1", "skip_limit=0", "skip_above=0"]
)
def test_values_that_are_not_allowed(workshop: Any, tmp_path: Path, word: str, capsys: Any) -> None:
    assert workshop.train(tmp_path / "run", DROPOUT, word) == 1
    assert capsys.readouterr().err.startswith(f"rnnsearch train: {word}")
