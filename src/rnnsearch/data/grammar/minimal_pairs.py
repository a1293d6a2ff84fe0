"""Minimal pairs of the built-in corpus: a right German sentence, and the same with one mistake of a named kind.

Each mistake replaces or drops one word that has a single reading in this grammar's German, so that the result is always
wrong for the English sentence: a finite verb in the other number, an article right before its noun in the other gender
or case, a negation that is gone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rnnsearch.data.grammar.inflection import HABEN, HABEN_PAST, SEIN, SEIN_PAST, WERDEN, WERDEN_PAST
from rnnsearch.data.grammar.words import MODALS

MARKS = ".,?"


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is put in the place of a word; ``before_noun`` wants a noun, which German capitalises, to follow."""

    phenomenon: str
    instead: Mapping[str, str]
    before_noun: bool = False


def _numbers() -> dict[str, str]:
    """Finite forms of singular and plural, each with the other; "haben" and "werden" are infinitives as well."""
    forms = [(table["3sg"], table["pl"]) for table in (HABEN, SEIN, WERDEN, HABEN_PAST, SEIN_PAST, WERDEN_PAST)]
    forms += [(singular, plural) for *_, singular, plural, _ in MODALS.values()]
    singulars = {plural: singular for singular, plural in forms if plural not in ("haben", "werden")}
    return dict(forms) | singulars


MISTAKES = (
    Mistake("number of the verb", _numbers()),
    Mistake(
        "gender of the article",
        {"ein": "eine", "eine": "ein", "einem": "einer", "einer": "einem"},
        before_noun=True,  # "ein" ends a clause where it is a verb's prefix
    ),
    Mistake("case of the article", {"einen": "einem"}, before_noun=True),
    Mistake("negation", {"nicht": "", "kein": "ein", "keinen": "einen", "keinem": "einem", "keiner": "einer"}),
)


def mistaken(german: str) -> Iterator[tuple[str, str]]:
    """The name of each mistake that a sentence of the corpus can have, and the sentence with it at the first place."""
    words = german.split(" ")
    for mistake in MISTAKES:
        for place, word in enumerate(words):
            instead = _instead(mistake, words, place)
            if instead is not None:
                put = [instead + word[len(word.rstrip(MARKS)) :]] if instead else []
                yield mistake.phenomenon, " ".join([*words[:place], *put, *words[place + 1 :]])
                break


def _instead(mistake: Mistake, words: list[str], place: int) -> str | None:
    """What the mistake puts in a word's place, in its spelling; None if it leaves the word."""
    word = words[place].rstrip(MARKS)
    is_first = place == 0 and word[:1].isupper()
    instead = mistake.instead.get(word[:1].lower() + word[1:] if is_first else word)
    if instead is None or (mistake.before_noun and not words[place + 1 : place + 2]):
        return None
    if mistake.before_noun and not words[place + 1][:1].isupper():
        return None
    if not instead and word != words[place]:
        return None  # a mark would go with the word
    return instead.capitalize() if is_first else instead
