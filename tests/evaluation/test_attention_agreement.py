"""Agreement of rankings: by hand, by counting pairs, and of models."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from tests.evaluation.test_translating import SOURCE, TARGET, random_model, system

from rnnsearch.evaluation.attention_agreement import agreements, rank_agreement

PAIRS = [(" ".join(SOURCE[i : i + 2 + i % 3]), " ".join(TARGET[: 1 + i % 2])) for i in range(6)]
SETTINGS: Any = {"resamples": 50, "seed": 1}


def tau_b(first: list[float], second: list[float]) -> float:
    """(concordant - discordant pairs) over the geometric mean of the pairs that either does not tie."""
    signs = [
        (np.sign(first[j] - first[k]), np.sign(second[j] - second[k]))
        for j, k in itertools.combinations(range(len(first)), 2)
    ]
    untied = [sum(abs(pair[side]) for pair in signs) for side in (0, 1)]
    return sum(a * b for a, b in signs) / math.sqrt(untied[0] * untied[1])


def test_a_sentence_agrees_by_the_mean_over_its_target_words() -> None:
    first = [[0.1, 0.2, 0.7, 0.0], [0.5, 0.0, 0.0, 0.5], [0.25] * 4]  # the last ranks nothing
    second = [[0.2, 0.1, 0.6, 0.1], [0.0, 0.3, 0.1, 0.6], [0.1, 0.2, 0.3, 0.4]]
    expected = (tau_b(first[0], second[0]) + tau_b(first[1], second[1])) / 2
    assert rank_agreement(np.array(first), np.array(second)) == pytest.approx(expected)
    assert rank_agreement(np.array(first), np.array(first)) == pytest.approx(1.0)
    assert rank_agreement(np.array(first[:1]), -np.array(first[:1])) == pytest.approx(-1.0)


@pytest.mark.parametrize("weights", [np.zeros((2, 3)), np.ones((2, 1)), np.ones((0, 4)), np.ones((2, 0))])
def test_what_ranks_nothing_has_none(weights: Any) -> None:
    assert math.isnan(rank_agreement(weights, weights))


def test_weights_of_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="of the same words"):
        rank_agreement(np.ones((2, 3)), np.ones((2, 4)))


def test_models_are_compared_in_pairs() -> None:
    one, other = (system(random_model(name)) for name in ("additive", "general"))
    settings: Any = {"saliency": True, "sentences": 100, **SETTINGS}
    found = agreements({"one": one, "same": one, "other": other}, PAIRS, **settings)
    assert list(found) == ["attention_and_saliency", "attention_of_runs", "saliency_of_runs"]
    assert all(low <= part["kendall_tau"] <= high for part in found.values() for low, high in [part["interval"]])
    assert {part["sentences"] for part in found.values()} == {len(PAIRS)}
    of_two = agreements({"one": one, "other": other}, PAIRS, **settings)
    for name in ("attention_of_runs", "saliency_of_runs"):  # of three pairs of runs one is of equals
        assert found[name]["kendall_tau"] == pytest.approx((1 + 2 * of_two[name]["kendall_tau"]) / 3)
    same = agreements({"one": one, "same": one}, PAIRS, saliency=False, sentences=3, **SETTINGS)
    assert same == {"attention_of_runs": {"kendall_tau": 1.0, "interval": [1.0, 1.0], "sentences": 3}}


def test_sentences_of_one_word_have_no_agreement() -> None:
    one = system(random_model("additive"))
    found = agreements({"one": one}, [("s1", "t1 t2"), ("", "t1")], saliency=True, sentences=9, **SETTINGS)
    assert found == {"attention_and_saliency": {"kendall_tau": None, "interval": None, "sentences": 0}}
