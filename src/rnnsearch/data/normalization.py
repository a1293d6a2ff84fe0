"""Unicode forms of text, so that an ö is one letter however it was typed (Unicode Standard Annex 15)."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

FORMS = ("nfc", "nfkc", "none")
"""nfc joins what is canonically one character; nfkc also replaces wide, ligated and other forms; none keeps text."""
_BLANKS = re.compile(r"(\s+)")


def check_form(form: str, key: str) -> None:
    """Raises ValueError, naming the key, for what is no form."""
    if form not in FORMS:
        raise ValueError(f"{key}={form}: choose one of {', '.join(FORMS)}")


def normalized(text: str, form: str) -> str:
    """The text in a form of `FORMS`."""
    match form:
        case "nfc" | "nfkc":
            kind: Literal["NFC", "NFKC"] = "NFC" if form == "nfc" else "NFKC"
            return text if unicodedata.is_normalized(kind, text) else unicodedata.normalize(kind, text)
    return text


def word_of_characters(text: str, form: str) -> Iterator[int]:
    """For each character of the normalised text the index of its word among `text.split()`.

    White space counts with the word after it, at the end with the last. White space never joins with its neighbours,
    so that words are normalised one by one.
    """
    last = max(0, len(text.split()) - 1)
    word = 0
    for place, part in enumerate(_BLANKS.split(text)):
        yield from [min(word, last)] * len(normalized(part, form))
        word += place % 2 == 0 and bool(part)
