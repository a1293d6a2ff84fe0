"""Writing systems: which put no blanks between words, in what unit text of one is counted, in what parts drawn.

By Unicode's properties Script_Extensions and Line_Break (Unicode Standard Annexes 24 and 14): Line_Break=SA are the
letters whose words only a dictionary can tell apart, those of Thai, Lao, Khmer, Burmese and their relatives.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal
from unicodedata import category

import regex

Unit = Literal["words", "characters"]

HAN = r"\p{scx=Han}"
KANA = r"\p{scx=Hiragana}\p{scx=Katakana}"
IDEOGRAPHS = rf"{HAN}{KANA}\p{{scx=Bopomofo}}\p{{scx=Yi}}\p{{scx=Tangut}}\p{{scx=Nushu}}"
LETTERS = r"\p{lb=SA}\p{scx=Tibetan}\p{scx=Javanese}\p{scx=Balinese}"
"""Of scripts with an alphabet or syllables and no blanks between words."""
IDEOGRAPHS_A_WORD, LETTERS_A_WORD = 2, 4
"""About how long a word is, where no blank says so: for ratios between languages, nothing else."""

_UNSPACED = regex.compile(rf"[{IDEOGRAPHS}{LETTERS}]")
_UNITS = regex.compile(rf"[{IDEOGRAPHS}{LETTERS}]\p{{M}}*|[^{IDEOGRAPHS}{LETTERS}\s]+")
_PARTS = regex.compile(rf"[{IDEOGRAPHS}{LETTERS}]\p{{M}}*|[^{IDEOGRAPHS}{LETTERS}]+")
_IDEOGRAPH = regex.compile(rf"[{IDEOGRAPHS}]")
_HAN, _KANA = regex.compile(r"\p{Script=Han}"), regex.compile(r"[\p{Script=Hiragana}\p{Script=Katakana}]")


def has_unspaced(text: str) -> bool:
    """Whether a character is of a script without blanks between words; a mark that many scripts share is not."""
    return not text.isascii() and bool(_UNSPACED.search(text))


def drawn_words(pieces: Sequence[str], word_of_piece: Sequence[int]) -> tuple[list[str], list[int]]:
    """What is drawn as one word of a sentence, and for each piece the number of its drawn word.

    That is a word between blanks; of a script without blanks each piece, a mark staying with its letter.

    Args:
        pieces: what each adds to the text, without blanks; an empty one belongs to what is before it.
        word_of_piece: the word between blanks of each.
    """
    drawn: list[str] = []
    drawn_of_piece: list[int] = []
    last = -1
    for piece, word in zip(pieces, word_of_piece, strict=True):
        if not drawn or word != last or _goes_on_without_blank(drawn[-1], piece):
            drawn.append("")
        drawn[-1] += piece
        drawn_of_piece.append(len(drawn) - 1)
        last = word
    return drawn, drawn_of_piece


def _goes_on_without_blank(word: str, piece: str) -> bool:
    """Whether a piece is told from the word before it although no blank parts them."""
    if not word or not piece or category(piece[0]) in ("Mn", "Mc", "Cf"):
        return False
    return has_unspaced(word[-1]) or has_unspaced(piece[0])


def units(text: str) -> int:
    """Number of words between blanks; of a script without blanks each character counts, with the marks on it."""
    if not has_unspaced(text):
        return len(text.split())
    return sum(1 for _ in _UNITS.finditer(text))


def bare_words(text: str) -> list[str]:
    """The words that `units` counts, without the punctuation marks at their ends; a mark alone is none."""
    parts = _PARTS.findall(text) if has_unspaced(text) else [text]
    return [bare for part in parts for word in part.split() if (bare := _bare(word))]


def _bare(word: str) -> str:
    return word if word[0].isalnum() and word[-1].isalnum() else word.strip(_punctuation_marks())


@cache
def _punctuation_marks() -> str:
    """All of Unicode's."""
    return "".join(mark for mark in map(chr, range(sys.maxunicode + 1)) if category(mark).startswith("P"))


def estimated_words(text: str) -> float:
    """As `units`, but about so many words as the characters of scripts without blanks make."""
    if not has_unspaced(text):
        return len(text.split())
    return sum(_share_of_a_word(match[0]) for match in _UNITS.finditer(text))


def _share_of_a_word(unit: str) -> float:
    if not _UNSPACED.match(unit):
        return 1.0
    return 1 / (IDEOGRAPHS_A_WORD if _IDEOGRAPH.match(unit) else LETTERS_A_WORD)


@dataclass(frozen=True, slots=True)
class Letters:
    """How many characters of scripts without blanks texts have, and how many words of letters of all other scripts."""

    han: int = 0
    kana: int = 0
    others: int = 0  # of scripts without blanks
    words: int = 0

    @property
    def unspaced(self) -> int:
        """Characters of scripts without blanks."""
        return self.han + self.kana + self.others


def letters_of(texts: Iterable[str]) -> Letters:
    """What the letters of texts are."""
    han = kana = unspaced = words = 0
    for text in texts:
        if not text.isascii():
            han += len(_HAN.findall(text))
            kana += len(_KANA.findall(text))
            unspaced += sum(character.isalpha() for character in _UNSPACED.findall(text))
            text = _UNSPACED.sub(" ", text)
        words += sum(any(map(str.isalpha, part)) for part in text.split())
    return Letters(han, kana, max(0, unspaced - han - kana), words)


def unit_of(texts: Iterable[str]) -> Unit:
    """What `units` mostly counts in these texts, as an axis or a record names it."""
    letters = letters_of(texts)
    return "characters" if letters.unspaced > letters.words else "words"
