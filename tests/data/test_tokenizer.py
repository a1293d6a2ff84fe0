"""Tokenizers: exact detokenisation, shared ids, sizes that the text allows, words of pieces, plain states."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rnnsearch.data.corpus import Pair
from rnnsearch.data.normalization import FORMS, normalized
from rnnsearch.data.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
    SentencePieceTraining,
    _sample,
    escape,
    unescape,
)
from rnnsearch.data.tokenizer import BOS, EOS, PAD, UNK, GivenTokenizers, TokenizerPair
from rnnsearch.data.tokenizer_states import load_tokenizer
from rnnsearch.data.word_tokenizer import WordTokenizer, WordTraining

SENTENCES = [
    ("Der Hund, der am Ufer liegt, schläft.", "The dog that lies on the bank sleeps."),
    ("Eine alte Frau liest ein Buch.", "An old woman reads a book."),
    ("Zwei Kinder spielen im Garten.", "Two children play in the garden."),
    ("Der alte Mann liest im Garten.", "The old man reads in the garden."),
    ("Die Frau spielt mit dem Hund.", "The woman plays with the dog."),
    ("»Das ist ein Buch«, sagt die Frau.", '"That is a book," says the woman.'),
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))
HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from("  .,-'\"@&\n\t\x01ab1%▁▅\ue000DOTMULTI犬\u00a0")), max_size=60
)


def pairs() -> Iterator[Pair]:
    for line, (source, target) in enumerate(SENTENCES, 1):
        yield Pair(source, target, line)


def pieces_of(
    size: int = 350,
    *,
    algorithm: str = "bpe",
    joint: bool = False,
    source: Callable[[], Iterator[Pair]] = pairs,
    coverage: float = 1.0,
    normalization: str = "none",
) -> TokenizerPair:
    training = SentencePieceTraining(
        algorithm=algorithm,
        source_size=size,
        target_size=size,
        joint=joint,
        character_coverage=coverage,
        threads=1,
        normalization=normalization,
    )
    return training.fit(source, "de", "en")


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def pieces(request: pytest.FixtureRequest) -> SentencePieceTokenizer:
    tokenizer = pieces_of(320 if request.param == "bpe" else 300, algorithm=request.param).target
    assert isinstance(tokenizer, SentencePieceTokenizer)
    return tokenizer


@pytest.mark.parametrize("text", [target for _, target in SENTENCES])
def test_words_of_pieces_are_the_words_of_the_text(pieces: SentencePieceTokenizer, text: str) -> None:
    ids = pieces.encode(text)
    words = [""] * len(text.split(" "))
    for piece, word in zip(pieces.pieces(ids), pieces.word_of_piece(ids), strict=True):
        words[word] += piece.replace("▁", "")
    assert words == text.split(" ")
    assert "".join(pieces.pieces(ids)) == "▁" + text.replace(" ", "▁")


@settings(max_examples=300, deadline=None)
@given(text=TEXTS)
@example("  two  blanks \t tab  ")
@example("▁ a literal ▁▁ mark, \ue000, \ue000\ue001 and ▅")
@example("<unk> <s> </s> <pad> <0x41> \u2585")
@example("\0 \x01 \r \x7f \u0085 \u2028 \ufeff \ufffd \ufffe \U0010ffff")
@example("ὁ κύων 犬は寝る 👩‍👩‍👧 e\u0301 ﬁ ①")
@example(" ")
@example("")
def test_detokenisation_is_exact(pieces: SentencePieceTokenizer, text: str) -> None:
    ids = pieces.encode(text)
    assert pieces.decode(ids) == text
    assert pieces.decode([BOS, *ids, EOS, PAD, PAD]) == text
    assert UNK not in ids
    assert all(3 < i < pieces.size for i in ids)


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
@example("a  b")
@example(" a")
@example("▁a ▁")
def test_words_of_pieces_are_never_empty(pieces: SentencePieceTokenizer, text: str) -> None:
    words = pieces.word_of_piece(pieces.encode(text))
    assert words == sorted(words)
    assert max(words, default=0) <= max(0, len(text.split()) - 1)
    if set(text) & set(" ") == {c for c in text if c.isspace()}:  # a piece may hold another blank
        assert set(words) == set(range(len(text.split()))) or not text.split()


@settings(max_examples=300, deadline=None)
@given(text=HOSTILE)
@example("  two  blanks \t tab  ")
@example("line\nbreak \n and\r\n more")
@example("▁ a literal ▁▁ mark, \ue000, \ue000\ue001 and ▅ 犬は \ud800 寝る")
@example("")
def test_words_of_tokens_are_where_their_bytes_are(pieces: SentencePieceTokenizer, text: str) -> None:
    """The oracle adds up the bytes of the pieces, which are the text's own, and counts the words that begin so far."""
    ids = pieces.encode(text)
    parts = [bytes_of(pieces._processor.id_to_piece(i)) for i in ids]
    written = " " + escape(text) if text else ""
    assert b"".join(parts) == written.encode()
    bounds = [len(written[:end].encode()) for end in range(1, len(written) + 1)]  # where each character ends
    words = pieces.word_of_token(text)
    for place, word in enumerate(words):
        start = sum(map(len, parts[:place])) + (place == 0)  # the first blank is not the text's
        character = next((i for i, end in enumerate(bounds) if end > start and not written[i].isspace()), len(bounds))
        assert word == max(0, len(written[: character + 1].split()) - 1)
    assert words == pieces.word_of_piece(ids)


