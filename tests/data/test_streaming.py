"""Streamed pairs: the batches of an encoded split, window by window, shared out, from any saved place on."""

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from rnnsearch.data.batching import Batch, BucketBatches, Planner
from rnnsearch.data.corpus import Corpus, Pair
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.data.encode_pairs import batches
from rnnsearch.data.mixture import MixtureCorpus
from rnnsearch.data.streaming import StreamingLoader
from rnnsearch.data.tokenizer import TokenizerPair
from rnnsearch.data.word_tokenizer import WordTraining

from .modules import data_module

BUCKETS = BucketBatches(unit="sentences", size=64, pool=3)
COUNT = 2500


def pairs(count: int = COUNT) -> Iterator[Pair]:
    for k in range(count):
        yield Pair("" if k % 100 == 7 else f"{'a ' * (k % 9)}x", f"{'b ' * (k % 6)}y", k + 1)


class Corpus2500:
    name = "small"
    source_language = "de"
    target_language = "en"

    def prepare(self) -> None:
        """Nothing to fetch."""

    def splits(self) -> tuple[str, ...]:
        return ("train", "validation")

    def pairs(self, split: str) -> Iterator[Pair]:
        return pairs() if split == "train" else pairs(5)

    def checksums(self) -> dict[str, str]:
        return {"small": "1"}


TOKENIZERS = WordTraining(source_size=50, target_size=50).fit(pairs, "de", "en")


def module(cache: Path, streaming: int | None, corpus: Corpus | None = None, **changed: Any) -> ParallelDataModule:
    settings = {"batches": BUCKETS, "seed": 3, "tokenizer": WordTraining(source_size=50, target_size=50)}
    return data_module(cache, corpus or Corpus2500(), streaming=streaming, **(settings | changed))


def loader(
    *, window: int = 1000, seed: int = 3, rank: int = 0, replicas: int = 1, processes: int = 1, count: int = COUNT,
    planner: Planner = BUCKETS, tokenizers: TokenizerPair = TOKENIZERS,
) -> StreamingLoader:  # fmt: skip
    return StreamingLoader(
        lambda: (pair for pair in pairs(count) if pair.source),
        lambda read, epoch: batches(read, tokenizers, processes=processes),
        planner,
        window=window,
        seed=seed,
        rank=rank,
        replicas=replicas,
        progress=lambda doing: nullcontext(lambda pairs: None),
    )


def lines(batches: Iterator[Batch]) -> list[list[int]]:
    return [batch.index_B.tolist() for batch in batches]


def test_one_window_is_the_encoded_split(tmp_path: Path) -> None:
    whole, streamed = module(tmp_path, None), module(tmp_path, 3000)
    for data in (whole, streamed):
        data.prepare_data()
        data.setup("fit")
    expected = list(whole.train_dataloader())
    assert len(expected) == 39
    for batch, other in zip(expected, islice(streamed.train_dataloader(), len(expected)), strict=True):
        for name in ("source_BS", "source_mask_BS", "target_in_BT", "target_out_BT", "target_mask_BT", "real_N"):
            assert torch.equal(getattr(batch, name), getattr(other, name))
        assert batch.all_tokens == other.all_tokens
        rows, same = batch.index_B.tolist(), other.index_B.tolist()
        assert list(whole.training_lines(rows)) == list(streamed.training_lines(same))
    again = list(islice(streamed.train_dataloader(), 39))
    second = [whole.training_lines(batch.index_B.tolist()) for batch in whole.train_dataloader()]
    assert [batch.index_B.tolist() for batch in again] == second


def test_mean_lengths_are_those_of_the_first_pairs(tmp_path: Path, monkeypatch: Any) -> None:
    whole, streamed = module(tmp_path, None), module(tmp_path, 1000)
    assert streamed.mean_lengths == whole.mean_lengths
    monkeypatch.setattr("rnnsearch.data.datamodule.STREAMED", 700)
    first = [lengths[:700].mean() for lengths in whole.lengths("train")]
    assert module(tmp_path, 1000).mean_lengths == pytest.approx(first, abs=5e-4)
    assert not any(name == "train" for name in streamed.prepared.datasets)


def test_the_training_split_is_not_encoded_on_the_disk(tmp_path: Path) -> None:
    data = module(tmp_path, 1000)
    data.prepare_data()
    data.setup("fit")
    next(iter(data.train_dataloader()))
    assert [path.name for path in tmp_path.glob("encoded/*/*") if path.is_dir()] == ["validation"]
    described = data.description()
    assert described["pairs"] == {"validation": 5}
    assert described["padding_share"] is None
    assert data.longest_source() is None


