"""A parallel corpus as Lightning takes it: tokenizers learnt, pairs encoded, batches in a reproducible order."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import torch
from datasets import Dataset
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from rnnsearch.data import arrow_cache
from rnnsearch.data.batching import Batch, Lengths, Plan, Planner, Row, longest_first, mean_lengths, padding_share
from rnnsearch.data.contradictions import STREAMED, examined
from rnnsearch.data.corpus import SPLITS, Corpus, Pair
from rnnsearch.data.encode_pairs import Advance, processes_allowed
from rnnsearch.data.filters import Filters
from rnnsearch.data.loaders import EncodedRows, EndlessLoader, TrainingLoader, evaluation_loader
from rnnsearch.data.mixture import MixtureCorpus, WeightedPlanner
from rnnsearch.data.prepared import PreparedCorpus, Progress
from rnnsearch.data.sampler import BatchSampler
from rnnsearch.data.scripts import Unit, unit_of
from rnnsearch.data.streaming import StreamingLoader, check_window
from rnnsearch.data.tokenizer import TokenizerPair, TokenizerTraining


def silent(doing: str) -> AbstractContextManager[Advance]:
    """Shows nothing."""
    return nullcontext(lambda pairs: None)


class ParallelDataModule(LightningDataModule):
    """Tokenizers, encoded splits and loaders of one corpus; nothing here depends on the model.

    Filters apply to the training split alone: an evaluation scores every pair. `cache` is a folder that runs may share.
    `validation_sentences` takes that many from the start of the validation split (None: all). With `workers` processes
    batches are made in advance; the order and the saved place are the same as with 0. `encoding_processes` (None: the
    cores there are) encode what the cache lacks, and `progress` shows how far they are. With `streaming` the training
    split is not kept encoded: so many of its pairs at a time are read and encoded as training needs them.
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
        streaming: int | None = None,
        progress: Progress = silent,
    ) -> None:
        """Raises ValueError for a number below its least."""
        super().__init__()
        _require_at_least(
            1, {"validation.sentences": validation_sentences, "validation.batch_size": evaluation_batch_size}
        )
        _require_at_least(0, {"data_workers": workers})
        _require_at_least(1, {"encoding_processes": encoding_processes})
        if streaming is not None:
            check_window(streaming)
        if streaming is not None and isinstance(corpus, MixtureCorpus):
            raise ValueError("streaming takes one corpus, not data=mixture; leave streaming=null, or mix the files")
        self.prepared = PreparedCorpus(
            corpus=corpus,
            tokenizer=tokenizer,
            filters=filters,
            cache=Path(cache),
            processes=processes_allowed(encoding_processes),
            progress=progress,
        )
        self.corpus = corpus
        self.batches = batches
        self.seed = seed
        self.validation_sentences = validation_sentences
        self.evaluation_batch_size = evaluation_batch_size
        self.workers = workers
        self.streaming = streaming
        self._order: BatchSampler | StreamingLoader | None = None
        self._saved_place: Mapping[str, int] | None = None
        self._anew: tuple[int, pa.Table] | None = None

    # What Lightning calls

    def prepare_data(self) -> None:
        """Fetch the corpus, learn the tokenizers and encode the splits, unless they are cached.

        Raises:
            ValueError: there is no validation split, or a split has no pairs.
        """
        self.prepared.require("validation")
        for split in self._kept(self.prepared.splits()):
            self.prepared.encoded_folder(split)

    def setup(self, stage: str | None = None) -> None:
        """Open the splits that a stage ("fit", "validate", "test", "predict"; None: all) needs."""
        needed = {"fit": SPLITS[:2], "validate": SPLITS[1:2], "test": SPLITS[2:], "predict": SPLITS[2:]}
        for split in self._kept(needed[stage] if stage else self.prepared.splits()):
            self.rows(split)
        if stage in (None, "fit"):
            self.prepared.require("train")
            self.prepared.require("validation")

    def train_dataloader(self) -> TrainingLoader | StreamingLoader:
        """Batches of the training split, from the present place in their order.

        Where validation counts batches instead of epochs, and where pairs are streamed, they do not end.
        """
        order = self.order
        if isinstance(order, StreamingLoader):
            return order
        by_batches = self.trainer is not None and self.trainer.check_val_every_n_epoch is None
        loader = EndlessLoader if by_batches and not self._overfits() else TrainingLoader
        rows = EncodedRows(self.rows("train").data)
        anew = self._encoded_anew if self._samples() else None
        return loader(rows, order, workers=self.workers, pin_memory=self._pin_memory(), anew=anew)

    def val_dataloader(self) -> DataLoader[Row]:
        """The first `validation_sentences` pairs of the validation split, the longest first."""
        return self.evaluation_loader("validation", self.validation_sentences)

    def test_dataloader(self) -> DataLoader[Row]:
        """The test split, the longest sentences first."""
        return self.evaluation_loader("test", None)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Copy the batch; from page-locked memory, while the computation goes on."""
        return batch.to(device, non_blocking=True)

    def state_dict(self) -> dict[str, Any]:
        """The place in the training data."""
        return {"sampler": self._order.state_dict()} if self._order else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to a saved place in the training data."""
        self._saved_place = state_dict.get("sampler")
        if self._order and self._saved_place is not None:
            self._order.load_state_dict(self._saved_place)

    # What the rest of the project asks for

    @property
    def tokenizers(self) -> TokenizerPair:
        """The tokenizers, learnt on the training split or read from the cache."""
        return self.prepared.tokenizers

    @property
    def order(self) -> BatchSampler | StreamingLoader:
        """The order of the training batches, and the place in it."""
        if self._order is None:  # made late, since only the trainer knows the processes
            self._order = self._new_order()
            if self._saved_place is not None:
                self._order.load_state_dict(self._saved_place)
        return self._order

    def rows(self, split: str) -> Dataset:
        """The encoded pairs of a split, memory-mapped; encoded now unless they are cached.

        Raises:
            ValueError: the corpus has no such split, or it has no pairs.
        """
        return self.prepared.rows(split)

    def training_lines(self, rows: Sequence[int]) -> Sequence[int]:
        """The corpus' line numbers of the training pairs that `Batch.index_B` names."""
        return rows if self.streaming else self.rows("train")[list(rows)]["line"]

    def texts(self, split: str) -> Iterator[tuple[str, str]]:
        """Raw source and target text of each pair of a split, in order."""
        return arrow_cache.texts(self.rows(split))

    def lengths(self, split: str) -> tuple[Lengths, Lengths]:
        """Tokens of each source and target of a split, the end of sentence included."""
        return arrow_cache.lengths(self.rows(split).data)

    @cached_property
    def contradictions(self) -> dict[str, dict[str, int]]:
        """Counts of contradictory data by split; of streamed pairs, only among the first ones."""
        return examined(
            self.corpus,
            self.prepared.cache,
            checksums=self.prepared.identity["checksums"],
            most=STREAMED if self.streaming else None,
        )

    def longest_source(self) -> int | None:
        """Length of the longest training source, by `scripts.units`; None if training pairs are streamed."""
        if self.streaming:
            return None
        return int(pyarrow.compute.max(self.rows("train").data.column("source_words")).as_py())

    @cached_property
    def mean_lengths(self) -> tuple[float, float]:
        """Mean tokens of a training pair's source and target, ends of sentence included, as an epoch sees them.

        Of streamed pairs, the first ones count.
        """
        if self.streaming:
            some = self.prepared.encode(islice(self.prepared.pairs("train"), STREAMED), sharers=self.prepared.processes)
            return mean_lengths(arrow_cache.lengths(pa.Table.from_batches(list(some))), weights=None)
        planner = self._planner()
        weights = planner.times() if isinstance(planner, WeightedPlanner) else None
        return mean_lengths(self.lengths("train"), weights=weights)

    def evaluation_loader(self, split: str, sentences: int | None) -> DataLoader[Row]:
        """The first `sentences` pairs of a split (None: all), the longest first; `index_B` tells their rows."""
        lengths = self.lengths(split)[0][:sentences]
        processes = self.trainer.world_size if self.trainer else 1
        size = min(self.evaluation_batch_size, -(-len(lengths) // processes))  # a batch for each process, at least
        plan = longest_first(lengths, size)
        rows = EncodedRows(self.rows(split).data)
        return evaluation_loader(rows, self._share(plan), workers=self.workers, pin_memory=self._pin_memory())

    def description(self) -> dict[str, Any]:
        """The data as a record describes them: names, checksums, counts, filters, tokenizers, padding."""
        sources = {"source": self.tokenizers.source, "target": self.tokenizers.target}
        sides = {side: {"size": t.size, "checksum": t.checksum} for side, t in sources.items()}
        opened = self.prepared.datasets
        taken = getattr(self.corpus, "taken_out", None)  # of a corpus in files
        return {
            **self.prepared.identity,
            "contradictions": self.contradictions,
            "pairs": {split: len(opened[split]) for split in SPLITS if split in opened},
            **({"taken_out": dict(taken)} if taken else {}),
            "filters": {split: report for split, report in self.prepared.filter_reports.items() if report},
            "tokenizer": {**sides, "notes": self.tokenizers.notes},
            "padding_share": self._padding_share(),
            "length_units": self._length_units() if "validation" in opened else None,
        }

    # Within

    def _kept(self, splits: Sequence[str]) -> list[str]:
        """The splits with an encoded copy in the cache."""
        return [split for split in splits if not (self.streaming and split == "train")]

    def _new_order(self) -> BatchSampler | StreamingLoader:
        rank, replicas = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        if not self.streaming:
            lengths, stay = self.lengths("train"), self._overfits()
            anew = self._lengths_anew if self._samples() else None
            return BatchSampler(
                self._planner(), *lengths, seed=self.seed, rank=rank, replicas=replicas, stay=stay, anew=anew
            )
        if self._overfits():
            raise ValueError("trainer.overfit_batches repeats the first batches of an epoch; give it streaming=null")
        return StreamingLoader(
            lambda: self.prepared.pairs("train"),
            self._encoded_stream,
            self.batches,
            window=self.streaming,
            seed=self.seed,
            rank=rank,
            replicas=replicas,
            pin_memory=self._pin_memory(),
            progress=self.prepared.progress,
        )

    def _samples(self) -> bool:
        """Whether training text is cut into pieces anew each epoch."""
        return self.prepared.sampling(self.seed, 0) is not None

    def _sharers(self) -> int:
        return self.trainer.num_devices if self.trainer else 1

    def _encoded_stream(self, pairs: Iterator[Pair], epoch: int) -> Generator[pa.RecordBatch, None, None]:
        return self.prepared.encode(pairs, sharers=self._sharers(), sampling=self.prepared.sampling(self.seed, epoch))

    def _encoded_anew(self, epoch: int) -> pa.Table:
        """The ids of the training pairs in an epoch that cuts them in its own way; the last such table is kept."""
        if self._anew is None or self._anew[0] != epoch:
            encoded = self._encoded_stream(arrow_cache.pairs(self.rows("train")), epoch)
            self._anew = epoch, pa.Table.from_batches([batch.select(["source", "target"]) for batch in encoded])
        return self._anew[1]

    def _lengths_anew(self, epoch: int) -> tuple[Lengths, Lengths]:
        return arrow_cache.lengths(self._encoded_anew(epoch))

    def _overfits(self) -> bool:
        return bool(self.trainer and self.trainer.overfit_batches)  # type: ignore[attr-defined]  # set, not declared

    def _planner(self) -> Planner:
        """The config's planner; for a mixture, over the rows that its weights let an epoch see."""
        if not isinstance(self.corpus, MixtureCorpus):
            return self.batches
        members = arrow_cache.rows_by_member(self.rows("train"))
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

    def _length_units(self) -> dict[str, Unit]:
        """The units of the lengths of both sides, by the script of the validation split."""
        texts = list(self.texts("validation"))
        return {"source": unit_of(source for source, _ in texts), "target": unit_of(target for _, target in texts)}

    def _padding_share(self) -> float | None:
        if "train" not in self.prepared.datasets:
            return None
        lengths = self.lengths("train")
        return padding_share(self._planner().plan(*lengths, seed=self.seed, epoch=0), *lengths)


def _require_at_least(least: int, values: Mapping[str, int | None]) -> None:
    for key, value in values.items():
        if value is not None and value < least:
            raise ValueError(f"{key}={value}: must be at least {least}")
