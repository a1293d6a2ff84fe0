"""Word alignments of given and of written translations, on small random models, with both kinds of tokenizer."""

import logging
import random
import re
from typing import Any
from unicodedata import category

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.search.models import random_translator
from tests.search.searches import beam_search

from rnnsearch.data.corpus import Pair
from rnnsearch.data.joiners import JOINER
from rnnsearch.data.sentencepiece_tokenizer import SentencePieceTraining
from rnnsearch.data.tokenizer import TokenizerPair
from rnnsearch.data.word_tokenizer import WordTokenizer
from rnnsearch.evaluation.forcing import force
from rnnsearch.evaluation.saliency import saliency
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.translating import Translation, translate
from rnnsearch.evaluation.word_alignment import Alignment, align, align_translations, chosen_method
from rnnsearch.search.beam import BeamSearch

SOURCE, TARGET = ([f"{side}{i}" for i in range(8)] for side in "st")
ADDITIVE, FIXED = "additive", "fixed"
HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("   ,.'ab\n\t\x00\x01▁")), max_size=30)


def system(context: str, tokenizers: TokenizerPair, *, seed: int = 0) -> System:
    sizes = {"sources": tokenizers.source.size, "vocabulary": tokenizers.target.size}
    return System.of(random_translator(context, seed=seed, encoder_cell="cudnn", **sizes), tokenizers)


def words(source: list[str] = SOURCE) -> TokenizerPair:
    return TokenizerPair(WordTokenizer("en", source), WordTokenizer("en", TARGET), {})


@pytest.fixture(scope="module")
def pieces() -> TokenizerPair:
    training = SentencePieceTraining(
        algorithm="bpe", source_size=290, target_size=290, joint=True, character_coverage=1.0, threads=1
    )
    return training.fit(lambda: iter([Pair("the small house, a house", "the small house", 1)] * 9), "en", "en")


def pairs(count: int) -> list[tuple[str, str]]:
    draw = random.Random(1)
    return [
        (" ".join(draw.choices(SOURCE, k=draw.randrange(7))), " ".join(draw.choices(TARGET, k=draw.randrange(7))))
        for _ in range(count)
    ]


@pytest.mark.parametrize(("context", "method"), [(ADDITIVE, "attention"), (ADDITIVE, "saliency"), (FIXED, "saliency")])
def test_weights_of_words_by_hand(context: str, method: str) -> None:
    """`s1,` is two tokens, `t3.` too: columns 0 and 1 are added up, rows 1 and 2 averaged, both ends left out."""
    model = system(context, words(), seed=1)
    [found] = align(model, [("s1, s2  s4", "t1 t3.")], method=method)
    ids = model.members[0].source.encode("s1, s2  s4"), model.target.encode("t1 t3.")
    assert tuple(map(len, ids)) == (4, 3)
    if method == "attention":
        [(_, forced)] = force(model, [((ids[0],), ids[1])])
        weights_TS = forced.weights[0]
    else:
        [weights_TS] = saliency(model.members[0].translator, [ids])
    assert weights_TS is not None
    expected = [[row[0] + row[1], row[2], row[3]] for row in (weights_TS[0], (weights_TS[1] + weights_TS[2]) / 2)]
    assert found.source == ["s1,", "s2", "s4"]
    assert found.target == ["t1", "t3."]
    assert found.method == method
    np.testing.assert_allclose(found.weights_TS, expected, atol=1e-12)
    assert found.links == {(int(np.argmax(row)), target) for target, row in enumerate(expected) if any(row)}
    assert found.links
    [above] = align(model, [("s1, s2  s4", "t1 t3.")], method=method, threshold=0.25)
    assert above.links == {(j, i) for i, row in enumerate(expected) for j, weight in enumerate(row) if weight >= 0.25}


def test_nothing_is_linked_to_nothing() -> None:
    model = system(ADDITIVE, words())
    found = align(model, [("", "t1 t2"), ("s1", ""), ("", ""), (" \t ", "t1"), ("s1", "\u3000")])
    assert [one.links for one in found] == [frozenset()] * 5
    assert [one.weights_TS.shape for one in found] == [(2, 0), (0, 1), (0, 0), (1, 0), (0, 1)]
    assert [one.source for one in found] == [[], ["s1"], [], [], ["s1"]]
    assert not any(one.weights_TS.any() for one in found)
    assert align(model, []) == []


