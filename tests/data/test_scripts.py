"""What text is counted in, in every writing system; characters and their words under normalisation."""

import unicodedata

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from rnnsearch.data.corpus import words
from rnnsearch.data.normalization import FORMS, normalized, word_of_characters
from rnnsearch.data.scripts import IDEOGRAPHS, LETTERS, Letters, letters_of, unit_of, units

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a house , here", 4),
        ("  a \t house\u00a0here\u3000", 3),
        ("", 0),
        ("经常农民听到房子，马听到河。", 14),
        ("iPhone 15 手机", 4),
        ("决steht", 2),
        ("りんご", 3),
        ("カー", 2),
        ("ก็", 1),  # a letter with its mark
        ("แม่น้ำ", 4),  # แ ม่ น้ ำ
        ("ខ្ញុំ", 2),
        ("မြန်", 2),
        ("བོད་ཡིག", 5),
        ("한국어 문장", 2),  # Korean has blanks
        ("हिन्दी वाक्य", 2),
        ("Việt Nam", 2),
        ("“א ב”", 2),
    ],
)
def test_units_by_hand(text: str, count: int) -> None:
    assert units(text) == count


@given(TEXTS)
@example("\u1680a\u2028b\x1cc")
def test_text_in_scripts_with_blanks_is_counted_in_words(text: str) -> None:
    if not regex.search(f"[{IDEOGRAPHS}{LETTERS}]", text):
        assert units(text) == len(words(text))
    assert (units(text) == 0) == (not text.strip())


def test_the_unit_of_texts() -> None:
    assert unit_of(["a house", "经"]) == "words"
    assert unit_of(["iPhone 手机很好", "经常"]) == "characters"
    assert unit_of(["1 2 3", "", "!"]) == "words"
    assert letters_of(["1 2", "…", "、。"]) == Letters()
    assert letters_of(["漢字かな", "a b1 ก็"]) == Letters(han=2, kana=2, others=1, words=2)


@given(text=st.text(), form=st.sampled_from(FORMS))
@example("a¨b  ½ x", "nfkc")
@example("\u0301a \u0301 o\u0308\u3000x\u00a0", "nfkc")
@example("\u2000a\u2001b", "nfc")
def test_words_of_normalised_characters(text: str, form: str) -> None:
    whole = normalized(text, form)
    places = list(word_of_characters(text, form))
    assert len(places) == len(whole)
    if form != "none":
        assert whole == unicodedata.normalize(form.upper(), text)
    for word, original in enumerate(words(text)):
        assert (
            "".join(c for c, place in zip(whole, places, strict=True) if place == word).split()
            == normalized(original, form).split()
        )
