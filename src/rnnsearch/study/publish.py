"""The small, committable part of a study, from which its report is made again byte for byte."""

import bz2
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rnnsearch.folders import refuse_links, written_aside
from rnnsearch.records import FILES, JOB, RECORD, check_file, json_text, write_object
from rnnsearch.study.folder import SENTENCES, SHARED, STUDY, TRANSLATIONS, Row, Run, read_study
from rnnsearch.study.report import write_report

ALIGNMENTS = "alignments.test.json"
LEFT_OUT = ("score", "line", "attention")  # of a translation's row: no report needs it


def publish(study: Path, target: Path) -> None:
    """Write what a study's report is made from to ``target``, and the report made from it there.

    Records, alignments and translations are copied, without where things lay on the machine; the sentences, which all
    runs share, once. The page itself (report.html) is left out, since it is large: ``rnnsearch report`` makes it.

    Args:
        study: a folder with study.json.
        target: made where it is missing. Files of other names, such as README.md, stay, and so does all if this fails.
    """
    refuse_links(study)  # what is copied is the study's own
    found = read_study(study)
    with written_aside(target) as aside:
        write_object(aside / STUDY, found.description)
        shared = next((run.rows for run in found.runs if run.rows), ())
        _write_compressed(aside / SENTENCES, ({key: row[key] for key in SHARED if key in row} for row in shared))
        for run in found.runs:
            _publish_run(run, aside / run.folder.relative_to(study))
        write_report(aside, earlier=target).page.unlink()
        drawn = {path.name for path in (aside / "figures").iterdir()}
    for path in [*(target / "figures").iterdir(), target / "report.html"]:
        if path.name not in drawn:  # an earlier report's
            path.unlink(missing_ok=True)


def _publish_run(run: Run, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if run.record:
        write_object(folder / RECORD, {key: run.record[key] for key in run.record if key != FILES})
    if run.job:
        write_object(folder / JOB, run.job)
    if run.rows:
        _write_compressed(folder / TRANSLATIONS[1], map(_own, run.rows))
    if (run.folder / ALIGNMENTS).is_file():
        shutil.copyfile(check_file(run.folder, run.record, ALIGNMENTS), folder / ALIGNMENTS)


def _own(row: Row) -> Row:
    """What is this run's alone of a row."""
    return {key: value for key, value in row.items() if key not in (*SHARED, *LEFT_OUT)}


def _write_compressed(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json_text(row) + "\n" for row in rows)
    path.write_bytes(bz2.compress(text.encode()))
