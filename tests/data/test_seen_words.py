"""How often training showed each word: counted, kept in a file, read again."""

import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnnsearch.data.corpus import words
from rnnsearch.data.scripts import bare_words, has_unspaced
from rnnsearch.data.seen_words import count_words, kept_words, read_words, write_words

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A house, here.", "A house here"),
        ("“don't” 3.5 -- (C++) $5!", "don't 3.5 C++ $5"),
        ("经常农民，马。", "经 常 农 民 马"),
        ("决steht, ก็", "决 steht ก็"),
        ("… ! —", ""),
    ],
)
def test_words_by_hand(text: str, found: str) -> None:
    assert bare_words(text) == found.split()


@given(TEXTS)
@example("\u1680-a.b-\u2028«c»\x1cd")
def test_words_are_those_between_blanks_without_marks_at_their_ends(text: str) -> None:
    def bare(word: str) -> str:
        letters = [place for place, letter in enumerate(word) if not unicodedata.category(letter).startswith("P")]
        return word[letters[0] : letters[-1] + 1] if letters else ""

    if not has_unspaced(text):
        assert bare_words(text) == [found for word in words(text) if (found := bare(word))]
    assert all(len(word.split()) == 1 and bare(word) == word for word in bare_words(text))


@given(texts=st.lists(TEXTS, max_size=5))
@example(texts=["a a\r b \x85c\x1cd", "\u2028e \ufeff"])
def test_what_is_kept_is_read_again(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "words" / "target_words.txt"
    counts = count_words(texts, "none")
    write_words(path, counts)
    assert read_words(path, counts) == counts
    assert read_words(path, ["never seen"]) == {}
    before = path.read_bytes()
    write_words(path, dict(reversed(counts.items())))
    assert path.read_bytes() == before


def test_one_form_of_a_word_is_counted() -> None:
    texts = ["scho\u0308n", "schön!"]
    assert count_words(texts, "nfc") == {"schön": 2}
    assert count_words(texts, "none") == Counter(bare_words(" ".join(texts)))


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    assert kept_words(tmp_path) is None
    (tmp_path / "data").mkdir()
    for content in (b"many words\n", b"\xff\xfe\n", b"\n"):
        (tmp_path / "data" / "target_words.txt").write_bytes(content)
        lookup = kept_words(tmp_path)
        assert lookup is not None
        with pytest.raises(ValueError, match=r"target_words.txt is damaged: a line holds no number and words"):
            lookup(["words"])