@pytest.mark.parametrize("kind", ["word", "bpe"])
@pytest.mark.parametrize("blanks", ["  ", "\t", "\u00a0", "\u3000", " \u2003 "])
def test_blanks_of_any_kind_and_number_are_no_words(pieces: TokenizerPair, kind: str, blanks: str) -> None:
    """The links are those of the same words; as pieces, blanks are read, and weights may be others."""
    model = system(ADDITIVE, words() if kind == "word" else pieces)
    plain, spread = ("s1 s2 s4", "t1 t3"), (f"{blanks}s1{blanks}s2 s4{blanks}", f" t1{blanks}t3{blanks}")
    one, other = align(model, [plain, spread])
    assert (other.source, other.target) == (one.source, one.target) == (["s1", "s2", "s4"], ["t1", "t3"])
    assert {target for _, target in other.links} == {0, 1}
    if kind == "word":
        assert same(one, other)


@pytest.mark.parametrize("context", [ADDITIVE, FIXED], ids=["additive", "fixed"])
def test_batches_and_order_change_nothing(context: str) -> None:
    model = system(context, words())
    texts = pairs(25)
    together = align(model, texts)
    for one, other in zip(together, [align(model, [pair])[0] for pair in texts], strict=True):
        assert (one.source, one.target, one.links) == (other.source, other.target, other.links)
        np.testing.assert_allclose(one.weights_TS, other.weights_TS, atol=1e-10)
    assert len({one.links for one in together}) > 5


def test_an_ensemble_averages_the_weights_of_words() -> None:
    """Its members read the source with tokenizers of their own."""
    alone = [system(ADDITIVE, words(), seed=1), system(ADDITIVE, words(SOURCE[::-1]), seed=2)]
    texts = [("s1, s2 s4", "t1 t3."), ("s0", "t5 t6")]
    for method in ("attention", "saliency"):
        joint = align(System.joined(alone, ["a", "b"]), texts, method=method)
        apart = [align(one, texts, method=method) for one in alone]
        for found, one, other in zip(joint, *apart, strict=True):
            np.testing.assert_allclose(found.weights_TS, (one.weights_TS + other.weights_TS) / 2, atol=1e-12)
            assert one.weights_TS.tolist() != other.weights_TS.tolist()


def test_the_method_follows_the_members() -> None:
    attention, fixed = system(ADDITIVE, words()), system(FIXED, words())
    mixed = System.joined([attention, fixed], ["a", "b"])
    assert [chosen_method(one, "auto") for one in (attention, fixed, mixed)] == ["attention", "saliency", "saliency"]
    assert chosen_method(attention, "saliency") == "saliency"
    with pytest.raises(ValueError, match="method=attention: a model without attention has no weights"):
        align(mixed, [], method="attention")
    with pytest.raises(ValueError, match="method=gradient: choose one of auto, attention, saliency"):
        align(fixed, [], method="gradient")
    with pytest.raises(ValueError, match="links all or nothing"):
        align(fixed, [("s1", "t1")], threshold=0.0)


def test_too_long_a_pair_has_no_links(caplog: pytest.LogCaptureFixture) -> None:
    model = system(ADDITIVE, words())
    texts = [("s1 s2 s3", "t1"), ("s1 s2", "t1 t2 t3"), ("s1 s2", "t1 t2")]
    with caplog.at_level(logging.WARNING):
        found = align(model, texts, max_length=2)
    assert [bool(one.links) for one in found] == [False, False, True]
    assert found[0].weights_TS.tolist() == [[0, 0, 0]]
    assert (
        "pairs with more than 2 pieces on a side, or far more words, get no links (alignments.max_length): 2"
        in caplog.text
    )
    caplog.clear()
    assert all(one.links for one in align(model, texts, max_length=3))
    assert caplog.text == ""


@settings(max_examples=60, deadline=None)
@given(
    source=HOSTILE, target=HOSTILE, context=st.sampled_from([ADDITIVE, FIXED]), kind=st.sampled_from(["word", "bpe"])
)
@example("a  b", " c ", ADDITIVE, "bpe")
@example("\n", "犬 \ud800", FIXED, "bpe")
@example("DOTMULTI. x", "...", FIXED, "word")
def test_any_text_has_an_alignment(pieces: TokenizerPair, source: str, target: str, context: str, kind: str) -> None:
    [found] = align(system(context, words() if kind == "word" else pieces), [(source, target)])
    assert found.source == source.split()
    assert found.target == target.split()
    assert found.weights_TS.shape == (len(found.target), len(found.source))
    assert (found.weights_TS >= 0).all()
    assert (found.weights_TS.sum(1) <= 1 + 1e-9).all()
    assert len(found.links) == len({target for _, target in found.links})
    for j, i in found.links:
        assert found.source[j]
        assert found.target[i]
        assert found.weights_TS[i, j] == found.weights_TS[i].max() > 0


