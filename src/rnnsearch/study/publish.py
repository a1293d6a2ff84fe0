"""The small, committable part of a study, from which its report can be made again byte for byte."""

import bz2
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rnnsearch.data.seen_words import SEEN_WORDS, read_words, write_words
from rnnsearch.evaluation.kept_counts import COUNTS
from rnnsearch.records.contrasts import CONTRASTS, last_contrasts
from rnnsearch.records.folders import refuse_links, written_aside
from rnnsearch.records.json_files import json_text, read_object, write_lines, write_object
from rnnsearch.records.run_record import FILES, JOB, RECORD, check_file
from rnnsearch.records.study_description import write_description
from rnnsearch.records.test_sets import OWN, read_results, write_results
from rnnsearch.study.folder import ALIGNMENTS, SENTENCES, SHARED, TRANSLATIONS, Row, Run, Study, named_tests, read_study
from rnnsearch.study.local_paths import published
from rnnsearch.study.report import write_report
from rnnsearch.study.word_frequency import words_in

LEFT_OUT = ("score", "line")  # columns of a translation's row that no report needs


def publish(study: Path, target: Path) -> None:
    """Write what a study's report is made from, and the report made from that, to ``target``.

    Records, alignments and translations are copied without paths on the machine; the sentences that runs share are
    written once. The page itself (report.html) is left out, since it is large: ``rnnsearch report`` makes it.

    Args:
        study: a folder with study.json.
        target: created if missing. Files of other names (README.md) stay; if this fails, nothing changes.
    """
    refuse_links(study)  # only the study's own files are copied
    contents = read_study(study)
    with written_aside(target) as aside:
        write_description(aside, contents.description)
        sets = [contents, *(read_study(study, name) for name in named_tests(contents.runs))]
        words = set().union(*map(words_in, sets))
        for of_set in sets:
            _publish_runs(of_set, aside)
        for run in contents.runs:
            _publish_words(run, aside / run.folder.relative_to(study), words)
        write_report(aside, earlier=target).page.unlink()
        drawn = {path.name for path in (aside / "figures").iterdir()}
        for counts in aside.rglob(COUNTS.format("*")):
            counts.unlink()
    for path in [*(target / "figures").iterdir(), target / "report.html"]:
        if path.name not in drawn:  # an earlier report's
            path.unlink(missing_ok=True)


def _publish_runs(study: Study, aside: Path) -> None:
    """The runs of a study with their translations of a test set."""
    shared = next((run.rows for run in study.runs if run.rows), ())
    test = next((run.test_set for run in study.runs), OWN)
    _write_compressed(aside / SENTENCES.format(test), _sentences(shared))
    for run in study.runs:
        _publish_run(run, aside / run.folder.relative_to(study.folder), shared)


def _publish_run(run: Run, folder: Path, shared: Sequence[Row]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if run.test_set != OWN and (results := read_results(run.folder, run.test_set)):
        write_results(folder, results)
    if run.record.is_there:
        values = published(read_object(run.folder / RECORD))
        write_object(folder / RECORD, {key: value for key, value in values.items() if key != FILES})
    if run.job:
        write_object(folder / JOB, run.job)
    if run.rows:
        _write_compressed(folder / TRANSLATIONS[1].format(run.test_set), _own(run.rows, shared))
    alignments = ALIGNMENTS.format(run.test_set)
    if (run.folder / alignments).is_file():
        shutil.copyfile(check_file(run.folder, run.record, alignments), folder / alignments)
    if contrasts := last_contrasts(run.folder, run.record.results.weights_sha256):
        write_lines(folder / CONTRASTS, (msgspec.to_builtins(contrast) for contrast in contrasts.values()))


def _publish_words(run: Run, folder: Path, words: Collection[str]) -> None:
    """How often the run saw the words that stand in the study's test sentences."""
    if (run.folder / SEEN_WORDS).is_file():
        write_words(folder / SEEN_WORDS, read_words(check_file(run.folder, run.record, SEEN_WORDS), words))


def _own(rows: Sequence[Row], shared: Sequence[Row]) -> Iterator[Row]:
    """What the study's sentences do not say: with them, of a run that translated others."""
    same = _sentences(rows) == _sentences(shared)
    left_out = (*LEFT_OUT, *SHARED) if same else LEFT_OUT
    return ({key: value for key, value in row.items() if key not in left_out} for row in rows)


def _sentences(rows: Iterable[Row]) -> list[Row]:
    return [{key: row[key] for key in SHARED if key in row} for row in rows]


def _write_compressed(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json_text(row) + "\n" for row in rows)
    path.write_bytes(bz2.compress(text.encode()))
