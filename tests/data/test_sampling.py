"""Sub-word sampling: other pieces each epoch, by seed and epoch alone, and the same text."""

import random
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from rnnsearch.data.batching import Batch
from rnnsearch.data.corpus import Pair
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.data.encode_pairs import Sampling, batches
from rnnsearch.data.sentencepiece_tokenizer import SentencePieceTokenizer, SentencePieceTraining
from rnnsearch.data.tokenizer import GivenTokenizers, TokenizerPair

from .modules import data_module

ALGORITHMS = ("bpe", "unigram")
STRANGE = ["  two  blanks  ", "\t", "", "書 ไทย 🙂 e\u0301", "▁▅\ue000\ue001", "\ufeff mark", "the newest lowest"]


def texts(count: int = 60) -> list[str]:
    chance = random.Random(0)
    stems, ends = ("low", "new", "wide", "slow", "old"), ("", "er", "est", "ly")
    return [" ".join(chance.choice(stems) + chance.choice(ends) for _ in range(1 + k % 7)) for k in range(count)]


class Words:
    """Pairs of equal sides; validation has the same ones."""

    name, source_language, target_language = "words", "en", "de"

    def prepare(self) -> None:
        """Nothing to fetch."""

    def splits(self) -> tuple[str, ...]:
        return ("train", "validation")

    def pairs(self, split: str) -> Iterator[Pair]:
        return (Pair(text, text, line) for line, text in enumerate(texts(), start=1))

    def checksums(self) -> dict[str, str]:
        return {"words": "1"}


def training(algorithm: str = "bpe", **changed: Any) -> SentencePieceTraining:
    sizes = {"source_size": 320, "target_size": 320, "joint": False, "character_coverage": 1.0, "threads": 1}
    return SentencePieceTraining(**({"algorithm": algorithm, "normalization": "nfc", **sizes} | changed))


@cache
def learnt(algorithm: str) -> TokenizerPair:
    return training(algorithm).fit(lambda: Words().pairs("train"), "en", "de")


def tokenizer(algorithm: str) -> SentencePieceTokenizer:
    source = learnt(algorithm).source
    assert isinstance(source, SentencePieceTokenizer)
    return source


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_other_pieces_of_the_same_text(algorithm: str) -> None:
    pieces = tokenizer(algorithm)
    for text in [*texts(20), *STRANGE]:
        for seed in (0, 1, 2**32 - 1):
            assert pieces.decode(pieces.sample(text, rate=0.3, seed=seed)) == pieces.normalized(text)
    text = texts()[6]
    first = [pieces.sample(text, rate=0.3, seed=seed) for seed in range(40)]
    assert [pieces.sample(text, rate=0.3, seed=seed) for seed in range(40)] == first
    assert len({tuple(ids) for ids in first}) > 3
    assert pieces.encode(text) == pieces.encode(text)  # nothing is left of it


def test_the_rate_of_bpe_is_that_of_merges_left_out() -> None:
    """With all of them left out characters are left; more of them are more pieces."""
    pieces, text = tokenizer("bpe"), texts()[6]
    means = [sum(len(pieces.sample(text, rate=r, seed=s)) for s in range(50)) / 50 for r in (1e-9, 0.1, 0.5, 1.0)]
    assert means == sorted(means)
    assert means[0] == len(pieces.encode(text))
    assert means[-1] == len(text) + 1  # and the blank before it


def test_pairs_have_seeds_of_their_own() -> None:
    """Who encodes a pair, and after which others, changes nothing; seed, epoch, line and side do."""
    pairs = list(Words().pairs("train"))
    both, sampling = learnt("bpe"), Sampling(0.3, 1, 0)

    def encoded(some: list[Pair], how: Sampling | None) -> list[list[int]]:
        return [row["source"] for batch in batches(some, both, processes=1, sampling=how) for row in batch.to_pylist()]

    whole = encoded(pairs, sampling)
    assert encoded(pairs[::-1], sampling)[::-1] == whole
    assert encoded(pairs[30:], sampling) == whole[30:]
    assert whole not in (encoded(pairs, None), encoded(pairs, Sampling(0.3, 2, 0)), encoded(pairs, Sampling(0.3, 1, 1)))
    assert len({sampling.seed_of(pair, side) for pair in pairs for side in ("source", "target")}) == 2 * len(pairs)


def module(cache: Path, **changed: Any) -> ParallelDataModule:
    return data_module(cache, Words(), **({"tokenizer": training(sampling=0.3)} | changed))


def seen(data: ParallelDataModule, count: int) -> list[Batch]:
    """The first batches, of epoch after epoch."""

    def endless() -> Iterator[Batch]:
        while True:
            yield from data.train_dataloader()

    return list(islice(endless(), count))


def ids(batches: list[Batch]) -> list[list[list[int]]]:
    return [[batch.index_B.tolist(), *batch.source_BS.tolist()] for batch in batches]


def test_epochs_differ_and_evaluation_does_not(tmp_path: Path) -> None:
    data, plain = module(tmp_path), module(tmp_path, tokenizer=training())
    data.setup("fit")
    plain.setup("fit")
    assert data.tokenizers.source.checksum == plain.tokenizers.source.checksum
    epoch = len(data.order)
    by_row: list[dict[int, list[int]]] = []
    for first in (seen(data, epoch), seen(data, epoch), seen(plain, len(plain.order))):
        rows = [
            (int(row), source) for batch in first for row, source in zip(batch.index_B, batch.source_BS, strict=True)
        ]
        by_row.append({row: [i for i in source.tolist() if i] for row, source in rows})
        for batch in first:
            assert batch.all_tokens == int((batch.target_out_BT != 0).sum())
    assert all(len(rows) == 60 for rows in by_row)
    assert by_row[0] != by_row[1]
    assert by_row[0] != by_row[2]
    same = zip(data.val_dataloader(), plain.val_dataloader(), strict=True)
    assert all(torch.equal(one.source_BS, other.source_BS) for one, other in same)


@pytest.mark.parametrize("changed", [{}, {"workers": 2}])
def test_a_saved_place_goes_on_the_same(tmp_path: Path, changed: dict[str, Any]) -> None:
    whole = module(tmp_path)
    whole.setup("fit")
    expected = ids(seen(whole, 20))
    begun = module(tmp_path)
    begun.setup("fit")
    done = ids(seen(begun, 11))
    vocabularies = GivenTokenizers(begun.tokenizers, sampling=0.3)  # as a resumed run has them
    again = module(tmp_path, tokenizer=vocabularies, **changed)
    again.load_state_dict(begun.state_dict())
    again.setup("fit")
    assert [*done, *ids(seen(again, 9))] == expected
    assert expected != ids(seen(module(tmp_path, seed=2), 20))


def test_streams_are_cut_anew_too(tmp_path: Path) -> None:
    data = module(tmp_path, streaming=1000)
    rows: list[tuple[int, list[int]]] = []
    for batch in data.train_dataloader():
        rows += zip(batch.index_B.tolist(), batch.source_BS.tolist(), strict=True)
        if len(rows) == 120:
            break
    first, second = dict(rows[:60]), dict(rows[60:])
    assert first.keys() == second.keys()
    assert first != second


@pytest.mark.parametrize("rate", [0.0, 1.5])
def test_senseless_rates(rate: float) -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.sampling=.* must be above 0 and at most 1, or null for none"):
        training(sampling=rate)
