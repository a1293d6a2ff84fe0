"""Amounts of training pairs: nested, the same for every seed, of mixtures in proportion, of streams no more."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.data.controlled import ControlledCorpus
from rnnsearch.data.corpus import Pair
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.data.filters import Filters
from rnnsearch.data.mixture import MixtureCorpus, shares
from rnnsearch.data.sentencepiece_tokenizer import SentencePieceTraining
from rnnsearch.data.word_tokenizer import WordTraining

from .modules import data_module

LENGTHS = {"min_length": 3, "max_length": 12, "mean_length": None}


class Numbered:
    """Pairs of one word each, every fifth with an empty side; counts how many training pairs were read."""

    source_language, target_language = "de", "en"

    def __init__(self, count: int, name: str = "numbered") -> None:
        self.name, self.count, self.read = name, count, 0

    def prepare(self) -> None:
        """Nothing to fetch."""

    def splits(self) -> tuple[str, ...]:
        return ("train", "validation")

    def pairs(self, split: str) -> Iterator[Pair]:
        for k in range(self.count if split == "train" else 3):
            self.read += split == "train"
            yield Pair("" if k % 5 == 4 else f"{self.name}{k}", f"{k}", k + 1)

    def checksums(self) -> dict[str, str]:
        return {self.name: str(self.count)}


def limits(first: int | None, **changed: Any) -> Filters:
    settings = {"max_length": 30, "max_length_ratio": None, "drop_duplicates": False, "unit": "words"}
    return Filters(**(settings | changed), first=first)


def module(cache: Path, corpus: Any, first: int | None, **changed: Any) -> ParallelDataModule:
    return data_module(cache, corpus, filters=limits(first), **changed)


def test_the_first_pairs_that_pass_and_no_more_are_read(tmp_path: Path) -> None:
    corpus = Numbered(100)
    taken = limits(8)
    assert [pair.line for pair in taken.apply(corpus.pairs("train"))] == [1, 2, 3, 4, 6, 7, 8, 9]
    assert corpus.read == 9
    assert taken.report() == {"read": 9, "empty": 1, "too_long": 0, "ratio": 0, "duplicate": 0, "kept": 8}
    data = module(tmp_path, Numbered(100), 8)
    data.setup("fit")
    assert data.rows("train")["line"][:] == [1, 2, 3, 4, 6, 7, 8, 9]
    assert data.description()["pairs"] == {"train": 8, "validation": 3}
    assert data.description()["filters"]["train"]["kept"] == 8


def test_amounts_are_nested_whatever_the_seed(tmp_path: Path) -> None:
    corpora = {first: module(tmp_path, Numbered(100), first, seed=first) for first in (8, 40)}
    few, many = (list(corpora[first].texts("train")) for first in (8, 40))
    assert many[:8] == few
    assert [row for row, _ in list(module(tmp_path, Numbered(100), 8, seed=99).texts("train"))] == [s for s, _ in few]


def test_more_than_there_are_is_refused(tmp_path: Path) -> None:
    assert len(module(tmp_path, Numbered(100), 80).rows("train")) == 80
    with pytest.raises(ValueError, match=r"filters\.first=81, but only 80 training pairs pass the other filters; give"):
        module(tmp_path, Numbered(100), 81).rows("train")
    both = MixtureCorpus(members={"a": Numbered(10, "a"), "b": Numbered(5, "b")}, weights={}, name="mixture")
    with pytest.raises(ValueError, match=r"filters\.first=13, but only 12"):
        module(tmp_path, both, 13).rows("train")
    with pytest.raises(ValueError, match=r"filters\.first is 0; it must be at least 1, or null"):
        limits(0)


@pytest.mark.parametrize("kind", ["word", "sentencepiece"])
def test_vocabularies_are_learnt_on_the_pairs_or_on_all(tmp_path: Path, kind: str) -> None:
    def vocabularies(first: int | None, **learnt: str) -> str:
        sizes: dict[str, Any] = {"source_size": 330, "target_size": 330, "normalization": "nfc", **learnt}
        pieces = {"algorithm": "bpe", "joint": False, "character_coverage": 1.0, "threads": 1}
        training: Any = WordTraining(**sizes) if kind == "word" else SentencePieceTraining(**sizes, **pieces)
        data = module(tmp_path / str(learnt), Numbered(300), first, tokenizer=training)
        return data.tokenizers.source.checksum

    assert vocabularies(20) != vocabularies(None)
    assert vocabularies(20) == vocabularies(20, learn_from="kept")
    assert vocabularies(20, learn_from="all") == vocabularies(100, learn_from="all") == vocabularies(None)


def test_token_filters_learn_from_the_first_pairs_with_text(tmp_path: Path) -> None:
    """Tokens can't be counted before there is a vocabulary: it is learnt on as many pairs, those with text."""
    data = data_module(tmp_path, Numbered(100), filters=limits(8, unit="tokens", max_length=1))
    known = WordTraining(source_size=200, target_size=200).fit(
        lambda: limits(8).apply(Numbered(100).pairs("train")), "de", "en"
    )
    assert data.tokenizers.source.checksum == known.source.checksum


def test_a_mixture_keeps_its_proportions(tmp_path: Path) -> None:
    """A hundred of a mixture are as mixed as all of it, in the order of the members, and within two hundred."""

    def members(first: int) -> list[str]:
        corpora = {name: Numbered(count, name) for name, count in {"news": 500, "talks": 250, "law": 5}.items()}
        data = module(tmp_path, MixtureCorpus(members=corpora, weights={}, name="mixture"), first)
        data.setup("fit")
        texts = [source for source, _ in data.texts("train")]
        counts = Counter(data.rows("train")["member"][:])
        assert data.prepared.filter_reports["train"]["news.kept"] == counts["news"]
        assert counts["news"] / counts["talks"] == pytest.approx(2, rel=0.05)
        return texts

    few, many = members(100), members(200)
    assert len(few) == 100
    assert set(few) < set(many)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=5), st.data())
def test_shares_are_nested_and_in_proportion(counts: list[int], data: st.DataObject) -> None:
    total = sum(counts)
    named = {str(k): count for k, count in enumerate(counts)}
    first = data.draw(st.integers(0, total))
    some = shares(named, first)
    assert sum(some.values()) == first
    for name, count in named.items():
        assert abs(some[name] - first * count / max(total, 1)) < len(counts)
        assert some[name] <= shares(named, min(first + 1, total))[name]


def test_a_stream_ends_after_the_first_pairs(tmp_path: Path) -> None:
    data = module(tmp_path, Numbered(100_000), 1500, streaming=1000)
    epochs = iter(data.train_dataloader())
    seen: list[int] = []
    while len(seen) < 1500:
        seen += next(epochs).index_B.tolist()
    assert sorted(seen) == [pair.line for pair in limits(1500).apply(Numbered(2000).pairs("train"))]


def test_the_built_in_corpus_gives_the_beginning_of_itself(tmp_path: Path) -> None:
    lengths = {f"{test}{key}": value for test in ("", "test_") for key, value in LENGTHS.items()}
    counts = {"validation_pairs": 5, "test_pairs": 5, "corpus_seed": 0, "reverse": False}
    texts = {
        pairs: list(module(tmp_path, ControlledCorpus(train_pairs=pairs, **counts, **lengths), 30).texts("train"))
        for pairs in (30, 60)
    }
    assert texts[30] == texts[60]
