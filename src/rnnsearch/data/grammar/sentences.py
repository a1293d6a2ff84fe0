"""Whole sentences of the controlled corpus: English, German and the links between their words."""

from dataclasses import dataclass
from random import Random

from rnnsearch.data.grammar import embedded
from rnnsearch.data.grammar.clauses import Clause, text
from rnnsearch.data.grammar.derivation import Request, build
from rnnsearch.data.grammar.embedded import adverbial_clause, relative_clause
from rnnsearch.data.grammar.frames import Item, link_all, place_phrase, time_phrase, verbs_by_frame
from rnnsearch.data.grammar.inflection import BE, BE_PAST
from rnnsearch.data.grammar.phrases import NEW, noun_phrase, nouns_of, pick_noun, with_preposition
from rnnsearch.data.grammar.rules import COMMA, Context, Phrase, Word, words
from rnnsearch.data.grammar.verbs import Complex, passive_complex

QUESTION_WORDS = (("why", "warum"), ("when", "wann"), ("how often", "wie oft"))
LEAST_WORDS = 3
"""The shortest English sentence."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A pair of sentences, its links and the names of the rules that made it."""

    english: str
    german: str
    links: tuple[tuple[int, int], ...]
    rules: frozenset[str]


def sentence(random: Random, length: int) -> Sentence:
    """A sentence of about `length` (3 or more) English words, never more."""
    ctx = Context(random, embedded)
    ctx.past = ctx.chance(0.45)
    if 4 <= length <= 14 and ctx.chance(0.12):
        english, german, end = *_question(ctx, length), "?"
    else:
        english, german, end = *_statement(ctx, length), "."
    source, source_keys = text(english, end)
    target, target_keys = text(german, end)
    return Sentence(source, target, _links(source_keys, target_keys), frozenset(ctx.used))


def _links(source: list[tuple[int, ...]], target: list[tuple[int, ...]]) -> tuple[tuple[int, int], ...]:
    where: dict[int, list[int]] = {}
    for j, keys in enumerate(target):
        for key in keys:
            where.setdefault(key, []).append(j)
    return tuple(sorted({(i, j) for i, keys in enumerate(source) for key in keys for j in where.get(key, ())}))


def _length(english: list[Word]) -> int:
    return sum(word != "," for word, _ in english)


def _statement(ctx: Context, length: int) -> tuple[list[Word], list[Word]]:
    """One main clause, or several joined with ", and" or ", but" until the length is nearly reached."""
    first = length
    if length >= 14 and ctx.chance(min(0.9, length / 40)):
        first = ctx.between(max(6, length // 3), length - 7)
    english, german = _main(ctx, first)
    if first == length:
        ctx.use("sentence.simple")
    while (room := length - _length(english) - 1) >= 5:
        joined, word = (("but", "aber"), ("and", "und"))[ctx.chance(0.7)], ctx.key()
        ctx.use(f"sentence.{joined[0]}")
        more_english, more_german = _main(ctx, room if room < 14 else ctx.between(room // 2, room))
        english += [COMMA, (joined[0], (word,)), *more_english]
        german += [*([COMMA] if joined[0] == "but" else []), (joined[1], (word,))]
        german += more_german[1:] if more_german[0] == COMMA else more_german  # "und wenn": no comma between
    return english, german


def _main(ctx: Context, budget: int) -> tuple[list[Word], list[Word]]:
    """A main clause, perhaps after a fronted clause."""
    if budget >= 9 and ctx.chance(0.25):
        ctx.use("sentence.fronted_clause")
        before = adverbial_clause(ctx, ctx.between(5, min(budget - 4, 4 + budget // 2)), fronted=True)
        clause = build(ctx, Request(budget - _length(before.english))).clause
        german = clause.verb_first(ctx, clause.subject.german + clause.subject.tail)
        return [*before.english, COMMA, *clause.english()], [*before.german, *german]
    if budget >= 6 and ctx.chance(0.05):
        clause = _existence(ctx, budget)
    elif budget >= 4 and ctx.chance(0.08):
        clause = _passive(ctx, budget)
    else:
        ctx.use("main")
        clause = build(ctx, Request(budget, front=budget >= 5)).clause
    return clause.english(), clause.german_main(ctx)


def _question(ctx: Context, budget: int) -> tuple[list[Word], list[Word]]:
    """A question with or without a question word."""
    front = None
    if budget >= 5 and ctx.chance(0.4):
        ctx.use("question.wh")
        front = link_all(ctx, ctx.pick(QUESTION_WORDS))
        budget -= len(front.english)
    else:
        ctx.use("question.yes_no")
    clause = build(ctx, Request(max(budget, LEAST_WORDS), question=True, final=False, asked=front is not None)).clause
    clause.front = front
    german = [*(front.german if front else []), *clause.verb_first(ctx, clause.subject.german + clause.subject.tail)]
    return clause.english_question(), german


def _existence(ctx: Context, budget: int) -> Clause:
    """There is a dog in the garden: es gibt with the accusative."""
    ctx.use("main.existence")
    key = ctx.key()
    phrase = noun_phrase(ctx, min(budget - 5, 5), pick_noun(ctx, "hacy"), "accusative", relative=None, determiners=NEW)
    be = (BE_PAST if ctx.past else BE)["pl" if phrase.person == "pl" else "3sg"]
    subject = Phrase(words("there", key), words("es", key))
    form = ("gab" if ctx.past else "gibt", (key,))
    verbs = Complex(words(be, key), [], form, [], joined=form)
    noun = ctx.pick(tuple(noun for noun in nouns_of("r") if noun.place))
    where = place_phrase(ctx, budget - 2 - len(phrase.english), noun, "place", relative_clause)
    items = [Item(phrase.english, phrase.german, 7, 3), Item(where.english, where.german, 10, 5.5, where.tail)]
    return Clause(subject, verbs, items)


def _passive(ctx: Context, budget: int) -> Clause:
    """The book was bought by the woman."""
    [(verbs_of_frame, _)] = verbs_by_frame("h", 3, "accusative", "actmxpqi")
    fitting = tuple(verb for verb in verbs_of_frame if not verb.stative and (verb.shift or not verb.particle))
    verb = ctx.pick(fitting)
    fixed = len(verb.particle.split(" ")) if verb.particle else 0
    tense = "past" if ctx.past else ctx.weighted((("present", 2.0), ("must", 1.0), ("can", 1.0)))
    least = 4 + fixed + (tense in ("must", "can"))
    if least > budget:
        return build(ctx, Request(budget)).clause
    noun = pick_noun(ctx, verb.object)
    subject = noun_phrase(ctx, 2 + ctx.between(0, min(4, budget - least)), noun, "nominative", relative=None)
    spare = budget - least - len(subject.english) + 2
    key = ctx.key()
    verbs = passive_complex(ctx, verb, tense, subject.person, key)
    items = [Item(words(verb.particle, key), [], 5, 9)] if verb.particle else []
    if spare >= 3:
        ctx.use("vp.agent")
        agent = noun_phrase(ctx, spare - 1, pick_noun(ctx, "h"), "dative", relative=relative_clause)
        agent = with_preposition(ctx, "by", "von", agent)
        items.append(Item(agent.english, agent.german, 8, 6, agent.tail))
    elif spare >= 1 and (time := time_phrase(ctx, {"past": "t", "present": "p"}.get(tense, "m"), spare)):
        items.append(Item(time.english, time.german, 11, 1))
    return Clause(subject, verbs, items)
