"""What each kind of value takes, in which spelling, and how it refuses the rest."""

import math
import re
from typing import Any

import pytest

from rnnsearch.config.keys.kinds import (
    Anything,
    Choice,
    CountOrShare,
    Either,
    Flag,
    Kind,
    Listed,
    Made,
    Named,
    Number,
    OrNull,
    Text,
    Whole,
    Wrong,
)

NOTHING_WHOLE = [True, "3", "three", 2.5, -1, 0, 10**12, math.nan, math.inf, None, [3], {"a": 3}]
TAKEN: list[tuple[Kind, Any, Any]] = [
    (Whole(1), 3, 3),
    (Whole(1), 1e3, 1000),
    (Whole(0), 0, 0),
    (Whole(1000, step=1000), 5000, 5000),
    (Number(above=0), 1, 1.0),
    (Number(least=0), 0, 0.0),
    (Number(least=0, most=1), 1, 1.0),
    (CountOrShare(1), 1, 1),
    (CountOrShare(1), 1.0, 1.0),
    (CountOrShare(0), 0, 0),
    (CountOrShare(0), 0.0, 0.0),
    (Flag(), False, False),
    (Text(), "no", "no"),
    (Text(empty=True), "", ""),
    (Choice(("none", "all")), "none", "none"),
    (Listed(Number(least=0, below=1)), [0, 0.9], [0.0, 0.9]),
    (Named(Number(above=0), "names"), {"a": 2}, {"a": 2.0}),
    (Either((Whole(0), Text())), "name", "name"),
    (OrNull(Whole(1)), None, None),
    (OrNull(Whole(1)), 2.0, 2),
    (Made(), {"_target_": "x.y"}, {"_target_": "x.y"}),
    (Anything(), [1, "a"], [1, "a"]),
]
REFUSED: list[tuple[Kind, list[Any]]] = [
    (Whole(1), NOTHING_WHOLE),
    (Whole(1000, step=1000), [500, 1500, 0]),
    (Number(above=0), [True, "0.1", "nan", 0, -1, -0.0, math.nan, math.inf, -math.inf, None, [1], 1e300, 10**400]),
    (Number(least=0, below=1), [1, 1.0, -1e-9]),
    (Number(least=0, most=1), [1.0000001, -0.1]),
    (CountOrShare(1), [0, 0.0, -1, -0.5, 1.5, 2.0, True, "1", None, math.nan]),
    (CountOrShare(0), [-1, 1.5, True]),
    (Flag(), ["no", "true", "False", "", 0, 1, None, [True], "off"]),
    (Text(), [1, 1.5, True, None, "", " ", "a\0b", ["a"], {"a": 1}]),
    (Text(pattern="a+"), ["b", "aab"]),
    (Choice(("none", "all")), ["", "None", "al", None, True, 0, ["all"]]),
    (Listed(Whole(0), least=1, most=2, distinct=True), [[], [1, 1], [1, 2, 3], [-1], "1", 1, None, [[1]], {"0": 1}]),
    (Listed(Whole(1), rising=True), [[20, 10], [10, 10]]),
    (Named(Number(above=0), "names"), [1, "a", None, [1], {"a": 0}, {"a": "x"}]),
    (Either((Whole(0), Text())), [-1, 1.5, True, None, [], ""]),
    (OrNull(Whole(1)), [0, "null", "", False]),
    (Made(), [{}, {"a": 1}, "x.y", None]),
]


@pytest.mark.parametrize(("kind", "value", "expected"), TAKEN, ids=repr)
def test_taken_in_one_spelling(kind: Kind, value: Any, expected: Any) -> None:
    found = kind.canonical(value)
    assert repr(found) == repr(expected)
    assert repr(kind.canonical(found)) == repr(found)


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in REFUSED for value in values], ids=lambda one: repr(one)[:60]
)
def test_refused(kind: Kind, value: Any) -> None:
    with pytest.raises(Wrong, match=r"give |choose ") as caught:
        kind.canonical(value)
    assert not re.search(r"could not|invalid literal|not supported|NoneType|object", str(caught.value))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Whole(1), "a whole number, 1 or more"),
        (Whole(0, 9), "a whole number from 0 to 9"),
        (Whole(1000, step=1000), "a multiple of 1,000, 1000 or more"),
        (Number(above=0), "a number above 0"),
        (Number(above=0, most=1), "a number above 0, at most 1"),
        (Number(least=0, most=1), "a number from 0 to 1"),
        (Number(least=0, below=1), "a number from 0 on, below 1"),
        (OrNull(Choice(("a", "b"))), "one of a, b, or null"),
        (Listed(Whole(0), example="[0,1]", least=1, distinct=True),
         "a list such as [0,1] of at least one, each a whole number, 0 or more, all different"),
    ],
)  # fmt: skip
def test_in_words(kind: Kind, words: str) -> None:
    assert kind.noun == words


def test_a_bound_is_named_where_it_is_passed() -> None:
    with pytest.raises(Wrong, match=r"^give a whole number, 1 or more, at most 1,000,000,000$"):
        Whole(1).canonical(10**10)
    with pytest.raises(Wrong, match=r"^give a number above 0, at most 1e\+09$"):
        Number(above=0).canonical(1e10)
