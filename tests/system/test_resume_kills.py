"""Trainings in processes of their own that are killed, or told to leave: the same command goes on to the same end."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.system.sweeps import eventually, trainings

pytestmark = pytest.mark.slow

LENGTH = (
    "budget.updates=80 validation.every=5 validation.batch_size=3 model.dropout=0.2 checkpoints.every=3 keep_best=2 "
)

# `rnnsearch` in one process after another, forked after the imports; each kills itself at the end of a batch, within a
# validation, or where a checkpoint is half written, written beside its place, or just in place.
SUICIDES = textwrap.dedent(
    """
    import io, json, os, signal, sys
    import rnnsearch.cli.commands.train
    import torch
    from rnnsearch.cli.main import main
    from rnnsearch.training.callbacks import Clock
    from rnnsearch.training.module import TranslationModule

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def half(save, checkpoint, file):
        save(checkpoint, buffer := io.BytesIO())
        file.write(buffer.getvalue()[: len(buffer.getvalue()) // 2])
        file.flush()

    def whole(call, *given, **named):
        return call(*given, **named)

    MOMENTS = {
        "batch": (Clock, "on_train_batch_end", whole),
        "validation": (TranslationModule, "validation_step", whole),
        "half": (torch, "save", half),
        "beside": (torch, "save", whole),
        "in place": (os, "replace", whole),
    }

    def arrange(where, left):
        owner, name, last = MOMENTS[where]
        original = getattr(owner, name)

        def counted(*given, **named):
            nonlocal left
            left -= where != "in place" or str(given[1]).endswith(".ckpt")
            found = (last if left < 0 else whole)(original, *given, **named)
            return die() if left < 0 else found

        setattr(owner, name, counted)

    for where, after in json.loads(os.environ["MOMENTS"]):
        child = os.fork()
        if not child:
            arrange(where, after)
            os._exit(main(sys.argv[1:]))
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (where, after, status)
    """
)


def test_kills_at_ten_random_moments(workshop: Any, tmp_path: Path) -> None:
    draw = random.Random(0)
    assert workshop.train(tmp_path / "whole", LENGTH) == 0
    run = tmp_path / "run"
    command = workshop.overrides(run, LENGTH, "ckpt=last")
    moments = [
        *[("batch", draw.randint(0, 9)) for _ in range(3)],
        *[("validation", draw.randint(0, 7)) for _ in range(2)],
        *[(where, draw.randint(0, 5)) for where in ("half", "beside", "in place")],
    ]
    draw.shuffle(moments)
    for seconds in (draw.uniform(0.1, 0.5), draw.uniform(0.4, 0.8)):  # in start-up
        process = workshop.process(tmp_path, "train", *command)
        time.sleep(seconds)
        process.kill()
        process.communicate()
    done = subprocess.run(
        [sys.executable, "-c", SUICIDES, "train", *command],
        env={**os.environ, "MOMENTS": json.dumps(moments)}, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert workshop.record(run)["status"] == "running"
    assert workshop.train(run, LENGTH, "ckpt=last") == 0
    assert not [*run.rglob("*.part")]
    resumed, expected = workshop.record(run), workshop.record(tmp_path / "whole")
    assert resumed["results"] == expected["results"]
    assert [resumed[key] for key in ("updates", "tokens_seen")] == [expected[key] for key in ("updates", "tokens_seen")]
    kept, expected_kept = (
        sorted(path.name for path in (folder / "checkpoints").iterdir()) for folder in (run, tmp_path / "whole")
    )
    assert kept == expected_kept


def is_at_work(run: Path) -> Callable[[], bool]:
    return lambda: (run / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_leaves(workshop: Any, tmp_path: Path, number: signal.Signals) -> None:
    run = tmp_path / "run"
    words = "budget.updates=1000000 validation.every=1000000 checkpoints.every=5"
    process = workshop.process(tmp_path, "train", *workshop.overrides(run, words))
    assert eventually(is_at_work(run))
    begin = time.monotonic()
    process.send_signal(number)
    process.send_signal(number)  # some clusters say it twice
    _, error = process.communicate(timeout=60)
    assert time.monotonic() - begin < 20
    assert process.returncode == 130
    assert error.strip().splitlines()[-1] == "rnnsearch train: interrupted"
    assert "Traceback" not in error
    assert workshop.record(run)["status"] == "interrupted"
    torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def test_a_signal_to_one_of_two_processes(workshop: Any, tmp_path: Path) -> None:
    """Both save the same update and leave; taken up, they end as if nothing had happened."""
    words = (
        "trainer=ddp_cpu trainer.devices=2 budget.updates=60 validation.every=30 checkpoints.every=4 model.dropout=0.2"
    )
    whole, run = tmp_path / "whole", tmp_path / "run"
    done = workshop.process(tmp_path, "train", *workshop.overrides(whole, words))
    out = done.communicate(timeout=300)
    assert done.returncode == 0, out
    process = workshop.process(tmp_path, "train", *workshop.overrides(run, words))
    assert eventually(is_at_work(run))
    process.send_signal(signal.SIGUSR1)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert eventually(lambda: not trainings(run.parent), seconds=10)
    updates = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert 0 < updates < 60
    process = workshop.process(tmp_path, "train", *workshop.overrides(run, words, "ckpt=last"))
    out = process.communicate(timeout=300)
    assert process.returncode == 0, out
    assert workshop.record(run)["results"] == workshop.record(whole)["results"]
