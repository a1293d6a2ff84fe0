"""Accuracy on minimal pairs: outcomes, ties, shares with intervals, by hand and against closed forms."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsearch.evaluation.contrast import MinimalPair, accuracy, contrasted, digest, outcome, summary
from rnnsearch.evaluation.significance import wilson
from rnnsearch.evaluation.trained_model import Score, TrainedModel
from rnnsearch.records.contrasts import RIGHT, TIE, WRONG


def score(log_prob: float, tokens: str) -> Score:
    return Score(log_prob, tokens.split(), np.zeros(0))


class Vowels:
    """A model that minds every a."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        return [score(-float(target.count("a")), target.replace("z", "s")) for _, target in pairs]


def test_which_is_likelier() -> None:
    assert outcome(score(-2.0, "a b"), score(-3.0, "a c"), "none") == RIGHT
    assert outcome(score(-3.0, "a b"), score(-2.0, "a c"), "none") == WRONG
    assert outcome(score(-2.0, "a b"), score(-2.0, "a c"), "none") == TIE
    assert outcome(score(-2.1, "<unk> b"), score(-2.2, "<unk> b"), "none") == TIE  # the same to the model
    long, short = score(-3.0, "a b c"), score(-2.0, "a")
    assert (outcome(long, short, "none"), outcome(long, short, "average")) == (WRONG, RIGHT)


def test_outcomes_are_sorted_by_phenomenon() -> None:
    pairs = [
        MinimalPair("x", "o", "a", "vowel"),
        MinimalPair("x", "s", "z", "consonant"),
        MinimalPair("x", "aa", "a", "vowel"),
    ]
    found = contrasted(cast(TrainedModel, Vowels()), pairs, normalization="none")
    assert found == {"vowel": RIGHT + WRONG, "consonant": TIE}
    assert accuracy("".join(found.values())) | {"interval": None} == {
        "pairs": 3, "ties": 1, "accuracy": 1 / 3, "interval": None
    }  # fmt: skip
    lines = list(summary(found, "mine"))
    assert [line.split()[0] for line in lines] == ["mine:", "vowel", "consonant", "all"]
    assert "1 ties" in lines[2]
    assert len(list(summary({"all": "1"}, "mine"))) == 2
    assert digest(pairs) != digest(pairs[::-1])


def test_wilson_against_printed_values() -> None:  # Newcombe 1998, table I, method 3
    for right, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        found = wilson(right, count)
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_wilson_holds_the_shares_that_a_score_test_does_not_reject(of: tuple[int, int]) -> None:
    right, count = of
    found = wilson(right, count)
    assert 0 <= found.low <= right / count + 1e-12
    assert right / count - 1e-12 <= found.high <= 1
    for share in (found.low, found.high):
        if 1e-9 < share < 1 - 1e-9:
            deviations = abs(right / count - share) / np.sqrt(share * (1 - share) / count)
            assert deviations == pytest.approx(1.959964, abs=1e-4)