@settings(max_examples=80, deadline=None)
@given(text=TEXTS)
@example("  two  blanks \t tab  ")
@example("▁ a literal ▁▁ mark, \ue000, \ue000\ue001 and ▅")
@example("ὁ κύων 犬は寝る 👩‍👩‍👧 e\u0301 ﬁ ①")
@example("")
def test_what_pieces_write_is_the_text(pieces: SentencePieceTokenizer, text: str) -> None:
    ids = pieces.encode(text)
    assert "".join("".join(pieces.written(ids)).split()) == "".join(text.split())
    assert pieces.written([*ids, EOS, PAD]) == [*pieces.written(ids), "", ""]


def test_what_pieces_write_by_hand(pieces: SentencePieceTokenizer) -> None:
    written = pieces.written(pieces.encode("the 犬é"))
    assert written[-6:] == ["", "犬", "", "", "é", ""]
    assert "".join(written[:-6]) == "the"
    [lead, _] = pieces.encode("é")[1:]
    assert pieces.written([lead, *pieces.encode("the")]) == [
        "\ufffd",
        *pieces.written(pieces.encode("the")),
    ]  # a model's own broken character


def bytes_of(piece: str) -> bytes:
    byte = re.fullmatch(r"<0x([0-9A-F]{2})>", piece)
    return bytes([int(byte[1], 16)]) if byte else piece.replace("▁", " ").encode()


def test_words_of_tokens_by_hand(pieces: SentencePieceTokenizer) -> None:
    text = "the  犬\u3000dog\nin"  # no word is empty, whatever the blanks
    words = [""] * 4
    for piece, word in zip(pieces.pieces(pieces.encode(text)), pieces.word_of_token(text), strict=True):
        words[word] += piece
    assert words == ["▁the", "▁▁<0xE7><0x8A><0xAC>", "<0xE3><0x80><0x80>dog", "<0x0A>in"]


EVERY_SCRIPT = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cs",)),
        st.sampled_from("   ab.,'’\"“”-′″(&|<‿\ue000\ue001\u200c\u200d\u0301\u17d2ខញុំมากမြန်हिन्दीאَв경漢か"),
    ),
    max_size=30,
)


@settings(max_examples=400, deadline=None)
@given(text=EVERY_SCRIPT, language=st.sampled_from(["en", "fr", "fi", "km", "zh"]), form=st.sampled_from(FORMS))
@example("İstanbul'da copo d'água EU:n 8' x 10'", "pt", "nfc")
@example("“See what you have done!” she said. “I melt.”", "en", "nfc")
@example("ខ្ញុំចូលចិត្ត 👩\u200d👧 ok 🇩🇪🇫🇷", "km", "nfc")
@example("https://example.org/a?b=c&d=1,5 1.000,50 € DOTMULTI...", "en", "none")
@example("DOTMULTI DOTDOTMULTI DOTMULTI. ...DOTMULTI @-@a", "fi", "nfc")
@example("a\x01b\x00 ‿ a‿b ¨ x¨y ½ ﬁ", "en", "nfkc")
@example("tabs\tand\u00a0others   are\u3000one blank", "de", "nfc")
@pytest.mark.slow
def test_words_give_back_every_text(text: str, language: str, form: str) -> None:
    """In the tokenizer's form, with one blank where there was white space: nothing else is lost."""
    tokens = WordTokenizer(language, [], normalization=form).split(text)
    tokenizer = WordTokenizer(language, sorted(set(tokens)), normalization=form)
    ids = tokenizer.encode(text)
    kept = " ".join(normalized(text, form).split())
    assert tokenizer.decode(ids) == kept
    assert tokenizer.encode(kept) == ids
    assert "".join(tokenizer.written([*ids, EOS])) == kept.replace(" ", "")
    words, written = tokenizer.word_of_token(text), tokenizer.word_of_piece(ids)
    assert len(words) == len(ids) == len(written)
    assert written == sorted(written)
    assert set(written) == set(range(len(kept.split())))
    if form != "nfkc":  # which may put a blank into a word
        assert words == written


