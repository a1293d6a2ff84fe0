"""A parallel corpus as Lightning takes it: tokenizers learnt, pairs encoded, batches in a reproducible order."""

import copy
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.compute
import torch
from datasets import Dataset
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from rnnsearch.data import encoded
from rnnsearch.data.batching import (
    Batch,
    BatchSampler,
    Lengths,
    Plan,
    Planner,
    Row,
    longest_first,
    padding_share,
)
from rnnsearch.data.corpus import SPLITS, Corpus, Pair
from rnnsearch.data.encoding import Advance, processes_allowed
from rnnsearch.data.filters import Filters, is_empty
from rnnsearch.data.loaders import EncodedRows, EndlessLoader, TrainingLoader, evaluation_loader
from rnnsearch.data.mixture import MixtureCorpus, WeightedPlanner
from rnnsearch.data.tokenizer import GivenTokenizers, TokenizerPair, TokenizerTraining

logger = logging.getLogger(__name__)

Progress = Callable[[str], AbstractContextManager[Advance]]
"""Given what is being done, shows how many pairs are done."""


def silent(doing: str) -> AbstractContextManager[Advance]:
    """Shows nothing."""
    return nullcontext(lambda pairs: None)


class ParallelDataModule(LightningDataModule):
    """Tokenizers, encoded splits and loaders of one corpus; nothing here depends on the model.

    Filters apply to the training split alone: an evaluation scores every pair. `cache` is a folder that runs may share.
    `validation_sentences` takes that many from the start of the validation split (None: all). With `workers` processes
    batches are made in advance; the order and the saved place are the same as with 0. `encoding_processes` (None: the
    cores there are) encode what the cache lacks, and `progress` shows how far they are.
    """

    def __init__(
        self,
        *,
        corpus: Corpus,
        tokenizer: TokenizerTraining,
        filters: Filters,
        batches: Planner,
        cache: Path | str,
        seed: int,
        validation_sentences: int | None,
        evaluation_batch_size: int,
        workers: int,
        encoding_processes: int | None = 1,
        progress: Progress = silent,
    ) -> None:
        """Raises ValueError for a number below its least."""
        super().__init__()
        _require_at_least(
            1, {"validation.sentences": validation_sentences, "validation.batch_size": evaluation_batch_size}
        )
        _require_at_least(0, {"data_workers": workers})
        _require_at_least(1, {"encoding_processes": encoding_processes})
        self.corpus = corpus
        self.training = tokenizer
        self.filters = copy.deepcopy(filters)
        self.batches = batches
        self.cache = Path(cache)
        self.seed = seed
        self.validation_sentences = validation_sentences
        self.evaluation_batch_size = evaluation_batch_size
        self.workers = workers
        self.encoding_processes = processes_allowed(encoding_processes)
        self._progress = progress
        self.datasets: dict[str, Dataset] = {}
        self.filter_reports: dict[str, dict[str, int]] = {}
        self._tokenizers: TokenizerPair | None = None
        self._sampler: BatchSampler | None = None
        self._saved_place: Mapping[str, int] | None = None
        self._prepared = False

    # What Lightning calls

    def prepare_data(self) -> None:
        """Fetch the corpus, learn the tokenizers and encode the splits, where the cache has them not.

        Raises:
            ValueError: there is no validation split, or a split has no pairs.
        """
        self._require("validation")
        for split in self._prepared_corpus().splits():
            self._encoded_folder(split)

    def setup(self, stage: str | None = None) -> None:
        """Open the splits that a stage ("fit", "validate", "test", "predict"; None: all) needs."""
        needed = {"fit": SPLITS[:2], "validate": SPLITS[1:2], "test": SPLITS[2:], "predict": SPLITS[2:]}
        for split in needed[stage] if stage else self._prepared_corpus().splits():
            self.rows(split)
        if stage in (None, "fit"):
            self._require("validation")

    def train_dataloader(self) -> TrainingLoader:
        """Batches of the training split, from the present place in the order of the sampler.

        Where validation counts batches instead of epochs they do not end.
        """
        rows = EncodedRows(self.rows("train"))
        by_batches = self.trainer is not None and self.trainer.check_val_every_n_epoch is None
        loader = EndlessLoader if by_batches and not self._overfits() else TrainingLoader
        return loader(rows, self.sampler, workers=self.workers, pin_memory=self._pin_memory())

    def val_dataloader(self) -> DataLoader[Row]:
        """The first `validation_sentences` pairs of the validation split, the longest first."""
        return self.evaluation_loader("validation", self.validation_sentences)

    def test_dataloader(self) -> DataLoader[Row]:
        """The test split, the longest sentences first."""
        return self.evaluation_loader("test", None)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Copies from page-locked memory go on beside the computation."""
        return batch.to(device, non_blocking=True)

    def state_dict(self) -> dict[str, Any]:
        """The place in the training data."""
        return {"sampler": self._sampler.state_dict()} if self._sampler else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to a saved place in the training data."""
        self._saved_place = state_dict.get("sampler")
        if self._sampler and self._saved_place is not None:
            self._sampler.load_state_dict(self._saved_place)

    # What the rest of the project asks for

    @property
    def tokenizers(self) -> TokenizerPair:
        """The tokenizers, learnt on the training split or read from the cache."""
        if self._tokenizers is None:
            self._tokenizers = self._learnt_tokenizers()
        return self._tokenizers

    @property
    def sampler(self) -> BatchSampler:
        """The order of the training batches."""
        if self._sampler is None:  # made when batches are asked for: a trainer, which knows the processes, comes late
            self._sampler = self._new_sampler()
        return self._sampler

    def rows(self, split: str) -> Dataset:
        """The encoded pairs of a split, memory-mapped; encoded now if the cache has them not.

        Raises:
            ValueError: the corpus has no such split, or it has no pairs.
        """
        if split not in self.datasets:
            folder = self._encoded_folder(split)
            self.datasets[split] = encoded.open_encoded(folder)
            self.filter_reports[split] = {k: int(str(v)) for k, v in encoded.load_notes(folder).items()}
        return self.datasets[split]

    def texts(self, split: str) -> Iterator[tuple[str, str]]:
        """Raw source and target text of each pair of a split, in order."""
        return encoded.texts(self.rows(split))

    def lengths(self, split: str) -> tuple[Lengths, Lengths]:
        """Tokens of each source and target of a split, the end of sentence included."""
        rows = self.rows(split)
        return encoded.token_counts(rows, "source") + 1, encoded.token_counts(rows, "target") + 1

    def longest_source(self) -> int:
        """Words of the longest training source."""
        return int(pyarrow.compute.max(self.rows("train").data.column("source_words")).as_py())

    def evaluation_loader(self, split: str, sentences: int | None) -> DataLoader[Row]:
        """The first `sentences` pairs of a split (None: all), the longest first; `index_B` tells their rows."""
        lengths = self.lengths(split)[0][:sentences]
        processes = self.trainer.world_size if self.trainer else 1
        size = min(self.evaluation_batch_size, -(-len(lengths) // processes))  # a batch for each process, at least
        plan = longest_first(lengths, size)
        rows = EncodedRows(self.rows(split))
        return evaluation_loader(rows, self._share(plan), workers=self.workers, pin_memory=self._pin_memory())

    def description(self) -> dict[str, Any]:
        """What a record keeps of the data: names, checksums, counts, filters, tokenizers, padding."""
        sources = {"source": self.tokenizers.source, "target": self.tokenizers.target}
        sides = {side: {"size": t.size, "checksum": t.checksum} for side, t in sources.items()}
        return {
            **self._identity,
            "pairs": {split: len(self.datasets[split]) for split in SPLITS if split in self.datasets},
            "filters": {split: report for split, report in self.filter_reports.items() if report},
            "tokenizer": {**sides, "notes": self.tokenizers.notes},
            "padding_share": self._padding_share(),
        }

    # Within

    def _prepared_corpus(self) -> Corpus:
        if not self._prepared:
            self.corpus.prepare()
            self._prepared = True
        return self.corpus

    def _require(self, split: str) -> None:
        have = self._prepared_corpus().splits()
        if split not in have:
            raise ValueError(
                f"the corpus {self.corpus.name} has no {split} split, only {', '.join(have) or 'none'}; "
                f"give data.{split}.source and data.{split}.target"
            )

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What the pairs of any split come from."""
        return {
            "name": self.corpus.name,
            "source_language": self.corpus.source_language,
            "target_language": self.corpus.target_language,
            "checksums": self._prepared_corpus().checksums(),
        }

    def _filter_settings(self) -> list[object]:
        f = self.filters
        return [f.max_length, f.max_length_ratio, f.drop_duplicates, f.unit]

    def _learnt_tokenizers(self) -> TokenizerPair:
        if isinstance(self.training, GivenTokenizers):
            return self.training.given
        key = {**self._identity, "tokenizer": self.training.settings(), "filters": self._filter_settings()}
        folder = self.cache / "tokenizers" / encoded.cache_key(key)
        encoded.cached_folder(folder, lambda aside: encoded.save_tokenizers(aside, self._fit()))
        return encoded.load_tokenizers(folder)

    def _fit(self) -> TokenizerPair:
        self._require("train")
        corpus = self._prepared_corpus()
        return self.training.fit(self._pairs_to_learn_from, corpus.source_language, corpus.target_language)

    def _pairs_to_learn_from(self) -> Iterator[Pair]:
        """Training pairs that pass the filters; where those count tokens, all that are not empty."""
        pairs = self.corpus.pairs("train")
        if self.filters.unit == "tokens":
            return (pair for pair in pairs if not is_empty(pair))
        return self.filters.apply(pairs)

    def _encoded_folder(self, split: str) -> Path:
        self._require(split)
        tokenizers = self.tokenizers
        key: dict[str, object] = {
            **self._identity,
            "split": split,
            "tokenizers": [tokenizers.source.checksum, tokenizers.target.checksum],
            "filters": self._filter_settings() if split == "train" else None,
        }
        folder = self.cache / "encoded" / encoded.cache_key(key) / split
        return encoded.cached_folder(folder, lambda aside: self._encode(split, aside))

    def _encode(self, split: str, folder: Path) -> None:
        logger.info("encoding the %s split of %s", split, self.corpus.name)
        pairs = self.corpus.pairs(split)
        if split == "train":
            pairs = self.filters.apply(pairs, self._token_lengths if self.filters.unit == "tokens" else None)
        with self._progress(f"encoding the {split} split") as advance:
            count = encoded.encode_pairs(
                pairs, self.tokenizers, folder / encoded.ARROW, processes=self.encoding_processes, advance=advance
            )
        if count == 0:
            raise ValueError(f"the {split} split of {self.corpus.name} has no pairs; give it at least one")
        encoded.save_notes(folder, self.filters.report() if split == "train" else {})
        logger.info("encoded %d pairs of the %s split", count, split)

    def _token_lengths(self, pair: Pair) -> tuple[int, int]:
        return len(self.tokenizers.source.encode(pair.source)), len(self.tokenizers.target.encode(pair.target))

    def _new_sampler(self) -> BatchSampler:
        sampler = BatchSampler(
            self._planner(),
            *self.lengths("train"),
            seed=self.seed,
            rank=self.trainer.global_rank if self.trainer else 0,
            replicas=self.trainer.world_size if self.trainer else 1,
            stay=self._overfits(),
        )
        if self._saved_place is not None:
            sampler.load_state_dict(self._saved_place)
        return sampler

    def _overfits(self) -> bool:
        return bool(self.trainer and self.trainer.overfit_batches)  # type: ignore[attr-defined]  # set, not declared

    def _planner(self) -> Planner:
        """That of the config; for a mixture, of the rows that its weights let an epoch see."""
        if not isinstance(self.corpus, MixtureCorpus):
            return self.batches
        members = encoded.rows_by_member(self.rows("train"))
        kept = [key for key in self.corpus.weights if key in members]
        return WeightedPlanner(self.batches, [members[key] for key in kept], [self.corpus.weights[key] for key in kept])

    def _share(self, plan: Plan) -> Sequence[list[int]]:
        """This process's part of the evaluation batches; each pair is scored once in all.

        All processes have the same number of batches, for they wait for each other at the end; the last may be empty.
        """
        if self.trainer is None:
            return plan
        processes = self.trainer.world_size
        whole = [*plan, *([] for _ in range(-len(plan) % processes))]
        return whole[self.trainer.global_rank :: processes]

    def _pin_memory(self) -> bool:
        return bool(self.trainer and self.trainer.strategy.root_device.type == "cuda")

    def _padding_share(self) -> float | None:
        if "train" not in self.datasets:
            return None
        lengths = self.lengths("train")
        return padding_share(self._planner().plan(*lengths, seed=self.seed, epoch=0), *lengths)


def _require_at_least(least: int, values: Mapping[str, int | None]) -> None:
    for key, value in values.items():
        if value is not None and value < least:
            raise ValueError(f"{key}={value}: must be at least {least}")
