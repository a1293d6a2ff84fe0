"""An estimate, not a measurement: one epoch of WMT'14 English-French at the paper's sizes on 1, 8 and 64 GPUs.

Operations are those of rnnsearch.training.cost for model=rnnsearch; what a GPU reaches is an assumption that the
options state. Gradients of 4 bytes a parameter cross the link twice per update (ring all-reduce), not overlapped.
"""

import argparse

from benchmarks.options import Options

PAIRS, WORDS, BATCH = 36_000_000, 348_000_000, 80


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--teraflops", type=float, default=10.0, metavar="N", help="a GPU reaches (%(default)s)")
    parser.add_argument("--link", type=float, default=50.0, metavar="GB/S", help="between GPUs (%(default)s)")
    parser.add_argument("--price", type=float, default=2.0, metavar="N", help="of a GPU hour (%(default)s)")


def run(options: Options) -> None:
    """Print the table."""
    from rnnsearch.cli.compose import compose
    from rnnsearch.model.build import build_translator
    from rnnsearch.training.cost import operations_per_token

    model = build_translator(
        compose("train", ["model=rnnsearch"]).model, source_size=30_000, target_size=30_000, kernels="plain"
    )
    length = round(WORDS / PAIRS) + 1
    operations = operations_per_token(model, source_length=length, target_length=length).training
    parameters = sum(one.numel() for one in model.parameters())
    print(f"{parameters / 1e6:.1f} million parameters, {operations / 1e6:.0f} million operations a target token\n")
    print("| GPUs | pairs a GPU and update | compute, ms | all-reduce, ms | hours an epoch | price |\n|" + "---|" * 6)
    for gpus in (1, 8, 64):
        compute = BATCH * length * operations / gpus / (options.teraflops * 1e12)
        reduce = 2 * (gpus - 1) / gpus * 4 * parameters / (options.link * 1e9)
        hours = PAIRS / BATCH * (compute + reduce) / 3600
        cells = f"{compute * 1e3:.1f} | {reduce * 1e3:.1f} | {hours:.1f} | {hours * gpus * options.price:.0f}"
        print(f"| {gpus} | {BATCH / gpus:g} | {cells} |")
