"""Forward and backward of the summed cross entropy over all target words, systems in turn, on random words."""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import Any

from benchmarks import rows
from benchmarks.options import Options, common, modelled, wholes
from benchmarks.peak import Peak
from benchmarks.rows import Findings, LeftOut
from benchmarks.systems import OURS, PEERS, PRESETS, SINGLE, Sizes
from benchmarks.workers import SystemFailed, Worker, start

NO_PEERS = "no --peers PYTHON was given; `make peers` builds one"
SECONDS = 0.3  # a sample lasts at least about so long; quick steps are taken several times


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    common(parser, repeats=5)
    modelled(parser, batch=80)
    parser.add_argument(
        "--lengths", type=wholes, default=[15, 30, 60], metavar="N,N,...",
        help="source and target words of a sentence pair, ends counted (15,30,60)",
    )  # fmt: skip
    parser.add_argument("--optimizer", action="store_true", help="time the optimizer's step too")


def run(options: Options) -> Findings:
    """Time the step at each length."""
    sizes = sizes_of(options)
    found: list[rows.Row] = []
    with workers(wanted(options), sizes, options) as (systems, left_out), Peak(options) as peak, rows.progress() as bar:
        task = bar.add_task("training_step", total=len(options.lengths) * options.repeats)
        for length in options.lengths:
            shape = (options.batch, length, length)
            found += time_step(systems, peak, sizes, options, shape, lambda: bar.advance(task))
        if options.optimizer:
            found += time_optimizer(systems, sizes, options)
    return Findings(found, left_out)


def sizes_of(options: Options) -> Sizes:
    """The sizes of the chosen model."""
    sizes = PRESETS[options.model]
    return sizes if options.vocabulary is None else replace(sizes, vocabulary=options.vocabulary)


def wanted(options: Options) -> list[str]:
    """The names of the systems to measure, ours first; beside bfloat16 each in single precision, too."""
    names = sorted(options.systems or [*OURS, *PEERS], key=[*OURS, *PEERS].index)
    return names + [name + SINGLE for name in names if options.dtype == "bfloat16"]


@contextmanager
def workers(names: list[str], sizes: Sizes, options: Options) -> Iterator[tuple[dict[str, Worker], list[LeftOut]]]:
    """A worker for each system that can be built here, and the systems left out."""
    left_out = []
    with ExitStack() as stack:
        found: dict[str, Worker] = {}
        for name in names:
            if name.removesuffix(SINGLE) in PEERS and options.peers is None:
                left_out.append(LeftOut(name, NO_PEERS))
                continue
            try:
                found[name] = stack.enter_context(start(name, sizes, options))
            except SystemFailed as error:
                if name.removesuffix(SINGLE) not in PEERS:
                    raise
                left_out.append(LeftOut(name, str(error)))
        yield found, left_out


def time_step(
    systems: Mapping[str, Worker],
    peak: Peak,
    sizes: Sizes,
    options: Options,
    shape: tuple[int, int, int],
    advance: Callable[[], None],
) -> list[rows.Row]:
    """Rows of one batch shape (pairs, source words, target words): tokens a second and the share of the peak."""
    batch, source, target = shape
    ready = {name: worker.ask("prepare", batch=batch, source=source, target=target) for name, worker in systems.items()}
    counts = {name: max(1, math.ceil(SECONDS / max(1e-6, one["seconds"]))) for name, one in ready.items()}
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    peak.clear()
    for _ in range(options.repeats):
        peak.measure()
        for name, worker in systems.items():
            seconds[name].append(worker.ask("step", count=counts[name])["seconds"])
        advance()
    peaks = {"peak_operations_per_second": peak.best, "torch_product_operations_per_second": peak.torch}
    return rows.make_rows(
        {name: [batch * target / one for one in taken] for name, taken in seconds.items()},
        operations={name: ready[name]["operations"] for name in seconds},
        peak=peak,
        details={name: {"seconds": seconds[name], "steps_a_sample": counts[name], **peaks} for name in seconds},
        quantity="forward and backward",
        length=target,
        unit="tokens/s",
        **shared(options, sizes, batch),
    )


def time_optimizer(systems: Mapping[str, Worker], sizes: Sizes, options: Options) -> list[rows.Row]:
    """Rows of the optimiser's step: seconds of an update of all weights."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for round_ in range(-1, options.repeats):  # the first makes the optimiser's state
        for name, worker in systems.items():
            taken = worker.ask("update")["seconds"]
            if round_ >= 0:
                seconds[name].append(taken)
    return rows.make_rows(
        seconds, quantity="optimizer step", length=None, unit="seconds", **shared(options, sizes, options.batch)
    )


def shared(options: Options, sizes: Sizes, batch: int) -> dict[str, Any]:
    """Fields that all rows of a command have alike."""
    return {
        "benchmark": options.command,
        "device": options.device,
        "dtype": options.dtype,
        "threads": options.threads,
        "sizes": {**asdict(sizes), "batch": batch},
    }
