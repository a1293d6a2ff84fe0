"""The pairs that a run is tested on, with their gold links."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from rnnsearch.config import build
from rnnsearch.evaluation.gold import format_gold, read_gold
from rnnsearch.records.json_files import read_lines
from rnnsearch.records.run_record import check_file, read_record
from rnnsearch.records.test_sets import names_of
from rnnsearch.runs import run_folder

Rows = list[Mapping[str, Any]]


def split_rows(loaded: run_folder.LoadedRun, split: str) -> Rows:
    """The pairs of a split: those kept in the run's folder, or the corpus's own.

    Raises:
        ValueError: if the corpus has no such split, or what was kept is damaged.
    """
    path = check_file(loaded.folder, loaded.record, f"data/{split}.jsonl")
    if path.is_file():
        rows: Rows = list(read_lines(path))
        for number, row in enumerate(rows, 1):
            if not all(isinstance(row.get(key), str) for key in ("source_text", "target_text")):
                raise ValueError(f"{path}: line {number} is damaged: it holds no pair of texts")
        return rows
    have = read_record(loaded.folder, needs=["data.pairs"]).data.pairs
    if split == "train" and loaded.config.get("streaming"):
        raise ValueError(f"the training pairs of {loaded.folder} were streamed and are not kept; take another split")
    if split not in have:
        named = "; with source and target it is tested on two files"
        listed = ", ".join(dict.fromkeys((*have, *names_of(loaded.folder))))
        raise ValueError(f"the run in {loaded.folder} has no {split} split; it has {listed}{named}")
    return list(build.build_data(loaded.config).rows(split))


def gold_rows(rows: Rows, alignments: DictConfig) -> Rows:
    """The pairs with the gold links of ``alignments.gold`` instead of the corpus' own, if it is given."""
    if alignments.gold is None:
        return rows
    texts = [(row["source_text"], row["target_text"]) for row in rows]
    gold = read_gold(Path(alignments.gold), texts, one_indexed=alignments.one_indexed)
    return [{**row, "links": format_gold(links)} for row, links in zip(rows, gold, strict=True)]
