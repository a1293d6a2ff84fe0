"""The small, committable part of a study, from which its report is made again byte for byte."""

import bz2
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from rnnsearch.records import JOB, RECORD, read_record, write_json
from rnnsearch.study.folder import SENTENCES, SHARED, STUDY, TRANSLATIONS, Row, Run, read_study
from rnnsearch.study.report import write_report

ALIGNMENTS = "alignments.test.json"
LEFT_OUT = ("score", "line", "attention")  # of a translation's row: no report needs it
DIGITS = 6  # of a negative log-likelihood, in nats


def publish(study: Path, target: Path) -> None:
    """Write what a study's report is made from to ``target``, and the report made from it there.

    Records, alignments and translations are copied, without where things lay on the machine; the sentences, which all
    runs share, once. The page itself (report.html) is left out, since it is large: ``rnnsearch report`` makes it.

    Args:
        study: a folder with study.json.
        target: made where it is missing. Files of other names, such as README.md, stay.
    """
    target.mkdir(parents=True, exist_ok=True)
    found = read_study(study)
    description = {**found.description, "members": [_placeless_member(m) for m in found.description["members"]]}
    write_json(target / STUDY, description)
    shared = next((run.rows for run in found.runs if run.rows), ())
    _write_compressed(target / SENTENCES, ({key: row[key] for key in SHARED if key in row} for row in shared))
    for run in found.runs:
        _publish_run(run, target / run.folder.relative_to(study))
    write_report(target).unlink()


def _publish_run(run: Run, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if run.record:
        write_json(folder / RECORD, published(read_record(run.folder)))
    if (run.folder / JOB).is_file():
        write_json(folder / JOB, published_job(json.loads((run.folder / JOB).read_text(encoding="utf-8"))))
    if run.rows:
        _write_compressed(folder / TRANSLATIONS[1], map(_own, run.rows))
    if (run.folder / ALIGNMENTS).is_file():
        shutil.copyfile(run.folder / ALIGNMENTS, folder / ALIGNMENTS)


def _own(row: Row) -> Row:
    """What is this run's alone of a row."""
    kept = {key: value for key, value in row.items() if key not in (*SHARED, *LEFT_OUT)}
    return {**kept, "nll": round(kept["nll"], DIGITS)} if kept.get("nll") is not None else kept


def _write_compressed(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    path.write_bytes(bz2.compress(text.encode()))


def published(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without where things lay on the machine: of absolute paths in its command the last part is kept."""
    return {**record, "command": [_without_place(word) for word in record["command"]]}


def published_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """A point's job.json without its machine: no host, process or folder, of absolute paths the last part."""
    attempts = [{**attempt, "host": None, "pid": None, "error": _error(attempt)} for attempt in job["attempts"]]
    trial = job.get("trial") and {**job["trial"], "fixed": [_without_place(word) for word in job["trial"]["fixed"]]}
    return {
        **job,
        "overrides": [_without_place(word) for word in job["overrides"]],
        "flags": [],
        "directory": None,
        "trial": trial,
        "attempts": attempts,
    }


def _error(attempt: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A traceback names the files of the machine; type and message say what went wrong."""
    return attempt["error"] and {**attempt["error"], "traceback": ""}


def _placeless_member(member: Mapping[str, Any]) -> dict[str, Any]:
    return {**member, "overrides": [_without_place(word) for word in member["overrides"]]}


def _without_place(word: str) -> str:
    key, equals, value = word.partition("=")
    path = PurePath(value.strip("\"'"))
    return f"{key}{equals}{path.name}" if path.is_absolute() else word
