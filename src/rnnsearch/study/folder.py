"""Reads the folder of a study: study.json and the folders of its runs."""

import bz2
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace as replace_fields

from rnnsearch.records.json_files import read_object
from rnnsearch.records.run_record import JOB, NO_RECORD, RECORD, Record, check_file, record_of
from rnnsearch.records.study_description import STUDY, StudyDescription, description_of
from rnnsearch.records.test_sets import OWN, TestResults, names_of, read_results
from rnnsearch.study.local_paths import published, published_job
from rnnsearch.study.origins import Apart, Origin, apart

SENTENCES = "sentences.{}.jsonl.bz2"  # of a published study, by test set: what its runs' translations share
OF_ATTENTION = 2  # digits of the sums of a sentence's attention weights, of which the sentence explorer shows means
DIGITS = 6  # of a negative log-likelihood in nats; more would change nothing, and fill half of a published study
COLUMNS = {"source": str, "reference": str, "hypothesis": str, "source_words": int, "tokens": int}  # of all
SHARED = ("index", "source", "reference", "source_words", "gold")  # the columns in it
TRANSLATIONS = ("translations.{}.jsonl", "translations.{}.jsonl.bz2")  # of a test set; the second if published
DAMAGED, OTHER_DATA = "damaged", "other data"  # status of a run that cannot be read, or must not be compared
LARGEST = 1 << 28  # bytes of such a file, unpacked

ALIGNMENTS = "alignments.{}.json"  # of a test set

Row = dict[str, Any]  # one line of translations


@dataclass(frozen=True, slots=True)
class Run:
    """One training run of a study, as far as it has come."""

    member: str
    seed: int
    folder: Path
    status: str  # finished, pruned, paused, running, failed, interrupted, not started, damaged, other data
    record: Record  # `NO_RECORD` when there is none
    rows: tuple[Row, ...]  # test translations, in the order of the test set; empty unless comparable
    job: dict[str, Any] = field(default_factory=dict)  # a sweep's job.json; empty where there is none
    test_set: str = OWN  # whose translations and metrics these are

    @property
    def comparable(self) -> bool:
        """Whether the run finished and its test translations are there."""
        return bool(self.rows)

    @property
    def test(self) -> dict[str, Any]:
        """The metrics of the test set; empty when there are none."""
        return self.record.results.metrics.test

    @property
    def error(self) -> dict[str, Any] | None:
        """Why it failed (type, message, traceback): by its own record, else by the last attempt that says so."""
        if self.status in ("finished", "pruned"):
            return None
        attempts = [attempt["error"] for attempt in self.job.get("attempts") or [] if attempt.get("error")]
        if self.record.error is not None:
            return self.record.error.as_values()
        return dict(attempts[-1]) if attempts else None


@dataclass(frozen=True, slots=True)
class Study:
    """Members, their runs and their description (study.json).

    Attributes:
        members: those that have finished a seed, the baseline first; all if none has, and in a search whose trials are
            not tested.
        seeds: of all runs.
        runs: all of them, also those of members that have finished none.
        apart: runs made from other data than the rest; they enter neither a mean nor a comparison.
    """

    folder: Path
    description: StudyDescription
    members: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: tuple[Run, ...]
    apart: tuple[Apart, ...] = ()

    @property
    def baseline(self) -> str:
        """The member that all others are compared with."""
        return self.members[0]

    @property
    def all_members(self) -> tuple[str, ...]:
        """Every member of the description."""
        return tuple(member.name for member in self.description.members)

    @property
    def compared_seeds(self) -> tuple[int, ...]:
        """Seeds that any member has finished; none in a search whose trials are not tested."""
        if _only_ranks(self.description, self.runs):
            return ()
        done = {run.seed for run in self.runs if run.comparable}
        return tuple(seed for seed in self.seeds if seed in done)

    def compared(self, member: str) -> tuple[Run, ...]:
        """A member's runs that enter the comparison, in the order of the seeds."""
        return tuple(run for run in self.runs if run.member == member and run.comparable)