def test_every_pair_once_an_epoch_window_by_window() -> None:
    kept = [pair.line for pair in pairs() if pair.source]
    epochs = []
    for _ in range(2):
        stream = loader()
        stream.load_state_dict({"epoch": len(epochs), "window": 0, "position": 0, "pairs": 1000, "seed": 3})
        epochs.append(lines(islice(stream, 16 + 16 + 8)))
    for found in epochs:
        for first, window in ((0, found[:16]), (1000, found[16:32]), (2000, found[32:])):
            assert sorted(line for batch in window for line in batch) == kept[first : first + 1000]
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("done", [0, 1, 15, 16, 17, 39, 40, 41, 90])
@pytest.mark.slow
def test_a_saved_place_continues_the_order(done: int) -> None:
    """In a window, between two, at the end of an epoch and in a later one."""
    stream = loader()
    read = iter(stream)
    for _ in range(done):
        next(read)
    again = loader()
    again.load_state_dict(stream.state_dict())
    assert lines(islice(again, 60)) == lines(islice(read, 60))


def test_a_corpus_of_whole_windows_begins_anew() -> None:
    stream = StreamingLoader(
        lambda: (Pair("x", "y", k + 1) for k in range(2000)),
        lambda read, epoch: batches(read, TOKENIZERS, processes=1),
        BucketBatches(unit="sentences", size=500, pool=1),
        window=1000,
        seed=1,
        progress=lambda doing: nullcontext(lambda pairs: None),
    )
    read = iter(stream)
    for _ in range(4):
        next(read)
    assert stream.state_dict() == {"epoch": 1, "window": 0, "position": 0, "pairs": 1000, "seed": 1}
    assert sorted(line for batch in lines(islice(read, 2)) for line in batch) == list(range(1, 1001))


def test_processes_share_each_batch() -> None:
    whole = [set(batch) for batch in lines(islice(loader(), 50))]
    tokens = [batch.all_tokens for batch in islice(loader(), 50)]
    shares = [list(islice(loader(rank=rank, replicas=3), 50)) for rank in range(3)]
    assert [batch.all_tokens for batch in shares[1]] == tokens
    for batch, *parts in zip(whole, *(lines(iter(one)) for one in shares), strict=True):
        assert sorted(line for part in parts for line in part) == sorted(batch)


@pytest.mark.slow
def test_any_number_of_encoding_processes_gives_the_same() -> None:
    alone, together = (loader(window=10_000, count=25_000, processes=n) for n in (1, 2))
    assert lines(islice(alone, 400)) == lines(islice(together, 400))


@pytest.mark.slow
def test_only_a_window_or_two_are_read_ahead() -> None:
    read = 0

    def counted() -> Iterator[Pair]:
        nonlocal read
        for pair in pairs(100_000):
            read += 1
            yield pair

    stream = StreamingLoader(
        counted,
        lambda given, epoch: batches(given, TOKENIZERS, processes=1),
        BUCKETS,
        window=30_000,
        seed=1,
        progress=lambda doing: nullcontext(lambda pairs: None),
    )
    batched = iter(stream)
    next(batched)
    assert read == 31_000
    for _ in range(235):
        next(batched)
    assert 31_000 < read <= 46_000


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        *[
            ({"streaming": wrong}, f"streaming={wrong}: give thousands of pairs, such as 100000, or null")
            for wrong in (0, 1, 1500, -1000, 1e5, "x", True, False)
        ],
        ({"corpus": MixtureCorpus(members={"a": Corpus2500()}, weights={}, name="m")}, "takes one corpus"),
    ],
)
def test_what_cannot_be_streamed_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        module(tmp_path, **{"streaming": 1000, **changed})


def test_a_place_of_another_order_is_refused() -> None:
    place = {"epoch": 0, "window": 0, "position": 4, "pairs": 1000, "seed": 3}
    for changed in ({"seed": 4}, {"pairs": 2000}):
        with pytest.raises(ValueError, match=r"the data order was saved with .*; keep it"):
            loader().load_state_dict({**place, **changed})
    shorter = loader()
    shorter.load_state_dict({**place, "window": 3})
    with pytest.raises(ValueError, match=r"no pair 3,001, where this run stopped"):
        next(iter(shorter))
    shorter.load_state_dict({**place, "window": 2, "position": 8})
    with pytest.raises(ValueError, match=r"window 3 of the corpus has no batch 9, where this run stopped"):
        next(iter(shorter))