def test_words_keep_letters_and_their_marks_together() -> None:
    for language, text in (("km", "ខ្ញុំ"), ("hi", "हिन्दी"), ("th", "ต้นไม้"), ("my", "မြန်မာ"), ("de", "o\u0308l")):
        assert WordTokenizer(language, [], normalization="none").split(text) == [text]
    assert WordTokenizer("en", []).split("👩\u200d👧") == ["👩\u200d👧"]


def test_words_of_moses_tokens_by_hand() -> None:
    tokenizer = WordTokenizer("en", [])
    assert tokenizer.split('  "It\'s wet..., said\u00a0he."') == [
        *('"‿', "It", "‿'s", "wet", "‿...", "‿,", "said", "he", "‿.", '‿"')
    ]
    assert tokenizer.word_of_token('  "It\'s wet..., said\u00a0he."') == [0, 0, 0, 1, 1, 1, 2, 3, 3, 3]
    assert WordTokenizer("fr", []).split("l'eau (d'ici)") == ["l'‿", "eau", "(‿", "d'‿", "ici", "‿)"]


def test_a_vocabulary_without_joiners_goes_on_as_it_was() -> None:
    """The state is one that an earlier version wrote."""
    state = {"kind": "word", "language": "en", "words": ["It", "'s", "wet", ".", "cafe\u0301"]}
    tokenizer = load_tokenizer(state)
    assert isinstance(tokenizer, WordTokenizer)
    assert (tokenizer.joined, tokenizer.normalization, tokenizer.state()) == (False, "none", state)
    assert tokenizer.checksum == "3c70865faeacf596fbe806fe3c215e4da0f00963983f740be7874f8dd59106e8"
    ids = tokenizer.encode("It's wet .")
    assert ids == [4, 5, 6, 7]
    assert tokenizer.decode(ids) == "It's wet."
    assert tokenizer.word_of_piece(ids) == [0, 0, 1, 1]
    assert tokenizer.word_of_token("It's  wet .") == [0, 0, 1, 2]
    assert tokenizer.encode("café") == [UNK]
    assert tokenizer.word_of_token("DOTMULTI. a DOTMULTI") == sorted(tokenizer.word_of_token("DOTMULTI. a DOTMULTI"))


@pytest.mark.parametrize("form", FORMS)
def test_one_form_of_text(form: str) -> None:
    """Composed or not, a letter is the same piece; the state says in which form, and comes back with it."""
    nfd = [Pair("scho\u0308n ﬁn", "scho\u0308n ﬁn", 1)] * 9
    for learnt in (
        pieces_of(300, source=lambda: iter(nfd), normalization=form).target,
        WordTraining(source_size=20, target_size=20, joiners=True, normalization=form)
        .fit(lambda: iter(nfd), "de", "de")
        .target,
    ):
        again = load_tokenizer(json.loads(json.dumps(learnt.state())))
        for tokenizer in (learnt, again):
            composed, decomposed = tokenizer.encode("sch\u00f6n ﬁn"), tokenizer.encode("scho\u0308n ﬁn")
            assert (composed == decomposed) == (form != "none")
            wanted = {"none": "scho\u0308n ﬁn", "nfc": "sch\u00f6n ﬁn", "nfkc": "sch\u00f6n fin"}[form]
            assert tokenizer.decode(decomposed) == wanted == tokenizer.normalized("scho\u0308n ﬁn")
            assert UNK not in decomposed


