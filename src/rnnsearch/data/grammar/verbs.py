"""Verb complexes of the controlled corpus: tense, negation, questions, and the two German verb brackets."""

from dataclasses import dataclass, field

from rnnsearch.data.grammar import inflection as forms
from rnnsearch.data.grammar.lexicon import Verb
from rnnsearch.data.grammar.rules import Context, Word, words
from rnnsearch.data.grammar.words import FREQUENCIES, MODALS

SUBORDINATING = ("that", "whether", "infinitive")
LATE_FREQUENCY = ("want", "had", "wanted")
"""Modals of two words, before which an adverb of frequency stands."""


@dataclass(slots=True)
class Complex:
    """The verbs of one clause. English: `auxiliaries` (the first moves before the subject in a question) and `main`.

    German: `finite` (with `prefix` apart or joined) and `rest`, the right bracket.
    """

    auxiliaries: list[Word]
    main: list[Word]
    finite: Word
    rest: list[Word]
    prefix: list[Word] = field(default_factory=list)
    joined: Word = ("", ())
    frequency: list[Word] = field(default_factory=list)

    def english(self, negation: list[Word], *, frequency_first: bool) -> list[Word]:
        """All verbs in a statement, with "not" and an adverb of frequency in their places."""
        first = 0 if frequency_first else 1
        if negation and self.auxiliaries[0][0] == "can":
            merged = ("cannot", self.auxiliaries[0][1] + negation[0][1])
            return [merged, *self.frequency, *self.auxiliaries[1:], *self.main]
        return [*self.auxiliaries[:first], *negation, *self.frequency, *self.auxiliaries[first:], *self.main]


def tenses(ctx: Context, verb: Verb, room: int, *, helper: bool, pluperfect: bool) -> list[tuple[str, float]]:
    """The tenses open to a verb with `room` words besides it, weighted; `helper` asks for an auxiliary anyway."""
    base, past, _ = verb.english.split(" ")
    dynamic = not verb.stative and verb.frame not in SUBORDINATING
    if pluperfect:
        return [("pluperfect" if ctx.past else "perfect", 1.0)] if room >= 1 else []
    free = room - (1 if helper and base != "be" else 0)
    found: list[tuple[str, float]] = []
    if ctx.past:
        found += [("past", 5.0)] if past != base and free >= 0 else []
        found += [("past_progressive", 1.5)] if dynamic and room >= 1 else []
        found += [("could", 1.0)] if room >= 1 else []
        found += [("had", 0.7), ("wanted", 0.7)] if room >= 2 + helper and verb.subject[0] == "h" else []
        return found
    found += [("present", 4.0)] if free >= 0 else []
    found += [("progressive", 1.5)] if dynamic and room >= 1 else []
    if room >= 1:
        found += [("perfect", 1.8), ("future", 1.5), ("can", 1.0), ("must", 0.8), ("should", 0.6), ("may", 0.3)]
    return found + ([("want", 0.8)] if room >= 2 + helper and verb.subject[0] == "h" else [])


def time_class(tense: str) -> str:
    """The letter that adverbs of time give to a tense; empty where none fits."""
    if tense in MODALS:
        return "t" if MODALS[tense][5] == "t" else "m"
    table = {"present": "p", "progressive": "g", "past": "t", "past_progressive": "t", "future": "f"}
    return table.get(tense, "")


def verb_complex(
    ctx: Context, verb: Verb, tense: str, person: str, key: int, *, helper: bool, negative: bool
) -> Complex:
    """The verbs of a clause; with `helper` (negation, question) English has an auxiliary."""
    ctx.use("verb.modal" if tense in MODALS else f"verb.{tense}")
    if forms.separable(verb)[0]:
        ctx.use("verb.separable")
    if tense in MODALS:
        return _modal(ctx, verb, tense, person, key, helper=helper, negative=negative)
    if tense in ("perfect", "pluperfect", "future"):
        return _compound(ctx, verb, tense, person, key)
    past = tense.startswith("past")
    auxiliaries, main = _english_simple(verb, tense, person, key, helper=helper)
    return _simple_german(verb, person, past, key, auxiliaries, main)


def _english_simple(verb: Verb, tense: str, person: str, key: int, *, helper: bool) -> tuple[list[Word], list[Word]]:
    base, past_form, _ = verb.english.split(" ")
    past = tense.startswith("past")
    be = (forms.BE_PAST if past else forms.BE)[person]
    if base == "be":
        return words(be, key), []
    if tense.endswith("progressive"):
        return words(be, key), words(forms.english_ing(base), key)
    if helper:
        do = "did" if past else "does" if person == "3sg" else "do"
        return words(do, key), words(base, key)
    return [], words(past_form if past else forms.english_s(base) if person == "3sg" else base, key)


