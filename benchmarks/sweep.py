"""A sweep of six points of a few updates, by our launcher and by Hydra's joblib launcher.

The test set is small, since models that have learnt nothing translate up to the limit of length, whoever starts them.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time

from benchmarks import rows
from benchmarks.options import Options, common, whole
from benchmarks.rows import Findings
from benchmarks.workers import ROOT, SystemFailed, environment

POINTS = ["model/context=additive,fixed", "model.context.attention_size=8,16", "seed=0,1"]
TEST_PAIRS = 100
COUNT = 6  # a fixed context has no attention size
LAUNCHERS = {"ours": [], "joblib": ["hydra/launcher=joblib"]}


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    common(parser, repeats=3)
    parser.add_argument("--updates", type=whole(1), default=5, metavar="N", help="of each point (%(default)s)")
    parser.set_defaults(dtype="float32", model="tiny")


def run(options: Options) -> Findings:
    """Run the sweep with each launcher, in turn."""
    corpus = ["data=controlled", f"data.test_pairs={TEST_PAIRS}"]
    fixed = [*corpus, f"model={options.model}", "trainer=cpu", f"trainer.max_steps={options.updates}"]
    minutes: dict[str, list[float]] = {name: [] for name in LAUNCHERS}
    with rows.progress() as bar:
        task = bar.add_task("sweep", total=len(minutes) * options.repeats)
        for _ in range(options.repeats):
            for name, launcher in LAUNCHERS.items():
                minutes[name].append(_minutes([*fixed, *launcher, *POINTS], options))
                bar.advance(task)
    found = rows.make_rows(
        {name: [COUNT / one for one in taken] for name, taken in minutes.items()},
        details={name: {"minutes": taken} for name, taken in minutes.items()},
        quantity=f"a sweep of {COUNT} points",
        length=None,
        unit="points/min",
        threads=options.threads,
        sizes={"model": options.model, "updates": options.updates, "points": COUNT, "test_pairs": TEST_PAIRS},
        benchmark=options.command,
        device=options.device,
        dtype=options.dtype,
    )
    return Findings(found, [])


def _minutes(words: list[str], options: Options) -> float:
    """From the command to its end, in a folder that is made for it and removed."""
    folder = tempfile.mkdtemp()
    command = [sys.executable, "-m", "rnnsearch", "sweep", "study=timed", f"paths.output={folder}", *words]
    # each point takes a thread of its own, however many run
    surroundings = environment(options.threads) | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    began = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, cwd=ROOT, env=surroundings)
    seconds = time.perf_counter() - began
    shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SystemFailed(f"the sweep ended with code {done.returncode}: {said[-1] if said else 'it said nothing'}")
    return seconds / 60
