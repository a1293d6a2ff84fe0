"""A data module of a corpus with every setting named."""

from pathlib import Path
from typing import Any

from rnnsearch.data.batching import BucketBatches
from rnnsearch.data.corpus import Corpus
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.data.filters import Filters
from rnnsearch.data.word_tokenizer import WordTraining

SETTINGS: dict[str, Any] = {
    "tokenizer": WordTraining(source_size=200, target_size=200),
    "filters": Filters(max_length=30, max_length_ratio=None, drop_duplicates=False, unit="words"),
    "batches": BucketBatches(unit="sentences", size=8, pool=2),
    "seed": 1,
    "validation_sentences": None,
    "evaluation_batch_size": 4,
    "workers": 0,
}


def data_module(cache: Path, corpus: Corpus, **changed: Any) -> ParallelDataModule:
    return ParallelDataModule(corpus=corpus, cache=cache, **(SETTINGS | changed))
