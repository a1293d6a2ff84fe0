"""How clauses of the controlled corpus are derived within a budget of English words."""

from dataclasses import dataclass

from rnnsearch.data.grammar.clauses import NOT, Clause
from rnnsearch.data.grammar.frames import (
    CLAUSAL,
    MINIMUM,
    Item,
    Predicate,
    fill,
    fixed_words,
    link_all,
    place_phrase,
    reflexive,
    time_phrase,
    verbs_by_frame,
)
from rnnsearch.data.grammar.lexicon import Noun, Verb
from rnnsearch.data.grammar.phrases import Relative, it, noun_phrase, nouns_of, pick_noun, pronoun
from rnnsearch.data.grammar.rules import COMMA, Context, Phrase, Word, words
from rnnsearch.data.grammar.verbs import (
    LATE_FREQUENCY,
    Complex,
    frequency,
    infinitive_complex,
    tenses,
    time_class,
    verb_complex,
)
from rnnsearch.data.grammar.words import COMMENTS, MANNERS, MODALS

KINDS = (("h", 16.0), ("a", 3.0), ("y", 1.0), ("c", 1.0))
"""Classes of subjects, weighted."""
WITH_DO = ("present", "past", "want", "had", "wanted")
"""Tenses that need do, does or did in negation and questions."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a clause: at most `budget` English words, subject included unless it is given.

    `front` allows something before the subject, `final` coordination and clauses at the end. With `gap`, a frame,
    the object of classes `gap_classes` stands outside (before) the clause. `positive` forbids negation; `asked` says
    that a question word stands before the clause, which then has no adverb of time.
    """

    budget: int
    subject: Phrase | None = None
    front: bool = False
    final: bool = True
    question: bool = False
    pluperfect: bool = False
    infinitive: bool = False
    positive: bool = False
    asked: bool = False
    gap: str = ""
    gap_classes: str = ""

    def helpers(self) -> int:
        """English words that the verb needs besides itself."""
        return int(self.pluperfect) + int(self.question) + int(self.infinitive)


@dataclass(slots=True)
class Built:
    """A clause with what others need to know of it."""

    clause: Clause
    verb: Verb
    clausal: bool


def build(ctx: Context, request: Request) -> Built:
    """A clause as requested."""
    return _ClauseBuilder(ctx, request).build()


