"""What runs were made from, by the checksums in their records: runs made from different files are not averaged.

Runs are compared part by part (data, vocabularies, code), on the names that both have. Members may differ where their
configurations do; seeds of one member may not, nor members with equal configurations. The version of most runs counts;
in a tie, the one that comes first in the study.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rnnsearch.records.run_record import Record

ASKED = {  # part -> the groups of keys that let members differ in it
    "data": ("data",),
    "vocabularies": ("data", "tokenizer", "filters"),
    "code": (),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """A finished run's label, its member and its record."""

    label: str
    member: str
    record: Record


@dataclass(frozen=True, slots=True)
class Apart:
    """A run that was made from other files than the others, and which files."""

    run: Origin
    names: tuple[str, ...]  # of files
    others: int  # runs that it differs from


def apart(runs: Sequence[Origin], differing: Sequence[str] | None) -> list[Apart]:
    """The runs that must not be averaged or compared with the others.

    differing: keys in which the members' configurations differ; None if unknown, as in studies of earlier versions.
    """
    by_label: dict[str, Apart] = {}
    for part, groups in ASKED.items():
        asked = differing is None or any(key.split(".")[0] in groups for key in differing)
        alike: dict[str, list[Origin]] = defaultdict(list)
        for run in runs:
            alike[run.member if asked and groups else ""].append(run)
        for of_group in alike.values():
            for minority in _minorities(of_group, part):
                by_label.setdefault(minority.run.label, minority)
    return list(by_label.values())


def _minorities(runs: Sequence[Origin], part: str) -> list[Apart]:
    versions: list[list[Origin]] = []
    for run in runs:
        same = next((version for version in versions if not _differences(version[0].record, run.record, part)), None)
        versions.append([run]) if same is None else same.append(run)
    most = max(versions, key=len, default=[])
    return [
        Apart(run, tuple(_differences(most[0].record, run.record, part)), len(most))
        for version in versions
        if version is not most
        for run in version
    ]


def _differences(first: Record, other: Record, part: str) -> list[str]:
    was, now = _checksums(first, part), _checksums(other, part)
    if part != "data":
        return [name for name in was if name in now and was[name] != now[name]]
    shared = was.keys() & now.keys()
    names = [name for name in now if name in was and was[name] != now[name]] if shared or not was else list(now)
    return [_file(other, name) for name in names]


def _checksums(record: Record, part: str) -> Mapping[str, str]:
    if part == "data":
        return record.data.checksums
    if part == "vocabularies":
        return {f"the {side} vocabulary": checksum for side, checksum in record.tokenizer.checksums.items()}
    return record.code


def _file(record: Record, name: str) -> str:
    """A checksum's name as a user knows it: the file that the command named, if it named one."""
    words = dict(word.split("=", 1) for word in record.command if "=" in word)
    split, _, side = name.partition(".")
    if words.get("data.reverse") == "true":  # checksums name the sides as the corpus offers them
        side = {"source": "target", "target": "source"}.get(side, side)
    path = words.get(f"data.{split}.{side}", "").strip("\"'")
    return path.rpartition("/")[2] or name
