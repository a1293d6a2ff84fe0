"""The language of ``where``: comparisons of a run's values, joined by and, or, not and parentheses.

A run that lacks a value has no answer to a comparison of it, and none to what hangs on that answer (Kleene's strong
three-valued logic): it doesn't meet the condition, nor that condition's negation.
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyparsing as pp

from rnnsearch.config.overrides import check_depth
from rnnsearch.plots.style import value_text
from rnnsearch.runs.known.listing import ABSENT
from rnnsearch.runs.known.names import Name

ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OPERATORS = (*ORDERS, "=", "!=", "~")
EXAMPLE = '"bleu>30 and model/context=additive"'

Answer = bool | None  # None: the run lacks a value
Values = Callable[[str], Any]  # the value that a name has in a run


@dataclass(frozen=True)
class Comparison:
    """``name operator wanted``, where ``wanted`` is as typed."""

    name: str
    operator: str
    wanted: str

    def answer(self, values: Values) -> Answer:
        """Whether it holds."""
        value = values(self.name)
        if value is ABSENT:
            return None
        if isinstance(value, list | tuple) and self.operator in ("=", "!=", "~"):  # holds of any
            equal = any(_is_like(item, self.operator.strip("!"), self.wanted) for item in value)
            return equal != (self.operator == "!=")
        return _is_like(value, self.operator, self.wanted)


@dataclass(frozen=True)
class Not:
    """The contrary of a condition."""

    of: "Condition"

    def answer(self, values: Values) -> Answer:
        """Whether it holds."""
        inner = self.of.answer(values)
        return None if inner is None else not inner


@dataclass(frozen=True)
class Joined:
    """Conditions of which all must hold, or any (``is_any``)."""

    parts: Sequence["Condition"]
    is_any: bool

    def answer(self, values: Values) -> Answer:
        """Whether it holds."""
        answers = [part.answer(values) for part in self.parts]
        if self.is_any in answers:
            return self.is_any
        return None if None in answers else not self.is_any


Condition = Comparison | Not | Joined


def _is_like(value: Any, sign: str, wanted: str) -> Answer:
    """One value against what was typed; None for an order that the two don't have."""
    number = number_of(wanted)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if sign == "~":
        return wanted.casefold() in value_text(value).casefold()
    if sign in ORDERS:
        if is_number:
            return None if number is None else ORDERS[sign](value, number)
        return ORDERS[sign](value, wanted) if isinstance(value, str) else None
    equal = value == number if is_number and number is not None else value_text(value) == wanted
    return equal == (sign == "=")


def number_of(text: str) -> float | None:
    """The finite number that a text spells."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def parse(text: str) -> Condition:
    """The condition that a text spells.

    Raises:
        ValueError: if it spells none.
    """
    check_depth(text)
    try:
        condition: Condition = _grammar().parse_string(text, parse_all=True)[0]
    except RecursionError:
        raise ValueError(f"where={text[:40]}...: it holds too many conditions within each other") from None
    except pp.ParseBaseException as error:
        rest = text[error.loc :].strip()
        where = f"at {rest[:40]!r}" if rest else "at its end"
        raise ValueError(
            f"where={text}: it can't be read {where}; write NAME=VALUE with one of {' '.join(OPERATORS)}, joined by "
            f"and, or, not and parentheses, as {EXAMPLE}; a value with blanks or signs stands in quotes"
        ) from None
    return condition


def _grammar() -> pp.ParserElement:
    keyword = pp.CaselessKeyword
    reserved = keyword("and") | keyword("or") | keyword("not")
    word = pp.Regex(r"[^\s()=!<>~\"']+")
    value = pp.QuotedString('"') | pp.QuotedString("'") | word
    comparison = (~reserved + word + pp.one_of(OPERATORS) + value).set_parse_action(lambda parts: Comparison(*parts))
    disjunction = pp.Forward()
    negation = pp.Forward()
    inner = pp.Suppress("(") + disjunction + pp.Suppress(")")
    denied = (pp.Suppress(keyword("not")) + negation).set_parse_action(lambda parts: Not(parts[0]))
    negation <<= denied | inner | comparison
    conjunction = _joined(pp.DelimitedList(negation, delim=pp.Suppress(keyword("and"))), is_any=False)
    disjunction <<= _joined(pp.DelimitedList(conjunction, delim=pp.Suppress(keyword("or"))), is_any=True)
    return disjunction


def _joined(parts: pp.ParserElement, *, is_any: bool) -> pp.ParserElement:
    return parts.set_parse_action(lambda found: found[0] if len(found) == 1 else Joined([*found], is_any))


def check(condition: Condition, names: Mapping[str, Name]) -> None:
    """Refuse comparisons that hold of no run whatever it is.

    Raises:
        ValueError: for an order of texts, or a number that is none.
    """
    for comparison in comparisons(condition):
        kind = names[comparison.name].kind
        text = f"{comparison.name}{comparison.operator}{comparison.wanted}"
        if kind == "text" and comparison.operator in ORDERS:
            raise ValueError(
                f"where: {text}: {comparison.name} is a text; compare it with = or !=, or ~ for a part of it"
            )
        if kind == "number" and comparison.operator != "~" and number_of(comparison.wanted) is None:
            raise ValueError(f"where: {text}: {comparison.name} is a number, and {comparison.wanted!r} is none")


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Every comparison in a condition, from left to right."""
    if isinstance(condition, Comparison):
        yield condition
        return
    for part in [condition.of] if isinstance(condition, Not) else condition.parts:
        yield from comparisons(part)
