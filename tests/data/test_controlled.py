"""The built-in corpus: what its grammar promises, checked on the text that it makes."""

import hashlib
import itertools
import re
import time
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sacrebleu
from experiments.built_in_corpus.measure import crossing_share, translations, word_by_word
from omegaconf import OmegaConf

from rnnsearch.data import controlled
from rnnsearch.data.controlled import ControlledCorpus
from rnnsearch.data.corpus import Pair
from rnnsearch.data.grammar.inflection import german_noun
from rnnsearch.data.grammar.lexicon import NOUNS
from rnnsearch.data.grammar.rules import GRAMMAR_VERSION, RULES
from rnnsearch.data.grammar.sentences import Sentence, sentence

FROZEN = "9a36f1b41a30bd4d179a9f1e21d779d8a24ca5b96ec91c51c3f483e9e546e2cd"
CONF = Path(__file__).parents[2] / "conf" / "data" / "controlled.yaml"
DEFAULTS: dict[str, Any] = {
    "corpus_seed": 0,
    "train_pairs": 4000,
    "validation_pairs": 200,
    "test_pairs": 1000,
    "min_length": 3,
    "max_length": 30,
    "mean_length": None,
    "test_min_length": 3,
    "test_max_length": 60,
    "test_mean_length": None,
    "reverse": False,
}


def corpus(**changes: Any) -> ControlledCorpus:
    return ControlledCorpus(**{**DEFAULTS, **changes})


@cache
def pairs(split: str) -> tuple[Pair, ...]:
    return tuple(corpus().pairs(split))


@cache
def sample() -> tuple[Sentence, ...]:
    random = Random(7)
    return tuple(sentence(random, 3 + int(random.random() * 40)) for _ in range(4000))


def bare(text: str) -> list[str]:
    return [word.strip(".,?") for word in text.split(" ")]


# -- size --


def test_conf_is_one_constructor_call_with_the_defaults_of_the_documentation() -> None:
    call = OmegaConf.to_container(OmegaConf.load(CONF))
    assert isinstance(call, dict)
    assert call.pop("_target_") == "rnnsearch.data.controlled.ControlledCorpus"
    assert {key: call[key] for key in ("train_pairs", "validation_pairs", "test_pairs", "corpus_seed")} == {
        "train_pairs": 20_000,
        "validation_pairs": 500,
        "test_pairs": 1000,
        "corpus_seed": 0,
    }
    made = ControlledCorpus(**{str(key): value for key, value in call.items()})
    assert (made.name, made.source_language, made.target_language) == ("controlled", "en", "de")
    assert made.splits() == ("train", "validation", "test")
    train = list(itertools.islice(made.pairs("train"), 100))
    assert train == list(pairs("train")[:100])


def test_at_least_300_words_a_side_and_40_rules_all_in_use() -> None:
    for side in ("source", "target"):
        assert len({word.lower() for pair in pairs("train") for word in bare(getattr(pair, side))}) >= 300
    assert len(RULES) >= 40
    used = set().union(*(made.rules for made in sample()))
    assert used == set(RULES)


def test_lengths_lie_within_bounds_and_fill_every_bucket_of_the_test_split() -> None:
    lengths = Counter(len(pair.source.split(" ")) for pair in pairs("train"))
    assert set(lengths) == set(range(3, 31))
    tested = [len(pair.source.split(" ")) for pair in pairs("test")]
    assert min(tested) >= 3
    assert max(tested) <= 60
    assert all(sum(low < length <= low + 5 for length in tested) >= 50 for low in range(5, 60, 5))


@pytest.mark.parametrize("mean", [6.0, 10.0, 16.0])
def test_mean_length_is_a_parameter(mean: float) -> None:
    made = corpus(train_pairs=1500, min_length=4, max_length=20, mean_length=mean).pairs("train")
    lengths = [len(pair.source.split(" ")) for pair in made]
    assert sum(lengths) / len(lengths) == pytest.approx(mean, abs=0.6)  # sentences may end a word or two early
    assert min(lengths) >= 4
    assert max(lengths) <= 20


@pytest.mark.slow
def test_generation_is_fast() -> None:
    start = time.process_time()
    assert sum(1 for _ in itertools.islice(corpus(train_pairs=100_000).pairs("train"), 2000)) == 2000
    assert time.process_time() - start < 6  # 0.6 s on the machine it was written on


# -- splits --


