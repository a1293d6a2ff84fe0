"""WMT'14 English-French at the paper's sizes on 1, 8 and 64 GPUs, derived: nothing here is measured on a GPU.

From the committed results come what encoding costs a pair, memory a pair, the share of the processor's matrix-product
peak that our training step reaches, and its memory a token; launches and passes over the weights are counted here, on
tiny sizes. What a GPU can do is taken from a data sheet or assumed, as the options say. `scaling` says how long an
update takes; --step-seconds replaces all of it but the all-reduce. Start-up and validation are left out.
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.launches import launches, passes_over_weights
from benchmarks.options import Options, whole
from benchmarks.scaling import BATCH, TEXT_BYTES, Corpus, Gpu, Model, disk_bytes, enough, gpu_bytes, stops, update
from rnnsearch.config.compose import compose
from rnnsearch.kernels.cross_entropy import GPU_BYTES
from rnnsearch.model.build import build_translator
from rnnsearch.model.translator import Translator
from rnnsearch.training.cost import operations_per_token

RESULTS = Path(__file__).parent / "results" / "amd_epyc"
UPDATES = 288_000  # the paper's Table 2
WORDS = 30_004  # of a vocabulary, specials among them
GPUS = (1, 8, 64)
MIB, GB = 2**20, 1e9
K6000 = {"peak": 5.2e12, "bandwidth": 288e9}  # of the paper's Quadro K6000, by its data sheet
SELECTED, HOURS = 12_000_000, 111  # pairs that have 348 million words (Sutskever et al., 2014); the paper's Table 2
Row = Sequence[str]


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    for name, default, unit, text in (
        ("--peak-teraflops", 312.0, "N", "of a GPU (%(default)s: the A100 in dense bfloat16, NVIDIA's data sheet)"),
        ("--bandwidth", 1555.0, "GB/S", "of a GPU's memory (%(default)s: the A100 of 40 GB, the same)"),
        ("--launch-microseconds", 10.0, "N", "from a launch to the next, assumed (%(default)s)"),
        ("--link", 50.0, "GB/S", "of each GPU to the others, assumed (%(default)s)"),
        ("--price", 2.0, "N", "of a GPU hour, assumed (%(default)s)"),
        ("--step-seconds", None, "N", f"measured seconds of an update of {BATCH} pairs on one GPU, instead of the "
         "model: seconds / updates of a run's record; `training_step --device cuda` times smaller sizes"),
    ):  # fmt: skip
        parser.add_argument(name, type=positive, default=default, metavar=unit, help=text)
    parser.add_argument("--corpus-pairs", type=whole(1), default=36_000_000, metavar="N", help="(%(default)s)")
    parser.add_argument("--corpus-words", type=whole(1), default=348_000_000, metavar="N", help="a side (%(default)s)")


def positive(text: str) -> float:
    """Reads a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def run(options: Options) -> None:
    """Print the tables."""
    print(report(options))


def report(options: Options) -> str:
    """All tables, in Markdown."""
    corpus = Corpus(pairs=options.corpus_pairs, words=options.corpus_words)
    model = _model()
    gpu = Gpu(
        peak=options.peak_teraflops * 1e12, share=_share(), launch=options.launch_microseconds / 1e6,
        bandwidth=options.bandwidth * GB, link=options.link * GB, step=options.step_seconds,
    )  # fmt: skip
    inputs = _table("what goes in", "value", "how it is known", rows=_inputs(corpus, model, gpu, options.price))
    data = _table("the corpus", "value", "how it is known", rows=_data(corpus))
    head = ("GPUs", "pairs a GPU", "operations, ms", "launches, ms", "weights, ms", "all-reduce, ms", "update, ms")
    times = _table(*head, "times one GPU", rows=_times(corpus, model, gpu))
    seen = f"{UPDATES * BATCH / 1e6:.0f} million pairs"
    head = ("GPUs", "pairs a GPU", "memory a GPU, GB", "an epoch, hours", "price", f"{seen}, hours", "price")
    costs = _table(*head, rows=_costs(corpus, model, gpu, options.price))
    return "\n\n".join([inputs, data, times, costs, *_where(corpus, model, gpu), _check(model, gpu)])


