"""What the verbs of the controlled corpus take: objects, predicatives, places and directions, in both orders."""

from dataclasses import dataclass, field
from functools import cache

from rnnsearch.data.grammar.lexicon import UNGRADED, Adjective, Noun, Verb
from rnnsearch.data.grammar.phrases import (
    Relative,
    adjectives_for,
    it,
    noun_phrase,
    nouns_of,
    pick_noun,
    prepositional,
    pronoun,
    with_preposition,
)
from rnnsearch.data.grammar.rules import Context, Phrase, Word, words
from rnnsearch.data.grammar.words import EVENT_PREPOSITIONS, TIMES, VERBS

MINIMUM = {"none": 0, "accusative": 1, "dative": 1, "two": 3, "preposition": 1, "place": 3, "goal": 3, "put": 4,
           "adjective": 1, "that": 3, "whether": 3, "infinitive": 2}  # fmt: skip
"""Fewest English words that a frame adds to the verb, its preposition not counted."""
WEIGHT = {"none": 2.0, "accusative": 6.0, "dative": 1.5, "two": 2.0, "preposition": 2.0, "place": 0.8, "goal": 1.0,
          "put": 0.8, "adjective": 1.4, "that": 1.5, "whether": 0.6, "infinitive": 1.2}  # fmt: skip
CLAUSAL = ("that", "whether", "infinitive")


@dataclass(slots=True)
class Item:
    """A part of the clause with its place in the English order and in the German middle field."""

    english: list[Word]
    german: list[Word]
    english_rank: float
    german_rank: float
    tail: list[Word] = field(default_factory=list)


@dataclass(slots=True)
class Predicate:
    """A verb's surroundings while they are built; `key` is the verb's, `negation` that of "not"."""

    verb: Verb
    key: int
    subject: Phrase
    relative: Relative | None
    negation: int | None
    items: list[Item] = field(default_factory=list)
    clausal: bool = False
    absorbed: bool = False

    def add(self, phrase: Phrase, english_rank: float, german_rank: float) -> int:
        """Add a phrase as an item; gives its English length."""
        self.items.append(Item(phrase.english, phrase.german, english_rank, german_rank, phrase.tail))
        self.clausal = self.clausal or phrase.clausal
        self.absorbed = self.absorbed or phrase.negated
        return len(phrase.english)


def fixed_words(verb: Verb) -> int:
    """English words that the verb brings along: particle and preposition."""
    return sum(len(part.split(" ")) for part in (verb.particle, verb.preposition[0]) if part)


@cache
def verbs_by_frame(classes: str, room: int, gap: str, gap_classes: str) -> tuple[tuple[tuple[Verb, ...], float], ...]:
    """Verbs whose subject has one of the classes and that fit into `room` words, frame by frame, with weights.

    With `gap`, only verbs of that frame whose object has one of `gap_classes`, and whose object stands elsewhere.
    """
    found = []
    for frame in [gap] if gap else list(MINIMUM):
        cost = 1 + (0 if gap else MINIMUM[frame])
        fits = tuple(
            verb for verb in VERBS
            if verb.frame == frame and set(verb.subject) & set(classes) and cost + fixed_words(verb) <= room
            and (not gap or gap == "none" or set(verb.object) & set(gap_classes))
            and not (gap == "preposition" and not verb.preposition[0])
        )  # fmt: skip
        if fits:
            found.append((fits, WEIGHT[frame] * min(1.0, len(fits) / 4 + 0.5)))
    return tuple(found)


def fill(ctx: Context, predicate: Predicate, budget: int) -> None:
    """Add what the verb takes, of at most `budget` English words (particle and preposition included)."""
    verb = predicate.verb
    ctx.use(f"vp.{verb.frame}") if verb.frame not in CLAUSAL else None
    reflexive(ctx, predicate)
    room = budget
    match verb.frame:
        case "accusative" | "dative":
            _object(ctx, predicate, room, verb.frame)
        case "two":
            _two(ctx, predicate, room)
        case "preposition":
            _preposition(ctx, predicate, room)
        case "place" | "goal":
            _place(ctx, predicate, room, verb.frame, verb.object)
        case "put":
            inner, predicate.relative = predicate.relative, None
            used = _object(ctx, predicate, max(1, min(room - 3, 4)), "accusative")
            predicate.relative = inner
            _place(ctx, predicate, room - used, "goal", "s")
        case "adjective":
            _adjective(ctx, predicate, room)


