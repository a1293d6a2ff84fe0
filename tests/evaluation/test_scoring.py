"""How translations are scored: by the script of the references, by their degenerate cases, by what breaks ties."""

import logging
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.evaluation import corpus_scores
from rnnsearch.evaluation.corpus_scores import score, suitable_scoring
from rnnsearch.evaluation.scoring import EARLIER, Scoring, bleu_tokenizer, monitored
from rnnsearch.evaluation.summed_metrics import BLEU, CHRF

SENTENCES = {
    "ja": "よく農家は家を聞く、馬は川を聞く。",
    "zh": "经常农民听到房子，马听到河。",
    "th": "บ่อยๆชาวนาได้ยินบ้านและม้าได้ยินแม่น้ำ",
    "my": "မြန်မာနိုင်ငံသည်အရှေ့တောင်အာရှတွင်ရှိသည်",
    "km": "ខ្ញុំចូលចិត្តផ្ទះនេះ",
    "lo": "ຂ້ອຍມັກເຮືອນຫຼັງນີ້",
    "bo": "བོད་ཡིག་ནི་སྐད་ཡིག་ཅིག་ཡིན།",
    "ko": "나는 이 작은 집을 좋아한다",
    "ar": "أحب هذا البيت الصغير جدا",
    "de": "Ich mag dieses kleine Haus sehr",
    "vi": "Tôi rất thích ngôi nhà nhỏ này",
}
TOKENIZER = {"zh": "zh"} | dict.fromkeys(("ja", "th", "my", "km", "lo", "bo"), "char")


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    corpus_scores._tell.cache_clear()
    yield
    corpus_scores._tell.cache_clear()


@pytest.mark.parametrize("said", ["own", "en", "zh", ""])
@pytest.mark.parametrize("language", SENTENCES)
def test_the_script_decides_whatever_language_is_said(language: str, said: str) -> None:
    references = [SENTENCES[language]] * 3
    how = suitable_scoring([references], language=language if said == "own" else said, normalization="nfc")
    assert how == Scoring(TOKENIZER.get(language, "13a"), "nfc", "bleu")
    found = score(references, references, how)
    assert found["bleu"] == pytest.approx(100)
    assert f"tok:{how.bleu_tokenizer}|" in str(found["bleu_signature"])
    assert score(references, references) == found  # without being told


def test_mixed_and_missing_scripts() -> None:
    assert bleu_tokenizer(["Der neue 手机 von 华为 ist da"], "de") == "13a"
    assert bleu_tokenizer(["华为 Mate 60 手机很好", "OK!"], "zh-TW") == "zh"
    assert bleu_tokenizer(["漢字漢字"], "ja") == "char"
    assert bleu_tokenizer(["漢字漢字"], "en") == "zh"
    assert bleu_tokenizer([SENTENCES["zh"], SENTENCES["de"]], "zh") == "zh"
    assert bleu_tokenizer([SENTENCES["th"], SENTENCES["de"]], "en") == "char"
    for language, chosen in (("zho_Hans", "zh"), ("zh-CN", "zh"), ("JA", "char"), ("km", "char"), ("fr", "13a")):
        assert bleu_tokenizer(["2024", "1 + 1 = 2", ""], language) == chosen


def test_bleu_gives_way_to_chrf_where_references_score_0() -> None:
    one_word = [["yes", "no", "perhaps"]]
    how = suitable_scoring(one_word, language="en", normalization="nfc")
    assert how.primary == "chrf"
    assert score(*one_word, *one_word, how)["bleu"] == 0
    long = [SENTENCES["de"]] * 2
    assert suitable_scoring([long, *one_word], language="de", normalization="nfc").primary == "chrf"  # either set
    assert suitable_scoring([long, []], language="de", normalization="nfc").primary == "bleu"


def test_another_tokenizer_by_its_key() -> None:
    assert suitable_scoring([["a"]], language="en", normalization="nfc", tokenizer="char").bleu_tokenizer == "char"
    with pytest.raises(ValueError, match=r"validation\.bleu_tokenizer=spm: choose one of 13a, intl, zh, char, none"):
        suitable_scoring([["a"]], language="en", normalization="nfc", tokenizer="spm")