def _model() -> Model:
    config = compose("train", ["model=rnnsearch"]).model
    with torch.device("meta"):
        translator = build_translator(config, source_size=WORDS, target_size=WORDS)
    return Model(
        parameters=sum(one.numel() for one in translator.parameters()),
        operations=partial(_operations, translator),
        launches=launches(),
        passes=passes_over_weights(),
        token_bytes=_token_bytes(config.hidden_size),
        logits_bytes=GPU_BYTES,
    )


def _operations(translator: Translator, length: float) -> float:
    tokens = round(length)
    return operations_per_token(translator, source_length=tokens, target_length=tokens).training


def _rows(name: str, quantity: str) -> list[dict[str, Any]]:
    """Our rows of a committed result."""
    rows = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    return [row for row in rows if row["system"] == "ours" and row["quantity"] == quantity]


def _share() -> float:
    shares: list[float] = [row["share_of_peak"] for row in _rows("training_step", "forward and backward")]
    return statistics.median(shares)


def _token_bytes(hidden_size: int) -> float:
    """The measured growth with length, times the ratio of hidden sizes."""
    first, *_, last = _rows("memory", "peak memory of a step above its start")
    tokens = (last["length"] - first["length"]) * first["sizes"]["batch"]
    return float((last["value"] - first["value"]) * MIB / tokens * hidden_size / first["sizes"]["hidden"])


def grown(rows: Sequence[dict[str, Any]], pairs: int) -> float:
    """A value at so many pairs, on the straight line through the two largest measured sizes."""
    (x, y), (last_x, last_y) = sorted((row["sizes"]["pairs"], row["value"]) for row in rows)[-2:]
    return float(last_y + (last_y - y) / (last_x - x) * (pairs - last_x))


def _inputs(corpus: Corpus, model: Model, gpu: Gpu, price: float) -> Iterator[Row]:
    yield "pairs", f"{corpus.pairs:,}", "given"
    yield "words a side", f"{corpus.words:,}", "given"
    yield "tokens a sentence, end counted", f"{corpus.length:.1f}", "computed"
    yield "parameters", f"{model.parameters / 1e6:.1f} million", "computed"
    yield "operations a target token", f"{model.operations(corpus.length) / 1e6:.0f} million", "computed"
    by = model.launches
    steps = f"{by.fixed:.0f} + {by.source:.0f} a source token + {by.target:.0f} a target token"
    yield "launches of an update", steps, "counted on a CPU"
    yield "passes over the weights", f"{model.passes:.0f}", "counted on a CPU"
    each = f"{model.token_bytes / 1e3:.0f} kB"
    yield "activations of a source and a target token", each, "measured on a CPU, model=reference, times hidden sizes"
    yield "share of the product peak", f"{gpu.share:.0%}", "measured on a CPU, assumed of a GPU"
    yield "peak of a GPU", f"{gpu.peak / 1e12:g} teraflops", "data sheet: --peak-teraflops"
    yield "memory's bandwidth", f"{gpu.bandwidth / GB:g} GB/s", "data sheet: --bandwidth"
    yield "a launch", f"{gpu.launch * 1e6:g} µs", "assumed: --launch-microseconds"
    yield "link of a GPU", f"{gpu.link / GB:g} GB/s", "assumed: --link"
    yield "a GPU hour", f"{price:g}", "assumed: --price"
    if gpu.step is not None:
        yield f"an update of {BATCH} pairs", f"{gpu.step * 1e3:g} ms", "measured by you: --step-seconds"