def test_same_seed_same_pairs_and_another_seed_others() -> None:
    again = list(itertools.islice(corpus().pairs("train"), 300))
    assert again == list(pairs("train")[:300])
    other = {pair.source for pair in itertools.islice(corpus(corpus_seed=1).pairs("train"), 300)}
    assert len(other & {pair.source for pair in again}) < 10


def test_the_grammar_is_frozen() -> None:
    """A change of words or rules raises GRAMMAR_VERSION and this sum."""
    digest = hashlib.sha256()
    for pair in pairs("train")[:500]:
        digest.update(f"{pair.source}\t{pair.target}\t{pair.links}\n".encode())
    assert (GRAMMAR_VERSION, digest.hexdigest()) == (1, FROZEN)


def test_a_smaller_training_set_begins_a_larger_one() -> None:
    assert list(corpus(train_pairs=500).pairs("train")) == list(pairs("train")[:500])


def test_no_sentence_of_either_side_comes_twice_in_or_across_splits() -> None:
    for side in ("source", "target"):
        seen = [getattr(pair, side) for split in ("train", "validation", "test") for pair in pairs(split)]
        assert len(seen) == len(set(seen))


@pytest.mark.slow
def test_splits_of_other_seeds_and_lengths_do_not_meet_either() -> None:
    short = {"min_length": 3, "max_length": 5, "test_min_length": 3, "test_max_length": 5, "test_pairs": 800}
    trained = {pair.source for seed in (0, 1) for pair in corpus(corpus_seed=seed, **short).pairs("train")}
    tested = {pair.source for seed in (2, 3) for pair in corpus(corpus_seed=seed, **short).pairs("test")}
    assert not trained & tested
    again = {pair.source for pair in corpus(corpus_seed=9, **short).pairs("test")}
    assert tested & again  # so the sentences are short enough to come again


def test_the_same_english_sentence_always_has_the_same_german() -> None:
    random = Random(3)
    known: dict[str, str] = {}
    for _ in range(12_000):
        made = sentence(random, 3 + int(random.random() * 4))
        assert known.setdefault(made.english, made.german) == made.german
    assert len(known) < 11_500  # many came more than once


def test_an_exhausted_grammar_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controlled, "PATIENCE", 8)
    with pytest.raises(ValueError, match=r"found only .* different train sentences of 3 to 3 words"):
        sum(1 for _ in corpus(min_length=3, max_length=3, train_pairs=10**6).pairs("train"))


def test_reverse_swaps_languages_and_links() -> None:
    turned = corpus(reverse=True)
    assert (turned.source_language, turned.target_language) == ("de", "en")
    for pair, back in zip(pairs("validation"), turned.pairs("validation"), strict=True):
        assert (back.source, back.target) == (pair.target, pair.source)
        assert set(back.links or ()) == {(j, i) for i, j in pair.links or ()}
    assert turned.checksums()["train.target"] != turned.checksums()["train.source"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_length": 2}, "data.min_length=2 .* from 3 to 200"),
        ({"test_min_length": 40, "test_max_length": 20}, "data.test_min_length=40 and data.test_max_length=20"),
        ({"mean_length": 31}, "data.mean_length=31 is outside"),
        ({"train_pairs": -1}, "data.train_pairs=-1 is below 0"),
    ],
)
def test_contradictory_parameters_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        corpus(**changes)


def test_a_split_without_pairs_is_missing() -> None:
    assert corpus(test_pairs=0).splits() == ("train", "validation")
    with pytest.raises(ValueError, match=r"no split 'test'.*set data.test_pairs"):
        corpus(test_pairs=0).pairs("test")


def test_checksums_follow_the_parameters() -> None:
    sums = corpus().checksums()
    assert sums == corpus().checksums()
    assert corpus(train_pairs=4001).checksums()["train.source"] != sums["train.source"]
    assert corpus(train_pairs=4001).checksums()["test.source"] == sums["test.source"]
    assert corpus(corpus_seed=1).checksums()["test.source"] != sums["test.source"]


# -- links --


def test_every_word_is_linked_and_links_stay_inside() -> None:
    for pair in (*pairs("train"), *pairs("test")):
        links = pair.links or ()
        assert {i for i, _ in links} == set(range(len(pair.source.split(" "))))
        assert {j for _, j in links} == set(range(len(pair.target.split(" "))))
        assert list(links) == sorted(set(links))


def test_a_third_of_the_links_cross_in_long_sentences() -> None:
    assert crossing_share([pair for pair in pairs("test")[:400] if len(pair.source.split(" ")) > 15]) >= 0.30


