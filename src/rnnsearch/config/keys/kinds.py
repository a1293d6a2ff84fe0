"""Kinds of values that a key may take: each says in words what it allows, and normalises allowed values.

`canonical` gives equal values one form (1e3 and 1000 for a whole number, 0 and 0.0 for any number), and raises `Wrong`
for values that are not allowed. Text is never taken for what it looks like: no is not false, '3' is not 3.
"""

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

MOST = 10**9  # of counts without another upper bound


class Wrong(ValueError):
    """A value is not of its kind; the message says what to give instead."""


class Kind(ABC):
    """The values that a key may have."""

    @property
    @abstractmethod
    def noun(self) -> str:
        """Its values in words, for messages and the reference of keys: "a whole number, 1 or more"."""

    def canonical(self, value: Any) -> Any:
        """The value in its normal form.

        Raises:
            Wrong: if it is not of the kind.
        """
        if not self._allows(value):
            raise Wrong(f"give {self.noun}")
        return value

    def _allows(self, value: Any) -> bool:
        """Whether a value is of the kind, where every value has one form alone."""
        return True


@dataclass(frozen=True)
class Whole(Kind):
    """Whole numbers from ``least`` to ``most``, multiples of ``step``; 2e3 is allowed, true is not."""

    least: int
    most: int = MOST
    step: int = 1

    @property
    def noun(self) -> str:
        if self.least == self.most:
            return str(self.least)
        number = "a whole number" if self.step == 1 else f"a multiple of {self.step:,}"
        if self.least < -MOST:
            return number
        return f"{number}, {self.least} or more" if self._is_open() else f"{number} from {self.least} to {self.most}"

    def _is_open(self) -> bool:
        """Whether the upper bound need not be mentioned unless it is exceeded."""
        return self.most == MOST or self.most > 2**53

    def canonical(self, value: Any) -> int:
        is_whole = type(value) is int or (type(value) is float and value.is_integer())
        if not is_whole or not value >= self.least or value % self.step:
            raise Wrong(f"give {self.noun}")
        if value > self.most:
            raise Wrong(f"give {self.noun}" + (f", at most {self.most:,}" if self._is_open() else ""))
        return int(value)


