"""Word forms of the controlled corpus: English verbs and articles, German nouns, articles, adjectives and verbs."""

from functools import cache

from rnnsearch.data.grammar.lexicon import Adjective, Noun, Verb

CASES = ("nominative", "accusative", "dative", "genitive")
GENDERS = "mfnp"
"""Masculine, feminine, neuter, and p for the plural of all three."""

_VOWELS = "aeiouyäöüAEIOUÄÖÜ"


def _table(*rows: str) -> dict[tuple[str, str], str]:
    """Endings by (case, gender) from a row a case, "-" for none."""
    cells = (((case, gender), ending) for case, row in zip(CASES, rows, strict=True)
             for gender, ending in zip(GENDERS, row.split(), strict=True))  # fmt: skip
    return {key: "" if ending == "-" else ending for key, ending in cells}


DEFINITE = _table("der die das die", "den die das die", "dem der dem den", "des der des der")
STRONG_DETERMINER = _table("er e es e", "en e es e", "em er em en", "es er es er")
MIXED_DETERMINER = _table("- e - e", "en e - e", "em er em en", "es er es er")
ADJECTIVE = {
    "strong": _table("er e es e", "en e es e", "em er em en", "en er en er"),
    "mixed": _table("er e es en", "en e es en", "en en en en", "en en en en"),
    "weak": _table("e e e en", "en e e en", "en en en en", "en en en en"),
}
RELATIVE = _table("der die das die", "den die das die", "dem der dem denen", "dessen deren dessen deren")
PERSONAL = _table("er sie es sie", "ihn sie es sie", "ihm ihr ihm ihnen", "- - - -")
CONTRACTIONS = {
    ("in", "dem"): "im", ("in", "das"): "ins", ("an", "dem"): "am", ("an", "das"): "ans", ("von", "dem"): "vom",
    ("zu", "dem"): "zum", ("zu", "der"): "zur",
}  # fmt: skip


@cache
def german_noun(noun: Noun, case: str, plural: bool) -> str:
    """A noun in a case and number."""
    if plural:
        needs_n = case == "dative" and not noun.german_plural.endswith(("n", "s"))
        return noun.german_plural + ("n" if needs_n else "")
    if noun.weak and case != "nominative":
        return noun.weak
    if case == "genitive" and noun.gender in "mn":
        return noun.genitive or noun.german + _genitive_ending(noun.german)
    return noun.german


def _genitive_ending(word: str) -> str:
    if word.endswith(("s", "ß", "x", "z", "sch")):
        return "es"
    groups = sum(1 for i, letter in enumerate(word) if letter in _VOWELS and (i == 0 or word[i - 1] not in _VOWELS))
    return "es" if groups == 1 and word[-1] not in _VOWELS else "s"


@cache
def german_adjective(adjective: Adjective, declension: str, case: str, gender: str) -> str:
    """An attributive adjective; `declension` is strong, mixed or weak."""
    return (adjective.stem or adjective.german) + ADJECTIVE[declension][case, gender]


@cache
def separable(verb: Verb) -> tuple[str, str]:
    """Prefix (empty where there is none) and the rest of the infinitive."""
    infinitive = verb.german.split(" ")[0]
    prefix, bar, rest = infinitive.partition("|")
    return (prefix, rest) if bar else ("", infinitive)


@cache
def german_parts(verb: Verb) -> tuple[str, str, str, str]:
    """Infinitive without prefix, third person present and past without prefix, participle with prefix."""
    prefix, infinitive = separable(verb)
    given = verb.german.split(" ")[1:]
    if given:
        return infinitive, given[0], given[1], prefix + given[2]
    stem = infinitive.removesuffix("en") if infinitive.endswith("en") else infinitive.removesuffix("n")
    linked = stem + ("e" if stem.endswith(("t", "d", "gn")) else "")
    inseparable = infinitive.endswith("ieren") or infinitive.startswith(("be", "ver", "er", "ge"))
    return infinitive, f"{linked}t", f"{linked}te", prefix + ("" if inseparable else "ge") + f"{linked}t"


@cache
def german_finite(verb: Verb, person: str, past: bool) -> str:
    """A finite form without its prefix; `person` is 1sg, 3sg or pl."""
    infinitive, present3, past3, _ = german_parts(verb)
    if past:
        return past3 + ("n" if past3.endswith("e") else "en") if person == "pl" else past3
    if person == "pl":
        return infinitive
    if person == "1sg" and infinitive not in ("mögen", "wissen"):
        return infinitive.removesuffix("n") if infinitive.endswith("en") else infinitive.removesuffix("n") + "e"
    return present3


HABEN = {"1sg": "habe", "3sg": "hat", "pl": "haben"}
SEIN = {"1sg": "bin", "3sg": "ist", "pl": "sind"}
WERDEN = {"1sg": "werde", "3sg": "wird", "pl": "werden"}
SEIN_PAST = {"1sg": "war", "3sg": "war", "pl": "waren"}
HABEN_PAST = {"1sg": "hatte", "3sg": "hatte", "pl": "hatten"}
WERDEN_PAST = {"1sg": "wurde", "3sg": "wurde", "pl": "wurden"}
BE = {"1sg": "am", "3sg": "is", "pl": "are"}
BE_PAST = {"1sg": "was", "3sg": "was", "pl": "were"}


@cache
def english_s(base: str) -> str:
    """Third person singular present."""
    if base.endswith(("s", "x", "ch", "sh", "o")):
        return f"{base}es"
    return f"{base[:-1]}ies" if base.endswith("y") and base[-2] not in "aeiou" else f"{base}s"


@cache
def english_ing(base: str) -> str:
    """Present participle."""
    if base in ("swim", "get", "run", "put", "sit", "forget", "begin", "plan", "travel"):
        return f"{base}{base[-1]}ing"
    return f"{base[:-1]}ing" if base.endswith("e") and not base.endswith("ee") else f"{base}ing"


def article(word: str) -> str:
    """The English indefinite article before a word."""
    return "an" if word[0] in "aeioAEIO" or word.startswith(("ugly", "uncle")) else "a"