def test_what_is_installed_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise RuntimeError("Please install")

    chosen = suitable_scoring([[SENTENCES["ja"]]], language="ja", normalization="nfc")
    monkeypatch.setattr("sacrebleu.metrics.bleu._get_tokenizer", absent)
    assert bleu_tokenizer([SENTENCES["ja"]], "ja") == chosen.bleu_tokenizer == "char"
    with pytest.raises(ValueError, match=r"BLEU by ja-mecab needs packages .*pip install 'sacrebleu\[ja\]'"):
        suitable_scoring([["a"]], language="ja", normalization="nfc", tokenizer="ja-mecab")


def test_composed_and_decomposed_letters_are_equal() -> None:
    text = ["schöne Häuser für große Löwen", "über Öl"]
    apart = [unicodedata.normalize("NFD", line) for line in text]
    for form, equal in (("nfc", True), ("nfkc", True), ("none", False)):
        how = Scoring(normalization=form)
        found = score(apart, text, how)
        assert (found["bleu"] == pytest.approx(100), found["chrf"] == pytest.approx(100)) == (equal, equal)
        rows = [{"hypothesis": one, "reference": other} for one, other in zip(apart, text, strict=True)]
        for metric in (BLEU, CHRF):
            summed = metric.sentence_statistics(rows, how).sum(axis=0)
            assert float(metric.score(summed)) == pytest.approx(found[metric.name])
    assert suitable_scoring([["ﬁn"]], language="fr", normalization="nfkc").normalization == "nfkc"
    assert suitable_scoring([["ﬁn"]], language="fr", normalization="none").normalization == "nfc"


def test_sacrebleus_warnings_are_told_once_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    tokenized = ["A dog , and a cat ."] * 120
    with caplog.at_level(logging.WARNING, "sacrebleu"):
        for _ in range(3):
            how = suitable_scoring([tokenized], language="en", normalization="nfc")
            score(tokenized, tokenized, how)
    assert caplog.text.count("forgot to detokenize") == 1
    assert any("forgot to detokenize" in warning for warning in how.warnings)
    assert "force" not in caplog.text
    assert Scoring.of_record(how.as_record()) == how


def test_earlier_records_are_scored_as_they_were() -> None:
    assert Scoring.of_record({}) == EARLIER == Scoring("13a", "none", "bleu", ())
    assert Scoring.of_record(EARLIER.as_record()) == EARLIER
    assert score([SENTENCES["zh"]], [SENTENCES["zh"]], EARLIER)["bleu"] == 0


points = st.fixed_dictionaries(
    {"bleu": st.sampled_from([0.0, 12.5, 99.0]), "chrf": st.sampled_from([0.0, 4.5, 99.1]), "nll": st.floats(0.1, 12)}
)


@given(points, points)
def test_ties_are_broken_by_chrf_and_then_by_likelihood(one: dict[str, float], other: dict[str, float]) -> None:
    def order(point: dict[str, float]) -> tuple[float, ...]:
        return point["bleu"], point["chrf"], -round(point["nll"], 1)

    if order(one) > order(other):
        assert monitored(one, "bleu") > monitored(other, "bleu") or order(one)[:2] == order(other)[:2] != (0.0, 0.0)
    for metric in ("bleu", "chrf", "nll"):
        assert monitored(one, metric) == pytest.approx(one[metric], abs=1e-7)


def test_a_measure_decides_before_what_breaks_its_ties() -> None:
    """By as little as float32, in which validations are told, can show."""
    assert monitored({"bleu": 30.000002, "chrf": 0.0, "nll": 9.0}, "bleu") > monitored(
        {"bleu": 30.0, "chrf": 100.0, "nll": 0.0}, "bleu"
    )
    assert monitored({"bleu": 0.0, "chrf": 0.0, "nll": 2.0}, "bleu") > monitored(
        {"bleu": 0.0, "chrf": 0.0, "nll": 2.01}, "bleu"
    )
    assert monitored({"bleu": 0.0, "chrf": 9.0, "nll": 2.0}, "nll") < monitored(
        {"bleu": 0.0, "chrf": 8.0, "nll": 2.0}, "nll"
    )
