"""All benchmarks at sizes that end within 50 minutes on two cores, then the page: what `make bench` runs."""

import argparse
import sys
import time
from pathlib import Path

from benchmarks import page
from benchmarks.options import DEVICES, Options, folder, interpreter, whole

# file name, command and its own options
FULL = {
    "training_step": "training_step --lengths 15,30,60 --optimizer",
    "training_step_bfloat16": "training_step --lengths 30,60 --dtype bfloat16",
    "training_step_current": "training_step --lengths 30 --query-state current --systems ours,ours_plain",
    "training_step_tiny": "training_step --model tiny --lengths 15,30,60",
    "end_to_end": "end_to_end --updates 60",
    "memory": "memory --lengths 25,50,100 --repeats 2",
    "end_to_end_bfloat16": "end_to_end --updates 60 --repeats 2 --dtype bfloat16",
    "decode": "decode --sentences 1000 --repeats 2",
    "decode_bfloat16": "decode --sentences 500 --repeats 3 --dtype bfloat16",
    "lengths": "lengths",
    "rungs": "rungs",
    "start_up": "start_up",
    "sweep": "sweep",
}
QUICK = {
    "training_step": "training_step --model tiny --lengths 5,10 --batch 8 --repeats 2",
    "memory": "memory --model tiny --lengths 10,20 --batch 8 --repeats 1",
    "rungs": "rungs --lengths 5 --batches 4 --length 6 --batch 8 --repeats 1",
    "lengths": "lengths --model tiny --lengths 5,10 --batches 1,4 --batch 8 --repeats 2",
}
ON_CORPUS = ("end_to_end", "decode", "start_up")
OWN_THREADS = ("decode",)  # translates on one thread


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--results", type=Path, required=True, metavar="FOLDER", help="gets a folder a processor, and the page of all"
    )
    parser.add_argument("--peers", type=interpreter, metavar="PYTHON", help="as for the single commands")
    parser.add_argument("--data-root", type=folder, metavar="FOLDER", help="as for the single commands")
    parser.add_argument("--threads", type=whole(1), default=2, metavar="N", help="CPU threads (%(default)s)")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="where to compute (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="small sizes and no corpus, to see that everything works")


def run(options: Options) -> None:
    """Run one after the other, into a folder of this processor's; one that fails is named at the end.

    Raises:
        ValueError: some failed.
    """
    from benchmarks.__main__ import main
    from rnnsearch.kernels import compiled
    from rnnsearch.training.hardware import hardware

    results = options.results / page.folder_of(hardware())
    results.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, words in (QUICK if options.quick else FULL).items():
        if name == "decode_bfloat16" and not compiled.multiplies_low():
            print(f"left out: {words} (this processor has no avx512_bf16)", flush=True)
            continue
        began = time.monotonic()
        print(f"== {words}", flush=True)
        arguments = [*words.split(), *_shared(words.split()[0], options), "--json", f"{results / name}.json"]
        if main(arguments):
            failed.append(name)
        print(f"({time.monotonic() - began:.0f} seconds)", file=sys.stderr)
    print(f"written: {page.write(options.results)}")
    if failed:
        raise ValueError(
            f"failed: {', '.join(failed)}; the page shows what was measured earlier, if anything, of these"
        )


def _shared(command: str, options: Options) -> list[str]:
    words = ["--device", options.device]
    words += [] if command in OWN_THREADS else ["--threads", str(options.threads)]
    words += ["--peers", options.peers] if options.peers else []
    return words + (["--data-root", str(options.data_root)] if command in ON_CORPUS and options.data_root else [])
