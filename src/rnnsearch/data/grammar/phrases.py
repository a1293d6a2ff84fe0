"""Noun and prepositional phrases of the controlled corpus."""

from collections.abc import Callable, Sequence
from functools import cache

from rnnsearch.data.grammar.inflection import (
    CONTRACTIONS,
    DEFINITE,
    MIXED_DETERMINER,
    PERSONAL,
    STRONG_DETERMINER,
    article,
    german_adjective,
    german_noun,
)
from rnnsearch.data.grammar.lexicon import ADJECTIVES, FOOD_ADJECTIVES, NOUNS, SORTS, UNGRADED, Adjective, Noun
from rnnsearch.data.grammar.rules import Context, Phrase, Word, words
from rnnsearch.data.grammar.words import NOUN_PREPOSITIONS, NUMBERS, PERSONS, POSSESSIVES, QUANTITIES

Relative = Callable[[Context, Phrase, Noun, int], Phrase | None]
COUNTS = ((1, 6.0), (2, 3.0), (3, 0.5))
SINGULAR = (("definite", 8.0), ("indefinite", 5.0), ("demonstrative", 2.0), ("every", 1.0), ("possessive", 4.0))
PLURAL = (("definite", 6.0), ("demonstrative", 2.0), ("bare", 2.0), ("number", 2.0), ("quantity", 3.0),
          ("possessive", 3.0))  # fmt: skip
MASS = (("definite", 3.0), ("bare", 4.0), ("possessive", 2.0))
NEW = ("indefinite", "bare", "number")
"""Determiners of something not spoken of before, as after "there is"."""


@cache
def nouns_of(classes: str) -> tuple[Noun, ...]:
    """The nouns that belong to at least one of the classes."""
    return tuple(noun for noun in NOUNS if set(noun.classes) & set(classes))


@cache
def adjectives_for(classes: str) -> tuple[Adjective, ...]:
    """The adjectives that fit a noun of these classes, in their order before a noun."""
    if set(classes) & set("fd"):
        return FOOD_ADJECTIVES
    fitting = classes[0] if classes[0] in "ha" else classes
    return tuple(adjective for adjective in ADJECTIVES if set(adjective.kinds) & set(fitting))


def pick_noun(ctx: Context, classes: str) -> Noun:
    """A noun of one of the classes, preferably one that the sentence does not have yet."""
    options = nouns_of(classes)
    for _ in range(4):
        noun = ctx.pick(options)
        if noun.english not in ctx.nouns:
            break
    return noun


def pronoun(ctx: Context, who: str, case: str) -> Phrase:
    """A personal pronoun; `who` is a key of PERSONS."""
    ctx.use("np.pronoun")
    english_subject, english_object, nominative, accusative, dative, reflexive = PERSONS[who]
    key = ctx.key()
    english = english_subject if case == "nominative" else english_object
    german = {"nominative": nominative, "accusative": accusative, "dative": dative}[case]
    person = {"1sg": "1sg", "1pl": "pl", "3pl": "pl"}.get(who, "3sg")
    gender = "p" if person == "pl" else "f" if who == "she" else "m"
    return Phrase(words(english, key), words(german, key), person=person, gender=gender, reflexive=reflexive,
                  pronoun=True)  # fmt: skip


def it(ctx: Context, antecedent: Noun, case: str) -> Phrase:
    """The pronoun for the thing or animal named last."""
    ctx.use("np.it")
    key = ctx.key()
    return Phrase(words("it", key), words(PERSONAL[case, antecedent.gender], key), gender=antecedent.gender,
                  classes=antecedent.classes, pronoun=True)  # fmt: skip


def noun_phrase(
    ctx: Context,
    budget: int,
    noun: Noun,
    case: str,
    *,
    relative: Relative | None,
    determiners: tuple[str, ...] | None = None,
    negation: int | None = None,
    extra: tuple[int, ...] = (),
    simple: bool = False,
    partner: str = "",
) -> Phrase:
    """A noun phrase of at most `budget` English words (one at least, or two if it must have a determiner).

    `relative` builds relative clauses and is None where none may stand. `negation` is the key of "not", which an
    indefinite phrase takes up as kein; `extra` are keys for its first German word. A noun of the classes `partner`
    may be coordinated.
    """
    if partner and not simple and budget >= 5 and negation is None and ctx.chance(0.16):
        return _coordination(ctx, budget, noun, pick_noun(ctx, partner), case, relative, extra)
    return _Builder(ctx, noun, case, determiners, negation, None, budget).build(budget, relative, extra, simple)


def _coordination(
    ctx: Context, budget: int, noun: Noun, other: Noun, case: str, relative: Relative | None, extra: tuple[int, ...]
) -> Phrase:
    ctx.use("np.coordination")
    size = ctx.between(2, min(3, budget - 3))
    first = noun_phrase(ctx, size, noun, case, relative=None, extra=extra, simple=True)
    rest = budget - len(first.english) - 1
    last = noun_phrase(ctx, rest, other, case, relative=relative, simple=rest < 5)
    key = ctx.key()
    english, german = (("and", "und"), ("or", "oder"))[ctx.chance(0.2) and case != "nominative"]
    classes = "".join(letter for letter in noun.classes if letter in other.classes)
    return Phrase(
        [*first.english, (english, (key,)), *last.english],
        [*first.german, (german, (key,)), *last.german],
        last.tail, person="pl", gender="p", classes=classes or noun.classes[0], clausal=last.clausal,
    )  # fmt: skip


