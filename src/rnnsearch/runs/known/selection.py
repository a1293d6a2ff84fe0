"""Which of the known runs are asked for, in which order, and what is shown of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnsearch.runs.known.conditions import Condition, check, comparisons, parse
from rnnsearch.runs.known.listing import ABSENT, KnownRun
from rnnsearch.runs.known.names import Name, resolve

ALWAYS = ("run", "study", "member", "seed", "status")  # shown of every run
DEFAULT = "bleu"  # shown where nothing else is asked for


@dataclass(frozen=True)
class Selection:
    """The runs that are asked for.

    Attributes:
        runs: in their order.
        shown: names whose values are shown beside `ALWAYS`.
        known: how many runs there are.
        lacking: name -> of how many runs it decides and they don't have it, so that they are left out.
        left_out: runs that are left out so.
    """

    runs: Sequence[KnownRun]
    shown: Sequence[Name]
    known: int
    lacking: Mapping[str, int]
    left_out: int

    @property
    def summary(self) -> str:
        """The counts in words."""
        count = f"{len(self.runs)} of {self.known} runs"
        if not self.left_out:
            return count
        which = ", ".join(f"{name} ({number})" for name, number in self.lacking.items())
        return f"{count}; {self.left_out} more can't be told, since they have no {which}"


def select(runs: Sequence[KnownRun], *, where: str | None, sort: str | None, columns: Sequence[str] = ()) -> Selection:
    """The runs of which a condition holds.

    Args:
        runs: all that there are.
        where: as `rnnsearch.runs.known.conditions` reads it; None: all of them.
        sort: a name, perhaps after a minus.
        columns: names to show.

    Raises:
        ValueError: for a condition that can't be read, or a name that nothing has.
    """
    condition = None if where is None else parse(where)
    key = None if sort is None else sort.removeprefix("-")
    asked = [comparison.name for comparison in comparisons(condition)] if condition else []
    wanted = [*asked, *([key] if key else []), *columns]
    names = {name: resolve(name, runs) for name in (*wanted, DEFAULT, "tags", "note")}
    chosen, lacking, left_out = list(runs), Counter[str](), 0
    if condition:
        check(condition, names)
        chosen, lacking, left_out = _meeting(condition, runs, names)
    if sort and key:
        chosen = _sorted(chosen, names[key], turned=sort.startswith("-"))
    labels = [name for name in ("tags", "note") if any(getattr(run.record, name) for run in chosen)]
    shown = [*dict.fromkeys(name for name in (*wanted, *labels) if name not in ALWAYS)]
    shown = shown if set(shown) - set(labels) else [DEFAULT, *shown]
    return Selection(chosen, [names[name] for name in shown], len(runs), lacking, left_out)


def _meeting(
    condition: Condition, runs: Iterable[KnownRun], names: Mapping[str, Name]
) -> tuple[list[KnownRun], Counter[str], int]:
    """The runs that meet a condition; of those that lack a value, which one, and how many they are."""
    meeting, lacking, left_out = [], Counter[str](), 0
    asked = dict.fromkeys(comparison.name for comparison in comparisons(condition))
    for run in runs:
        values = {name: names[name].read(run) for name in asked}
        answer = condition.answer(values.__getitem__)
        if answer:
            meeting.append(run)
        elif answer is None:
            left_out += 1
            lacking.update([name for name, value in values.items() if value is ABSENT])
    return meeting, lacking, left_out


def _sorted(runs: Sequence[KnownRun], name: Name, *, turned: bool) -> list[KnownRun]:
    """By a value, those without it last; numbers before texts."""
    values = [(name.read(run), run) for run in runs]
    there = [(value, run) for value, run in values if value is not ABSENT]
    there.sort(key=lambda pair: _order(pair[0]), reverse=name.lower_first == turned)
    return [*(run for _, run in there), *(run for value, run in values if value is ABSENT)]


def _order(value: Any) -> tuple[bool, float, str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (not is_number, value if is_number else 0.0, "" if is_number else str(value))
