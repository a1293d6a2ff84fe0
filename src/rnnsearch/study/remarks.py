"""What a reader must know beside the headline, as words and as fields: notes and doubts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rnnsearch.study.folder import Run

Level = Literal["note", "doubt"]
MANY = 8  # runs or members that are named one by one


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence of a report and what it says, for programs.

    Attributes:
        level: a note tells how far the findings reach; a doubt stands against them, and the user can do something.
        kind: what it is about, one word for all studies.
        text: the sentence.
        members: those that it is about; none where it is about the whole study.
        values: plain values that it says.
    """

    level: Level
    kind: str
    text: str
    members: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def as_fields(self) -> dict[str, Any]:
        """As JSON has it; the level is told by the list that it stands in."""
        return {"kind": self.kind, "text": self.text, "members": list(self.members), "values": dict(self.values)}


def named(run: Run) -> str:
    """A run as a reader knows it."""
    return f"{run.member} seed {run.seed}"


def members_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """The members of some runs, each once."""
    return tuple(dict.fromkeys(run.member for run in runs))


def listed(told: Sequence[str]) -> str:
    """Some of a list, and how many more."""
    return ", ".join(told[:MANY]) + (f" and {len(told) - MANY} more" if len(told) > MANY else "")
