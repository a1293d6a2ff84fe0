"""Filters drop what they say, and count it."""

from collections.abc import Iterable

import pytest

from rnnsearch.data.corpus import Pair
from rnnsearch.data.filters import Filters


def pairs(*texts: tuple[str, str]) -> Iterable[Pair]:
    return [Pair(source, target, line) for line, (source, target) in enumerate(texts, start=1)]


def off(**changed: object) -> Filters:
    settings = {"max_length": None, "max_length_ratio": None, "drop_duplicates": False, "unit": "words"}
    return Filters(**(settings | changed))


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
    assert not list(filters.apply(pairs(("", "b"), ("a b", "c"))))
    with pytest.raises(ValueError, match=r"no training pair is left .*2 pairs read, 1 empty, 1 too long.*0 kept"):
        filters.require_kept()
    assert filters.report()["kept"] == 0


CHINESE = "从不农民帮助树，孩子喜欢树。"  # 14 characters
THAI = "ไม่เคยชาวนาช่วยต้นไม้และเด็กชอบต้นไม้"
ENGLISH = "never the farmer helps the tree and the child likes the tree ."


def test_text_without_blanks_is_as_long_as_its_characters() -> None:
    assert [pair.line for pair in off(max_length=14).apply(pairs((ENGLISH, CHINESE), ("a", CHINESE + "了")))] == [1]
    assert not list(off(max_length=100).apply(pairs(("one sentence", "长" * 5000))))


@pytest.mark.parametrize("text", [CHINESE, THAI, "決して農家は木を助ける、子供は木を好む。"])
@pytest.mark.parametrize("swap", [False, True])
def test_a_ratio_between_words_and_characters_compares_like_with_like(text: str, swap: bool) -> None:
    given = [(ENGLISH, text), (ENGLISH, text[:2]), ("a tree", text * 3), (text, text), (ENGLISH, ENGLISH)]
    kept = off(max_length_ratio=3.0).apply(pairs(*(pair[::-1] if swap else pair for pair in given)))
    assert [pair.line for pair in kept] == [1, 4, 5]


def test_many_pairs_that_are_too_long_are_told(caplog: pytest.LogCaptureFixture) -> None:
    list(off(max_length=5).apply(pairs(("a", CHINESE), *[("a", "好")] * 8)))
    assert "1 of 9 training pairs are longer than filters.max_length=5 words (characters, of a script" in caplog.text
    caplog.clear()
    list(off(max_length=5).apply(pairs(("a", CHINESE), *[("a", "好")] * 9)))
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


@pytest.mark.parametrize(
    ("key", "value"), [("max_length", 0), ("max_length", -3), ("max_length_ratio", 0.5), ("unit", "letters")]
)
def test_settings_that_make_no_sense(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"filters\.{key} is .*{value}.*must be"):
        off(**{key: value})