def _data(corpus: Corpus) -> Iterator[Row]:
    encoding = _rows("corpora", "first start: tokenizer, encoding, first batch")
    [processes] = {row["sizes"]["processes"] for row in encoding}
    most = max(row["sizes"]["pairs"] for row in encoding)
    hours = grown(encoding, corpus.pairs) / 3600
    known = f"measured to {most:,} pairs, a straight line on"
    for count in (1, 2, 8):
        how = known if count == processes else f"computed from {processes} processes, shared out evenly"
        yield f"encoding by {count} process{'es' * (count > 1)}", f"{hours * processes / count:.2f} h", how
    text, encoded = disk_bytes(corpus)
    yield "text on disk", f"{text / GB:.1f} GB", f"computed, assuming {TEXT_BYTES} bytes a word"
    yield "encoded corpus on disk, text included", f"{encoded / GB:.1f} GB", "computed: 4 bytes a token, 40 a pair"
    for step, name in (("encode", "while encoding"), ("train", "while training")):
        size = grown(_rows("corpora", f"{step}: peak of the main process"), corpus.pairs) * MIB / GB
        yield f"resident memory {name}, mapped pages included", f"{size:.1f} GB", known


def _scalings() -> Iterator[tuple[int, float]]:
    yield from ((gpus, BATCH / gpus) for gpus in GPUS)
    yield from ((gpus, BATCH) for gpus in GPUS[1:])


def _times(corpus: Corpus, model: Model, gpu: Gpu) -> Iterator[Row]:
    alone = update(model, gpu, corpus.length, gpus=1, pairs=BATCH).seconds
    for gpus, pairs in _scalings():
        one = update(model, gpu, corpus.length, gpus=gpus, pairs=pairs)
        parts = (one.operations, one.launches, one.weights, one.reduce, one.seconds)
        faster = gpus * pairs / BATCH * alone / one.seconds
        yield f"{gpus}", f"{pairs:g}", *(f"{part * 1e3:.1f}" for part in parts), f"{faster:.1f}"


def _costs(corpus: Corpus, model: Model, gpu: Gpu, price: float) -> Iterator[Row]:
    for gpus, pairs in _scalings():
        each = update(model, gpu, corpus.length, gpus=gpus, pairs=pairs).seconds / (gpus * pairs) / 3600
        cells = [f"{gpus}", f"{pairs:g}", f"{gpu_bytes(model, gpus=gpus, pairs=pairs) / GB:.1f}"]
        for seen in (corpus.pairs, UPDATES * BATCH):
            cells += [f"{seen * each:.2f}", f"{seen * each * gpus * price:.0f}"]
        yield cells


def _where(corpus: Corpus, model: Model, gpu: Gpu) -> Iterator[str]:
    """Where scaling ends, in words."""
    at = stops(model, gpu, corpus.length)
    half = "at least half on any number of GPUs" if at is None else f"less than half from {at} GPU{'s' * (at > 1)} on"
    shared = {n: update(model, gpu, corpus.length, gpus=n, pairs=BATCH / n) for n in range(1, BATCH + 1)}
    fastest = min(shared, key=lambda n: shared[n].seconds)
    yield (
        f"{BATCH} pairs in all: operations are {half} ({shared[1].busy:.0%} of the update on 1); "
        f"the fastest of 1 to {BATCH} GPUs {'is' if fastest == 1 else 'are'} {fastest}."
    )
    pairs = ", ".join(f"{enough(model, gpu, corpus.length, gpus=gpus):,.0f} on {gpus}" for gpus in GPUS)
    yield f"Operations are half of the update with so many pairs a GPU: {pairs}."


def _check(model: Model, gpu: Gpu) -> str:
    """The formula beside the one time that was measured on a GPU."""
    paper = Corpus(pairs=SELECTED, words=348_000_000)
    seconds = update(model, replace(gpu, **K6000, step=None), paper.length, gpus=1, pairs=BATCH).seconds
    return (
        f"Check: for the paper's own run, {UPDATES:,} updates on a Quadro K6000 ({K6000['peak'] / 1e12:g} teraflops, "
        f"{K6000['bandwidth'] / GB:g} GB/s by its data sheet) with sentences of {paper.length:.0f} tokens, the same "
        f"formula says {UPDATES * seconds / 3600:.0f} hours; with other software, the paper took {HOURS}."
    )


def _table(*head: str, rows: Iterator[Row]) -> str:
    lines = [head, ["---", *("---" if name.startswith("how") else "--:" for name in head[1:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
