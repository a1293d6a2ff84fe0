"""What can be asked for on the command line, and one sentence for what can't."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.systems import OURS, PEERS, PRESETS

DTYPES = ("float32", "bfloat16", "float64")
DEVICES = ("cpu", "cuda")


class Options(argparse.Namespace):
    """The parsed command line."""

    command: str
    json: Path | None
    peers: str | None
    threads: int
    device: str
    dtype: str
    repeats: int
    systems: list[str] | None
    model: str
    batch: int
    batches: list[int]
    vocabulary: int | None
    lengths: list[int]
    optimizer: bool
    opennmt_attention: str
    query_state: str = "previous"
    sentences: int
    length: int
    beam: int
    updates: int
    skipped: int
    training_updates: int
    data_root: Path | None
    results: Path
    link: float
    price: float
    pairs: list[int]
    processes: int


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def whole(least: int) -> Callable[[str], int]:
    """Reads a whole number, ``least`` or more."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return number

    return read


def wholes(text: str) -> list[int]:
    """Reads a list such as 15,30,60."""
    return [whole(1)(part.strip()) for part in text.split(",")]


def some_of(names: Sequence[str]) -> Callable[[str], list[str]]:
    """Reads some of ``names``, with commas between."""

    def read(text: str) -> list[str]:
        chosen = [part.strip() for part in text.split(",")]
        for name in chosen:
            if name not in names:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(names)}")
        return chosen

    return read


def output(text: str) -> Path:
    """A file that can be written."""
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} can't be written: its folder must exist and it must not be one")
    return path


def folder(text: str) -> Path:
    """A folder that is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return Path(text).absolute()


def interpreter(text: str) -> str:
    """A Python that has torch. The path is kept as it is: a link into an environment means that environment."""
    path = os.path.abspath(text)
    try:
        done = subprocess.run([path, "-c", "import torch"], capture_output=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is None or done.returncode:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no Python with torch; `make peers` builds one in .venv-peers/bin/python"
        )
    return path


def common(parser: argparse.ArgumentParser, *, repeats: int, threads: int = 2) -> None:
    """Options of every measurement."""
    parser.add_argument("--json", type=output, metavar="OUT.json", help="write what was measured into this file")
    parser.add_argument(
        "--peers", type=interpreter, metavar="PYTHON",
        help="the interpreter that has JoeyNMT and OpenNMT-py (`make peers` builds .venv-peers/bin/python); "
        "without it they are listed as left out",
    )  # fmt: skip
    parser.add_argument("--threads", type=whole(1), default=threads, metavar="N", help="CPU threads (%(default)s)")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="where to compute (%(default)s)")
    parser.add_argument(
        "--repeats", type=whole(1), default=repeats, metavar="N",
        help="how often each system is timed, in turn with the others (%(default)s)",
    )  # fmt: skip


def modelled(parser: argparse.ArgumentParser, *, batch: int) -> None:
    """Options of measurements on random words."""
    parser.add_argument(
        "--dtype", choices=DTYPES, default="float32",
        help="bfloat16: as trainer.precision=bf16-mixed, others under autocast; all in float32 beside it (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--model", choices=list(PRESETS), default="reference", help="the sizes of all systems (%(default)s)"
    )
    parser.add_argument("--batch", type=whole(1), default=batch, metavar="N", help="sentence pairs (%(default)s)")
    parser.add_argument(
        "--vocabulary", type=whole(8), metavar="N", help="words a side (8000; 6000 for small, 2000 for tiny)"
    )
    chosen = [*OURS, *PEERS]
    parser.add_argument(
        "--systems", type=some_of(chosen), metavar="NAMES", help=f"some of {', '.join(chosen)} (all of them)"
    )
    parser.add_argument(
        "--query-state", choices=("previous", "current"), default="previous",
        help="which state asks for a context in our model: current is Luong's (%(default)s)",
    )  # fmt: skip
    attention(parser)


def attention(parser: argparse.ArgumentParser) -> None:
    """Which attention OpenNMT-py's model has."""
    parser.add_argument(
        "--opennmt-attention", choices=("general", "mlp", "dot"), default="general",
        help="OpenNMT-py's attention: general is its default and cheap, mlp is additive as ours (%(default)s)",
    )  # fmt: skip


def trained_on(parser: argparse.ArgumentParser, *, low: bool = False) -> None:
    """Options of measurements on a corpus."""
    parser.add_argument(
        "--data-root", type=folder, metavar="FOLDER",
        help="a folder with Multi30k's train.de.gz, train.en.gz ...; without it they are taken from the cache or the "
        "network, or the built-in corpus instead",
    )  # fmt: skip
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16") if low else ("float32",), default="float32",
        help="tools train and translate in float32; bfloat16: ours besides in bf16-mixed (%(default)s)",
    )  # fmt: skip


def check_device(options: Any) -> None:
    """Refuse a GPU that is not there.

    Raises:
        ValueError: in one sentence.
    """
    if getattr(options, "device", "cpu") == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ValueError("--device cuda: no GPU is usable here; leave it out, or give --device cpu")


def python_version() -> str:
    """Of this interpreter."""
    return ".".join(map(str, sys.version_info[:3]))
