"""Training as users run it: `rnnsearch train`, `joeynmt train`, `onmt_train`, on one corpus, in turn.

Target tokens a second (ends of sentence counted, padding not), from the clock after one update to the clock after the
last: reading, batching, forward, backward, clipping and Adam, without start-up, which is a figure of its own. All have
batches of 80 sentences, vocabularies of 8,000 pieces, the reference sizes (OpenNMT-py's encoder has half the units a
direction), Adam, the same threads, and no validation before the end.
"""

import argparse
import statistics
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from benchmarks import corpus, rows, tools
from benchmarks.options import Options, attention, common, trained_on, whole
from benchmarks.peak import Peak
from benchmarks.rows import Findings, LeftOut
from benchmarks.systems import SINGLE
from benchmarks.tools import Training
from benchmarks.training_step import NO_PEERS
from benchmarks.workers import Worker, start

MODULES = {"ours": "ours", "joeynmt": "joeynmt_modules", "opennmt": "opennmt_modules"}  # whose operations they perform


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    common(parser, repeats=3)
    trained_on(parser, low=True)
    attention(parser)
    parser.add_argument("--updates", type=whole(2), default=60, metavar="N", help="of each training (%(default)s)")
    parser.add_argument(
        "--skipped", type=whole(1), default=20, metavar="N", help="first updates that are not timed (%(default)s)"
    )


def run(options: Options) -> Findings:
    """Train with each tool, in turn."""
    if options.skipped >= options.updates:
        raise ValueError(f"--skipped {options.skipped} leaves none of --updates {options.updates} to time; lower it")
    data = corpus.prepare(options)
    names, left_out = available(options)
    trained: dict[str, list[Training]] = {name: [] for name in names}
    with Peak(options) as peak, rows.progress() as bar:
        task = bar.add_task("end_to_end", total=len(names) * options.repeats)
        for _ in range(options.repeats):
            peak.measure()
            for name in names:
                folder = data.folder / "end_to_end" / name
                trained[name].append(tools.train(name, data, folder, options.updates, options))
                bar.advance(task)
    return Findings(_rows(trained, peak, data, options), left_out)


def available(options: Options) -> tuple[list[str], list[LeftOut]]:
    """The tools to run, and those that can't be for want of --peers; all in float32, ours besides in a lower type."""
    names = ["ours"] if options.peers is None else list(tools.TOOLS)
    left_out = [LeftOut(name, NO_PEERS) for name in tools.PEER_TOOLS if name not in names]
    if options.dtype != "float32":
        names = ["ours", *(name + SINGLE for name in names)]
    return names, left_out


def _rows(trained: dict[str, list[Training]], peak: Peak, data: corpus.Corpus, options: Options) -> list[rows.Row]:
    speeds = {name: [_speed(one, options) for one in several] for name, several in trained.items()}
    wholes = {
        name: [sum(one.tokens) / (one.times[-1] - one.began) for one in several] for name, several in trained.items()
    }
    starts = {name: [_start_up(one) for one in several] for name, several in trained.items()}
    shared = shared_fields(options, data, options.updates)
    lengths = mean_lengths(data)
    training = rows.make_rows(
        speeds,
        operations={name: operations(name, lengths, data, options) for name in trained},
        peak=peak,
        details={name: {"mean_source_length": lengths[0], "mean_target_length": lengths[1]} for name in trained},
        quantity="training, start-up left out",
        unit="tokens/s",
        **shared,
    )
    starting = rows.make_rows(
        starts, quantity="start-up: from the command to the first update", unit="seconds", **shared
    )
    whole = rows.make_rows(wholes, quantity=f"the whole command, {options.updates} updates", unit="tokens/s", **shared)
    return [*training, *whole, *starting]


def _speed(training: Training, options: Options) -> float:
    times, tokens = training.times, training.tokens
    return sum(tokens[options.skipped : len(times)]) / (times[-1] - times[options.skipped - 1])


def _start_up(training: Training) -> float:
    """Seconds until the first update begins: until it ends, less what an update takes."""
    times = training.times
    return times[0] - training.began - statistics.median(b - a for a, b in pairwise(times))


def shared_fields(options: Options, data: corpus.Corpus, updates: int) -> dict[str, Any]:
    """Fields that all rows have alike."""
    return {
        "benchmark": options.command,
        "device": options.device,
        "dtype": options.dtype,
        "threads": options.threads,
        "sizes": {**asdict(tools.sizes_on(data)), "batch": tools.BATCH, "corpus": data.name, "updates": updates},
        "length": None,
    }


def mean_lengths(data: corpus.Corpus) -> tuple[int, int]:
    """Source and target tokens of a training pair, ends counted, rounded."""
    import sentencepiece

    means = []
    for side in corpus.SIDES:
        processor = sentencepiece.SentencePieceProcessor(model_file=str(data.pieces(side)))
        lines = data.text("train", side).read_text(encoding="utf-8").splitlines()[:2000]
        means.append(round(1 + statistics.mean(len(ids) for ids in processor.encode(lines))))
    return means[0], means[1]


def operations(tool: str, lengths: tuple[int, int], data: corpus.Corpus, options: Options) -> float:
    """Operations of training a target token with the tool's modules."""
    with start(MODULES[tool.removesuffix(SINGLE)], tools.sizes_on(data), options) as worker:
        return ask_operations(worker, *lengths)


def ask_operations(worker: Worker, source: int, target: int) -> float:
    """Operations of a target token in pairs of these lengths."""
    return float(worker.ask("operations", source=source, target=target)["operations"])
