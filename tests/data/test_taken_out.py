"""Numbers in place of files: so many pairs, by sentence, the same from any order, direction and seed."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsearch.data.files import FilesCorpus, TsvCorpus
from rnnsearch.data.taken_out import dealt, essence

from .modules import data_module

Texts = tuple[str, str]
LANGUAGES = {"source_language": "en", "target_language": "de"}
WORDS = st.text("ab .,!ÄäＡß", max_size=4)


def tatoeba(count: int) -> list[Texts]:
    """Sentences of which many have several translations, as in the files of the tutorials."""
    chance = random.Random(0)
    return [(f"Sentence {chance.randrange(count)}.", f"Satz {chance.randrange(count)}!") for _ in range(count)]


def sides(texts: Sequence[Texts], counts: dict[str, int]) -> list[set[Texts]]:
    places = dealt(texts, counts)
    return [{text for text, at in zip(texts, places, strict=True) if at == k} for k in range(len(counts) + 1)]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Let's go!", "lets  GO", True),
        ("Ｇｅｈ.", "geh", True),
        ("Straße", "STRASSE", True),
        ("e\u0301", "\u00e9", True),
        ("a\u200bb", "ab", True),
        ("做得好。", "做得好！", True),
        ("?!", "...", False),
        ("?!", "?! ", True),
        ("नमक", "नाम", False),
        ("5 $", "5 €", False),
        ("resume", "résumé", False),
    ],
)
def test_texts_that_count_as_one(one: str, other: str, same: bool) -> None:
    assert (essence(one) == essence(other)) == same


def test_exactly_so_many_and_every_pair_once() -> None:
    texts = [(f"{a} {k}", f"{b} {k}") for k, (a, b) in enumerate(tatoeba(400))]
    places = dealt(texts, {"test": 50, "validation": 30})
    assert Counter(places.tolist()) == {0: 320, 1: 50, 2: 30}


def test_no_text_is_on_two_sides() -> None:
    parts = sides(tatoeba(2000), {"test": 100, "validation": 100})
    for language in (0, 1):
        texts = [{essence(pair[language]) for pair in part} for part in parts]
        assert sum(map(len, texts)) == len(set.union(*texts))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), max_size=12), st.integers(1, 3), st.randoms(use_true_random=False))
def test_groups_are_those_of_a_graph_library(texts: list[Texts], count: int, chance: random.Random) -> None:
    """Sides are unions of connected components, whatever the order of the pairs and the direction."""
    graph = networkx.Graph((essence(source), essence(target)) for source, target in texts)
    try:
        parts = sides(texts, {"test": count})
    except ValueError:
        return
    for component in networkx.connected_components(graph):
        within = {pair for pair in texts if essence(pair[0]) in component}
        assert sum(bool(within & part) for part in parts) == 1
    mixed = chance.sample(texts, len(texts))
    assert sides(mixed, {"test": count}) == parts
    assert sides([(b, a) for a, b in texts], {"test": count}) == [{(b, a) for a, b in part} for part in parts]


def test_each_pair_is_as_likely_as_another() -> None:
    """Pairs of groups of four are taken as often as single ones."""
    texts = [(f"a{k}", f"b{k}") for k in range(4000)] + [(f"group {k // 4}", f"c{k}") for k in range(4000)]
    taken = sides(texts, {"test": 2000})[1]
    assert sum(source.startswith("a") for source, _ in taken) == pytest.approx(1000, abs=110)


def test_another_number_for_validation_leaves_the_test_pairs() -> None:
    texts = tatoeba(3000)
    less, more = (sides(texts, {"test": 100, "validation": count}) for count in (50, 200))
    assert less[1] == more[1]


def test_the_choice_is_the_same_on_every_machine() -> None:
    places = dealt([(f"sentence {k}", f"Satz {k}") for k in range(20)], {"test": 2, "validation": 3})
    assert [k for k, at in enumerate(places) if at == 1] == [4, 16]
    assert [k for k, at in enumerate(places) if at == 2] == [3, 13, 19]


def test_too_few_pairs() -> None:
    with pytest.raises(ValueError, match=r"data\.test=2 and data\.validation=3 would leave none of 5 training pairs"):
        dealt([(f"{k}", f"{k}") for k in range(5)], {"test": 2, "validation": 3})
    texts = [("the same", f"{k}") for k in range(20)] + [("another", "anderer")]
    with pytest.raises(ValueError, match=r"data\.test=3: only 1 of 21 training pairs can be taken out, since pairs"):
        dealt(texts, {"test": 3})


def deu(folder: Path) -> Path:
    """A file as the tutorials have it: English, German, attribution."""
    path = folder / "deu.txt"
    rows = (f"Sentence {k}.\tSatz {k}.\tCC-BY 2.0 (France) Attribution: #{k}\n" for k in range(60))
    path.write_text("".join(rows), encoding="utf-8")
    return path


def tsv(path: Path, **changed: object) -> TsvCorpus:
    columns = {"source_column": 0, "target_column": 1, "header": False}
    numbers = {"train": str(path), "validation": 5, "test": 10}
    return TsvCorpus(**({**columns, **numbers, **LANGUAGES, "reverse": False, "name": "tsv"} | changed))  # type: ignore[arg-type]  # of several types


def test_the_file_of_the_tutorials(tmp_path: Path) -> None:
    corpus = tsv(deu(tmp_path))
    corpus.prepare()
    assert corpus.splits() == ("train", "validation", "test")
    lines = {split: [pair.line for pair in corpus.pairs(split)] for split in corpus.splits()}
    assert {split: len(of) for split, of in lines.items()} == {"train": 45, "validation": 5, "test": 10}
    assert sorted(number for of in lines.values() for number in of) == list(range(1, 61))
    assert all(of == sorted(of) for of in lines.values())
    turned = tsv(deu(tmp_path), reverse=True)
    assert [pair.line for pair in turned.pairs("test")] == lines["test"]
    assert next(turned.pairs("test")).source.startswith("Satz")


def test_numbers_are_part_of_what_identifies_the_data(tmp_path: Path) -> None:
    some, other = tsv(deu(tmp_path)), tsv(deu(tmp_path), test=11)
    assert some.checksums().keys() == {"train.source[0]", "train.target[1]", "validation.taken_out", "test.taken_out"}
    assert some.checksums() != other.checksums()
    described = data_module(tmp_path / "cache", some)
    described.setup()
    assert described.description()["taken_out"] == {"validation": 5, "test": 10}
    assert described.description()["pairs"] == {"train": 45, "validation": 5, "test": 10}
    assert set(described.texts("test")) == {(pair.source, pair.target) for pair in some.pairs("test")}


def test_line_aligned_files_with_a_file_for_validation(tmp_path: Path) -> None:
    for side in ("en", "de"):
        (tmp_path / side).write_text("".join(f"{side} {k}\n" for k in range(30)), encoding="utf-8")
    paths = {"source": str(tmp_path / "en"), "target": str(tmp_path / "de")}
    corpus = FilesCorpus(train=paths, validation=paths, test=4, **LANGUAGES, reverse=False, name="files")
    corpus.prepare()
    counts = {split: sum(1 for _ in corpus.pairs(split)) for split in corpus.splits()}
    assert counts == {"train": 26, "validation": 30, "test": 4}
    with pytest.raises(ValueError, match=r"^data\.train=deu\.txt is one file, and data=files takes two: .* data=tsv"):
        FilesCorpus(train="deu.txt", validation=1, test=2, **LANGUAGES, reverse=False, name="files")
    missing = FilesCorpus(train=paths, validation=None, test=2, **LANGUAGES, reverse=False, name="files")
    with pytest.raises(ValueError, match=r"no validation pairs; .*, or data\.validation=500 to take so many"):
        missing.prepare()
