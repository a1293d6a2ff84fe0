"""What a run keeps of its results on test sets that a command names."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnsearch.data.named_tests import NamedTest
from rnnsearch.evaluation.kept_counts import keep_counts
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.splits import Evaluation
from rnnsearch.records.json_files import write_json, write_lines
from rnnsearch.records.run_record import RunRecord, read_values
from rnnsearch.records.test_sets import RESULTS, TestResults, read_results, write_results
from rnnsearch.runs.recording import claimed

logger = logging.getLogger(__name__)


def check_new(folder: Path, test: NamedTest) -> None:
    """Refuse a name that a run has for another test set, whose results would be lost.

    Raises:
        ValueError: saying so.
    """
    earlier = read_results(folder, test.name)
    if earlier is not None and earlier.checksums != dict(test.checksums):
        raise ValueError(f"name={test.name}: {folder} has results on other files of this name; give another name")


def keep(
    folder: Path,
    test: NamedTest,
    evaluation: Evaluation,
    scoring: Scoring,
    *,
    checkpoint: str,
    weights_sha256: str,
    search: Mapping[str, Any],
    record: RunRecord,
) -> None:
    """Write the pairs, translations, alignments and figures of a named test set into a run's folder.

    Args:
        folder: of the run.
        test: the set.
        evaluation: of the run on it.
        scoring: how.
        checkpoint, weights_sha256, search: with which weights and settings.
        record: of the run, which keeps the checksums of the set and the digests of the files.
    """
    name = test.name
    write_lines(folder / "data" / f"{name}.jsonl", map(dict, test.rows))
    write_lines(folder / f"translations.{name}.jsonl", evaluation.rows)
    write_json(folder / f"alignments.{name}.json", evaluation.samples)
    keep_counts(folder, name, evaluation.rows, scoring, evaluation.counts)
    results = TestResults(
        name=name,
        checksums=dict(test.checksums),
        pairs=len(test.rows),
        checkpoint=checkpoint,
        weights_sha256=weights_sha256,
        search=dict(search),
        scoring=scoring.as_record(),
        metrics=evaluation.metrics,
    )
    write_results(folder, results)
    record.write(tests={**(record.values.get("tests") or {}), name: dict(test.checksums)})
    record.write_digests(
        f"data/{name}.jsonl", f"translations.{name}.jsonl", f"alignments.{name}.json", RESULTS.format(name)
    )
    logger.info("%s: BLEU %.2f, chrF %.2f", name, evaluation.metrics["bleu"], evaluation.metrics["chrf"])


def keep_later(folder: Path, test: NamedTest, evaluation: Evaluation, scoring: Scoring, **settings: Any) -> None:
    """As `keep`, for a run that ended before.

    Raises:
        ValueError: if a process trains in the folder.
    """
    with claimed(folder):
        keep(folder, test, evaluation, scoring, record=RunRecord(folder, read_values(folder), writes=True), **settings)
    logger.info("kept in %s as %s; rnnsearch report and export show it with test_set=%s", folder, test.name, test.name)
