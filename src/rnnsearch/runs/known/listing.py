"""The runs in a folder of studies, each read once: record, job.json and, where needed, sections of its config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rnnsearch.config.overrides import check_depth, key_of, read_value, value_of
from rnnsearch.records import nested
from rnnsearch.records.json_files import read_object
from rnnsearch.records.run_config import CONFIG, config_sections, section_value
from rnnsearch.records.run_record import JOB, NO_RECORD, RECORD, Record, read_record
from rnnsearch.records.study_description import STUDY, StudyDescription, read_description
from rnnsearch.study.folder import DAMAGED, status_of

DEPTHS = ("", "*", "*/*")  # of a run's folder: a run itself, outputs/RUN, outputs/STUDY/RUN


class Absent:
    """There is no such value in a run, or nothing that the run left says it."""


ABSENT = Absent()


@dataclass(frozen=True)
class KnownRun:
    """One run, or a point of a sweep that has not begun.

    Attributes:
        folder: its own.
        status: as `rnnsearch.study.folder.status_of`, or damaged.
        record: `NO_RECORD` where there is none, or none that can be read.
        job: job.json of a sweep's point; empty for other runs.
        described: study.json of the folder that it lies in.
        damage: why its files can't be read.
    """

    folder: Path
    status: str
    record: Record = NO_RECORD
    job: Mapping[str, Any] = field(default_factory=dict)
    described: StudyDescription | None = None
    damage: str = ""

    @property
    def study(self) -> str | None:
        """The study that it belongs to."""
        return self.record.study or (self.described and (self.described.name or self.folder.parent.name)) or None

    @property
    def member(self) -> str | None:
        """Its part in the study."""
        return self.record.member or self.job.get("member")

    @property
    def seed(self) -> int | None:
        """Its seed."""
        return self.record.seed if self.record.is_there else self.job.get("seed")

    @property
    def words(self) -> list[str]:
        """What it was trained with: the overrides of its command, and those of the sweep that made it."""
        asked = [word for word in self.job.get("overrides") or () if isinstance(word, str)]
        return [*self.record.command[2:], *asked]

    @cached_property
    def overridden(self) -> dict[str, Any]:
        """What its words set: key or group -> value, the last of each."""
        return {key_of(word): value for word in self.words if (value := _read(word)) is not ...}

    @cached_property
    def _sections(self) -> dict[str, str]:
        try:
            return config_sections(self.folder / CONFIG)
        except (OSError, ValueError):
            return {}

    @cached_property
    def _differing(self) -> dict[str, Any]:
        """The keys in which its study's members differ, with its own values."""
        entries = (self.described.config_difference if self.described else None) or ()
        return {entry.key: entry.values[self.member] for entry in entries if self.member in entry.values}

    @property
    def has_config(self) -> bool:
        """Whether it left a config that can be read."""
        return bool(self._sections)

    @property
    def asked_keys(self) -> set[str]:
        """The keys and groups that its words or its study's description name."""
        return self.overridden.keys() | self._differing.keys()

    def config(self) -> dict[str, Any]:
        """Its resolved config by dotted keys, without null values; empty if it left none."""
        values = {name: section_value(text) for name, text in self._sections.items()}
        return {key: value for key, value in nested.flat(values).items() if value is not None}

    def config_value(self, key: str) -> Any:
        """The value of a dotted key of its config; `ABSENT` if it has none, or left nothing that says so.

        A published run has no config: then it is what its words or its study's description say.
        """
        top, _, below = key.partition(".")
        if top in self._sections:
            return _value_below(section_value(self._sections[top]), below)
        return self.overridden.get(key, self._differing.get(key, ABSENT))


def _value_below(node: Any, key: str) -> Any:
    for part in key.split(".") if key else ():
        if not isinstance(node, Mapping) or part not in node:
            return ABSENT
        node = node[part]
    return node


def _read(word: str) -> Any:
    try:
        check_depth(word)
    except ValueError:
        return ...
    return read_value(value_of(word)) if "=" in word else ...


def known_runs(output: Path) -> list[KnownRun]:
    """The runs in a folder, and the points of its sweeps that have not begun, by their folders' names.

    Args:
        output: holds studies (outputs), or runs (the folder of a study), or is a run's folder itself.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    if not output.is_dir():
        raise FileNotFoundError(f"{output} is no folder; give the one that runs and studies lie in as paths.output=DIR")
    patterns = (f"{depth}/{name}".lstrip("/") for depth in DEPTHS for name in (RECORD, JOB))
    folders = {path.parent for pattern in patterns for path in output.glob(pattern)}
    described = {study: _description(study) for study in {folder.parent for folder in folders}}
    return [read_run(folder, described[folder.parent]) for folder in sorted(folders)]


def read_run(folder: Path, described: StudyDescription | None = None) -> KnownRun:
    """One run; if its files are damaged it says so and has no record.

    Args:
        folder: of the run.
        described: study.json of the folder above, if there is one.
    """
    try:
        record = read_record(folder) if (folder / RECORD).is_file() else NO_RECORD
        job = read_object(folder / JOB) if (folder / JOB).is_file() else {}
        return KnownRun(folder, status_of(record, job.get("attempts") or []), record, job, described)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return KnownRun(folder, DAMAGED, described=described, damage=str(error))


def _description(folder: Path) -> StudyDescription | None:
    try:
        return read_description(folder) if (folder / STUDY).is_file() else None
    except ValueError:
        return None
