"""Which characters are seen by their number, and that nothing else changes."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.records.visible import visible, visible_line

EVERY = "".join(map(chr, range(sys.maxunicode + 1)))
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # Unicode 16, PropList, Bidi_Control


def acts(character: str) -> bool:
    """By Unicode's own data: controls, halves of surrogates, separators of lines, what turns the direction; no text."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in BIDI + "\ufffe\uffff"


def test_what_acts_is_seen_by_its_number_and_nothing_else_changes() -> None:
    assert "".join(filter(acts, EVERY)) == "".join(c for c in EVERY if visible(c) != c or c in "\t\n")
    assert all(visible(c) == f"\\u{ord(c):04x}" for c in filter(acts, EVERY) if c not in "\t\n")


FAMILY, ENGLAND = "👩‍👩‍👧‍👦", "🏴\U000e0067\U000e0062\U000e007f"


@pytest.mark.parametrize("text", ["می‌خواهم", "क्‍ष", FAMILY, ENGLAND, "ក\u200bខ", "10\xa0%", "　字", "e\u0301\ufe0f"])
def test_what_scripts_need_stays(text: str) -> None:
    assert visible_line(text) == text


def test_lines_stay_lines_or_do_not() -> None:
    assert visible("a\tb\nc\rd") == "a\tb\nc\\u000dd"
    assert visible_line("a\tb\nc\rd") == "a\\tb\\nc\\u000dd"


@given(st.text(st.characters() | st.sampled_from(list(filter(acts, EVERY)))))
def test_json_keeps_its_value(text: str) -> None:
    assert json.loads(visible(json.dumps([text], ensure_ascii=False))) == [text]
