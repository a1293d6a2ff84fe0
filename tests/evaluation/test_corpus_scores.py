import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsearch.evaluation.corpus_scores import (
    bleu_from_statistics,
    bleu_of_sums,
    bleu_statistics,
    brevity_penalty,
    chrf_from_statistics,
    chrf_of_sums,
    chrf_statistics,
    score,
)

sentences = st.lists(st.sampled_from(["the", "a", "cat", "Haus,", "läuft.", "$5", "x"]), max_size=9).map(" ".join)
corpora = st.lists(st.tuples(sentences, sentences), min_size=1, max_size=8)


def test_bleu_by_hand() -> None:
    # clipped matches 5/6, 3/5, 2/4, 1/3; equal lengths
    summed = bleu_statistics(["the cat sat on the mat"], ["the cat sat on a mat"]).sum(axis=0)
    assert summed.tolist() == [6, 6, 5, 3, 2, 1, 6, 5, 4, 3]
    assert bleu_from_statistics(summed) == pytest.approx(100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25, rel=1e-12)


def test_score_is_sacrebleus_with_signatures() -> None:
    hypotheses, references = ["A dog runs .", "Two men sit"], ["A dog is running.", "two men sit"]
    found = score(hypotheses, references)
    assert found["bleu"] == sacrebleu.corpus_bleu(hypotheses, [references]).score
    assert found["chrf"] == sacrebleu.corpus_chrf(hypotheses, [references]).score
    assert found["ter"] == sacrebleu.corpus_ter(hypotheses, [references]).score
    assert {"case:mixed", "tok:13a", "smooth:exp"} <= set(str(found["bleu_signature"]).split("|"))
    assert "nc:6" in str(found["chrf_signature"])
    assert "case:lc" in str(found["ter_signature"])


@pytest.mark.parametrize("words", [0, 1, 7, 9, 10, 12])
def test_the_brevity_penalty_is_sacrebleus(words: int) -> None:
    found = sacrebleu.corpus_bleu(["a " * words], [["a " * 10]])
    assert brevity_penalty(words / 10) == pytest.approx(found.bp)


def test_bleu_is_cased() -> None:
    assert score(["A dog runs here"], ["a dog runs here"])["bleu"] != 100.0


@settings(deadline=None, max_examples=60)
@given(corpora)
def test_summed_statistics_give_the_corpus_score_exactly(corpus: list[tuple[str, str]]) -> None:
    hypotheses, references = [h for h, _ in corpus], [r for _, r in corpus]
    bleu_K = bleu_statistics(hypotheses, references).sum(axis=0)
    chrf_K = chrf_statistics(hypotheses, references).sum(axis=0)
    assert bleu_from_statistics(bleu_K) == sacrebleu.corpus_bleu(hypotheses, [references]).score
    assert chrf_from_statistics(chrf_K) == sacrebleu.corpus_chrf(hypotheses, [references]).score
    assert bleu_of_sums(bleu_K[None])[0] == pytest.approx(bleu_from_statistics(bleu_K), rel=1e-12, abs=1e-12)
    assert chrf_of_sums(chrf_K[None])[0] == pytest.approx(chrf_from_statistics(chrf_K), rel=1e-12, abs=1e-12)


def test_the_first_counts_are_lengths_in_tokens() -> None:
    counts = bleu_statistics(["a dog, barking", ""], ["dogs bark .", "one"])
    assert counts[:, :2].tolist() == [[4.0, 3.0], [0.0, 1.0]]


def test_many_sums_at_once_keep_their_shape() -> None:
    statistics = bleu_statistics(["a b c d", "a b", ""], ["a b c d", "a x", "y"])
    many = np.broadcast_to(statistics, (5, 3, 10))
    assert bleu_of_sums(many).shape == (5, 3)
    assert bleu_of_sums(many)[0, 0] == pytest.approx(100.0)
    assert bleu_of_sums(many)[0, 2] == 0.0


def test_scoring_nothing_or_unpaired_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no sentences"):
        score([], [])
    with pytest.raises(ValueError, match="2 hypotheses but 1 references"):
        bleu_statistics(["a", "b"], ["a"])
