"""Clauses inside clauses of the controlled corpus: relative, object and adverbial clauses."""

from rnnsearch.data.grammar.clauses import enclosed
from rnnsearch.data.grammar.derivation import Request, build
from rnnsearch.data.grammar.frames import link_all, verbs_by_frame
from rnnsearch.data.grammar.inflection import RELATIVE, german_noun
from rnnsearch.data.grammar.lexicon import Noun
from rnnsearch.data.grammar.phrases import pick_noun
from rnnsearch.data.grammar.rules import Context, Phrase, Word, words
from rnnsearch.data.grammar.words import CONJUNCTIONS


def clausal_object(ctx: Context, frame: str, budget: int, subject: Phrase) -> Phrase:
    """A clause with that or whether, or an infinitive with to (two words at least)."""
    ctx.use(f"subordinate.{frame}")
    if frame == "infinitive":
        clause = build(ctx, Request(budget, subject=_same(subject), infinitive=True)).clause
        return Phrase(clause.english_predicate(), enclosed(clause.german_subordinate(ctx, subject=False)))
    english, german = {"that": ("that", "dass"), "whether": ("whether", "ob")}[frame]
    return _subordinate(ctx, link_all(ctx, (english, german)), Request(budget - 1))


def _same(subject: Phrase) -> Phrase:
    """The unspoken subject of an infinitive."""
    return Phrase(person=subject.person, classes=subject.classes, reflexive=subject.reflexive, pronoun=subject.pronoun)


def _subordinate(ctx: Context, conjunction: Phrase, request: Request) -> Phrase:
    clause = build(ctx, request).clause
    english = [*conjunction.english, *clause.english()]
    return Phrase(english, enclosed([*conjunction.german, *clause.german_subordinate(ctx)]), clausal=True)


def final_clause(ctx: Context, budget: int, agent: Phrase | None) -> Phrase:
    """A clause with a conjunction, or of purpose if the main clause has an `agent`; four words at least."""
    if agent is not None and ctx.chance(0.2):
        ctx.use("subordinate.purpose")
        clause = build(ctx, Request(budget - 2, subject=_same(agent), infinitive=True)).clause
        um = ctx.key()
        english = [*words("in order", um), *clause.english_predicate()]
        return Phrase(english, enclosed([("um", (um,)), *clause.german_subordinate(ctx, subject=False)]), clausal=True)
    return adverbial_clause(ctx, budget, fronted=False)


def adverbial_clause(ctx: Context, budget: int, *, fronted: bool) -> Phrase:
    """A clause with a conjunction, between German commas."""
    ctx.use("subordinate")
    time = "t" if ctx.past else "p"
    fitting = tuple(
        (english, german) for english, german, times in CONJUNCTIONS
        if time in times and len(english.split(" ")) + 3 <= budget and not (fronted and english == "so that")
        and not (english == "after" and budget < 6)
    )  # fmt: skip
    english, german = ctx.pick(fitting)
    request = Request(budget - len(english.split(" ")), pluperfect=english == "after", final=not fronted or budget > 9,
                      positive=english in ("before", "after", "until", "as soon as", "while"))  # fmt: skip
    return _subordinate(ctx, link_all(ctx, (english, german)), request)


def short_relative(ctx: Context, antecedent: Phrase, noun: Noun, room: int) -> Phrase | None:
    """A relative clause without further clauses at its end."""
    return relative_clause(ctx, antecedent, noun, room, final=False)


def relative_clause(ctx: Context, antecedent: Phrase, noun: Noun, room: int, *, final: bool = True) -> Phrase | None:
    """A relative clause to `noun` of at most `room` English words, or None where none fits."""
    options = _relative_kinds(noun, room)
    if not options:
        return None
    kind = ctx.weighted(options)
    ctx.use(f"relative.{kind}")
    key = ctx.key()
    case = "dative" if kind == "dative" else "nominative" if kind == "subject" else "accusative"
    if kind == "subject":
        subject = Phrase(words("who" if noun.classes[0] == "h" else "that", key),
                         [(RELATIVE[case, antecedent.gender], (key,))], person=antecedent.person,
                         classes=noun.classes, gender=antecedent.gender)  # fmt: skip
        clause = build(ctx, Request(room - 1, subject=subject, final=final)).clause
        return Phrase(clause.english(), enclosed(clause.german_subordinate(ctx)))
    if kind == "possessive":
        return _whose(ctx, antecedent, room, key, final=final)
    if kind in ("place", "preposition"):
        return _relative_with_preposition(ctx, antecedent, noun, room, kind, key, final=final)
    frame = "dative" if kind == "dative" else "accusative"
    clause = build(ctx, Request(room - 1, gap=frame, gap_classes=noun.classes, final=final)).clause
    english = [*words("whom" if noun.classes[0] == "h" else "that", key), *clause.english()]
    german = [(RELATIVE[case, antecedent.gender], (key,)), *clause.german_subordinate(ctx)]
    return Phrase(english, enclosed(german))


def _relative_kinds(noun: Noun, room: int) -> list[tuple[str, float]]:
    found = []
    if verbs_by_frame(noun.classes, min(room - 1, 9), "", ""):
        found.append(("subject", 3.0))
    for kind, least, weight in (("accusative", 4, 3.0), ("dative", 4, 0.8), ("preposition", 5, 1.0)):
        if room >= least + 1 and verbs_by_frame("h", room - 3, kind, noun.classes):
            found.append(("object" if kind == "accusative" else kind, weight))
    if room >= 5 and noun.place and "r" in noun.classes:
        found.append(("place", 2.0))
    return [*found, ("possessive", 0.7)] if room >= 4 and noun.classes[0] == "h" else found


def _whose(ctx: Context, antecedent: Phrase, room: int, key: int, *, final: bool) -> Phrase:
    owned, owned_key = pick_noun(ctx, "ha"), ctx.key()
    plural = ctx.chance(0.3)
    ctx.mention(owned, plural)
    english: list[Word] = [("whose", (key,)), (owned.plural if plural else owned.english, (owned_key,))]
    german: list[Word] = [
        (RELATIVE["genitive", antecedent.gender], (key,)),
        (german_noun(owned, "nominative", plural), (owned_key,)),
    ]
    subject = Phrase(english, german, person="pl" if plural else "3sg", classes=owned.classes)
    clause = build(ctx, Request(room - 2, subject=subject, final=final)).clause
    return Phrase(clause.english(), enclosed(clause.german_subordinate(ctx)))


def _relative_with_preposition(
    ctx: Context, antecedent: Phrase, noun: Noun, room: int, kind: str, key: int, *, final: bool
) -> Phrase:
    """For whom she waits; in which he works."""
    frame = "none" if kind == "place" else kind
    built = build(ctx, Request(room - 2, gap=frame, gap_classes=noun.classes, final=final))
    if kind == "place" and noun.place:
        english, german, case = *noun.place, "dative"
    else:
        english, german, case = built.verb.preposition
    preposition = ctx.key()
    who = "whom" if noun.classes[0] == "h" else "which"
    return Phrase(
        [(english, (preposition,)), (who, (key,)), *built.clause.english()],
        enclosed([(german, (preposition,)), (RELATIVE[case, antecedent.gender], (key,)),
                  *built.clause.german_subordinate(ctx)]),
    )  # fmt: skip
