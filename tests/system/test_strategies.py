"""Two processes train as one does: the same batches, the same updates, the same scores."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
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
    "streamed, averaged": (f"{PLAIN} averaging=ema batches.size=80 streaming=1000", 1e-5),
    "buckets of tokens": (f"{PLAIN} batches=tokens batches.size=100 batches.pool=3", 1e-5),
    "transformer": (f"{PLAIN} model/encoder=transformer model/decoder=transformer batches.size=80", 1e-5),
    "until converged": (
        f"{PLAIN} scheduler=cosine scheduler.warmup=0 batches.size=80 validation.every=5 budget.until=converged "
        "budget.updates=40 convergence.patience=1 convergence.least=9",
        1e-5,
    ),
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
    words = f"model.dropout=0 averaging=none curve_every=1 {settings}"
    assert workshop.train(one, words) == 0
    done = train(workshop, two, f"trainer=ddp_cpu trainer.devices=2 {words}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the run is in") == 1
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


KEEPING = """
import os, sys, torch
from rnnsearch.cli.main import main
from rnnsearch.training.callbacks import Clock
def keep(self, trainer, module):
    torch.save(module.state_dict(), f"{os.environ['KEPT']}/{trainer.global_rank}.pt")
Clock.on_train_end = keep
sys.exit(main())
"""


@pytest.mark.parametrize("kernels", ["fused", "plain"])
def test_two_processes_in_bfloat16(workshop: Any, tmp_path: Path, kernels: str) -> None:
    """They hold the same weights, bit for bit, and follow one process within the rounding of bfloat16."""
    script, losses = tmp_path / "keeping.py", []
    script.write_text(KEEPING)
    words = f"model.dropout=0 averaging=none curve_every=1 {PLAIN} trainer.precision=bf16-mixed kernels={kernels}"
    for name, more in (("one", ""), ("two", "trainer=ddp_cpu trainer.devices=2")):
        run, kept = tmp_path / name / "run", tmp_path / name
        kept.mkdir()
        command = [sys.executable, str(script), "train", *workshop.overrides(run, f"{more} {words}")]
        environment = {**os.environ, "KEPT": str(kept)}
        done = subprocess.run(command, cwd=kept, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        record = workshop.record(run)
        assert (record["status"], record["updates"]) == ("finished", 20)
        losses.append([point["loss"] for point in record["results"]["curves"]["train"]])
    first, second = (torch.load(tmp_path / "two" / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert first.keys() == second.keys() == weights(tmp_path / "two" / "run").keys()
    for name, weight in weights(tmp_path / "two" / "run").items():
        assert torch.equal(first[name], weight)
        assert torch.equal(second[name], weight)
    assert losses[1] == pytest.approx(losses[0], rel=2**-8)  # the most that rounding to bfloat16 changes a number


BROKEN = """
import os, sys
from rnnsearch.cli.main import main
from rnnsearch.training.callbacks import Clock
original = Clock.on_train_batch_end
def breaking(self, trainer, *others):
    original(self, trainer, *others)
    if trainer.global_rank == 1 and trainer.global_step == 5:
        raise ArithmeticError("a fault of the second process")
Clock.on_train_batch_end = breaking
sys.exit(main())
"""
LONG = "trainer=ddp_cpu trainer.devices=2 budget.updates=100000 validation.every=5"


def processes(run: Path) -> dict[int, str]:
    """The processes that train in a folder, by number, with the environment's part that tells them apart."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(run) in (path / "cmdline").read_bytes().decode(errors="replace"):
                found[int(path.name)] = (path / "environ").read_bytes().decode(errors="replace")
    return found


def others(run: Path) -> list[int]:
    return [number for number, environment in processes(run).items() if "LOCAL_RANK=1" in environment]


def none_left(run: Path) -> bool:
    return eventually(lambda: not processes(run))


def eventually(what: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.1)
    return what()


