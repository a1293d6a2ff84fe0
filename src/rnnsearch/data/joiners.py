"""Tokens that say where no blank stood, so that text comes back exactly from them: joiners, as OpenNMT's Tokenizer has.

A joiner at a token's beginning or end means that there is no blank. It stands on the punctuation where there is some
("(‿", "old", "‿)"), so that a word is the same token wherever it occurs.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import regex

JOINER = "‿"
ESCAPE = "\ue000"  # private use
_ESCAPED = {JOINER: ESCAPE + "\ue001", ESCAPE: ESCAPE + ESCAPE}
_ORIGINAL = {code: character for character, code in _ESCAPED.items()}
_CLUSTER = regex.compile(r"\X")
_HOLDING = regex.compile(r"[\p{M}\u200c\u200d]")
"""What belongs to the letter before it and, before another letter, to that one too: marks, joiners of letters."""


def joined(parts: Sequence[str]) -> list[str]:
    """The tokens of one word of text from its parts, which stood without a blank between them."""
    tokens = [_escape(part) for part in parts]
    for place, (left, right) in enumerate(pairwise(parts)):
        if _is_of_words(left[-1]) or not _is_of_words(right[0]):
            tokens[place + 1] = JOINER + tokens[place + 1]
        else:
            tokens[place] += JOINER
    return tokens


def cut(word: str, places: Sequence[int]) -> list[str]:
    """A word of text cut at the places where that tears no character, and no two letters around a mark, apart."""
    ends = [*(place for place in places if may_cut(word, place)), len(word)]
    return [word[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def may_cut(word: str, place: int) -> bool:
    """Whether a word of text may be cut before the character at a place."""
    before, after = word[place - 1], word[place]
    if before.isascii() and after.isascii():
        return True
    if _HOLDING.match(after) or (_HOLDING.match(before) and _is_of_words(after)):
        return False
    return any(cluster.start() == place for cluster in _CLUSTER.finditer(word))


def text_of(tokens: Sequence[str]) -> str:
    """The text that tokens were made from: a blank between any two that no joiner joins; empty ones are left out."""
    return "".join(f"{' ' * blank}{bare(token)}" for token, blank in _with_blanks(tokens))


def words_of(tokens: Sequence[str]) -> list[int]:
    """For each token the index of its word in `text_of` them; an empty one counts with the word before it."""
    words: list[int] = []
    word = 0
    for token, blank in _with_blanks(tokens, empty=True):
        word += blank
        words.append(word)
        word += len(bare(token).split()) - 1 if token else 0  # what was put in the place of an unknown word
    return words


def bare(token: str) -> str:
    """What a token stands for in the text, without its joiners."""
    return re.sub(
        "|".join(_ORIGINAL), lambda match: _ORIGINAL[match[0]], token.removeprefix(JOINER).removesuffix(JOINER)
    )


def in_place_of(token: str, text: str) -> str:
    """Text as a token that is joined with its neighbours as another one was."""
    before, after = token.startswith(JOINER), token.endswith(JOINER)
    return f"{JOINER * before}{_escape(text)}{JOINER * after}"


def _with_blanks(tokens: Sequence[str], *, empty: bool = False) -> Iterator[tuple[str, bool]]:
    last = JOINER
    for token in tokens:
        if token:
            yield token, not (last.endswith(JOINER) or token.startswith(JOINER))
            last = token
        elif empty:
            yield token, False


def _escape(text: str) -> str:
    return re.sub(f"[{''.join(_ESCAPED)}]", lambda match: _ESCAPED[match[0]], text)


def _is_of_words(character: str) -> bool:
    return character.isalnum() or _HOLDING.match(character) is not None
