"""The counts of BLEU and chrF of each sentence, kept beside a run's translations: counts.<split>.json.

Counting the n-grams of a thousand translations takes a second or two, and a report needs those of all its runs, each
time that it is made. The file holds a digest of what was counted and how: where that is another one, or the file is
damaged, missing (of older runs) or can't be written, all is counted anew.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu

from rnnsearch.evaluation.corpus_scores import BLEU_STATISTICS, CHRF_STATISTICS
from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.summed_metrics import BLEU, CHRF, Row, text_counts
from rnnsearch.records.json_files import read_object, write_object

COUNTS = "counts.{}.json"  # of a split
OF = "of"  # the key of the digest of what was counted
SIZES = {BLEU.name: BLEU_STATISTICS, CHRF.name: CHRF_STATISTICS}


def kept_counts(folder: Path, split: str, rows: Sequence[Row], scoring: Scoring) -> dict[str, Floats]:
    """As `text_counts`: those that a run's folder keeps, or else made, and kept there unless the folder is a link."""
    path = folder / COUNTS.format(split)
    with suppress(OSError, ValueError, KeyError, AttributeError, OverflowError):
        values = read_object(path) if path.is_file() else {}  # a pipe would be waited for
        counts = {name: _read(values[name], size) for name, size in SIZES.items()}
        if values[OF] == _of(rows, scoring) and all(len(of_name) == len(rows) for of_name in counts.values()):
            return counts
    counts = text_counts(rows, scoring)
    with suppress(OSError, ValueError):
        if not folder.is_symlink():  # a report writes nothing outside its study
            keep_counts(folder, split, rows, scoring, counts)
    return counts


def keep_counts(folder: Path, split: str, rows: Sequence[Row], scoring: Scoring, counts: Mapping[str, Floats]) -> None:
    """Write the counts of a split's translations beside them."""
    plain = {name: " ".join(map(str, of_name.astype(int).flat)) for name, of_name in counts.items()}
    write_object(folder / COUNTS.format(split), {OF: _of(rows, scoring), **plain})


def _read(numbers: str, size: int) -> Floats:
    return np.array([int(number) for number in numbers.split()], dtype=np.int64).reshape(-1, size).astype(np.float64)


def _of(rows: Sequence[Row], scoring: Scoring) -> str:
    how: Any = [sacrebleu.__version__, scoring.bleu_tokenizer, scoring.normalization]
    texts = [[row["hypothesis"], row["reference"]] for row in rows]
    return hashlib.sha256(json.dumps([how, texts]).encode()).hexdigest()
