"""From the paper's decoder to the Transformer: tokens a second of each rung, in training and in translation.

The rungs are the members of protocol=price_of_recurrence, scaled to the parameters of its first, which is our model as
it stands; they take turns.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace

from benchmarks import rows
from benchmarks.options import Options, common, modelled, whole, wholes
from benchmarks.peak import Peak
from benchmarks.rows import Findings
from benchmarks.systems import OURS, RUNGS
from benchmarks.training_step import shared, sizes_of, time_step, workers
from benchmarks.workers import Worker

BEAMS = (1, 5)


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    common(parser, repeats=3)
    modelled(parser, batch=80)
    parser.set_defaults(model="tiny")
    parser.add_argument(
        "--lengths", type=wholes, default=[10, 20, 40, 80, 160], metavar="N,N,...",
        help="source and target words of a sentence pair, at --batch pairs (10,20,40,80,160)",
    )  # fmt: skip
    parser.add_argument(
        "--batches", type=wholes, default=[8, 80, 512], metavar="N,N,...",
        help="sentence pairs, at --length words (8,80,512)",
    )  # fmt: skip
    parser.add_argument(
        "--length", type=whole(2), default=30, metavar="N",
        help="words a side where batches vary, and in translation, of 64 sentences (30)",
    )  # fmt: skip


def run(options: Options) -> Findings:
    """Time training by length and by batch size, then translation by width of the beam."""
    sizes, length = sizes_of(options), options.length
    shapes = {"by length": [(options.batch, one, one) for one in options.lengths]}
    shapes["by batch size"] = [(batch, length, length) for batch in options.batches]
    found: list[rows.Row] = []
    with (
        workers([OURS[0], *RUNGS], sizes, options) as (systems, left_out),
        Peak(options) as peak,
        rows.progress() as bar,
    ):
        task = bar.add_task("rungs", total=options.repeats * (sum(map(len, shapes.values())) + len(BEAMS)))
        for title, several in shapes.items():
            for shape in several:
                timed = time_step(systems, peak, sizes, options, shape, lambda: bar.advance(task))
                found += [replace(row, quantity=f"training, {title}") for row in timed]
        for worker in systems.values():
            worker.ask("prepare", batch=64, source=length, target=length)
        for beam in BEAMS:
            taken = _translations(systems, options, beam)
            bar.advance(task, options.repeats)
            found += rows.make_rows(
                {name: [64 * length / one for one in seconds] for name, seconds in taken.items()},
                quantity=f"translation, beam {beam}",
                length=length,
                unit="tokens/s",
                **shared(options, sizes, 64),
            )
    return Findings(found, left_out)


def _translations(systems: Mapping[str, Worker], options: Options, beam: int) -> dict[str, list[float]]:
    """Seconds of each system, in turns; the first round, in which memory is found, does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for round_ in range(-1, options.repeats):
        for name, worker in systems.items():
            taken = worker.ask("translate", beam=beam)["seconds"]
            if round_ >= 0:
                seconds[name].append(taken)
    return seconds
