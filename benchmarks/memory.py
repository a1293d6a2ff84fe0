"""Peak memory of one training step above the level before it, gradients included; each point in a fresh process."""

import argparse

from benchmarks import rows
from benchmarks.options import Options, common, modelled, wholes
from benchmarks.rows import Findings, LeftOut
from benchmarks.systems import PEERS
from benchmarks.training_step import NO_PEERS, shared, sizes_of, wanted
from benchmarks.workers import SystemFailed, start


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    common(parser, repeats=3)
    modelled(parser, batch=64)
    parser.add_argument(
        "--lengths", type=wholes, default=[25, 50, 100], metavar="N,N,...",
        help="source and target words of a sentence pair, ends counted (25,50,100)",
    )  # fmt: skip


def run(options: Options) -> Findings:
    """Measure each system at each length, in turn."""
    names, left_out = wanted(options), []
    if options.peers is None:
        left_out = [LeftOut(name, NO_PEERS) for name in names if name in PEERS]
        names = [name for name in names if name not in PEERS]
    sizes, found = sizes_of(options), []
    with rows.progress() as bar:
        task = bar.add_task("memory", total=len(names) * len(options.lengths) * options.repeats)
        for length in options.lengths:
            samples: dict[str, list[float]] = {}
            for _ in range(options.repeats):
                for name in list(names):
                    try:
                        with start(name, sizes, options) as worker:
                            answer = worker.ask("memory", batch=options.batch, source=length, target=length)
                        samples.setdefault(name, []).append(answer["bytes"] / 2**20)
                    except SystemFailed as error:
                        if name not in PEERS:
                            raise
                        left_out.append(LeftOut(name, str(error)))
                        names.remove(name)
                        samples.pop(name, None)
                    bar.advance(task)
            found += rows.make_rows(
                samples,
                quantity="peak memory of a step above its start",
                length=length,
                unit="MiB",
                **shared(options, sizes, options.batch),
            )
    return Findings(found, left_out)
