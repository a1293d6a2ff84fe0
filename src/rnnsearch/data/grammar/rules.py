"""The rules of the controlled corpus, listed, and what a derivation carries from one to the next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol, TypeVar

from rnnsearch.data.grammar.lexicon import Noun

GRAMMAR_VERSION = 1
"""Raised with every change of words or rules: it is part of the corpus' checksum."""

RULES = {  # name: (English side, German side); S clause, V finite verb, W rest of the verb complex, M middle field
    "sentence.simple": ("S .", "S ."),
    "sentence.and": ("S , and S .", "S und S ."),
    "sentence.but": ("S , but S .", "S , aber S ."),
    "sentence.fronted_clause": ("SUB S , S", "SUB S , V NP M W"),
    "question.yes_no": ("AUX NP W ?", "V NP M W ?"),
    "question.wh": ("WH AUX NP W ?", "WH V NP M W ?"),
    "main": ("NP V M", "NP V M W"),
    "main.fronted_time": ("TIME NP V M", "TIME V NP M W"),
    "main.fronted_comment": ("COMMENT , NP V M", "COMMENT V NP M W"),
    "main.fronted_place": ("PP , NP V M", "PP V NP M W"),
    "main.fronted_event": ("during NP , NP V M", "während NP(genitive) V NP M W"),
    "main.existence": ("there is NP PP", "es gibt NP(accusative) PP"),
    "subordinate": ("SUB NP V M", ", SUB NP M W V ,"),
    "subordinate.that": ("V that S", "V , dass NP M W V ,"),
    "subordinate.whether": ("V whether S", "V , ob NP M W V ,"),
    "subordinate.infinitive": ("V to VP", "V , M zu W ,"),
    "subordinate.purpose": ("in order to VP", ", um M zu W ,"),
    "vp.coordination": ("VP and VP", "VP und VP"),
    "vp.none": ("V", "V"),
    "vp.accusative": ("V NP", "NP(accusative) V"),
    "vp.dative": ("V NP", "NP(dative) V"),
    "vp.two": ("V NP NP", "NP(dative) NP(accusative) V"),
    "vp.two_to": ("V NP to NP", "NP(dative) NP(accusative) V"),
    "vp.preposition": ("V P NP", "P NP V"),
    "vp.reflexive": ("V", "sich V"),
    "vp.place": ("V PP", "PP(dative) V"),
    "vp.goal": ("V into NP", "in NP(accusative) V"),
    "vp.put": ("put NP on NP", "NP auf NP(accusative) stellen | legen"),
    "vp.adjective": ("be A", "A sein"),
    "vp.comparative": ("be A-er than NP", "A-er als NP(nominative) sein"),
    "vp.passive": ("be V-ed", "V-t werden"),
    "vp.agent": ("by NP", "von NP(dative)"),
    "verb.present": ("V-s", "V-t"),
    "verb.progressive": ("be V-ing", "V-t"),
    "verb.past": ("V-ed", "V-te"),
    "verb.past_progressive": ("was V-ing", "V-te"),
    "verb.perfect": ("have V-ed", "ge-V-t haben | sein"),
    "verb.pluperfect": ("had V-ed", "ge-V-t hatte | war"),
    "verb.future": ("will V", "V-en werden"),
    "verb.modal": ("can V", "V-en können"),
    "verb.separable": ("V PARTICLE", "V ... PREFIX | PREFIX-V"),
    "verb.not": ("AUX not V", "nicht V"),
    "verb.no": ("AUX not V a N", "kein N V"),
    "adverb.time": ("M TIME", "TIME M"),
    "adverb.frequency": ("AUX often V", "V oft M"),
    "adverb.manner": ("M quickly", "schnell W"),
    "adverb.place": ("M in NP", "in NP(dative) W"),
    "np.pronoun": ("she", "sie"),
    "np.it": ("it", "er | sie | es, as the last thing named"),
    "np.definite": ("the A N", "der A-e N"),
    "np.indefinite": ("a A N", "ein A-er N"),
    "np.demonstrative": ("this A N", "dieser A-e N"),
    "np.every": ("every A N", "jeder A-e N"),
    "np.possessive": ("my A N", "mein A-er N"),
    "np.bare": ("A Ns", "A-e Ns"),
    "np.number": ("two A Ns", "zwei A-e Ns"),
    "np.quantity": ("many A Ns", "viele A-e Ns"),
    "np.saxon_genitive": ("the N 's A N", "der A-e N des N"),
    "np.genitive": ("the N of NP", "der N NP(genitive)"),
    "np.prepositional": ("N P NP", "N P NP(case of P)"),
    "np.coordination": ("NP and NP", "NP und NP"),
    "np.adjective": ("A N", "A-ending N"),
    "np.very": ("very A", "sehr A"),
    "relative.subject": ("N who VP", "N , der M W V ,"),
    "relative.object": ("N whom NP V", "N , den NP M W V ,"),
    "relative.dative": ("N whom NP V", "N , dem NP M W V ,"),
    "relative.preposition": ("N for whom NP V", "N , auf den NP M W V ,"),
    "relative.place": ("N in which NP V", "N , in dem NP M W V ,"),
    "relative.possessive": ("N whose N VP", "N , dessen N M W V ,"),
    "relative.extraposed": ("N who VP", "N W , der M W V ,"),
}

