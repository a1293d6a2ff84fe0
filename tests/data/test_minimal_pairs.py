"""Mistakes in sentences of the built-in corpus: one word each, of the kind that its name says."""

from collections import Counter
from random import Random

import pytest

from rnnsearch.data.grammar.minimal_pairs import MARKS, MISTAKES, mistaken
from rnnsearch.data.grammar.sentences import sentence

NUMBER, GENDER, CASE, NEGATION = (mistake.phenomenon for mistake in MISTAKES)


@pytest.mark.parametrize(
    ("german", "found"),
    [
        ("Der Hund ist müde.", {NUMBER: "Der Hund sind müde."}),
        ("Können sie schlafen?", {NUMBER: "Kann sie schlafen?"}),
        ("Ein Hund sieht einen Mann.", {GENDER: "Eine Hund sieht einen Mann.", CASE: "Ein Hund sieht einem Mann."}),
        ("Sie schlafen nicht ein.", {NEGATION: "Sie schlafen ein."}),
        ("Kein Hund schläft.", {NEGATION: "Ein Hund schläft."}),
        ("Sie will mit einer schönen Katze ein.", {NUMBER: "Sie wollen mit einer schönen Katze ein."}),
        ("Sie schlafen nicht.", {}),  # the mark belongs to the word
        ("Er wird werden.", {NUMBER: "Er werden werden."}),
        ("", {}),
    ],
)
def test_mistakes_by_hand(german: str, found: dict[str, str]) -> None:
    assert dict(mistaken(german)) == found


def test_a_mistake_changes_or_drops_one_word_of_the_corpus() -> None:
    random, kinds = Random(3), Counter[str]()
    for _ in range(400):
        german = sentence(random, random.randint(4, 16)).german
        for kind, wrong in mistaken(german):
            kinds[kind] += 1
            right, other = Counter(german.split()), Counter(wrong.split())
            lost, new = list((right - other).elements()), list((other - right).elements())
            assert len(lost) == 1
            assert len(new) == (lost != ["nicht"])
            assert not new or new[0][-1:] == lost[0][-1:] or not {new[0][-1], lost[0][-1]} & set(MARKS)
            assert wrong[0].isupper()
            assert wrong[-1] == german[-1]
    assert set(kinds) == {NUMBER, GENDER, CASE, NEGATION}
    assert kinds[NUMBER] > 100


def test_a_number_mistake_turned_back_is_the_sentence() -> None:
    random, turned = Random(4), 0
    for _ in range(200):
        german = sentence(random, 8).german
        if (wrong := dict(mistaken(german)).get(NUMBER)) and not {"haben", "werden"} & set(wrong.split()):
            assert dict(mistaken(wrong))[NUMBER] == german
            turned += 1
    assert turned > 30