def finite(verb: Verb, person: str, past: bool) -> str:
    """German finite form without prefix, of sein too."""
    if verb.german.startswith("sein "):
        return (forms.SEIN_PAST if past else forms.SEIN)[person]
    return forms.german_finite(verb, person, past)


def _simple_german(verb: Verb, person: str, past: bool, key: int, auxiliaries: list[Word], main: list[Word]) -> Complex:
    form, prefix = finite(verb, person, past), forms.separable(verb)[0]
    return Complex(auxiliaries, main, (form, (key,)), [], words(prefix, key) if prefix else [], (prefix + form, (key,)))


def _compound(ctx: Context, verb: Verb, tense: str, person: str, key: int) -> Complex:
    base, _, participle = verb.english.split(" ")
    helper = ctx.key()
    prefix, _ = forms.separable(verb)
    infinitive, _, _, german_participle = forms.german_parts(verb)
    if tense == "future":
        form = forms.WERDEN[person]
        return Complex(words("will", helper), words(base, key), (form, (helper,)), words(prefix + infinitive, key),
                       joined=(form, (helper,)))  # fmt: skip
    past = tense == "pluperfect"
    if verb.auxiliary == "sein":
        form = (forms.SEIN_PAST if past else forms.SEIN)[person]
    else:
        form = (forms.HABEN_PAST if past else forms.HABEN)[person]
    english = "had" if past else "has" if person == "3sg" else "have"
    return Complex(words(english, helper), words(participle, key), (form, (helper,)), words(german_participle, key),
                   joined=(form, (helper,)))  # fmt: skip


def modal_words(
    ctx: Context, tense: str, person: str, *, helper: bool = False, negative: bool = False
) -> tuple[list[Word], Word]:
    """English and German forms of a modal; "must not" is darf nicht."""
    key = ctx.key()
    third, other, base, singular, plural, time = MODALS[tense]
    english = third if person == "3sg" else other
    if helper and base:
        do = "did" if time == "t" else "does" if person == "3sg" else "do"
        english = f"{do} {base}"
    if tense == "must" and negative:
        singular, plural = "darf", "dürfen"
    return words(english, key), (plural if person == "pl" else singular, (key,))


def _modal(ctx: Context, verb: Verb, tense: str, person: str, key: int, *, helper: bool, negative: bool) -> Complex:
    english, german = modal_words(ctx, tense, person, helper=helper, negative=negative)
    infinitive = forms.separable(verb)[0] + forms.german_parts(verb)[0]
    base = verb.english.split(" ")[0]
    return Complex(english, words(base, key), german, words(infinitive, key), joined=german)


def passive_complex(ctx: Context, verb: Verb, tense: str, person: str, key: int) -> Complex:
    """The passive with werden: present, past or modal; always with an auxiliary."""
    ctx.use("vp.passive")
    participle = words(verb.english.split(" ")[2], key)
    german = words(forms.german_parts(verb)[3], key)
    helper = ctx.key()
    if tense in MODALS:
        ctx.use("verb.modal")
        english, form = modal_words(ctx, tense, person)
        return Complex(english, [("be", (helper,)), *participle], form, [*german, ("werden", (helper,))], joined=form)
    past = tense == "past"
    form = ((forms.WERDEN_PAST if past else forms.WERDEN)[person], (helper,))
    be = words((forms.BE_PAST if past else forms.BE)[person], helper)
    return Complex(be, participle, form, german, joined=form)


def infinitive_complex(verb: Verb, key: int, to: int) -> Complex:
    """An infinitive with zu, which stands inside a separable verb (aufzumachen)."""
    prefix, infinitive = forms.separable(verb)[0], forms.german_parts(verb)[0]
    german: list[Word] = [(f"{prefix}zu{infinitive}", (key, to))] if prefix else [("zu", (to,)), (infinitive, (key,))]
    return Complex([("to", (to,))], words(verb.english.split(" ")[0], key), ("", ()), german)


def frequency(ctx: Context, complex_: Complex, tense: str) -> list[Word]:
    """Put an adverb of frequency into the English complex; gives its German word. "Must never" is not muss nie."""
    ctx.use("adverb.frequency")
    english, german = ctx.pick(FREQUENCIES[1:] if tense == "must" else FREQUENCIES)
    key = ctx.key()
    complex_.frequency = words(english, key)
    return words(german, key)
