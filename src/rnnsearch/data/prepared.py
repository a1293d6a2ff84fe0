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
from rnnsearch.data.encode_pairs import Advance, batches
from rnnsearch.data.filters import Filters, is_empty
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
        key = {**self.identity, "tokenizer": self.training.settings(), "filters": self._filter_settings()}
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
            "filters": self._filter_settings() if split == "train" else None,
        }
        folder = self.cache / "encoded" / arrow_cache.cache_key(key) / split
        return arrow_cache.cached_folder(folder, lambda aside: self._write(split, aside))

    def pairs(self, split: str) -> Iterator[Pair]:
        """The pairs of a split, read from the corpus; those of the training split that pass the filters.

        Raises ValueError, for the training split at its end, where there are none.
        """
        self.require(split)
        pairs = self.corpus.pairs(split)
        return pairs if split != "train" else self._passing(pairs)

    def pairs_at_hand(self, checksums: Mapping[str, str]) -> Iterator[Pair]:
        """The training pairs that pass the filters, if they are on this machine and have these checksums.

        Raises OSError or ValueError where they are not, in place of fetching them.
        """
        if self.corpus.checksums() != dict(checksums):
            raise ValueError("the training data have changed")
        return self._passing(self.corpus.pairs("train"))

    def _passing(self, pairs: Iterator[Pair]) -> Iterator[Pair]:
        yield from self.filters.apply(pairs, self._token_lengths if self.filters.unit == "tokens" else None)
        self.filters.require_kept()

    def encode(self, pairs: Iterator[Pair], *, sharers: int = 1) -> Generator[pa.RecordBatch, None, None]:
        """The pairs as Arrow batches, lazily, by this one's share of the processes where several encode at once."""
        return batches(pairs, self.tokenizers, processes=max(1, self.processes // sharers))

    def _prepared_corpus(self) -> Corpus:
        if not self._prepared:
            self.corpus.prepare()
            self._prepared = True
        return self.corpus

    def _filter_settings(self) -> list[object]:
        f = self.filters
        return [f.max_length, f.max_length_ratio, f.drop_duplicates, f.unit]

    def _fit(self) -> TokenizerPair:
        self.require("train")
        return self.training.fit(self._pairs_to_learn_from, self.corpus.source_language, self.corpus.target_language)

    def _pairs_to_learn_from(self) -> Iterator[Pair]:
        """Training pairs that pass the filters; where those count tokens, all that are not empty."""
        if self.filters.unit == "tokens":
            return (pair for pair in self.corpus.pairs("train") if not is_empty(pair))
        return self.pairs("train")

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