def read_study(folder: Path, test: str = OWN) -> Study:
    """Reads study.json and every run that it names; a run whose files are damaged gets that status.

    Args:
        folder: of the study.
        test: the test set whose translations and metrics the runs have: the corpus's own, or one by its name. Runs
            that were not tested on it are not comparable.

    Raises: FileNotFoundError without study.json; ValueError when it is not what it should be, or no run was tested on
        the test set.
    """
    description = description_of(published(_read_object(folder / STUDY)), folder / STUDY)
    members = tuple(member.name for member in description.members)
    if not members or len(set(members)) < len(members):
        raise ValueError(f"{folder / STUDY}: members are {list(members)}; one or more with distinct names are needed")
    read = [_read_run(member, seed, folder / name, test) for member, seed, name in _places(description, members)]
    if test != OWN and not any(run.comparable for run in read):
        there = ", ".join(named_tests(read)) or "none; rnnsearch evaluate with source, target and name makes one"
        raise ValueError(f"test_set={test}: no run of {folder.name} was tested on it (named test sets: {there})")
    others = _apart(read, description)
    labels = {other.run.label for other in others}
    runs = tuple(replace(run, status=OTHER_DATA, rows=()) if run.folder.name in labels else run for run in read)
    seeds = tuple(dict.fromkeys(description.seeds))
    done = {run.member for run in runs if run.comparable}
    compared = () if _only_ranks(description, runs) else tuple(member for member in members if member in done)
    return Study(folder, description, compared or members, seeds, runs, others)


def named_tests(runs: Sequence[Run]) -> list[str]:
    """The names of the test sets, beside the corpus's own, that some runs were tested on."""
    return sorted({name for run in runs for name in names_of(run.folder)})


def _apart(runs: Sequence[Run], description: StudyDescription) -> tuple[Apart, ...]:
    entries = description.config_difference
    differing = None if entries is None else [entry.key for entry in entries]
    done = [run for run in runs if run.status in ("finished", "pruned")]
    return tuple(apart([Origin(run.folder.name, run.member, run.record) for run in done], differing))


def _only_ranks(description: StudyDescription, runs: Sequence[Run]) -> bool:
    """Whether it is a search with untested trials, perhaps beside the tested runs of a sweep."""
    return description.kind == "search" and any(run.status == "finished" and not run.comparable for run in runs)


def _places(description: StudyDescription, members: Sequence[str]) -> list[tuple[str, int, str]]:
    """Member, seed and folder of each run, by members and seeds."""
    named = [(run.member, run.seed, run.folder) for run in description.runs]
    if not named:  # older studies name no folders
        named = [(member, seed, f"{member}-seed{seed}") for member in members for seed in description.seeds]
    for member, _, name in named:
        if Path(name).name != name:
            raise ValueError(f"{STUDY}: {name!r} is no folder of this study, so somebody changed it")
        if member not in members:
            raise ValueError(f"{STUDY}: {name} is a run of {member!r}, which is no member, so somebody changed it")
    return sorted(named, key=lambda place: (members.index(place[0]), place[1]))


def _read_run(member: str, seed: int, folder: Path, test: str) -> Run:
    try:
        return _whole_run(member, seed, folder, test)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        story = str(error) if type(error) is ValueError else f"a file in {folder.name} is not what a run writes"
        damage = published({"type": "Damaged", "message": story, "traceback": ""})
        job = {"attempts": [{"error": damage, "outcome": DAMAGED}]}
        return Run(member, seed, folder, DAMAGED, NO_RECORD, (), job, test)


def _whole_run(member: str, seed: int, folder: Path, test: str) -> Run:
    path = folder / RECORD
    record = record_of(published(_read_object(path)), path) if path.is_file() else NO_RECORD
    job = published_job(_read_object(folder / JOB)) if (folder / JOB).is_file() else {}
    status = status_of(record, job.get("attempts") or [])
    if test != OWN:
        record = _tested_on(record, read_results(folder, test))
    scored = bool(record.results.metrics.test)
    names = [name.format(test) for name in TRANSLATIONS]
    translations = next((check_file(folder, record, name) for name in names if (folder / name).is_file()), None)
    rows = _read_rows(translations, test) if status == "finished" and scored and translations is not None else ()
    return Run(member, seed, folder, status, record, rows, job, test)