def test_a_word_for_word_dictionary_scores_below_30_bleu() -> None:
    output = word_by_word(pairs("train"), (pair.source for pair in pairs("test")))
    score = sacrebleu.corpus_bleu(output, [[pair.target for pair in pairs("test")]]).score
    assert 5 < score < 30


def test_links_join_translations() -> None:
    table = translations(pairs("train"))
    for english, german in {"garden": "Garten", "read": "lesen", "because": "weil", "very": "sehr"}.items():
        assert table[english].most_common(1)[0][0].lower().strip(",.") == german.lower()
    assert {"schaltet", "ein", "einschaltet"} & {word.strip(".,") for word in table["turns"]}


def test_a_separable_verb_links_to_both_of_its_parts() -> None:
    random, found = Random(1), 0
    for _ in range(20_000):
        made = sentence(random, 3 + int(random.random() * 3))
        english, german = bare(made.english), bare(made.german)
        if english[-2:] == ["wakes", "up"] and "wacht" in german:
            i, j = len(english) - 2, german.index("wacht")
            assert {(i, j), (i, german.index("auf")), (i + 1, j)} <= set(made.links)
            found += 1
    assert found


# -- German --

ARTICLES = {  # written out by hand, not taken from the grammar: gender of some nouns, and what may stand before them
    ("Mann", "m"): {"der", "den", "ein", "einen", "dieser", "diesen", "jeder", "jeden", "mein", "meinen", "kein"},
    ("Frau", "f"): {"die", "der", "eine", "einer", "diese", "dieser", "jede", "jeder", "meine", "meiner", "keine"},
    ("Buch", "n"): {"das", "dem", "ein", "einem", "dieses", "diesem", "jedes", "jedem", "mein", "meinem", "kein"},
    ("Haus", "n"): {"das", "dem", "ein", "einem", "dieses", "diesem", "jedes", "jedem", "mein", "meinem", "kein"},
    ("Küche", "f"): {"die", "der", "eine", "einer", "diese", "dieser", "jede", "jeder", "meine", "meiner", "keine"},
}
SHARED = {"seinem", "ihrem", "unserem", "sein", "ihr", "unser", "im", "am", "vom", "zum", "ins", "ans"}
ENDINGS = {  # determiner and masculine, feminine or neuter noun: the adjective between them, by hand
    ("der", "Hund"): "große", ("den", "Hund"): "großen", ("dem", "Hund"): "großen", ("ein", "Hund"): "großer",
    ("einen", "Hund"): "großen", ("einem", "Hund"): "großen", ("die", "Katze"): "große", ("der", "Katze"): "großen",
    ("eine", "Katze"): "große", ("einer", "Katze"): "großen", ("das", "Pferd"): "große", ("ein", "Pferd"): "großes",
    ("einem", "Pferd"): "großen", ("die", "Hunde"): "großen", ("den", "Hunden"): "großen", ("zwei", "Hunde"): "große",
    ("zwei", "Hunden"): "großen", ("viele", "Pferde"): "große", ("alle", "Hunde"): "großen",
    ("kein", "Pferd"): "großes",
    ("keine", "Katzen"): "großen", ("meine", "Katzen"): "großen", ("jedes", "Pferd"): "große",
    ("diesem", "Pferd"): "großen", ("unser", "Hund"): "großer", ("ihre", "Katze"): "große",
}  # fmt: skip


STEMS = (
    "(schön|alt|klein|groß|schwarz|braun|mutig|klug|schmutzig|seltsam|hungrig|müd|faul|jung|stark|hässlich)(e[nmrs]?)"
)


def german_sentences() -> list[list[str]]:
    return [bare(made.german) for made in sample()] + [bare(pair.target) for pair in (*pairs("train"), *pairs("test"))]


def test_articles_agree_with_their_nouns() -> None:
    allowed = {noun: words for (noun, _), words in ARTICLES.items()}
    determiners = set().union(*allowed.values())
    found: Counter[str] = Counter()
    for words in german_sentences():
        for before, word in itertools.pairwise(words):
            if word in allowed and before.lower() in determiners:
                assert before.lower() in allowed[word] | {"dem", "diesem", "einem", "jedem", "meinem"}, (before, word)
                if word in ("Frau", "Küche"):
                    assert before.lower() in allowed[word], (before, word)
                found[word] += 1
    assert all(found[word] >= 5 for word in allowed), found


def test_adjective_endings_follow_determiner_gender_and_case() -> None:
    found = 0
    for words in german_sentences():
        for determiner, adjective, noun in zip(words, words[1:], words[2:], strict=False):
            expected = ENDINGS.get((determiner.lower(), noun))
            matched = re.fullmatch(STEMS, adjective)
            if expected and matched:
                assert matched[2] == expected.removeprefix("groß"), (determiner, adjective, noun)
                found += 1
    assert found >= 60


