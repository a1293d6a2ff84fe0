"""Filters drop what they say, and count it."""

from collections.abc import Iterable

import pytest

from rnnsearch.data.corpus import Pair
from rnnsearch.data.filters import Filters


def pairs(*texts: tuple[str, str]) -> Iterable[Pair]:
    return [Pair(source, target, line) for line, (source, target) in enumerate(texts, start=1)]


def off(**changed: object) -> Filters:
    settings = {"max_length": None, "max_length_ratio": None, "drop_duplicates": False, "unit": "words"}
    return Filters(**(settings | changed))  # type: ignore[arg-type]


def test_each_reason_is_counted_once() -> None:
    filters = Filters(max_length=4, max_length_ratio=2.0, drop_duplicates=True, unit="words")
    given = pairs(
        ("a b", "c d"),  # kept
        ("", "c"),  # empty
        ("a", " \t"),  # empty
        ("a b c d e", "f"),  # too long on one side; its ratio is not looked at
        ("a", "b c d"),  # ratio 3
        ("a", "b c"),  # ratio 2 is allowed
        ("a b", "c d"),  # duplicate
        ("a b", "c e"),  # one side repeated is no duplicate
        ("a b c d", "e f"),  # 4 words are allowed
    )
    assert [pair.line for pair in filters.apply(given)] == [1, 6, 8, 9]
    assert filters.report() == {"read": 9, "empty": 2, "too_long": 1, "ratio": 1, "duplicate": 1, "kept": 4}


def test_null_switches_off_all_but_empty() -> None:
    filters = off()
    given = pairs(("a " * 500, "b"), ("a " * 500, "b"), ("", "b"))
    assert len(list(filters.apply(given))) == 2
    assert filters.report() == {"read": 3, "empty": 1, "too_long": 0, "ratio": 0, "duplicate": 0, "kept": 2}


def test_counts_begin_anew() -> None:
    filters = off(drop_duplicates=True)
    for _ in range(2):
        assert len(list(filters.apply(pairs(("a", "b"), ("a", "b"))))) == 1
    assert filters.report()["read"] == 2


def test_text_shifted_between_the_sides_is_no_duplicate() -> None:
    assert len(list(off(drop_duplicates=True).apply(pairs(("ab", "c"), ("a", "bc"), ("1 a", "b"), ("1", " ab"))))) == 4


def test_tokens_are_measured_by_the_caller() -> None:
    filters = off(max_length=3, unit="tokens")
    kept = filters.apply(pairs(("abc", "ab"), ("abcd", "a b")), length=lambda p: (len(p.source), len(p.target)))
    assert [pair.line for pair in kept] == [1]
    assert filters.report()["too_long"] == 1


def test_no_pair_left() -> None:
    filters = off(max_length=1)
    with pytest.raises(ValueError, match=r"no training pair is left .*2 pairs read, 1 empty, 1 too long.*0 kept"):
        list(filters.apply(pairs(("", "b"), ("a b", "c"))))
    assert filters.report()["kept"] == 0


@pytest.mark.parametrize(
    ("key", "value"), [("max_length", 0), ("max_length", -3), ("max_length_ratio", 0.5), ("unit", "letters")]
)
def test_settings_that_make_no_sense(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"filters\.{key} is .*{value}.*must be"):
        off(**{key: value})
