"""Reads the folder of a study: study.json and the folders of its runs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1  # of study.json and of record.json

Row = dict[str, Any]  # one line of translations.test.jsonl


@dataclass(frozen=True, slots=True)
class Run:
    """One training run of a study, as far as it has come."""

    member: str
    seed: int
    folder: Path
    status: str  # running, finished, failed, interrupted, or "not started" without a record
    record: dict[str, Any]  # empty when there is none
    rows: tuple[Row, ...]  # test translations, in the order of the test set; empty unless comparable

    @property
    def comparable(self) -> bool:
        """Whether the run finished and its test translations are there."""
        return bool(self.rows)

    @property
    def test(self) -> dict[str, Any]:
        """The record's test metrics; empty when there are none."""
        return dict(self.record.get("results", {}).get("metrics", {}).get("test") or {})


@dataclass(frozen=True, slots=True)
class Study:
    """A comparison: its description (study.json) and its runs."""

    folder: Path
    description: dict[str, Any]
    members: tuple[str, ...]  # the first is the baseline
    seeds: tuple[int, ...]
    runs: tuple[Run, ...]

    @property
    def baseline(self) -> str:
        """The member that all others are compared with."""
        return self.members[0]

    @property
    def compared_seeds(self) -> tuple[int, ...]:
        """Seeds for which every member's run is comparable."""
        done = {(run.member, run.seed) for run in self.runs if run.comparable}
        return tuple(seed for seed in self.seeds if all((member, seed) in done for member in self.members))

    def run(self, member: str, seed: int) -> Run:
        """The run of a member with a seed."""
        return next(run for run in self.runs if (run.member, run.seed) == (member, seed))

    def compared(self, member: str) -> tuple[Run, ...]:
        """A member's runs that enter the comparison, in the order of the seeds."""
        return tuple(self.run(member, seed) for seed in self.compared_seeds)


def read_study(folder: Path) -> Study:
    """Reads study.json and every run that it names.

    Raises: FileNotFoundError without study.json; ValueError when a file is not what it should be.
    """
    description = _read_object(folder / "study.json")
    if description.get("format") != FORMAT:
        raise ValueError(
            f"{folder / 'study.json'}: format is {description.get('format')!r}; this version reads {FORMAT}"
        )
    members = tuple(str(member["name"]) for member in description["members"])
    if len(members) < 2 or len(set(members)) < len(members):
        raise ValueError(
            f"{folder / 'study.json'}: members are {list(members)}; two or more with distinct names are needed"
        )
    seeds = tuple(int(seed) for seed in description["seeds"])
    named = {(str(run["member"]), int(run["seed"])): str(run["folder"]) for run in description.get("runs", [])}
    runs = tuple(
        _read_run(member, seed, folder / named.get((member, seed), f"{member}-seed{seed}"))
        for member in members
        for seed in seeds
    )
    return Study(folder, description, members, seeds, runs)


def _read_run(member: str, seed: int, folder: Path) -> Run:
    if not (folder / "record.json").is_file():
        return Run(member, seed, folder, "not started", {}, ())
    record = _read_object(folder / "record.json")
    translations = folder / "translations.test.jsonl"
    scored = bool((record.get("results", {}).get("metrics", {}) or {}).get("test"))
    ready = record["status"] == "finished" and scored and translations.is_file()
    return Run(member, seed, folder, str(record["status"]), record, _read_rows(translations) if ready else ())


def read_attention(run: Run) -> list[dict[str, Any]]:
    """The run's alignment matrices (alignments.test.json); empty for a model without weights."""
    path = run.folder / "alignments.test.json"
    if not path.is_file():
        return []
    found = _parse(path.read_text(encoding="utf-8"), path)
    if not isinstance(found, list):
        raise ValueError(f"{path}: a list of alignments is needed; run the evaluation again")
    return [entry for entry in found if entry.get("weights")]


def _read_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give the folder that `rnnsearch compare` wrote")
    found = _parse(path.read_text(encoding="utf-8"), path)
    if not isinstance(found, dict):
        raise ValueError(f"{path}: a JSON object is needed, this is a {type(found).__name__}")
    return found


def _read_rows(path: Path) -> tuple[Row, ...]:
    lines = path.read_text(encoding="utf-8").split("\n")
    return tuple(_parse(line, path) for line in lines if line)


def _parse(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not valid JSON ({error}); run the command that wrote it again") from error