def reflexive(ctx: Context, predicate: Predicate) -> None:
    """Add the reflexive pronoun of a verb that has one, which English lacks."""
    if predicate.verb.reflexive:
        ctx.use("vp.reflexive")
        predicate.items.append(Item([], [(predicate.subject.reflexive, (predicate.key,))], 0, 0.2))


def object_phrase(ctx: Context, predicate: Predicate, budget: int, case: str, classes: str, *, relative: bool,
                  extra: tuple[int, ...] = (), negatable: bool = False) -> Phrase:  # fmt: skip
    """An object: a pronoun or a noun phrase."""
    if budget < 2 or ctx.chance(0.14):
        phrase = object_pronoun(ctx, predicate, case, classes)
        if phrase:
            return phrase
    noun = pick_noun(ctx, classes)
    return noun_phrase(
        ctx, budget, noun, case, relative=predicate.relative if relative else None, extra=extra, partner=classes,
        negation=predicate.negation if negatable else None,
    )  # fmt: skip


def object_pronoun(ctx: Context, predicate: Predicate, case: str, classes: str) -> Phrase | None:
    """A pronoun for one of the classes, or None where none fits."""
    antecedent = ctx.antecedent
    if antecedent and set(antecedent.classes) & set(classes) and not _names(predicate.subject, antecedent):
        return it(ctx, antecedent, case)
    if "h" not in classes:
        return None
    subject = predicate.subject
    if subject.pronoun and subject.reflexive != "sich":  # neither "I see us" nor "we see me"
        return pronoun(ctx, ctx.pick(("he", "she", "3pl")), case)
    return pronoun(ctx, ctx.pick(("he", "she", "3pl", "1sg", "1pl")), case)


def _names(subject: Phrase, noun: Noun) -> bool:
    """Whether a pronoun object for the noun could be taken for the subject itself."""
    return subject.classes == noun.classes or any(word == noun.english for word, _ in subject.english)


def _object(ctx: Context, predicate: Predicate, room: int, case: str) -> int:
    verb = predicate.verb
    phrase = object_phrase(ctx, predicate, room, case, verb.object, relative=True, negatable=True)
    english_rank = 4 if verb.shift and phrase.pronoun else 7
    if case == "accusative":
        return predicate.add(phrase, english_rank, accusative_rank(phrase))
    return predicate.add(phrase, english_rank, 0.5 if phrase.pronoun else 2)


def accusative_rank(phrase: Phrase) -> float:
    """Place of a direct object in the German middle field: pronouns first, what is new after adverbs."""
    return 0 if phrase.pronoun else 5.7 if phrase.indefinite else 3


def _two(ctx: Context, predicate: Predicate, room: int) -> None:
    classes = predicate.verb.object
    it_fits = ctx.antecedent is not None and bool(set(ctx.antecedent.classes) & set(classes))
    if predicate.verb.shift or (room >= 4 and ctx.chance(0.6 if it_fits else 0.4)):
        ctx.use("vp.two_to")
        size = max(1, min(room - 3, ctx.between(2, 4)))
        thing = object_phrase(ctx, predicate, size, "accusative", classes, relative=False, negatable=True)
        used = predicate.add(thing, 4 if thing.pronoun else 7, accusative_rank(thing))
        to = ctx.key()
        person = object_phrase(ctx, predicate, room - used - 1, "dative", "h", relative=True, extra=(to,))
        if person.pronoun:
            person.german[0] = (person.german[0][0], (*person.german[0][1], to))
        person.english.insert(0, ("to", (to,)))
        predicate.add(person, 8, 0.5 if person.pronoun else 2)
        return
    size = 1 if room < 4 else min(room - 2, ctx.between(1, 4))
    person = object_phrase(ctx, predicate, size, "dative", "h", relative=False)
    used = predicate.add(person, 6, 0.5 if person.pronoun else 2)
    noun = pick_noun(ctx, classes)
    determiners = None if "0" in noun.classes else ("definite", "indefinite", "demonstrative", "number")
    thing = noun_phrase(ctx, room - used, noun, "accusative", relative=predicate.relative, determiners=determiners,
                        negation=predicate.negation)  # fmt: skip
    predicate.add(thing, 7, accusative_rank(thing))