# Scripts without blanks between words


def learnt(text: str, size: int) -> TokenizerPair:
    """Pieces of a text's language, of which the same tokenizer reads and writes."""
    training = SentencePieceTraining(
        algorithm="bpe", source_size=size, target_size=size, joint=True, character_coverage=1.0, threads=1
    )
    return training.fit(lambda: iter([Pair(text, text, 1)] * 9), "xx", "xx")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("经常农民听到房子，它很大。", 288),
        ("決して農家は木を助ける、子供は木を好む。", 292),
        ("แมวกินปลา หมาเห็นแมว", 286),
        ("ကြောင်သည် ငါးစားသည်", 284),
    ],
    ids=["zh", "ja", "th", "my"],
)
@pytest.mark.parametrize("context", [ADDITIVE, FIXED], ids=["additive", "fixed"])
def test_a_sentence_without_blanks_is_drawn_by_its_pieces(text: str, size: int, context: str) -> None:
    tokenizers = learnt(text, size)
    model, ids = system(context, tokenizers), tokenizers.source.encode(text)
    written = filter(None, tokenizers.source.written(ids))
    parts = [part for part in written if not category(part[0]).startswith("M")]  # a mark stays with its letter
    english = "the small house"
    for one, other in align_both(model, text, english):
        assert one.source == text.split()  # links are of the words of the text
        assert {j for j, _ in one.links} <= set(range(len(text.split())))
        assert len(one.drawn.source) == len(parts) > len(text.split())
        assert "".join(one.drawn.source) == text.replace(" ", "")
        assert one.drawn.target == english.split()
        assert one.drawn.weights_TS.shape == (3, len(parts))
        assert heads(one) == (["col"] * len(parts), ["row"] * 3)
        np.testing.assert_allclose(one.drawn.weights_TS.sum(1), one.weights_TS.sum(1), atol=1e-12)
        assert other.target == text.split()
        assert "".join(other.drawn.target) == text.replace(" ", "")
        assert heads(other) == (["col"] * 3, ["row"] * len(parts))


def align_both(model: System, text: str, other: str) -> list[tuple[Alignment, Alignment]]:
    """As source and as target: given, and as translations of the model's own."""
    pairs = [(text, other), (other, text)]
    ids = [model.target.encode(target) for _, target in pairs]
    own = [
        Translation(target, model.source_ids(source), of_target, 0.0, 0.0)
        for (source, target), of_target in zip(pairs, ids, strict=True)
    ]
    forward, backward = align(model, pairs)
    written, turned = align_translations(model, own, [source for source, _ in pairs])
    return [(forward, backward), (written, turned)]


def heads(one: Alignment) -> tuple[list[str], list[str]]:
    scopes = re.findall('<th scope="(...)"', one._repr_html_())
    return [scope for scope in scopes if scope == "col"], [scope for scope in scopes if scope == "row"]


@pytest.mark.parametrize(
    "text", ["Grüne Häuser schlafen nicht.", "나는 학생이다.", "ὁ κύων", "घर छोटा है", "البيت صغير"]
)
def test_a_sentence_with_blanks_is_drawn_by_its_words(pieces: TokenizerPair, text: str) -> None:
    for of_text in align_both(system(ADDITIVE, pieces), text, "the house"):
        assert [one.finer for one in of_text] == [None, None]
        assert heads(of_text[0]) == (["col"] * len(text.split()), ["row"] * 2)


def test_what_is_drawn_is_spelled_as_the_text_is(pieces: TokenizerPair) -> None:
    """Characters that the vocabulary lacks are read in bytes, which are no columns."""
    [found] = align(system(ADDITIVE, pieces), [("私は  iPhone を😀好む。", "the house")])
    assert found.drawn.source == ["私", "は", "iPhone", "を", "😀", "好", "む", "。"]
    assert found.source == ["私は", "iPhone", "を😀好む。"]


@pytest.mark.slow
def test_words_of_a_vocabulary_are_drawn_without_its_joiners() -> None:
    tokenizers = TokenizerPair(WordTokenizer("ja", ["犬は", f"{JOINER}!"]), WordTokenizer("en", TARGET), {})
    [found] = align(system(ADDITIVE, tokenizers), [("犬は! 犬は", "t1")])
    assert found.drawn.source == ["犬は", "!", "犬は"]


