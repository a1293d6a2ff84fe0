"""Pairs to Arrow batches, in one process or several; nothing heavy is imported, since each worker imports this."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from signal import SIG_IGN, SIGINT, signal
from threading import Thread
from typing import cast

import pyarrow as pa

from rnnsearch.data.corpus import Pair
from rnnsearch.data.scripts import units
from rnnsearch.data.tokenizer import SamplingTokenizer, State, Tokenizer, TokenizerPair
from rnnsearch.data.tokenizer_states import load_tokenizer

ROWS_A_BATCH = 1000
"""Rows of every Arrow batch but the last, whatever the number of processes."""
ALONE = 20
"""A corpus of fewer batches is encoded before workers would have started."""
AHEAD = 4
"""Batches that each worker is given in advance: what bounds memory."""
SCHEMA = pa.schema(
    {
        "source": pa.list_(pa.int32()),
        "target": pa.list_(pa.int32()),
        "source_text": pa.string(),
        "target_text": pa.string(),
        "links": pa.string(),
        "member": pa.string(),
        "line": pa.int64(),
        "source_words": pa.int32(),
        "target_words": pa.int32(),
    }
)
"""Ids are without begin and end of sentence; links are "0-1 2-3" or null; words are `scripts.units` of raw text.

`member` is the part of a mixture that a pair comes from, or null.
"""


@dataclass(frozen=True)
class Sampling:
    """How an epoch cuts text into pieces: at random, each pair by a seed of its own, whoever encodes it.

    `rate` is that of `SentencePieceTokenizer.sample`, `seed` the run's.
    """

    rate: float
    seed: int
    epoch: int

    def seed_of(self, pair: Pair, side: str) -> int:
        """The seed of one side of a pair, 32 bits."""
        names = f"{self.seed} {self.epoch} {pair.member} {pair.line} {side}"
        return int.from_bytes(hashlib.blake2b(names.encode(), digest_size=4).digest())


Advance = Callable[[int], None]
"""Told of so many more pairs."""


def processes_allowed(asked: int | None) -> int:
    """The number of processes asked for, or, where that is None, the cores this process may use."""
    return asked if asked is not None else len(os.sched_getaffinity(0))


def batches(
    pairs: Iterable[Pair], tokenizers: TokenizerPair, *, processes: int, sampling: Sampling | None = None
) -> Generator[pa.RecordBatch, None, None]:
    """The pairs as Arrow batches, in their order and the same for any number of processes, lazily.

    With `sampling` they are those of one epoch, else each text is cut into its likeliest pieces.

    Raises:
        ValueError: a pair could not be encoded; names its line.
        OSError: a worker was killed.
    """
    groups = _groups(iter(pairs))
    first = list(islice(groups, ALONE))
    both = tokenizers.source, tokenizers.target
    yield from (encode(group, *both, sampling) for group in first)
    if len(first) == ALONE and processes > 1:
        yield from _by_workers(groups, tokenizers, processes, sampling)
    else:
        yield from (encode(group, *both, sampling) for group in groups)


def _groups(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    while group := list(islice(pairs, ROWS_A_BATCH)):
        yield group


def encode(
    pairs: Sequence[Pair], source: Tokenizer, target: Tokenizer, sampling: Sampling | None = None
) -> pa.RecordBatch:
    """One Arrow batch. Raises ValueError that names the line of a pair which a tokenizer refuses."""
    return pa.RecordBatch.from_pylist([_row(pair, source, target, sampling) for pair in pairs], SCHEMA)


def _ids(tokenizer: Tokenizer, text: str, pair: Pair, side: str, sampling: Sampling | None) -> list[int]:
    if sampling is None:
        return tokenizer.encode(text)
    return cast(SamplingTokenizer, tokenizer).sample(text, rate=sampling.rate, seed=sampling.seed_of(pair, side))


def _row(pair: Pair, source: Tokenizer, target: Tokenizer, sampling: Sampling | None) -> dict[str, object]:
    try:
        return {
            "source": _ids(source, pair.source, pair, "source", sampling),
            "target": _ids(target, pair.target, pair, "target", sampling),
            "source_text": pair.source,
            "target_text": pair.target,
            "links": None if pair.links is None else " ".join(f"{i}-{j}" for i, j in pair.links),
            "member": pair.member,
            "line": pair.line,
            "source_words": units(pair.source),
            "target_words": units(pair.target),
        }
    except Exception as error:
        where = f"{pair.member}: line {pair.line}" if pair.member else f"line {pair.line}"
        raise ValueError(f"{where} could not be encoded ({type(error).__name__}: {error})") from error


# Workers: started afresh, for a copy of a process with torch's threads may hang, and deaf to Ctrl-C, which the main
# process answers by ending them

_tokenizers: list[Tokenizer] = []


def _start(source: State, target: State) -> None:
    signal(SIGINT, SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _tokenizers[:] = [load_tokenizer(source), load_tokenizer(target)]


def _end_with_parent() -> None:
    """A parent that is killed cannot end its workers, which would wait for it for ever."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _encode(pairs: Sequence[Pair], sampling: Sampling | None) -> pa.RecordBatch:
    source, target = _tokenizers
    return encode(pairs, source, target, sampling)


def _by_workers(
    groups: Iterator[list[Pair]], tokenizers: TokenizerPair, processes: int, sampling: Sampling | None
) -> Iterator[pa.RecordBatch]:
    states = (dict(tokenizers.source.state()), dict(tokenizers.target.state()))
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_start, initargs=states)
    waiting: deque[Future[pa.RecordBatch]] = deque()
    try:
        for group in groups:
            waiting.append(pool.submit(_encode, group, sampling))
            if len(waiting) > AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise OSError(
            "a process that encodes sentences was killed, by the system where memory is short; "
            "set encoding_processes to a lower number"
        ) from error
    finally:
        _end(pool)


def _end(pool: ProcessPoolExecutor) -> None:
    """Wait for what the workers have in hand, at most a batch each, and leave none behind."""
    with suppress(KeyboardInterrupt):  # a second Ctrl-C does not leave strays
        pool.shutdown(wait=True, cancel_futures=True)
