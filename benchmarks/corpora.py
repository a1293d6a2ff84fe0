"""Large corpora: time and memory from the first encoding to the first batch, and again with the cache, against pairs.

Each size is encoded, started a second time, streamed, and trained for a few updates, each in a process of its own;
memory is read twenty times a second: the resident set of the main process, and the proportional sets (pages that
processes share counted once) of it and its workers. The input pipeline's tokens a second are measured beside
training's, in turn. The text is of the built-in grammar, which takes minutes for a million pairs, so that each line
has two of its sentences.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import rows
from benchmarks.options import Options, whole, wholes
from benchmarks.options import common as common_options
from benchmarks.rows import Findings
from benchmarks.workers import ROOT, SystemFailed, environment
from rnnsearch.config.build import make
from rnnsearch.config.compose import compose

SENTENCES = 60_000
QUANTITIES = {
    "encode": "first start: tokenizer, encoding, first batch",
    "start": "second start: set-up to the first batch",
    "stream": "streamed, 100,000 pairs at a time: set-up to the first batch",
    "train": "training, a few updates",
}


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    common_options(parser, repeats=1, threads=1)
    parser.add_argument("--pairs", type=wholes, default=[20_000, 200_000, 2_000_000], metavar="N,N", help="sizes")
    parser.add_argument("--processes", type=whole(1), default=2, metavar="N", help="that encode (%(default)s)")
    parser.add_argument("--model", choices=("tiny", "small"), default="small", help="that trains (%(default)s)")
    parser.add_argument("--updates", type=whole(1), default=20, metavar="N", help="of training (%(default)s)")


def run(options: Options) -> Findings:
    """Measure each size."""
    found: list[rows.Row] = []
    for pairs in options.pairs:
        with tempfile.TemporaryDirectory() as folder:
            write_text(Path(folder), pairs)
            for step in QUANTITIES:
                found += _rows(step, pairs, _measured(step, pairs, Path(folder), options), options)
    return Findings(found, [])


def _measured(step: str, pairs: int, folder: Path, options: Options) -> dict[str, Any]:
    """What a process of its own says, and how much memory it took."""
    said = {"pairs": pairs, "folder": str(folder), "processes": options.processes, "updates": options.updates}
    given = json.dumps({**said, "step": step, "model": options.model})
    with Watched([sys.executable, "-m", "benchmarks.corpora_worker", given], options.threads) as process:
        out, errors = process.communicate()
    if process.returncode:
        raise SystemFailed(f"{step} of {pairs} pairs: {(errors.strip().splitlines() or ['no message'])[-1]}")
    return {**json.loads(out.splitlines()[-1]), **process.peaks}


def write_text(folder: Path, pairs: int) -> None:
    """Line-aligned files train.* and validation.* of a folder: each line joins two pairs, drawn anew."""
    random = Random(0)
    config = compose("train", ["data=controlled", f"data.train_pairs={SENTENCES}", "data.max_length=15"])
    sentences = [(pair.source, pair.target) for pair in make(config.data).pairs("train")]
    for split, count in (("train", pairs), ("validation", 500)):
        with (folder / f"{split}.source").open("w") as source, (folder / f"{split}.target").open("w") as target:
            for _ in range(count):
                one, other = random.choice(sentences), random.choice(sentences)
                source.write(f"{one[0]} {other[0]}\n")
                target.write(f"{one[1]} {other[1]}\n")


class Watched(subprocess.Popen[str]):
    """A process whose memory, and its children's, is looked at until it ends."""

    def __init__(self, command: list[str], threads: int) -> None:
        super().__init__(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment(threads)
        )
        self.peaks = {"main_bytes": 0, "all_bytes": 0}
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while self.poll() is None:
            with suppress(OSError, ValueError):  # one of them ended in between
                self._note("main_bytes", _kibibytes(self.pid, "Rss") * 1024)
                self._note("all_bytes", sum(_kibibytes(pid, "Pss") for pid in _family(self.pid)) * 1024)
            time.sleep(0.05)

    def _note(self, key: str, value: int) -> None:
        self.peaks[key] = max(self.peaks[key], value)


def _kibibytes(pid: int, what: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    [found] = (line.split()[1] for line in lines if line.startswith(f"{what}:"))
    return int(found)


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _rows(step: str, pairs: int, measured: dict[str, Any], options: Options) -> list[rows.Row]:
    corpus = "two sentences of the built-in grammar a line"
    sizes = {"model": options.model, "pairs": pairs, "processes": options.processes, "corpus": corpus}
    shared: dict[str, Any] = {
        "benchmark": options.command, "device": "cpu", "dtype": "float32", "threads": options.threads,
        "length": None, "sizes": sizes,
    }  # fmt: skip
    details = {"load": os.getloadavg()[0], **measured}
    made: list[rows.Row] = []
    for quantity, value, unit in (
        (QUANTITIES[step], measured["seconds"], "seconds"),
        (f"{step}: peak of the main process", measured["main_bytes"] / 2**20, "MiB"),
        (f"{step}: peak of all processes", measured["all_bytes"] / 2**20, "MiB"),
    ):
        made += rows.make_rows({"ours": [value]}, quantity=quantity, unit=unit, details={"ours": details}, **shared)
    return made