def test_what_was_cut_off_a_source_without_blanks_is_drawn() -> None:
    text = "经常农民听到房子，它很大。"
    model = system(ADDITIVE, learnt(text, 288))
    sources = ([*model.source_ids(text)[0][:3]],)
    [found] = align_translations(model, [Translation("很大", sources, model.target.encode("很大"), 0.0, 0.0)], [text])
    assert "".join(found.drawn.source) == text
    read = len([part for part in model.members[0].source.written(sources[0]) if part])
    assert found.drawn.weights_TS[:, :read].all()
    assert not found.drawn.weights_TS[:, read:].any()


def test_members_that_part_a_text_otherwise_share_its_words() -> None:
    text = "经常农民听到房子，它很大。"
    fine, coarse = learnt(text, 280), learnt(text, 288)
    alone = [system(ADDITIVE, TokenizerPair(one.source, coarse.target, {})) for one in (fine, coarse, coarse)]
    [apart] = align(System.joined(alone[:2], ["a", "b"]), [(text, "the house")])
    assert apart.drawn.source == [text]
    [same_pieces] = align(System.joined(alone[1:], ["b", "c"]), [(text, "the house")])
    [one] = align(alone[1], [(text, "the house")])
    assert same_pieces.drawn.source == one.drawn.source
    assert len(one.drawn.source) > 3
    np.testing.assert_allclose(same_pieces.drawn.weights_TS, one.drawn.weights_TS, atol=1e-12)


# Translations of the system's own


def search(**settings: Any) -> BeamSearch:
    defaults = {"beam_size": 2, "normalization": "none", "min_length_offset": 3, "batch_size": 4}
    return beam_search(**(defaults | {"max_length_ratio": 0.0, "max_length_offset": 5} | settings))


def same(one: Alignment, other: Alignment) -> bool:
    return (one.source, one.target, one.links) == (other.source, other.target, other.links) and np.allclose(
        one.weights_TS, other.weights_TS
    )


@pytest.mark.parametrize("context", [ADDITIVE, FIXED], ids=["additive", "fixed"])
def test_written_translations_align_as_their_text_does(context: str) -> None:
    model = system(context, words())
    sources = ["s1, s2 s3", "s5", "", "s1  s7 s7"]
    written = [best for best, *_ in translate(model, search(forbid_unknown=True), sources)]
    found = align_translations(model, written, sources)
    assert sum(map(bool, (one.links for one in found))) == 3
    for one, other in zip(
        found, align(model, [(s, t.text) for s, t in zip(sources, written, strict=True)]), strict=True
    ):
        assert same(one, other)


def test_pieces_of_the_model_s_own_are_taken_as_they_are(pieces: TokenizerPair) -> None:
    """The same text in more pieces than its segmentation has: weights are those of the pieces written."""
    model = system(ADDITIVE, pieces)
    ids = [*model.target.encode("x"), *(model.target.encode(f"x{letter}")[-1] for letter in "the")]
    assert model.target.decode(ids) == "xthe"
    assert ids != model.target.encode("xthe")
    sources = model.source_ids("a house")
    [found] = align_translations(model, [Translation("xthe", sources, ids, 0.0, 0.0)], ["a house"])
    [(_, forced)] = force(model, [(sources, ids)])
    assert forced.weights[0] is not None
    rows = forced.weights[0][: len(ids)].mean(0)
    columns = model.members[0].source.word_of_token("a house")
    expected = [sum(weight for weight, word in zip(rows, columns, strict=False) if word == j) for j in (0, 1)]
    np.testing.assert_allclose(found.weights_TS, [expected], atol=1e-12)


def test_a_source_that_was_cut_keeps_its_words(caplog: pytest.LogCaptureFixture) -> None:
    model = system(ADDITIVE, words())
    [[written, *_]] = translate(model, search(max_source_length=2, forbid_unknown=True), ["s1 s2 s3"])
    [found] = align_translations(model, [written], ["s1 s2 s3"])
    assert found.source == ["s1", "s2", "s3"]
    assert not found.weights_TS[:, 2].any()
    assert found.weights_TS[:, :2].all()


def test_a_text_with_fewer_words_than_its_pieces_is_no_error() -> None:
    """As where an unknown word was replaced by nothing."""
    model = system(ADDITIVE, words())
    written = Translation("t1", model.source_ids("s1 s2"), model.target.encode("t1 t2 t3"), 0.0, 0.0)
    [found] = align_translations(model, [written], ["s1 s2"])
    assert found.weights_TS.shape == (1, 2)
    assert len(found.links) == 1
