"""A corpus made ready for training: tokenizers learnt, splits encoded, both kept in a cache that runs may share."""

import copy
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset

from rnnsearch.data import arrow_cache
from rnnsearch.data.corpus import Corpus, Pair
from rnnsearch.data.encode_pairs import Advance, Sampling, batches
from rnnsearch.data.filters import Filters, Lengths
from rnnsearch.data.mixture import MixtureCorpus, shares
from rnnsearch.data.tokenizer import GivenTokenizers, TokenizerPair, TokenizerTraining

logger = logging.getLogger(__name__)

Progress = Callable[[str], AbstractContextManager[Advance]]
"""Given what is being done, shows how many pairs are done."""


class PreparedCorpus:
    """The tokenizers and the encoded splits of a corpus.

    Filters apply to the training split alone: an evaluation scores every pair. `processes` encode what the cache lacks,
    and `progress` shows how far they are. `datasets` are the splits that were opened, and `filter_reports` what was
    dropped from them.
    """

    def __init__(
        self,
        *,
        corpus: Corpus,
        tokenizer: TokenizerTraining,
        filters: Filters,
        cache: Path,
        processes: int,
        progress: Progress,
    ) -> None:
        self.corpus = corpus
        self.training = tokenizer
        self.filters = copy.deepcopy(filters)
        self.filters_of_vocabularies = _filters_of_vocabularies(tokenizer, filters)
        self.cache = cache
        self.processes = processes
        self.progress = progress
        self.datasets: dict[str, Dataset] = {}
        self.filter_reports: dict[str, dict[str, int]] = {}
        self._prepared = False

    def splits(self) -> tuple[str, ...]:
        """The splits of the corpus, fetched or built now if it was not."""
        return self._prepared_corpus().splits()

    def require(self, split: str) -> None:
        """Raises ValueError where the corpus lacks a split."""
        have = self.splits()
        if split not in have:
            raise ValueError(
                f"the corpus {self.corpus.name} has no {split} split, only {', '.join(have) or 'none'}; "
                f"give data.{split}.source and data.{split}.target"
            )

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What the pairs of any split come from."""
        return {
            "name": self.corpus.name,
            "source_language": self.corpus.source_language,
            "target_language": self.corpus.target_language,
            "checksums": self._prepared_corpus().checksums(),
        }

    @cached_property
    def tokenizers(self) -> TokenizerPair:
        """The tokenizers, learnt on the training split or read from the cache."""
        if isinstance(self.training, GivenTokenizers):
            return self.training.given
        filters = self.filters if _learns_from_kept(self.training) else self.filters.without_first()
        key = {**self.identity, "tokenizer": self.training.settings(), "filters": _settings(filters)}
        folder = self.cache / "tokenizers" / arrow_cache.cache_key(key)
        arrow_cache.cached_folder(folder, lambda aside: arrow_cache.save_tokenizers(aside, self._fit()))
        return arrow_cache.load_tokenizers(folder)

    def rows(self, split: str) -> Dataset:
        """The encoded pairs of a split, memory-mapped; encoded now if the cache has them not.

        Raises:
            ValueError: the corpus has no such split, or it has no pairs.
        """
        if split not in self.datasets:
            folder = self.encoded_folder(split)
            self.datasets[split] = arrow_cache.open_encoded(folder)
            self.filter_reports[split] = {k: int(str(v)) for k, v in arrow_cache.load_notes(folder).items()}
        return self.datasets[split]

    def encoded_folder(self, split: str) -> Path:
        """Where the cache keeps a split, encoded now if it is not there. Raises ValueError as `rows`."""
        self.require(split)
        key: dict[str, object] = {
            **self.identity,
            "split": split,
            "tokenizers": [
                [side.checksum, side.normalization] for side in (self.tokenizers.source, self.tokenizers.target)
            ],
            "filters": _settings(self.filters) if split == "train" else None,
        }
        folder = self.cache / "encoded" / arrow_cache.cache_key(key) / split
        return arrow_cache.cached_folder(folder, lambda aside: self._write(split, aside))

    def pairs(self, split: str) -> Iterator[Pair]:
        """The pairs of a split, read from the corpus; those of the training split that pass the filters.

        Raises ValueError, for the training split at its end, where there are none, or fewer than asked for.
        """
        self.require(split)
        return self.corpus.pairs(split) if split != "train" else self._passing(self.filters)

    def pairs_at_hand(self, checksums: Mapping[str, str]) -> Iterator[Pair]:
        """The training pairs that pass the filters, if they are on this machine and have these checksums.

        Raises OSError or ValueError where they are not, in place of fetching them.
        """
        if self.corpus.checksums() != dict(checksums):
            raise ValueError("the training data have changed")
        return self._passing(self.filters)

    def _passing(self, filters: Filters) -> Iterator[Pair]:
        """The training pairs that pass, the first so many of them."""
        yield from filters.apply(self.corpus.pairs("train"), self._lengths(filters), shares=self._shares(filters))
        filters.require_kept()

    def _lengths(self, filters: Filters) -> Lengths | None:
        return self._token_lengths if filters.unit == "tokens" else None

    def _shares(self, filters: Filters) -> dict[str, int] | None:
        """Of a mixture, how many of the first pairs each member gives: known once all are counted."""
        if filters.first is None or not isinstance(self.corpus, MixtureCorpus):
            return None
        all_pairs = filters.without_first()
        total = sum(1 for _ in all_pairs.apply(self.corpus.pairs("train"), self._lengths(filters)))
        filters.require_first(total)
        counts = all_pairs.report()
        return shares({member: counts.get(f"{member}.kept", 0) for member in self.corpus.members}, filters.first)

    def encode(
        self, pairs: Iterator[Pair], *, sharers: int = 1, sampling: Sampling | None = None
    ) -> Generator[pa.RecordBatch, None, None]:
        """The pairs as Arrow batches, lazily, by this one's share of the processes where several encode at once."""
        return batches(pairs, self.tokenizers, processes=max(1, self.processes // sharers), sampling=sampling)

    def sampling(self, seed: int, epoch: int) -> Sampling | None:
        """How an epoch cuts its text into pieces, of a training that cuts it anew each time; else None."""
        rate = getattr(self.training, "sampling", None)  # which a class of the user's own need not have
        return None if rate is None else Sampling(rate, seed, epoch)

    def _prepared_corpus(self) -> Corpus:
        if not self._prepared:
            self.corpus.prepare()
            self._prepared = True
        return self.corpus

    def _fit(self) -> TokenizerPair:
        self.require("train")
        return self.training.fit(self._pairs_to_learn_from, self.corpus.source_language, self.corpus.target_language)

    def _pairs_to_learn_from(self) -> Iterator[Pair]:
        return self._passing(self.filters_of_vocabularies)

    def _write(self, split: str, folder: Path) -> None:
        logger.info("encoding the %s split of %s", split, self.corpus.name)
        with self.progress(f"encoding the {split} split") as advance:
            count = arrow_cache.encode_pairs(
                self.pairs(split),
                self.tokenizers,
                folder / arrow_cache.ARROW,
                processes=self.processes,
                advance=advance,
            )
        if count == 0:
            raise ValueError(f"the {split} split of {self.corpus.name} has no pairs; give it at least one")
        arrow_cache.save_notes(folder, self.filters.report() if split == "train" else {})
        logger.info("encoded %d pairs of the %s split", count, split)

    def _token_lengths(self, pair: Pair) -> tuple[int, int]:
        return len(self.tokenizers.source.encode(pair.source)), len(self.tokenizers.target.encode(pair.target))


def _learns_from_kept(training: TokenizerTraining) -> bool:
    """Whether vocabularies are learnt on the first pairs alone; a class of the user's own need not say."""
    return getattr(training, "learn_from", "kept") == "kept"


def _filters_of_vocabularies(training: TokenizerTraining, filters: Filters) -> Filters:
    """What is learnt from: pairs that pass the filters; where those count tokens, which none are yet, all with text."""
    chosen = filters if _learns_from_kept(training) else filters.without_first()
    if chosen.unit == "words":
        return copy.deepcopy(chosen)
    return Filters(max_length=None, max_length_ratio=None, drop_duplicates=False, unit="words", first=chosen.first)


def _settings(filters: Filters) -> list[object]:
    """What caches are named by; those of before there was `first` stay valid."""
    first = [] if filters.first is None else [filters.first]
    return [filters.max_length, filters.max_length_ratio, filters.drop_duplicates, filters.unit, *first]