def _preposition(ctx: Context, predicate: Predicate, room: int) -> None:
    english, german, case = predicate.verb.preposition
    classes = predicate.verb.object
    human = bool(set("ha") & set(classes))
    if human and (room < 2 + len(english.split(" ")) or ctx.chance(0.1)):
        inner = pronoun(ctx, ctx.pick(("he", "she", "3pl")), case)
    else:
        size = room - (1 if english else 0)
        inner = noun_phrase(ctx, size, pick_noun(ctx, classes), case, relative=predicate.relative, partner=classes)
    if english:
        predicate.add(with_preposition(ctx, english, german, inner), 7, 6)
    else:
        inner.german.insert(0, (german, (predicate.key,)))
        predicate.add(inner, 7, 6)


def _place(ctx: Context, predicate: Predicate, room: int, kind: str, classes: str) -> int:
    if kind == "goal" or predicate.verb.frame == "put":
        ctx.use("vp.goal")
        options = tuple(noun for noun in nouns_of(classes) if noun.goal)
    else:
        options = tuple(noun for noun in nouns_of(classes) if noun.place)
    noun = ctx.pick(options)
    phrase = place_phrase(ctx, room, noun, kind, predicate.relative)
    return predicate.add(phrase, 10, 7)


def place_phrase(ctx: Context, budget: int, noun: Noun, kind: str, relative: Relative | None) -> Phrase:
    """Where (dative) or where to (accusative; zu takes the dative)."""
    where = noun.goal if kind == "goal" else noun.place
    if where is None:
        raise LookupError(f"{noun.english} is no {kind}")
    english, german = where
    case = "accusative" if kind == "goal" and german != "zu" else "dative"
    return prepositional(ctx, budget, english, german, case, noun, relative)


def _adjective(ctx: Context, predicate: Predicate, room: int) -> None:
    key = ctx.key()
    options = predicative(predicate.verb.english, predicate.subject.classes)
    compared = tuple(adjective for adjective in options if adjective.comparative)
    if room >= 4 and compared and predicate.verb.english == "be was been" and ctx.chance(0.6):
        ctx.use("vp.comparative")
        adjective, than = ctx.pick(compared), ctx.key()
        ctx.depth += 1
        other = noun_phrase(ctx, room - 2, pick_noun(ctx, predicate.subject.classes[0]), "nominative",
                            relative=predicate.relative)  # fmt: skip
        ctx.depth -= 1
        other.english[:0] = [(adjective.comparative, (key,)), ("than", (than,))]
        other.german[:0] = [(adjective.german_comparative, (key,)), ("als", (than,))]
        predicate.add(other, 7, 7)
        return
    adjective = ctx.pick(options)
    phrase = Phrase(words(adjective.english, key), words(adjective.german, key))
    if room >= 2 and ctx.chance(0.3) and adjective.english not in UNGRADED:
        very = ctx.key()
        phrase.english[:0], phrase.german[:0] = words("very", very), words("sehr", very)
    predicate.add(phrase, 7, 7)


@cache
def predicative(verb: str, classes: str) -> tuple[Adjective, ...]:
    """Adjectives after be, become, stay or look: what can change, except after be."""
    lasting = ("wooden", "German", "Italian", "heavy", "useful", "cheap", "expensive", "new", "young", "famous")
    options = adjectives_for(classes)
    changing = tuple(adjective for adjective in options if adjective.english not in lasting)
    return options if verb.startswith("be ") or not changing else changing


def time_phrase(ctx: Context, letter: str, budget: int) -> Phrase | None:
    """An adverb of time that fits the tense, or a phrase such as "during the concert"."""
    if budget >= 3 and ctx.chance(0.25):
        english, german, case = ctx.pick(EVENT_PREPOSITIONS)
        if len(english.split(" ")) + 2 <= budget:
            return prepositional(ctx, min(budget, 5), english, german, case, pick_noun(ctx, "e"), None)
    fitting = times_for(letter, min(budget, 3))
    return link_all(ctx, ctx.pick(fitting)) if fitting else None


@cache
def times_for(letter: str, budget: int) -> tuple[tuple[str, str], ...]:
    """Adverbs of time for the letter of a tense, of at most so many English words."""
    return tuple(
        (english, german) for english, german, letters in TIMES
        if letter and letter in letters and len(english.split(" ")) <= budget
    )  # fmt: skip


def link_all(ctx: Context, pair: tuple[str, str]) -> Phrase:
    """A fixed phrase: word by word where both sides have as many words, else all with all."""
    english, german = (side.split(" ") for side in pair)
    keys = [ctx.key() for _ in english] if len(english) == len(german) else [ctx.key()] * max(len(english), len(german))
    return Phrase([(word, (key,)) for word, key in zip(english, keys, strict=False)],
                  [(word, (key,)) for word, key in zip(german, keys, strict=False)])  # fmt: skip