def test_nfc_of_text_that_is_in_it_is_the_vocabulary_of_before() -> None:
    """So that runs of before there was a choice resume, and join ensembles and studies."""
    plain, nfc, nfkc = (pieces_of(300, normalization=form).target for form in ("none", "nfc", "nfkc"))
    assert plain.checksum == nfc.checksum != nfkc.checksum
    assert "normalization" not in plain.state()


def test_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.normalization=nfd: choose one of nfc, nfkc, none"):
        WordTraining(source_size=20, target_size=20, normalization="nfd")
    with pytest.raises(ValueError, match=r"tokenizer\.normalization=NFC: choose one of nfc, nfkc, none"):
        pieces_of(300, normalization="NFC")


@given(text=TEXTS)
@example("\ue000")
@example("\ue000▁\ue001▅\ue002")
def test_escape_has_an_inverse(text: str) -> None:
    assert unescape(escape(text)) == text
    assert not {"▁", "▅"} & set(escape(text))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_ids_decode_to_one_line(pieces: SentencePieceTokenizer, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, pieces.size - 1)))
    assert "\n" not in pieces.decode(ids)
    words = pieces.word_of_piece(ids)
    assert len(words) == len(ids) == len(pieces.pieces(ids))
    assert words == sorted(words)


def test_specials_have_the_same_ids_everywhere(pieces: SentencePieceTokenizer) -> None:
    words = WordTraining(source_size=20, target_size=20).fit(pairs, "de", "en").target
    for tokenizer in (pieces, words):
        assert tokenizer.pieces([PAD, UNK, BOS, EOS]) == ["<pad>", "<unk>", "<s>", "</s>"]
        assert tokenizer.decode([UNK]) == "<unk>"
        assert tokenizer.decode([PAD, BOS, EOS]) == ""
        assert tokenizer.encode("") == []


@pytest.mark.parametrize("algorithm", ["bpe", "unigram"])
def test_learning_twice_gives_the_same_tokenizer(algorithm: str) -> None:
    first, second = (pieces_of(300, algorithm=algorithm) for _ in range(2))
    assert first.source.checksum == second.source.checksum != first.target.checksum
    assert first.target.state() == second.target.state()


@pytest.mark.parametrize("algorithm", ["bpe", "unigram"])
def test_a_size_above_what_the_text_allows_is_lowered(algorithm: str, caplog: pytest.LogCaptureFixture) -> None:
    learnt = pieces_of(50_000, algorithm=algorithm)
    for side, tokenizer in (("source", learnt.source), ("target", learnt.target)):
        assert 260 < tokenizer.size < 1000
        assert learnt.notes[side] == {"requested": 50_000, "obtained": tokenizer.size}
        assert f"the {side} text has too few different pieces for a vocabulary of 50000" in caplog.text
    text = SENTENCES[0][1]
    assert learnt.target.decode(learnt.target.encode(text)) == text


def test_a_size_that_the_text_allows_is_obtained(caplog: pytest.LogCaptureFixture) -> None:
    learnt = pieces_of(310)
    assert (learnt.source.size, learnt.target.size) == (310, 310)
    assert learnt.notes["source"] == {"requested": 310, "obtained": 310}
    assert "lowered" not in caplog.text


def test_a_size_below_the_characters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.source_size=261 is too small: .* need at least 2\d\d"):
        pieces_of(261)


def test_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="learns nothing from the source training text"):
        pieces_of(source=lambda: iter([Pair("", "", 1)]))


def test_joint_is_one_vocabulary() -> None:
    learnt = pieces_of(330, joint=True)
    assert learnt.source is learnt.target
    assert learnt.notes["joint"] == {"requested": 330, "obtained": 330}
    assert UNK not in learnt.source.encode("Der Hund, the dog")


def test_joint_needs_equal_sizes() -> None:
    with pytest.raises(ValueError, match=r"source_size=300 and tokenizer\.target_size=400: a joint"):
        SentencePieceTraining(
            algorithm="bpe", source_size=300, target_size=400, joint=True, character_coverage=1.0, threads=1
        )


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="algorithm=wordpiece: allowed are bpe and unigram"):
        pieces_of(algorithm="wordpiece")


