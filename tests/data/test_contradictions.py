"""Data that contradict the question: each kind is made, and its count is the number that was made."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rnnsearch.data.contradictions import examine, examined, warnings
from rnnsearch.data.corpus import Pair

Sides = tuple[list[str], list[str]]


class Given:
    """A corpus of given sides."""

    name, source_language, target_language = "given", "en", "de"

    def __init__(self, **sides: Sides) -> None:
        self.sides = sides
        self.reads = 0

    def prepare(self) -> None:
        pass

    def splits(self) -> tuple[str, ...]:
        return tuple(self.sides)

    def pairs(self, split: str) -> Iterator[Pair]:
        self.reads += 1
        return (Pair(s, t, line) for line, (s, t) in enumerate(zip(*self.sides[split], strict=True), start=1))

    def checksums(self) -> dict[str, str]:
        return {"given": "1"}


DICTIONARY = {
    "the": "das", "house": "Haus", "dog": "Hund", "sees": "sieht", "with": "mit", "three": "drei", "white": "weiße",
    "apples": "Äpfel", "never": "niemals", "today": "heute", "because": "weil", "they": "sie", "walk": "gehen",
}  # fmt: skip


def sides(count: int, seed: int) -> Sides:
    """Sentences of 4 to 20 words, and the same words in another language."""
    drawn = random.Random(seed)
    made = [[drawn.choice(list(DICTIONARY.items())) for _ in range(drawn.randint(4, 20))] for _ in range(count)]
    return [" ".join(s for s, _ in one) for one in made], [" ".join(t for _, t in one) for one in made]


TRAIN, TEST = sides(600, 1), sides(100, 2)
NOTHING = {"in_training": 0, "identical": 0, "swapped": 0, "shifted": 0, "unrelated": 0, "empty": 0}


def counted(split: str, **given: Sides) -> dict[str, int]:
    return {key: getattr(examine(Given(**given), most=None)[split], key) for key in NOTHING}


def said(**given: Sides) -> list[str]:
    found = {split: vars(counts) for split, counts in examine(Given(**given), most=None).items()}
    return list(warnings(found))


def mixed(one: Sequence[str], other: Sequence[str], count: int) -> list[str]:
    return [*one[:count], *other[count:]]


def test_good_data_are_silent() -> None:
    assert counted("train", train=TRAIN, test=TEST) == NOTHING
    assert counted("test", train=TRAIN, test=TEST) == NOTHING
    assert said(train=TRAIN, validation=TEST) == []


def test_pairs_that_were_trained_on() -> None:
    leaking = (mixed(TRAIN[0], TEST[0], 7), mixed(TRAIN[1], TEST[1], 7))
    assert counted("test", train=TRAIN, test=leaking) == NOTHING | {"in_training": 7}
    (sentence_,) = said(train=TRAIN, validation=TEST, test=leaking)
    assert "the test split: 7 of the 100 pairs are in the training split too" in sentence_
    assert counted("test", train=TRAIN, test=(TRAIN[0][:50], TEST[1][:50]))["in_training"] == 0  # both sides count


@pytest.mark.parametrize("count", [100, 30])
def test_swapped_sides(count: int) -> None:
    swapped = (mixed(TEST[1], TEST[0], count), mixed(TEST[0], TEST[1], count))
    found = counted("test", train=TRAIN, test=swapped)
    assert count - 2 <= found["swapped"] <= count
    assert found["shifted"] == found["unrelated"] == 0
    assert "swap data.test.source and data.test.target" in said(train=TRAIN, test=swapped)[0]


def test_swapped_sides_of_some_training_pairs() -> None:
    swapped = (mixed(TRAIN[1], TRAIN[0], 150), mixed(TRAIN[0], TRAIN[1], 150))
    assert 140 <= counted("train", train=swapped, test=TEST)["swapped"] <= 150


@pytest.mark.parametrize("lines", [1, 2])
def test_a_file_that_lacks_lines(lines: int) -> None:
    late = (TEST[0][lines:], TEST[1][:-lines])
    assert counted("test", train=TRAIN, test=late) == NOTHING | {"shifted": 100 - lines}
    assert "fit those of other lines better" in said(train=TRAIN, test=late)[0]
    source = [*TRAIN[0][:300], *TRAIN[0][300 + lines :]]
    assert counted("train", train=(source, TRAIN[1][:-lines]), test=TEST)["shifted"] == 300 - lines


def test_files_that_do_not_pair() -> None:
    shuffled = (random.Random(0).sample(TEST[0], 100), TEST[1])
    assert counted("test", train=TRAIN, test=shuffled) == NOTHING | {"unrelated": 100}
    half = ([*TRAIN[0][:400], *random.Random(0).sample(TRAIN[0][400:], 200)], TRAIN[1])
    assert counted("train", train=half, test=TEST) == NOTHING | {"unrelated": 200}


def test_the_same_text_constant_lines_and_empty_ones() -> None:
    assert counted("test", train=TRAIN, test=(TEST[0], TEST[0]))["identical"] == 100
    constant = (TEST[0], ["immer dasselbe"] * 100)
    assert "a side repeats the line before in 99 of the 100 pairs" in said(train=TRAIN, test=constant)[0]
    empty = (mixed([" "] * 9, TEST[0], 9), TEST[1])
    assert counted("test", train=TRAIN, test=empty) == NOTHING | {"empty": 9}


def test_few_pairs_and_lengths_that_say_nothing_prove_nothing() -> None:
    few = (TEST[1][:10], TEST[0][:10])
    assert said(train=few, test=few) == [
        "data, the test split: 10 of the 10 pairs are in the training split too, so that scores on it are too good; "
        "take them out of the training split, or give other files"
    ]
    digits = [[" ".join(random.Random(f"{i} {side}").choices("0123456789", k=6)) for i in range(600)] for side in "ab"]
    assert said(train=(digits[0], digits[1]), test=(digits[0][:0], digits[1][:0])) == []


def test_it_is_counted_once_and_streamed_pairs_from_the_start_alone(tmp_path: Path) -> None:
    corpus = Given(train=TRAIN, test=TEST)
    first = examined(corpus, tmp_path, checksums=corpus.checksums(), most=50)
    assert first["train"]["pairs"] == 50
    assert examined(corpus, tmp_path, checksums=corpus.checksums(), most=50) == first
    assert corpus.reads == 2
    assert examined(corpus, tmp_path, checksums=corpus.checksums(), most=None)["train"]["pairs"] == 600
