"""Cost by length and batch size, and the price of recurrence: ours beside its own matrix products, each done at once.

`products_at_once` multiplies every weight with all its positions in one product, forward and backward, as a model could
whose steps do not wait for each other. What ours takes beyond that is the price of the recurrence, the attention's own
products and everything done to single elements.
"""

import argparse
from dataclasses import replace

from benchmarks import rows
from benchmarks.options import Options, common, modelled, wholes
from benchmarks.peak import Peak
from benchmarks.rows import Findings
from benchmarks.training_step import sizes_of, time_step, wanted, workers


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    common(parser, repeats=3)
    modelled(parser, batch=80)
    parser.set_defaults(systems=["ours", "plain_loop"])
    parser.add_argument(
        "--lengths", type=wholes, default=[10, 20, 40, 80], metavar="N,N,...",
        help="source and target words of a sentence pair, at --batch pairs (10,20,40,80)",
    )  # fmt: skip
    parser.add_argument(
        "--batches", type=wholes, default=[1, 8, 32, 128], metavar="N,N,...",
        help="sentence pairs, at 30 words (1,8,32,128)",
    )  # fmt: skip


def run(options: Options) -> Findings:
    """Time each length at one batch size, then each batch size at one length."""
    sizes = sizes_of(options)
    shapes = {"by length": [(options.batch, length, length) for length in options.lengths]}
    shapes["by batch size"] = [(batch, 30, 30) for batch in options.batches]
    found: list[rows.Row] = []
    names = [*wanted(options), "products_at_once"]
    with workers(names, sizes, options) as (systems, left_out), Peak(options) as peak, rows.progress() as bar:
        task = bar.add_task("lengths", total=options.repeats * sum(map(len, shapes.values())))
        for title, several in shapes.items():
            for shape in several:
                timed = time_step(systems, peak, sizes, options, shape, lambda: bar.advance(task))
                found += [replace(row, quantity=f"forward and backward, {title}") for row in timed]
    return Findings(found, left_out)