@pytest.mark.parametrize("odd", ["x" * 5000 + " ", "\0 ", "▅ ", "▁ "])
def test_no_training_line_is_dropped(odd: str) -> None:
    """A word that stands only in lines that SentencePiece would skip becomes a piece all the same."""
    lines = [Pair(odd + "zebra quagga " * 20, "a b c d", 1)] * 3
    learnt = pieces_of(330, source=lambda: iter(lines))
    assert learnt.source.pieces(learnt.source.encode("zebra quagga")) == ["▁zebra", "▁quagga"]
    assert learnt.source.decode(learnt.source.encode(lines[0].source)) == lines[0].source


def test_states_are_plain_and_come_back(pieces: SentencePieceTokenizer) -> None:
    words = WordTraining(source_size=30, target_size=30).fit(pairs, "de", "en").target
    for tokenizer in (pieces, words):
        loaded = load_tokenizer(json.loads(json.dumps(tokenizer.state())))
        assert (loaded.checksum, loaded.size) == (tokenizer.checksum, tokenizer.size)
        for _, text in SENTENCES:
            assert loaded.encode(text) == tokenizer.encode(text)


def test_a_foreign_state_is_refused() -> None:
    with pytest.raises(ValueError, match="kind 'subword' is not known; known are sentencepiece, word"):
        load_tokenizer({"kind": "subword"})


def test_given_tokenizers_learn_nothing() -> None:
    pair = pieces_of()
    training = GivenTokenizers(pair)
    assert training.fit(pytest.fail, "de", "en") is pair
    assert training.settings() == {"given": [pair.source.checksum, pair.target.checksum]}


def test_words_are_the_most_frequent_then_alphabetical() -> None:
    lines = [Pair("c c c b a b a d", "z y", 1)]
    learnt = WordTraining(source_size=7, target_size=100).fit(lambda: iter(lines), "de", "en")
    assert learnt.source.state()["words"] == ["c", "a", "b"]
    assert learnt.source.encode("a d c") == [5, UNK, 4]
    assert learnt.source.decode([5, UNK, 4]) == "a <unk> c"
    assert learnt.notes == {
        "kind": "word",
        "source": {"requested": 7, "obtained": 7},
        "target": {"requested": 100, "obtained": 6},
    }


def test_words_follow_moses() -> None:
    training = WordTraining(source_size=100, target_size=100, normalization="nfc", joiners=True)
    tokenizer = training.fit(pairs, "de", "en").target
    assert tokenizer.state()["joiner"] == "‿"
    assert tokenizer.pieces(tokenizer.encode('"That dog," says the man.')) == [
        *('"‿', "That", "dog", "‿,", '‿"', "says", "the", "man", "‿.")
    ]
    assert tokenizer.word_of_piece(tokenizer.encode('"That dog," says the man.')) == [0, 0, 1, 1, 1, 2, 3, 4, 4]
    for _, text in SENTENCES:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_words_count_the_unknown_and_specials_with_their_places() -> None:
    tokenizer = WordTokenizer("en", ["a", "‿,", "dog", "‿."])
    ids = [BOS, *tokenizer.encode("a zebra, a dog."), EOS, PAD]
    assert tokenizer.decode(ids) == "a <unk>, a dog."
    assert tokenizer.word_of_piece(ids) == [0, 0, 1, 1, 2, 3, 3, 3, 3]


def test_moses_does_not_escape() -> None:
    assert "&amp;" not in WordTokenizer("en", []).split("salt & pepper <b> it's 3|4 [x]")


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_words_take_any_text(text: str) -> None:
    tokenizer = WordTokenizer("en", ["a", "b"])
    ids = tokenizer.encode(text)
    assert all(0 <= i < tokenizer.size for i in ids)
    assert len(tokenizer.word_of_piece(ids)) == len(ids)


def test_a_vocabulary_of_specials_alone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.target_size=4: must be above 4"):
        WordTraining(source_size=10, target_size=4)


def test_an_error_of_the_reader_comes_out_as_it_is() -> None:
    def broken() -> Iterator[Pair]:
        yield from pairs()
        raise ValueError("x.de: line 7 is not valid UTF-8")

    with pytest.raises(ValueError, match=r"^x\.de: line 7 is not valid UTF-8$"):
        pieces_of(source=broken)


def test_a_large_text_is_sampled_evenly() -> None:
    texts = [str(k) for k in range(1000)]
    assert list(_sample(texts, 1000)) == texts
    some = list(_sample(texts, 100))
    assert some == list(_sample(iter(texts), 100))
    assert len(set(some)) == 100
    assert 400 < sum(map(int, some)) / 100 < 600