@pytest.mark.parametrize(
    ("english", "case", "plural", "german"),
    [
        ("man", "genitive", False, "Mannes"), ("man", "dative", True, "Männern"),
        ("boy", "accusative", False, "Jungen"),
        ("student", "dative", False, "Studenten"), ("house", "genitive", False, "Hauses"),
        ("car", "dative", True, "Autos"), ("woman", "genitive", False, "Frau"), ("garden", "dative", True, "Gärten"),
        ("teacher", "dative", True, "Lehrern"), ("teacher", "genitive", False, "Lehrers"),
        ("lion", "genitive", False, "Löwen"), ("lake", "genitive", False, "Sees"), ("bus", "genitive", False, "Busses"),
    ],
)  # fmt: skip
def test_noun_forms(english: str, case: str, plural: bool, german: str) -> None:
    noun = next(noun for noun in NOUNS if noun.english == english)
    assert german_noun(noun, case, plural) == german


SUBJECTS = {"ich": "1", "er": "3", "wir": "p"}
FINITE = {
    "1": {"habe", "bin", "werde", "kann", "muss", "will", "darf", "schlafe", "sehe", "gebe", "arbeite", "weiß"},
    "3": {"hat", "ist", "wird", "kann", "muss", "will", "darf", "schläft", "sieht", "gibt", "arbeitet", "weiß"},
    "p": {"haben", "sind", "werden", "können", "müssen", "wollen", "dürfen", "schlafen", "sehen", "geben", "arbeiten"},
}


def test_the_second_word_after_a_pronoun_agrees_with_it() -> None:
    forms, found = set().union(*FINITE.values()), 0
    for words in german_sentences():
        person = SUBJECTS.get(words[0].lower())
        if person and words[1] in forms:
            assert words[1] in FINITE[person], words
            found += 1
    assert found >= 100


FINAL = {"weil", "obwohl", "dass", "ob", "bevor", "nachdem", "sobald", "bis", "sodass", "als", "wenn"}
NEVER_FINAL = {"nicht", "oft", "heute", "gestern", "immer", "schnell", "morgen", "nie", "leise", "auf", "aus", "ein"}


AMBIGUOUS = {"werden", "haben", "sehen", "geben", "können", "weiß"}  # infinitives, and the adjective "weiß"


def test_subordinate_clauses_end_in_their_finite_verb() -> None:
    finite = set().union(*FINITE.values()) | {"hatte", "hatten", "war", "waren", "wollte", "konnte", "musste"}
    found = 0
    for made in sample():
        for clause in made.german.rstrip(".?").split(", "):
            words = clause.split(" ")
            if words[0].lower() in FINAL and not {"und", "als", "wenn"} & set(words[1:]) and words[0] != "als":
                assert words[-1] not in NEVER_FINAL, made.german
                found += 1
            if words[0] == "dass" and "und" not in words:
                assert not set(words[1:-1]) & (finite - AMBIGUOUS), made.german
    assert found >= 500


def test_a_comma_stands_before_every_subordinate_clause() -> None:
    found = 0
    for made in sample():
        words = made.german.split(" ")
        for before, word in itertools.pairwise(words):
            if word in {"weil", "obwohl", "dass", "ob", "bevor", "nachdem", "sobald", "sodass"}:
                assert before.endswith(",") or before in {"und", "aber"}, made.german
                found += 1
    assert found >= 500


def test_german_words_depend_on_the_english_context() -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for pair in (*pairs("train"), *pairs("test")):
        source, target = bare(pair.source.lower()), bare(pair.target)
        for i, j in pair.links or ():
            seen[source[i]].add(target[j])
    assert {"kennt", "weiß"} <= seen["knows"]
    assert {"stellen", "legen"} <= seen["put"]
    assert {"essen", "fressen"} <= seen["eat"]
    assert {"auf", "an", "in"} <= seen["on"]
    assert {"er", "sie", "es", "ihn"} <= seen["it"]
    assert {"der", "die", "das", "dem", "den", "des"} <= seen["the"]
    assert {"wenn", "als"} <= seen["when"]


def test_text_is_capitalised_and_punctuated() -> None:
    for pair in pairs("train"):
        for text in (pair.source, pair.target):
            assert text[0].isupper()
            assert text[-1] in ".?"
            assert "  " not in text
            assert " ," not in text
            assert ",," not in text
            assert text.isprintable()
