"""Disks that are full, folders that can't be written, caches that vanish, runs that race: with real processes."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.disks import leave, mounted

from .conftest import TINY, Shell

MIB = 1 << 20
SMALL = ["model.embedding_size=8", "model.hidden_size=8", "model.attention_size=8", "model.readout_size=8"]

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    with mounted(tmp_path / "disk", "24m") as place:
        yield place


def check_whole(folder: Path) -> None:
    """Every file that is there under its own name can be read."""
    for path in folder.rglob("*.json"):
        if not path.name.startswith("."):
            json.loads(path.read_text())
    for path in folder.rglob("*.ckpt"):
        if not path.name.startswith("."):
            torch.load(path, weights_only=True)


# From nothing at all to all but the last bytes: cache, log, record, config, texts, checkpoints, translations.
SPACES = {"run": (0, 40, 100, 300, 500, 900, 1200, 2000), "cache": (0, 8, 40, 100)}  # KiB


@pytest.mark.parametrize(("what", "kibibytes"), [(what, size) for what, sizes in SPACES.items() for size in sizes])
def test_a_full_disk_and_the_same_command_when_it_is_free(
    shell: Shell, disk: Path, tmp_path: Path, what: str, kibibytes: int
) -> None:
    if what == "cache":
        shell.cache = disk / "cache"
    run = (disk if what == "run" else tmp_path) / "run"
    filler = leave(disk, kibibytes * 1024)
    words = [*SMALL, "logger=many", "keep_best=2", "ckpt=last"]
    said = shell.train(run, *words, code=None)
    assert "Traceback" not in said.stderr, said.stderr
    record = json.loads((run / "record.json").read_text()) if (run / "record.json").is_file() else {}
    if said.returncode == 0:
        assert record["status"] == "finished"
    else:
        assert said.returncode == 1
        assert "no space left" in said.stderr, said.stderr
        assert record.get("status") in (None, "failed", "running")  # running: there was no room to say more
    check_whole(disk)
    os.truncate(filler, 0)
    assert shell.here(*shell.training(run, *words, "budget.updates=8")) == 0
    assert json.loads((run / "record.json").read_text())["status"] == "finished"
    check_whole(disk)
    assert not [path for path in disk.rglob("*.part") if path.is_file()]


@pytest.mark.parametrize(
    "words",
    [["evaluate", "run=RUN", "split=test"], ["reproduce", "run=RUN", "paths.output=DISK/outputs"]],
    ids=["evaluate", "reproduce"],
)
def test_other_commands_on_a_full_disk(shell: Shell, disk: Path, trained: Path, words: list[str]) -> None:
    run = Path(shutil.copytree(trained, disk / "run"))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    leave(disk, 0)
    words = [word.replace("RUN", str(run)).replace("DISK", str(disk)) for word in words]
    said = shell(*words, *([f"paths.cache={shell.cache}"] if words[0] == "reproduce" else []), code=1)
    assert "no space left" in said.stderr, said.stderr
    assert {path: path.read_bytes() for path in before} == before
    check_whole(disk)


def test_a_folder_that_is_a_file(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for run, cache in ((tmp_path / "file" / "run", shell.cache), (tmp_path / "run", tmp_path / "file" / "cache")):
        said = shell.train(run, f"paths.cache={cache}", code=1)
        assert f"{tmp_path / 'file'}" in said.stderr
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("what", ["run", "cache"])
def test_a_folder_that_can_only_be_read(shell: Shell, disk: Path, tmp_path: Path, what: str) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    run, cache = (disk / "run", shell.cache) if what == "run" else (tmp_path / "run", disk / "cache")
    said = shell.train(run, f"paths.cache={cache}", code=1)
    assert "read-only file system" in said.stderr, said.stderr


def test_a_cache_that_vanishes_during_a_run(shell: Shell, tmp_path: Path) -> None:
    """The encoded corpus is memory-mapped, so a training that has begun ends well; the next one makes it anew."""
    cache, run = tmp_path / "own", tmp_path / "run"
    words = [*TINY, f"paths.cache={cache}", f"hydra.run.dir={run}", "budget.updates=200", "validation.every=50"]
    process = shell.start("train", *words)
    while not (run / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    shutil.rmtree(cache)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert json.loads((run / "record.json").read_text())["status"] == "finished"
    shell.train(tmp_path / "again", f"paths.cache={cache}")


def test_two_runs_race_for_one_cache(shell: Shell, tmp_path: Path) -> None:
    cache = tmp_path / "own"
    both = [
        shell.start("train", *TINY, f"paths.cache={cache}", f"hydra.run.dir={tmp_path}/{i}", "budget.updates=4")
        for i in "ab"
    ]
    for process in both:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
    one, other = (json.loads((tmp_path / i / "record.json").read_text()) for i in "ab")
    assert one["results"] == other["results"]
    assert one["data"]["checksums"] == other["data"]["checksums"]
    assert not list(cache.rglob("*partial*"))


def test_the_builder_of_a_cache_is_killed_and_the_one_that_waits_goes_on(shell: Shell, tmp_path: Path) -> None:
    cache = tmp_path / "own"
    words = (*TINY, "data.train_pairs=20000", f"paths.cache={cache}", "budget.updates=4")
    first = shell.start("train", *words, f"hydra.run.dir={tmp_path}/a")
    while not list(cache.rglob("*.partial")):
        assert first.poll() is None
        time.sleep(0.02)
    second = shell.start("train", *words, f"hydra.run.dir={tmp_path}/b")
    time.sleep(1)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    _, error = second.communicate(timeout=200)
    assert second.returncode == 0, error
    assert not list(cache.rglob("*.partial"))