Word = tuple[str, tuple[int, ...]]
"""A word and its keys: an English and a German word that share a key are linked."""
COMMA: Word = (",", ())
T = TypeVar("T")


@dataclass(slots=True)
class Phrase:
    """A phrase on both sides. `tail` is a German relative clause that may move behind the verb.

    `person` is 1sg, 3sg or pl; `gender` a letter of `GENDERS`; `classes` those of the noun; `clausal` says whether
    a clause stands at its end; `negated` whether it took up the negation (kein); `indefinite` whether it names
    something new, which German puts late.
    """

    english: list[Word] = field(default_factory=list)
    german: list[Word] = field(default_factory=list)
    tail: list[Word] = field(default_factory=list)
    person: str = "3sg"
    gender: str = "n"
    classes: str = "h"
    reflexive: str = "sich"
    clausal: bool = False
    pronoun: bool = False
    negated: bool = False
    indefinite: bool = False


class Embedding(Protocol):
    """The clauses that a clause may hold; each takes the words it may spend."""

    def relative_clause(self, ctx: "Context", antecedent: Phrase, noun: Noun, room: int, /) -> Phrase | None:
        """A relative clause, or None where none fits."""
        ...

    def short_relative(self, ctx: "Context", antecedent: Phrase, noun: Noun, room: int, /) -> Phrase | None:
        """A relative clause without further clauses at its end."""
        ...

    def clausal_object(self, ctx: "Context", frame: str, budget: int, subject: Phrase, /) -> Phrase:
        """What a verb of that frame says, knows, asks or tries."""
        ...

    def final_clause(self, ctx: "Context", budget: int, agent: Phrase | None, /) -> Phrase:
        """An adverbial clause after the verb."""
        ...


class Context:
    """One derivation: its random numbers, the rules used, fresh link keys, and what `it` refers to."""

    def __init__(self, random: Random, embedding: Embedding) -> None:
        self._random = random.random
        self.embedding = embedding
        self.used: set[str] = set()
        self.nouns: set[str] = set()
        self.antecedent: Noun | None = None
        self.past = False
        self.depth = 0
        self._key = 0

    def use(self, rule: str) -> None:
        """Note that a rule was applied."""
        self.used.add(rule)

    def key(self) -> int:
        """A fresh link key."""
        self._key += 1
        return self._key

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self._random() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each as likely."""
        return options[int(self._random() * len(options))]

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._random() * (high - low + 1)) if high > low else low

    def weighted(self, options: Sequence[tuple[T, float]]) -> T:
        """One of (option, weight)."""
        point = self._random() * sum(weight for _, weight in options)
        for option, weight in options:
            point -= weight
            if point < 0:
                return option
        return options[-1][0]

    def mention(self, noun: Noun, plural: bool) -> None:
        """Remember a noun: no noun comes twice if it can be helped, and `it` is the last thing or animal named.

        Nouns inside prepositional phrases, genitives and comparisons (`depth` above 0) are no antecedents.
        """
        self.nouns.add(noun.english)
        if not plural and noun.classes[0] in "at" and not self.depth:
            self.antecedent = noun


def words(text: str, key: int) -> list[Word]:
    """Words that all carry one key."""
    return [(word, (key,)) for word in text.split(" ")]