def _tested_on(record: Record, results: TestResults | None) -> Record:
    """The record with a named test set in the place of the corpus's own."""
    metrics = replace_fields(record.results.metrics, test=results.metrics if results else {})
    others = {name: sha256 for name, sha256 in record.data.checksums.items() if not name.startswith(f"{OWN}.")}
    named = {f"{OWN}.{side}": sha256 for side, sha256 in results.checksums.items()} if results else {}
    return replace_fields(
        record,
        results=replace_fields(record.results, metrics=metrics),
        data=replace_fields(record.data, checksums={**others, **named}),
        scoring=results.scoring if results and results.scoring else record.scoring,
    )


def status_of(record: Record, attempts: Sequence[Mapping[str, Any]]) -> str:
    """By the record, or by the last attempt: a run that was killed could not write its end into a record."""
    recorded = record.status
    outcome = attempts[-1]["outcome"] if attempts else None
    if recorded in ("finished", "pruned") or outcome is None:
        return "running" if attempts and not record.is_there else recorded
    return outcome if outcome in ("interrupted", "pruned", "paused") else "failed"


def read_attention(run: Run) -> list[dict[str, Any]]:
    """The run's alignment matrices of the test set; empty for a model without weights."""
    path = check_file(run.folder, run.record, ALIGNMENTS.format(run.test_set))
    if not path.is_file():
        return []
    entries = _parse(path.read_bytes(), path)
    if not isinstance(entries, list):
        raise ValueError(f"{path}: a list of alignments is needed; run the evaluation again")
    return [entry for entry in entries if entry.get("weights")]


def _read_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give the folder of a study")
    return read_object(path)


def _read_rows(path: Path, test: str) -> tuple[Row, ...]:
    rows = tuple(_rounded(row) for row in _read_lines(path))
    if not rows or "source" in rows[0]:
        return _checked(rows, path)
    sentences = path.parent.parent / SENTENCES.format(test)
    shared = _read_sentences(sentences, sentences.stat().st_mtime_ns if sentences.is_file() else 0)
    if len(shared) != len(rows):
        raise ValueError(f"{path} has {len(rows)} lines but {sentences.name} {len(shared)}; publish the study again")
    return _checked(tuple({**sentence, **row} for sentence, row in zip(shared, rows, strict=True)), path)


@lru_cache(maxsize=1)  # the runs of a study share them
def _read_sentences(path: Path, _changed: int) -> tuple[Row, ...]:
    return _read_lines(path)


def _checked(rows: tuple[Row, ...], path: Path) -> tuple[Row, ...]:
    for number, row in enumerate(rows, start=1):
        wrong = [key for key, kind in COLUMNS.items() if not isinstance(row.get(key), kind)]
        if wrong:
            raise ValueError(f"{path}, line {number}: no {wrong[0]} as a translation has it; evaluate the run again")
    return rows


def _rounded(row: Row) -> Row:
    nll = {"nll": round(row["nll"], DIGITS)} if row.get("nll") is not None else {}
    sums = {key: round(value, OF_ATTENTION) for key, value in (row.get("attention") or {}).items()}
    return {**row, **nll, **({"attention": sums} if sums else {})}


def _read_lines(path: Path) -> tuple[Row, ...]:
    try:
        with (bz2.open if path.suffix == ".bz2" else open)(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, EOFError):
        raise ValueError(f"{path} is damaged: it can't be unpacked; put a copy back") from None
    if len(content) > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST:,} bytes; no test set is so large")
    lines = content.split(b"\n")
    return tuple(_parse(line, path) for line in lines if line)


def _parse(text: str | bytes, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is damaged: it holds no JSON; run the command that wrote it again") from None
