"""What an update on several GPUs takes, in time and memory, and a corpus on disk: a model, not a measurement.

An update takes

    max(operations / (peak × share), launches × seconds a launch) + passes over weights / bandwidth + all-reduce

that is, the greater of two floors, the optimiser, and the gradients, which cross the link twice (ring) and wait for the
backward pass to end. Left out are padding and all memory traffic but the optimiser's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.launches import Launches

BATCH, LONGEST = 80, 50  # the paper's: pairs a batch, words of a sentence at most
BYTES = 4  # of a weight, a gradient, a moment, a token id
KEPT = 4  # weights, gradients and Adadelta's two moments
TEXT_BYTES = 6  # of a word and its blank; Multi30k's English and French have 5.2 and 5.8
ROW_BYTES = 40  # of an encoded pair beside ids and texts: six offsets, the line and both numbers of words


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What is trained on."""

    pairs: int
    words: int  # a side

    @property
    def length(self) -> float:
        """Tokens of a sentence, the end counted."""
        return self.words / self.pairs + 1


@dataclass(frozen=True, kw_only=True)
class Model:
    """What an update has to do."""

    parameters: int
    operations: Callable[[float], float]  # of training a target token, by the length
    launches: Launches
    passes: float  # numbers read and written for a weight by clipping and optimiser
    token_bytes: float  # activations of a target token and its source token
    logits_bytes: float  # a chunk of the loss


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """What a GPU can do, in SI units."""

    peak: float
    share: float
    launch: float
    bandwidth: float
    link: float
    step: float | None = None  # measured seconds of an update of BATCH pairs


@dataclass(frozen=True, kw_only=True)
class Update:
    """Seconds of an update; the parts of a measured one are unknown."""

    operations: float
    launches: float
    weights: float
    reduce: float
    measured: float | None = None

    @property
    def seconds(self) -> float:
        """All of it."""
        alone = max(self.operations, self.launches) + self.weights
        return (alone if self.measured is None else self.measured) + self.reduce

    @property
    def busy(self) -> float:
        """The share of the update that the operations need."""
        return self.operations / self.seconds


def update(model: Model, gpu: Gpu, length: float, *, gpus: int, pairs: float) -> Update:
    """One update of ``gpus`` GPUs with ``pairs`` each, all sentences of one length."""
    weights = BYTES * model.parameters
    floors = Update(
        operations=pairs * length * model.operations(length) / (gpu.peak * gpu.share),
        launches=model.launches.of(length, length) * gpu.launch,
        weights=model.passes * weights / gpu.bandwidth,
        reduce=2 * (gpus - 1) / gpus * weights / gpu.link,
    )
    if gpu.step is None:
        return floors
    stays = min(gpu.step, floors.launches + floors.weights)  # fewer pairs make neither shorter
    return replace(floors, measured=max(stays, gpu.step * pairs / BATCH))


def stops(model: Model, gpu: Gpu, length: float, *, most: int = BATCH) -> int | None:
    """The fewest GPUs that share the paper's batch and spend less than half an update on operations."""
    shared = (update(model, gpu, length, gpus=n, pairs=BATCH / n).busy for n in range(1, most + 1))
    return next((n for n, busy in enumerate(shared, start=1) if busy < 0.5), None)


def enough(model: Model, gpu: Gpu, length: float, *, gpus: int) -> float:
    """Pairs a GPU with which operations are half of an update."""
    one = update(model, gpu, length, gpus=gpus, pairs=1)
    rest = one.weights + one.reduce
    return max(rest, (one.launches + rest) / 2) / one.operations


def gpu_bytes(model: Model, *, gpus: int, pairs: float) -> float:
    """At the peak, with sentences of LONGEST words: weights, gradients, moments, DDP's copy, activations."""
    copies = KEPT + (gpus > 1)
    return copies * BYTES * model.parameters + pairs * (LONGEST + 1) * model.token_bytes + model.logits_bytes


def disk_bytes(corpus: Corpus) -> tuple[float, float]:
    """Of both sides' text, and of the encoded corpus, which holds the text too."""
    text = 2 * corpus.words * TEXT_BYTES
    return text, corpus.pairs * ROW_BYTES + 2 * corpus.words * BYTES + text
