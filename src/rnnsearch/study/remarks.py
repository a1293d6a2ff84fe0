"""Notes and doubts: what a reader must know beside the headline, as sentences and as fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rnnsearch.study.folder import Run

Level = Literal["note", "doubt"]
MANY = 8  # runs or members that are named one by one


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence of a report, and the same as data for programs.

    Attributes:
        level: a note says how far the findings reach; a doubt speaks against them, and the user can do something.
        kind: what it is about, the same word in all studies.
        text: the sentence.
        members: those that it is about; empty if it is about the whole study.
        values: plain values that it mentions.
    """

    level: Level
    kind: str
    text: str
    members: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def as_fields(self) -> dict[str, Any]:
        """As fields for JSON, without the level: notes and doubts are separate lists there."""
        return {"kind": self.kind, "text": self.text, "members": list(self.members), "values": dict(self.values)}


def by_kind(remarks: Sequence[Remark]) -> list[tuple[list[Remark], list[Remark]]]:
    """Of each kind the remarks to show, and those to fold: not one alone, which takes as much room."""
    kinds: dict[str, list[Remark]] = {}
    for remark in remarks:
        kinds.setdefault(remark.kind, []).append(remark)
    return [(same[:MANY], same[MANY:]) if len(same) > MANY + 1 else (same, []) for same in kinds.values()]


def named(run: Run) -> str:
    """A run's name for a reader."""
    return f"{run.member} seed {run.seed}"


def members_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """The members of some runs, each once."""
    return tuple(dict.fromkeys(run.member for run in runs))


def listed(told: Sequence[str]) -> str:
    """The first of some texts, and how many more there are."""
    return ", ".join(told[:MANY]) + (f" and {len(told) - MANY} more" if len(told) > MANY else "")
