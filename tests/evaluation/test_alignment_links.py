import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from rnnsearch.evaluation.alignment_links import (
    GoldLinks,
    Links,
    aer_of_sums,
    alignment_score,
    alignment_statistics,
    format_pharaoh,
    links_of_words,
    parse_pharaoh,
    word_weights,
)

links = st.frozensets(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1)


def test_sure_and_possible_links() -> None:
    gold = parse_pharaoh("0-1 2p3  10-4\n")
    assert gold == GoldLinks(frozenset({(0, 1), (10, 4)}), frozenset({(0, 1), (2, 3), (10, 4)}))
    assert parse_pharaoh("1-2", one_indexed=True).sure == {(0, 1)}
    assert parse_pharaoh("").possible == frozenset()


@pytest.mark.parametrize("text", ["1", "1-", "a-b", "1-2-3", "-1-2", "0–1"])
def test_what_is_no_link_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no link"):
        parse_pharaoh(f"0-0 {text}")
    with pytest.raises(ValueError, match="counts from 0"):
        parse_pharaoh("0-1", one_indexed=True)


@given(links)
def test_links_survive_writing_and_reading(found: frozenset[tuple[int, int]]) -> None:
    assert parse_pharaoh(format_pharaoh(found)).sure == found


def test_error_rate_by_hand() -> None:
    # A = {00, 11, 23}, S = {00, 22}, P = S + {11}: 1 of A is sure, 2 are possible
    found = alignment_score([{(0, 0), (1, 1), (2, 3)}], [parse_pharaoh("0-0 2-2 1p1")])
    assert found.aer == pytest.approx(1 - (1 + 2) / (3 + 2))
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(1 / 2)


def test_error_rate_is_a_ratio_of_corpus_sums() -> None:
    predicted = [{(0, 0)}, {(0, 0), (1, 1), (2, 2)}]
    gold = [parse_pharaoh("0-1"), parse_pharaoh("0-0 1-1 2-2")]
    assert alignment_score(predicted, gold).aer == pytest.approx(1 - 6 / 8)
    sums = np.sum([alignment_statistics(a, g) for a, g in zip(predicted, gold, strict=True)], axis=0)
    assert aer_of_sums(sums[None].astype(float))[0] == pytest.approx(1 - 6 / 8)


@given(links)
def test_gold_itself_has_no_error(found: frozenset[tuple[int, int]]) -> None:
    assert alignment_score([found], [GoldLinks(found, found)]).aer == 0


def test_links_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one of each"):
        alignment_score([set()], [parse_pharaoh("0-0")])
    with pytest.raises(ValueError, match="must pair"):
        alignment_score([], [parse_pharaoh("0-0")])


def largest(weights: ArrayLike, source: list[int], target: list[int]) -> Links:
    return links_of_words(word_weights(weights, source, target))


def test_pieces_are_summed_to_words_before_the_largest_is_taken() -> None:
    # source: word 0 in two pieces, word 1 in one; the best single piece is word 1's, the best word is word 0
    assert largest([[0.3, 0.3, 0.4]], [0, 0, 1], [0]) == {(0, 0)}
    # target: word 0 in two pieces that disagree; their sum decides
    assert largest([[0.9, 0.1], [0.3, 0.7], [0.0, 1.0]], [0, 1], [0, 0, 1]) == {(0, 0), (1, 1)}


def test_end_of_sentence_is_no_word_and_ties_go_left() -> None:
    assert largest([[0.1, 0.2, 0.7], [0.0, 0.0, 1.0]], [0, 1], [0]) == {(1, 0)}
    assert largest([[0.5, 0.5]], [0, 1], [0]) == {(0, 0)}
    assert largest(np.ones((1, 1)), [], []) == frozenset()


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 4\) for 1 target and 2 source pieces"):
        largest(np.ones((1, 4)), [0, 1], [0])


def test_word_weights_are_sums_over_the_source_and_means_over_the_target() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=4)
    words = word_weights(weights, [0, 0, 1, 2, 2], [0, 1, 1, 2])
    assert words.sum(axis=1) == pytest.approx(np.ones(3))
    assert words[1, 2] == pytest.approx(weights[1:3, 3:].sum() / 2)
    assert word_weights([[0.2, 0.3, 0.5], [0.1, 0.2, 0.7]], [0, 2], [1], shape=(3, 4)).tolist() == [
        [0, 0, 0, 0],
        [0.2, 0, 0.3, 0],
        [0, 0, 0, 0],
    ]
    assert word_weights(np.ones((1, 1)), [], [], shape=(2, 1)).tolist() == [[0], [0]]


def test_links_of_words_by_hand() -> None:
    weights = np.array([[0.2, 0.5, 0.2], [0.0, 0.0, 0.0], [0.1, 0.2, 0.2]])
    assert links_of_words(weights) == {(1, 0), (1, 2)}  # no weight, no link; the leftmost of equals
    assert links_of_words(weights, threshold=0.2) == {(0, 0), (1, 0), (2, 0), (1, 2), (2, 2)}
    assert links_of_words(weights, threshold=0.6) == frozenset()
    assert links_of_words(np.zeros((0, 0))) == links_of_words(np.zeros((2, 0)), threshold=1) == frozenset()


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, float("nan")])
def test_a_threshold_beyond_the_weights_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="links all or nothing"):
        links_of_words(np.ones((1, 1)), threshold=threshold)
