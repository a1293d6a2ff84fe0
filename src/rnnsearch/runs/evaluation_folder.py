"""An evaluation that has a folder of its own, with what a study's report reads of a run that was trained there."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.data.seen_words import SEEN_WORDS
from rnnsearch.evaluation.kept_counts import keep_counts
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.splits import Evaluation
from rnnsearch.records.folders import refuse_links
from rnnsearch.records.json_files import write_json, write_lines
from rnnsearch.records.run_record import RECORD, RunRecord, read_values
from rnnsearch.records.test_sets import OWN, SIDES
from rnnsearch.runs import run_folder
from rnnsearch.runs.recording import beginnings, claimed, interruptible, recording

KEPT = (  # of the run's record: what training made, and what it took
    *("code", "parameters", "parameters_without_embeddings", "flops_per_token", "flops_lengths", "dependent_steps"),
    *("filters", "tokenizer", "data", "scoring", "updates", "converged", "decay_from", "tokens_seen"),
    *("training_seconds", "tokens_per_second"),
)


@dataclass(frozen=True, slots=True)
class Tested:
    """What was translated, and with which weights.

    Attributes:
        split: of the run, or the name of the test set.
        checksums: of the files of other sentences, by side; None for a split of the run.
        checkpoint: whose weights.
        search: its settings, as plain values.
    """

    split: str
    checksums: Mapping[str, str] | None
    checkpoint: str
    search: Mapping[str, Any]


@contextmanager
def evaluation_record(
    folder: Path, of: run_folder.LoadedRun, tested: Tested, *, study: str | None, member: str | None
) -> Iterator[RunRecord]:
    """The record of an evaluation while it is made, in a folder that is no run's yet.

    Raises:
        ValueError: if the folder holds a run.
    """
    refuse_links(folder)
    if (folder / RECORD).exists():
        raise ValueError(f"{folder} holds a run already; give another folder")
    changes = {"search": dict(tested.search), "study": study, "member": member}
    config = OmegaConf.merge(of.config, changes)
    config.search = changes["search"]  # all of it, not what the run's own had besides
    assert isinstance(config, DictConfig)
    before = read_values(of.folder)
    kept = {key: before[key] for key in KEPT if before.get(key) is not None}
    evaluated = {"run": of.record.name, "id": of.record.id, "checkpoint": tested.checkpoint, "split": tested.split}
    with claimed(folder):
        values = {**beginnings(config, folder), **kept, "evaluation_of": evaluated}
        record = RunRecord(folder, {**values, "data": _tested_data(before["data"], tested)}, writes=True)
        with recording(record, folder), interruptible():
            run_folder.save_config(config, folder, record)
            _keep_words(of.folder, folder, record)
            yield record


def _keep_words(run: Path, folder: Path, record: RunRecord) -> None:
    """What the run saw in training, if it tells."""
    if (run / SEEN_WORDS).is_file():
        (folder / SEEN_WORDS).parent.mkdir(exist_ok=True)
        shutil.copyfile(run / SEEN_WORDS, folder / SEEN_WORDS)
        record.write_digests(SEEN_WORDS)


def _tested_data(data: Mapping[str, Any], tested: Tested) -> dict[str, Any]:
    """The run's data, with the tested sentences as its test split, so that only like is compared with like."""
    if tested.checksums is None and tested.split == OWN:
        return dict(data)
    checksums = data.get("checksums") or {}
    of_split = {
        key.replace(tested.split, OWN, 1): sha256 for key, sha256 in checksums.items() if _split_of(key) == tested.split
    }
    given = of_split if tested.checksums is None else {f"{OWN}.{side}": tested.checksums[side] for side in SIDES}
    return {**data, "checksums": {key: sha for key, sha in checksums.items() if _split_of(key) != OWN} | given}


def _split_of(key: str) -> str:
    return key.partition(".")[0]


def keep_evaluation(
    folder: Path,
    record: RunRecord,
    evaluation: Evaluation,
    scoring: Scoring,
    *,
    weights_sha256: str,
    seconds: float,
    validation: Mapping[str, Any],
) -> None:
    """Write translations, alignments and figures as those of a run's test split."""
    write_lines(folder / f"translations.{OWN}.jsonl", evaluation.rows)
    write_json(folder / f"alignments.{OWN}.json", evaluation.samples)
    keep_counts(folder, OWN, evaluation.rows, scoring, evaluation.counts)
    record.write_digests(f"translations.{OWN}.jsonl", f"alignments.{OWN}.json")
    metrics = {"validation": dict(validation), OWN: evaluation.metrics}
    record.write(results={"metrics": metrics, "weights_sha256": weights_sha256}, seconds=seconds)