class _ClauseBuilder:
    def __init__(self, ctx: Context, request: Request) -> None:
        self.ctx, self.request = ctx, request
        self.noun: Noun | None = None
        self.who = ""
        self.clausal = False
        self.timed = request.asked
        self.items: list[Item] = []
        cost = self._choose_subject()
        self._choose_verb(request.budget - cost)
        self.negation = ctx.key() if self.negative else None
        self.key = ctx.key()

    # -- choices, in the order in which they depend on each other --

    def _choose_subject(self) -> int:
        """Subject, or what it will be; gives the fewest words it takes."""
        ctx, budget = self.ctx, self.request.budget - self.request.helpers()
        if self.request.subject:
            self.classes = self.request.subject.classes
            return 0
        antecedent = ctx.antecedent
        if antecedent and not self.request.gap and ctx.chance(0.25) and budget >= 5:
            self.who, self.classes = "it", antecedent.classes
            return 1
        if budget < 3 or ctx.chance(0.45 if budget < 6 else 0.2):
            self.who, self.classes = ctx.pick(("1sg", "he", "she", "1pl", "3pl")), "h"
            return 1
        classes = ctx.weighted(KINDS) if budget > 5 and not self.request.gap else "h"
        self.noun = pick_noun(ctx, classes)
        self.classes = self.noun.classes
        return 2

    def _choose_verb(self, room: int) -> None:
        """Verb, negation and tense, so that all fit; sets `spare`, the words left over."""
        ctx, request = self.ctx, self.request
        frames = verbs_by_frame(self.classes, min(room - request.helpers(), 9), request.gap, request.gap_classes)
        if request.budget > 9 and len(frames) > 4 and not request.gap:
            frames = frames[1:]
        while True:
            self.verb = ctx.pick(ctx.weighted(frames))
            least = 1 + fixed_words(self.verb) + (0 if request.gap else MINIMUM[self.verb.frame])
            self.negative = not request.infinitive and not request.positive and ctx.chance(0.13) and room - least >= 2
            if request.infinitive:
                self.tense, self.spare = "", room - least - 1
                return
            helper = self.negative or request.question
            options = tenses(ctx, self.verb, room - least - self.negative, helper=helper, pluperfect=request.pluperfect)
            if options:
                break
        self.tense = ctx.weighted(options)
        if self.negative and self.tense == "may":
            self.tense = "must"
        be = self.verb.english.startswith("be ") and self.tense in ("present", "past")
        do = helper and self.tense in WITH_DO and not be
        aux = len(MODALS[self.tense][0].split(" ")) if self.tense in MODALS else self.tense not in ("present", "past")
        self.spare = room - least - int(self.negative) - int(do) - int(aux)

    # -- parts, built in the English order, so that "it" finds what was named before it --

    def build(self) -> Built:
        """The whole clause."""
        request = self.request
        front = self._front() if request.front and self.ctx.chance(0.3) else None
        subject = request.subject or self._subject()
        verbs = self._verbs(subject)
        clause = Clause(subject, verbs, self.items, front=front)
        if self.verb.particle:
            self.items.append(Item(words(self.verb.particle, self.key), [], 5, 9))
        self._frequency(clause)
        predicate = Predicate(self.verb, self.key, subject, None, self.negation, self.items)
        if self.verb.frame in CLAUSAL and not request.gap:
            self._clausal_object(clause, subject)
        else:
            self._objects_and_adverbs(clause, predicate)
        if self.negation is not None:
            clause.negation = words("not", self.negation)
            self.ctx.use("verb.not")
            if not predicate.absorbed:
                self.items.append(Item([], words("nicht", self.negation), 0, NOT))
        return Built(clause, self.verb, self.clausal)

    def _front(self) -> Phrase | None:
        ctx = self.ctx
        if self.spare >= 1 and ctx.chance(0.5):
            phrase = time_phrase(ctx, time_class(self.tense), min(self.spare, 5))
            if phrase is None:
                return None
            self.timed = True
            event = len(phrase.english) > 2 and phrase.english[0][0] not in ("on", "in")
            ctx.use("main.fronted_event" if event else "main.fronted_time")
            phrase.english += [COMMA] if event else []
        elif self.spare >= 3 and self.verb.frame in ("none", "accusative") and ctx.chance(0.5):
            ctx.use("main.fronted_place")
            phrase = place_phrase(ctx, min(self.spare, 5), self._place_noun(), "place", None)
            phrase.english.append(COMMA)
        elif self.spare >= 2:
            ctx.use("main.fronted_comment")
            phrase = link_all(ctx, ctx.pick(COMMENTS))
            phrase.english += [] if phrase.english[0][0] == "perhaps" else [COMMA]
        else:
            return None
        self.spare -= sum(word != "," for word, _ in phrase.english)
        return phrase

    def _place_noun(self) -> Noun:
        return self.ctx.pick(tuple(noun for noun in nouns_of("ry") if noun.place))

    def _subject(self) -> Phrase:
        ctx = self.ctx
        if self.who == "it" and ctx.antecedent:
            # what was fronted may have named another thing, and the verb must still fit
            if ctx.antecedent.classes == self.classes:
                return it(ctx, ctx.antecedent, "nominative")
            self.who = "she" if "h" in self.verb.subject else ""
        if self.who in ("it", ""):
            self.noun = self.noun or pick_noun(ctx, self.classes[0])
        if self.noun is None:
            return pronoun(ctx, self.who, "nominative")
        extra = ctx.between(0, min(self.spare, 8)) if ctx.chance(0.6) else 0
        relative: Relative | None = self.ctx.embedding.short_relative if self.request.budget > 8 else None
        kind = self.noun.classes[0]
        phrase = noun_phrase(ctx, 2 + extra, self.noun, "nominative", relative=relative,
                             partner=kind if kind in "ha" else "")  # fmt: skip
        self.spare -= len(phrase.english) - 2
        return phrase

    def _verbs(self, subject: Phrase) -> Complex:
        ctx, request = self.ctx, self.request
        if request.infinitive:
            return infinitive_complex(self.verb, self.key, ctx.key())
        helper = self.negative or request.question
        return verb_complex(ctx, self.verb, self.tense, subject.person, self.key, helper=helper, negative=self.negative)

    def _frequency(self, clause: Clause) -> None:
        busy = (
            self.negative or self.timed or clause.subject.clausal or self.request.infinitive or self.request.pluperfect
        )
        progressive = self.tense.endswith("progressive")
        if busy or progressive or self.spare < 1 or not self.ctx.chance(0.12):
            return
        self.items.append(Item([], frequency(self.ctx, clause.verbs, self.tense), 0, 1.5))
        clause.frequency_first = self.tense in LATE_FREQUENCY
        self.spare -= 1
        self.timed = True

    def _clausal_object(self, clause: Clause, subject: Phrase) -> None:
        self.clausal = True
        predicate = Predicate(self.verb, self.key, subject, None, None, self.items)
        fill(self.ctx, predicate, 0)
        clause.post = self.ctx.embedding.clausal_object(
            self.ctx, self.verb.frame, MINIMUM[self.verb.frame] + self.spare, subject
        )

    def _objects_and_adverbs(self, clause: Clause, predicate: Predicate) -> None:
        ctx, request = self.ctx, self.request
        end = self._plan_end(clause)
        adverbs = self._plan_adverbs()
        predicate.relative = None if end or adverbs else self._relative()
        if request.gap:
            reflexive(ctx, predicate)
        else:
            least = MINIMUM[self.verb.frame] + bool(self.verb.preposition[0])
            before = len(self._english())
            fill(ctx, predicate, least + self.spare)
            self.spare -= len(self._english()) - before - least
        for position, kind in enumerate(adverbs):
            last = position == len(adverbs) - 1 and not end
            self._adverb(predicate, kind, last=last)
        self.clausal = predicate.clausal
        self._end(clause, predicate, end, ctx)

    def _english(self) -> list[Word]:
        return [word for item in self.items for word in item.english]

    def _relative(self) -> Relative | None:
        embedding = self.ctx.embedding
        return embedding.relative_clause if self.request.final else embedding.short_relative

    def _plan_end(self, clause: Clause) -> int:
        """Words set aside for a coordinated verb phrase or a clause at the end; takes them from `spare`."""
        ctx, spare = self.ctx, self.spare
        if not self.request.final or self.request.question or spare < 5:
            return 0
        if not ctx.chance(0.35 if spare < 8 else 0.6 if spare < 12 else 0.85):
            return 0
        size = ctx.between(max(4, spare // 3), spare)
        self.spare -= size
        return size

    def _plan_adverbs(self) -> list[str]:
        """Which adverbs follow the objects, in their English order; their fewest words come out of `spare`."""
        ctx, verb, gap = self.ctx, self.verb, self.request.gap
        kinds: list[str] = []
        dynamic = not verb.stative and "h" in self.classes and verb.frame not in ("adjective", "place")
        if self.spare >= 1 and dynamic and ctx.chance(0.15):
            kinds.append("manner")
            self.spare -= 1
        placed = verb.frame in ("none", "accusative") and (not verb.stative or verb.english[:3] == "see")
        if self.spare >= 3 and placed and verb.object != "r" and gap in ("", "accusative") and ctx.chance(0.3):
            kinds.append("place")
            self.spare -= 3
        if self.spare >= 1 and not self.timed and time_class(self.tense) and ctx.chance(0.25):
            kinds.append("time")
            self.spare -= 1
        return kinds

    def _adverb(self, predicate: Predicate, kind: str, *, last: bool) -> None:
        ctx = self.ctx
        if kind == "manner":
            ctx.use("adverb.manner")
            predicate.add(link_all(ctx, ctx.pick(MANNERS)), 9, 5)
        elif kind == "place":
            ctx.use("adverb.place")
            phrase = place_phrase(ctx, 3 + max(0, self.spare), self._place_noun(), "place",
                                  self._relative() if last else None)  # fmt: skip
            self.spare -= predicate.add(phrase, 10, 5.5) - 3
        else:
            phrase_or_none = time_phrase(ctx, time_class(self.tense), 1 + max(0, self.spare))
            if phrase_or_none is None:
                self.spare += 1
                return
            ctx.use("adverb.time")
            self.spare -= predicate.add(phrase_or_none, 11, 1) - 1

    def _end(self, clause: Clause, predicate: Predicate, planned: int, ctx: Context) -> None:
        room = planned + max(0, self.spare)
        if predicate.clausal or self.request.question or not self.request.final or room < 4:
            return
        if ctx.chance(0.2) and not self.request.infinitive and not self.request.gap:
            ctx.use("vp.coordination")
            clause.conjunction = link_all(ctx, ("and", "und"))
            subject = Phrase(person=clause.subject.person, classes=clause.subject.classes,
                             reflexive=clause.subject.reflexive, gender=clause.subject.gender)  # fmt: skip
            second = build(ctx, Request(room - 1, subject=subject, pluperfect=self.request.pluperfect))
            clause.second, self.clausal = second.clause, second.clausal
            return
        dynamic = not self.verb.stative and "h" in self.classes and not self.request.infinitive
        clause.post = ctx.embedding.final_clause(ctx, room, clause.subject if dynamic else None)
        self.clausal = True