class _Builder:
    """One noun phrase in the making: determiner, adjectives, noun, what follows it."""

    def __init__(
        self,
        ctx: Context,
        noun: Noun,
        case: str,
        determiners: tuple[str, ...] | None,
        negation: int | None,
        plural: bool | None,
        budget: int,
    ) -> None:
        self.ctx, self.noun, self.case, self.negation = ctx, noun, case, negation
        self.mass = "0" in noun.classes
        self.plural = not self.mass and (ctx.chance(0.33) if plural is None else plural)
        if budget < 2 and not self.mass:
            self.plural = True
        self.gender = "p" if self.plural else noun.gender
        self.determiner = "bare" if budget < 2 else self._pick_determiner(determiners)

    def _pick_determiner(self, allowed: tuple[str, ...] | None) -> str:
        options: Sequence[tuple[str, float]] = MASS if self.mass else PLURAL if self.plural else SINGULAR
        if allowed is not None:
            options = tuple(option for option in options if option[0] in allowed)
        if self.case == "genitive":
            options = tuple(option for option in options if option[0] not in ("bare", "number"))
        if self.negation is not None:
            options = tuple(option for option in options if option[0] not in ("every", "quantity", "number"))
        return self.ctx.weighted(options)

    def build(self, budget: int, relative: Relative | None, extra: tuple[int, ...], simple: bool) -> Phrase:
        """The whole phrase."""
        ctx, key = self.ctx, self.ctx.key()
        spare = budget - (1 if self.determiner == "bare" else 2)
        saxon = self._saxon(spare, simple)
        spare -= 1 if saxon else 0
        after = 0 if simple or saxon or self.ctx.depth > 1 else self._room_after(spare, relative)
        english, german = self._determined(spare - after, saxon, extra)
        english.append((self.noun.plural if self.plural else self.noun.english, (key,)))
        german.append((german_noun(self.noun, self.case, self.plural), (key,) if german else (key, *extra)))
        if saxon:
            german += saxon.german
        ctx.mention(self.noun, self.plural)
        taken = self.negation is not None and self.determiner in ("indefinite", "bare")
        phrase = Phrase(english, german, person="pl" if self.plural else "3sg", gender=self.gender,
                        classes=self.noun.classes, negated=taken,
                        indefinite=self.determiner in NEW and not taken)  # fmt: skip
        if after:
            self._add_after(phrase, budget - len(english), relative)
        return phrase

    def _saxon(self, spare: int, simple: bool) -> Phrase | None:
        if simple or spare < 1 or self.determiner != "definite" or self.mass or not self.ctx.chance(0.15):
            return None
        self.ctx.use("np.saxon_genitive")
        allowed = ("definite", "demonstrative", "possessive")
        owner = _Builder(self.ctx, pick_noun(self.ctx, "h"), "genitive", allowed, None, False, 2)
        phrase = owner.build(2, None, (), True)  # a person, which "it" never means
        text, keys = phrase.english[-1]
        phrase.english[-1] = (f"{text}'s", keys)
        return phrase

    def _room_after(self, spare: int, relative: Relative | None) -> int:
        if spare < 3 or not self.ctx.chance(0.4 if spare < 6 else 0.85):
            return 0
        if relative is None:
            return spare - self.ctx.between(0, min(2, spare - 3))
        return spare - self.ctx.between(0, min(3, spare - 3))

    def _determined(self, spare: int, saxon: Phrase | None, extra: tuple[int, ...]) -> tuple[list[Word], list[Word]]:
        """Determiner and adjectives on both sides."""
        if saxon:
            key = self.ctx.key()
            english: list[Word] = [*saxon.english[:-1], (saxon.english[-1][0], (*saxon.english[-1][1], key))]
            german: list[Word] = [(DEFINITE[self.case, self.gender], (key, *extra))]
            declension = "weak"
            self.ctx.use("np.definite")
        else:
            english, german, declension = self._determiner_words(extra)
        bare = not german
        adjectives = self._adjectives(spare, declension)
        for adjective in adjectives:
            english += adjective.english
            german += adjective.german
        if bare and extra and german:
            german[0] = (german[0][0], (*german[0][1], *extra))
        if self.determiner == "indefinite":
            following = english[1][0] if len(english) > 1 else self.noun.english
            english[0] = (article(following), english[0][1])
        return english, german

    def _determiner_words(self, extra: tuple[int, ...]) -> tuple[list[Word], list[Word], str]:
        ctx, key = self.ctx, self.ctx.key()
        ctx.use(f"np.{self.determiner}")
        keys = (key, *extra)
        strong = STRONG_DETERMINER[self.case, self.gender]
        mixed = MIXED_DETERMINER[self.case, self.gender]
        if self.negation is not None and self.determiner in ("indefinite", "bare"):
            ctx.use("verb.no")
            english = words("a", key) if self.determiner == "indefinite" else []
            return english, [("kein" + mixed, (*keys, self.negation))], "mixed"
        match self.determiner:
            case "definite":
                return words("the", key), [(DEFINITE[self.case, self.gender], keys)], "weak"
            case "indefinite":
                return words("a", key), [("ein" + mixed, keys)], "mixed"
            case "demonstrative":
                return words("these" if self.plural else "this", key), [("dies" + strong, keys)], "weak"
            case "every":
                return words("every", key), [("jed" + strong, keys)], "weak"
            case "possessive":
                english_word, stem = ctx.pick(POSSESSIVES)
                return words(english_word, key), [(stem + mixed, keys)], "mixed"
            case "number":
                english_word, german = ctx.pick(NUMBERS)
                return words(english_word, key), [(german, keys)], "strong"
            case "quantity":
                english_word, german = ctx.pick(QUANTITIES)
                word = german[:-1] + strong
                return words(english_word, key), [(word, keys)], "weak" if german == "alle" else "strong"
        return [], [], "strong"

    def _adjectives(self, spare: int, declension: str) -> list[Phrase]:
        options = adjectives_for(self.noun.classes)
        chosen: dict[int, int] = {}  # at most one of each sort
        for _ in range(min(spare, self.ctx.weighted(COUNTS))):
            index = self.ctx.between(0, len(options) - 1)
            chosen[SORTS.get(options[index].english, -index)] = index
        spare -= len(chosen)
        made = []
        for index in sorted(chosen.values()):
            adjective, phrase = options[index], Phrase()
            if spare > 0 and adjective.english not in UNGRADED and self.ctx.chance(0.5):
                self.ctx.use("np.very")
                very = self.ctx.key()
                phrase = Phrase(words("very", very), words("sehr", very))
                spare -= 1
            self.ctx.use("np.adjective")
            key = self.ctx.key()
            phrase.english.append((adjective.english, (key,)))
            phrase.german.append((german_adjective(adjective, declension, self.case, self.gender), (key,)))
            made.append(phrase)
        return made

    def _add_after(self, phrase: Phrase, room: int, relative: Relative | None) -> None:
        """A relative clause, a genitive or a prepositional phrase; a clause belongs to the noun just before it."""
        if relative and (room > 8 or self.ctx.chance(0.6)):
            clause = relative(self.ctx, phrase, self.noun, room)
            if clause is not None:
                phrase.english += clause.english
                phrase.tail, phrase.clausal = clause.german, True
                return
        owned = self.determiner in ("definite", "indefinite") and self.ctx.chance(0.45)
        inner = self._genitive(room, relative) if owned else self._prepositional(room, relative)
        phrase.english += inner.english
        phrase.german += inner.german
        phrase.tail, phrase.clausal = inner.tail, inner.clausal

    def _genitive(self, room: int, relative: Relative | None) -> Phrase:
        self.ctx.use("np.genitive")
        key = self.ctx.key()
        self.ctx.depth += 1
        inner = noun_phrase(self.ctx, room - 1, pick_noun(self.ctx, "h"), "genitive", relative=relative, extra=(key,),
                            simple=room < 5, partner="h")  # fmt: skip
        self.ctx.depth -= 1
        inner.english.insert(0, ("of", (key,)))
        return inner

    def _prepositional(self, room: int, relative: Relative | None) -> Phrase:
        self.ctx.use("np.prepositional")
        human = self.noun.classes[0] == "h"
        options = NOUN_PREPOSITIONS[:4] if human else NOUN_PREPOSITIONS[3:]
        fitting = [option for option in options if len(option[0].split(" ")) + 2 <= room]
        english, german, case, classes = self.ctx.pick(fitting)
        return prepositional(self.ctx, room, english, german, case, pick_noun(self.ctx, classes), relative)


def prepositional(
    ctx: Context, budget: int, english: str, german: str, case: str, noun: Noun, relative: Relative | None
) -> Phrase:
    """A prepositional phrase of at most `budget` English words around a phrase of that noun."""
    room = budget - len(english.split(" "))
    ctx.depth += 1
    inner = noun_phrase(ctx, room, noun, case, relative=relative, simple=room < 4)
    ctx.depth -= 1
    return with_preposition(ctx, english, german, inner)


def with_preposition(ctx: Context, english: str, german: str, inner: Phrase) -> Phrase:
    """Put a preposition before a phrase; German contracts it with the article (in dem: im)."""
    key = ctx.key()
    first, keys = inner.german[0]
    contracted = CONTRACTIONS.get((german, first))
    if contracted:
        inner.german[0] = (contracted, (key, *keys))
    else:
        inner.german[:0] = words(german, key)
    inner.english[:0] = words(english, key)
    inner.pronoun = False
    return inner
