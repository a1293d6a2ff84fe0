"""A clause of the controlled corpus and its word orders: verb second, verb first, verb final."""

from dataclasses import dataclass, field

from rnnsearch.data.grammar.frames import Item
from rnnsearch.data.grammar.rules import COMMA, Context, Phrase, Word
from rnnsearch.data.grammar.verbs import Complex

NOT = 4
"""The place of "nicht" in the middle field."""
LONGEST_ENCLOSED = 8
"""A relative clause with more German words (commas counted) moves from the end of the middle field behind the verb."""


@dataclass(slots=True)
class Clause:
    """The parts of a clause. `second` is a coordinated verb phrase with its conjunction; `post` follows the verbs."""

    subject: Phrase
    verbs: Complex
    items: list[Item]
    negation: list[Word] = field(default_factory=list)
    frequency_first: bool = False
    front: Phrase | None = None
    post: Phrase | None = None
    conjunction: Phrase | None = None
    second: "Clause | None" = None

    def english(self) -> list[Word]:
        """Front, subject, verbs, objects and adverbs, clauses."""
        front = self.front.english if self.front else []
        return [*front, *self.subject.english, *self.english_predicate()]

    def english_predicate(self) -> list[Word]:
        """All but front and subject."""
        return [*self.verbs.english(self.negation, frequency_first=self.frequency_first), *self._english_rest()]

    def english_question(self) -> list[Word]:
        """The first auxiliary before the subject."""
        first, *others = self.verbs.auxiliaries
        front = self.front.english if self.front else []
        middle = [*self.subject.english, *self.negation, *self.verbs.frequency, *others, *self.verbs.main]
        return [*front, first, *middle, *self._english_rest()]

    def _english_rest(self) -> list[Word]:
        words = [word for item in sorted(self.items, key=lambda item: item.english_rank) for word in item.english]
        if self.conjunction and self.second:
            words += [*self.conjunction.english, *self.second.english_predicate()]
        return words + (self.post.english if self.post else [])

    def german_main(self, ctx: Context) -> list[Word]:
        """Verb second: what is fronted, or the subject; the finite verb; the rest."""
        subject = self.subject.german + self.subject.tail
        if self.front:
            return [*self.front.german, *self.verb_first(ctx, subject)]
        return [*subject, *self.verb_first(ctx, [])]

    def verb_first(self, ctx: Context, subject: list[Word]) -> list[Word]:
        """From the finite verb on; the subject follows it where something else is fronted."""
        field_, tail = self._middle(ctx, bool(self.verbs.rest or self.verbs.prefix))
        words = [self.verbs.finite, *subject, *field_, *self.verbs.rest, *self.verbs.prefix, *tail]
        if self.conjunction and self.second:
            words += [*self.conjunction.german, *self.second.verb_first(ctx, [])]
        return words + (self.post.german if self.post else [])

    def german_subordinate(self, ctx: Context, *, subject: bool = True) -> list[Word]:
        """Verb final, without the commas around the clause; the same for infinitives, whose finite verb is empty."""
        field_, tail = self._middle(ctx, True)
        last = [self.verbs.joined] if self.verbs.joined[0] else []
        words = [*field_, *self.verbs.rest, *last, *tail]
        if subject:
            words[:0] = self.subject.german + self.subject.tail
        if self.conjunction and self.second:
            words += [*self.conjunction.german, *self.second.german_subordinate(ctx, subject=False)]
        return words + (self.post.german if self.post else [])

    def _middle(self, ctx: Context, bracket: bool) -> tuple[list[Word], list[Word]]:
        items = sorted(self.items, key=lambda item: item.german_rank)
        field_: list[Word] = []
        moved: list[Word] = []
        last = max((i for i, item in enumerate(items) if item.german and item.german_rank != NOT), default=-1)
        for i, item in enumerate(items):
            field_ += item.german
            if i == last and bracket and len(item.tail) > LONGEST_ENCLOSED:
                ctx.use("relative.extraposed")
                moved = item.tail
            else:
                field_ += item.tail
        return field_, moved


def enclosed(words: list[Word]) -> list[Word]:
    """German words of a clause between commas."""
    return [COMMA, *words, COMMA]


def text(words: list[Word], end: str) -> tuple[str, list[tuple[int, ...]]]:
    """The sentence, commas and the end attached to words, and the keys of each word. Commas never double."""
    made: list[str] = []
    keys: list[tuple[int, ...]] = []
    for word, links in words:
        if word != ",":
            made.append(word)
            keys.append(links)
        elif made and not made[-1].endswith(","):
            made[-1] += ","
    made[-1] = made[-1].rstrip(",") + end
    made[0] = made[0][0].upper() + made[0][1:]
    return " ".join(made), keys