def test_a_failed_process_ends_the_run_with_its_own_story(workshop: Any, tmp_path: Path) -> None:
    run, script = tmp_path / "run", tmp_path / "broken.py"
    script.write_text(BROKEN)
    words = [sys.executable, str(script), "train", *workshop.overrides(run, LONG)]
    done = subprocess.run(words, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    assert done.returncode == 1
    record = workshop.record(run)
    assert (record["status"], record["error"]["type"]) == ("failed", "ArithmeticError")
    assert "in breaking" in record["error"]["traceback"]
    sentence = "process 1 of this run failed: ArithmeticError: a fault of the second process"
    assert record["error"]["message"] == sentence
    assert done.stderr.strip().splitlines()[-1] == f"rnnsearch train: ProcessFailed: {sentence}"
    assert none_left(run)
    done = subprocess.run([*words[:1], "-m", "rnnsearch", *words[2:], "ckpt=last", "budget.updates=15"], timeout=300)
    assert done.returncode == 0
    assert not list(run.glob(".failure*"))


@pytest.mark.parametrize("when", ["starting", "training"])
def test_a_killed_process_ends_the_run(workshop: Any, tmp_path: Path, when: str) -> None:
    run = tmp_path / "run"
    first = workshop.process(tmp_path, "train", *workshop.overrides(run, LONG))
    assert when == "starting" or eventually((run / "checkpoints" / "last.ckpt").exists, 120)
    assert eventually(lambda: bool(others(run)), 120)
    (second,) = others(run)
    begin = time.monotonic()
    os.kill(second, signal.SIGKILL)
    _, error = first.communicate(timeout=60)
    assert time.monotonic() - begin < 60
    assert first.returncode == 1
    record = workshop.record(run)
    assert (record["status"], record["error"]["type"]) == ("failed", "ProcessFailed")
    sentence = "process 1 of this run was killed by SIGKILL; ckpt=last goes on with the run"
    assert sentence in record["error"]["message"]
    assert sentence in error.strip().splitlines()[-1]
    assert none_left(run)


SHORT = "trainer=ddp_cpu trainer.devices=2 budget.updates=4 validation.every=2 model.dropout=0"


def test_seconds_end_both_processes_at_the_same_update(workshop: Any, tmp_path: Path) -> None:
    words = (
        "trainer=ddp_cpu trainer.devices=2 budget.updates=null budget.seconds=1.5 scheduler=cosine validation.every=50"
    )
    done = train(workshop, tmp_path / "run", f"{words} validation.sentences=2")
    assert done.returncode == 0, done.stderr
    record = workshop.record(tmp_path / "run")
    assert record["status"] == "finished"
    assert 1.5 <= record["training_seconds"] < 10


def test_torchrun_starts_the_same_run(workshop: Any, tmp_path: Path) -> None:
    """Its processes are started from outside; each of the commands leaves one folder, one record, the same weights."""
    found = []
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = [str(Path(sys.executable).with_name("rnnsearch"))]
    for name, words in (
        ("torchrun", [sys.executable, *torchrun, "-m", "rnnsearch"]),
        ("module", [sys.executable, "-m", "rnnsearch"]),
        ("script", [sys.executable, *script]),
    ):
        run = tmp_path / name / "run"
        run.parent.mkdir()
        arguments = [*words, "train", *workshop.overrides(run, SHORT)]
        done = subprocess.run(arguments, cwd=run.parent, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert [path.name for path in run.parent.iterdir()] == ["run"]
        found.append(workshop.record(run))
    assert {record["status"] for record in found} == {"finished"}
    assert len({record["results"]["weights_sha256"] for record in found}) == 1


@pytest.mark.parametrize(("rank", "left"), [(0, {"running"}), (1, {"interrupted", "failed"})], ids=["first", "second"])
def test_a_process_of_torchrun_is_killed(workshop: Any, tmp_path: Path, rank: int, left: set[str]) -> None:
    """The command ends, and the same one goes on; the first process alone writes the record, if it lives."""
    run = tmp_path / "run"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "rnnsearch"]
    words = [*torchrun, "train", *workshop.overrides(run, f"{LONG} ckpt=last")]
    command = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert eventually((run / "checkpoints" / "last.ckpt").exists, 120)
    [victim] = [number for number, environment in processes(run).items() if f"\0LOCAL_RANK={rank}\0" in environment]
    os.kill(victim, signal.SIGKILL)
    assert command.wait(60) == 1
    before = workshop.record(run)
    assert before["status"] in left
    assert none_left(run)
    words.append(f"budget.updates={before['results']['curves']['validation'][-1]['update'] + 10}")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    after = workshop.record(run)
    assert (after["status"], after["id"]) == ("finished", before["id"])
    assert words[-1] == f"budget.updates={after['updates']}"


def test_two_jobs_of_two_processes(workshop: Any, tmp_path: Path) -> None:
    """By `train -m`: two folders, two records, a dashboard run each, no strays."""
    output = workshop.quoted("paths.output", tmp_path / "out")
    words = workshop.overrides(tmp_path, f"{SHORT} seed=0,1 study=s logger=many logger.wandb.offline=true")[:-1]
    process = workshop.process(tmp_path, "train", "-m", *words, output)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    records = list((tmp_path / "out").rglob("record.json"))
    assert len(records) == 2
    assert {workshop.record(path.parent)["seed"] for path in records} == {0, 1}
    for path in records:
        assert workshop.record(path.parent)["status"] == "finished"
        assert len(list(path.parent.glob("wandb/*run-*/run-*.wandb"))) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["s"]
    assert none_left(tmp_path / "out")