@dataclass(frozen=True)
class Number(Kind):
    """Finite numbers: at least ``least`` or above ``above``, and at most ``most`` or below ``below``."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    bound: float = 1e9  # that no value needs to exceed; only mentioned if it is exceeded

    @property
    def noun(self) -> str:
        if self.above is None and self.most is not None:
            return f"a number from {self.least:g} to {self.most:g}"
        low = f"above {self.above:g}" if self.above is not None else f"from {self.least:g} on"
        high = f", at most {self.most:g}" if self.most is not None else ""
        return f"a number {low}{high}" + (f", below {self.below:g}" if self.below is not None else "")

    def canonical(self, value: Any) -> float:
        if type(value) not in (int, float) or not -math.inf < value < math.inf:
            raise Wrong(f"give {self.noun}")
        high = math.inf if self.most is None else self.most
        too_low = value <= self.above if self.above is not None else value < (self.least or 0.0)
        if too_low or value > high or (self.below is not None and value >= self.below):
            raise Wrong(f"give {self.noun}")
        if value > self.bound:
            raise Wrong(f"give {self.noun}, at most {self.bound:g}")
        return float(value)


@dataclass(frozen=True)
class Real(Kind):
    """Finite numbers, unchanged, for readers that distinguish 1 from 1.0."""

    noun = "a number"

    def _allows(self, value: Any) -> bool:
        return type(value) in (int, float) and -math.inf < value < math.inf


@dataclass(frozen=True)
class CountOrShare(Kind):
    """A count of something, or a share of it: 1 is one, 1.0 is all."""

    least: int  # count; a share is above 0, or also 0.0 if this is 0

    @property
    def noun(self) -> str:
        return f"a whole number, {self.least} or more, or a share such as 0.5, at most 1.0"

    def _allows(self, value: Any) -> bool:
        is_count = type(value) is int and self.least <= value <= MOST
        is_share = type(value) is float and (0.0 < value <= 1.0 or (value == 0.0 and self.least == 0))
        return is_count or is_share


@dataclass(frozen=True)
class Flag(Kind):
    """True or false, but no word, number or letter instead."""

    noun = "true or false"

    def _allows(self, value: Any) -> bool:
        return type(value) is bool


@dataclass(frozen=True)
class Text(Kind):
    """Any text; what looks like a number or a truth value is only text in quotes."""

    what: str = "a text"
    empty: bool = False
    pattern: str = ""
    example: str = ""

    @property
    def noun(self) -> str:
        return self.what + (f" such as {self.example}" if self.example else "")

    def _allows(self, value: Any) -> bool:
        if type(value) is not str or "\0" in value or not (value.strip() or self.empty):
            return False
        return not self.pattern or re.fullmatch(self.pattern, value) is not None


@dataclass(frozen=True)
class Choice(Kind):
    """One of some words."""

    options: tuple[str, ...]

    @property
    def noun(self) -> str:
        return f"one of {', '.join(self.options)}" if len(self.options) > 1 else self.options[0]

    def canonical(self, value: Any) -> str:
        if type(value) is not str or value not in self.options:
            raise Wrong(f"choose {self.noun}")
        return value


@dataclass(frozen=True)
class Listed(Kind):
    """A list of ``least`` to ``most`` values of one kind, perhaps ``distinct`` or ``rising``."""

    of: Kind
    example: str = ""
    least: int = 0
    most: int = 10_000
    distinct: bool = False
    rising: bool = False

    @property
    def noun(self) -> str:
        order = ", all different" if self.distinct else ", larger than the one before" if self.rising else ""
        listed = "a list" + (f" such as {self.example}" if self.example else "")
        count = f" of {self.least}" if self.least == self.most else " of at least one" if self.least else ""
        return f"{listed}{count}, each {self.of.noun}{order}"

    def canonical(self, value: Any) -> list[Any]:
        if not isinstance(value, list | tuple) or not self.least <= len(value) <= self.most:
            raise Wrong(f"give {self.noun}")
        try:
            values = [self.of.canonical(item) for item in value]
        except Wrong:
            raise Wrong(f"give {self.noun}") from None
        is_repeated = self.distinct and any(item in values[:place] for place, item in enumerate(values))
        if is_repeated or (self.rising and any(before >= after for before, after in pairwise(values))):
            raise Wrong(f"give {self.noun}")
        return values


@dataclass(frozen=True)
class Named(Kind):
    """Values of one kind under names that the user chooses."""

    of: Kind
    what: str

    @property
    def noun(self) -> str:
        return f"{self.what}, each {self.of.noun}"

    def canonical(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Wrong(f"give {self.noun}")
        values = {}
        for name, item in value.items():
            try:
                values[name] = self.of.canonical(item)
            except Wrong as error:
                raise Wrong(f"{name}: {error}") from None
        return values


@dataclass(frozen=True)
class Made(Kind):
    """A section that names its constructor."""

    noun = "a section with a _target_"

    def _allows(self, value: Any) -> bool:
        return isinstance(value, dict) and "_target_" in value


@dataclass(frozen=True)
class Either(Kind):
    """A value of one of several kinds, tried in this order."""

    kinds: tuple[Kind, ...]

    @property
    def noun(self) -> str:
        return ", or ".join(kind.noun for kind in self.kinds)

    def canonical(self, value: Any) -> Any:
        for kind in self.kinds:
            try:
                return kind.canonical(value)
            except Wrong:
                continue
        raise Wrong(f"{'choose' if self.noun.startswith('one of') else 'give'} {self.noun}")


@dataclass(frozen=True)
class OrNull(Kind):
    """A value of a kind, or null, which stands for something else."""

    kind: Kind

    @property
    def noun(self) -> str:
        return f"{self.kind.noun}, or null"

    def canonical(self, value: Any) -> Any:
        if value is None:
            return None
        try:
            return self.kind.canonical(value)
        except Wrong as error:
            raise Wrong(f"{str(error).removesuffix(', or null')}, or null") from None


@dataclass(frozen=True)
class Anything(Kind):
    """Whatever its reader makes of it."""

    noun = "any value"
