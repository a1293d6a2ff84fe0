"""What runs were made from, by the checksums in their records: what was made from other files is not averaged.

Runs are compared part by part (data, vocabularies, code), on the names that both have. Members may differ where their
configurations do, for that is asked; seeds of one member may not, nor members that were asked alike. The version of
most runs counts, of equally many the one that comes first in the study.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]

SIDES = ("source", "target")
ASKED = {  # part -> the groups of keys by which members are asked to differ in it
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
    """A run that was made from something else than the others, and what that is."""

    run: Origin
    names: tuple[str, ...]  # of files
    others: int  # runs that it differs from


def tokenizer_checksums(record: Record) -> dict[str, str]:
    """SHA-256 of both tokenizers of a run."""
    tokenizers = record.get("tokenizer") or {}
    return {side: tokenizers[side]["checksum"] for side in SIDES if side in tokenizers}


def apart(runs: Sequence[Origin], differing: Sequence[str] | None) -> list[Apart]:
    """The runs that must not be averaged or compared with the others.

    differing: keys in which the members' configurations differ; None where that is not known, as in old studies.
    """
    found: dict[str, Apart] = {}
    for part, groups in ASKED.items():
        asked = differing is None or any(key.split(".")[0] in groups for key in differing)
        alike: dict[str, list[Origin]] = defaultdict(list)
        for run in runs:
            alike[run.member if asked and groups else ""].append(run)
        for of_group in alike.values():
            for one in _minorities(of_group, part):
                found.setdefault(one.run.label, one)
    return list(found.values())


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


def _differences(one: Record, other: Record, part: str) -> list[str]:
    was, now = _checksums(one, part), _checksums(other, part)
    if part != "data":
        return [name for name in was if name in now and was[name] != now[name]]
    shared = was.keys() & now.keys()
    names = [name for name in now if name in was and was[name] != now[name]] if shared or not was else list(now)
    return [_file(other, name) for name in names]


def _checksums(record: Record, part: str) -> Mapping[str, str]:
    if part == "data":
        return (record.get("data") or {}).get("checksums") or {}
    if part == "vocabularies":
        return {f"the {side} vocabulary": checksum for side, checksum in tokenizer_checksums(record).items()}
    return record.get("code") or {}


def _file(record: Record, name: str) -> str:
    """A checksum's name as a user knows it: the file that the command named, where it did."""
    words = dict(word.split("=", 1) for word in record.get("command") or [] if "=" in word)
    split, _, side = name.partition(".")
    if words.get("data.reverse") == "true":  # checksums tell the sides as they are offered
        side = {"source": "target", "target": "source"}.get(side, side)
    given = words.get(f"data.{split}.{side}", "").strip("\"'")
    return given.rpartition("/")[2] or name
