"""Bounds, prefixes and blocked n-grams by worked examples."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from rnnsearch.data.tokenizer import BOS, EOS, PAD, UNK
from rnnsearch.search.hypotheses import Search

from .models import TableModel, random_translator
from .searches import beam_search, n_best, sampling

A, B = 4, 5
EVEN = [[0, 0, 0, 0, 0.5, 0.5]] * 6  # never ends by itself
ENDING = [[0, 0, 0, 0.8, 0.15, 0.05]] * 6
REPEATING = [[0, 0.01, 0, 0.04, 0.9, 0.05]] * 6

searches = pytest.mark.parametrize(
    "make",
    [lambda **settings: beam_search(beam_size=3, **settings), lambda **settings: sampling(n_best=3, **settings)],
    ids=["beam", "sampling"],
)


def ids(search: Search, table: list[list[float]], source: list[int], *prefix: int) -> list[list[int]]:
    (found,) = n_best(search, TableModel(table), [source], prefixes=[prefix])
    return [hypothesis.ids for hypothesis in found]


@searches
def test_the_tighter_bound_holds_and_the_maximum_wins(make: type[Search]) -> None:
    by_source = {"max_length_ratio": 1.0, "max_length_offset": 1}
    assert {len(one) for one in ids(make(**by_source), EVEN, [7] * 4)} == {5}
    assert {len(one) for one in ids(make(**by_source, max_length=3), EVEN, [7] * 4)} == {3}
    assert {len(one) for one in ids(make(**by_source, max_length=9), EVEN, [7] * 4)} == {5}
    assert {len(one) for one in ids(make(**by_source, max_length=3, min_length=4), ENDING, [7] * 4)} == {3}
    least = {"min_length_ratio": 0.5, "min_length_offset": 1}
    assert min(len(one) for one in ids(make(**least), ENDING, [7] * 6)) >= 4
    assert min(len(one) for one in ids(make(**least, min_length=6), ENDING, [7] * 6)) >= 6


@searches
def test_the_cap_is_the_length_of_what_never_ends_by_itself(make: type[Search]) -> None:
    for settings in ({"max_length_ratio": 1.3, "max_length_offset": 1}, {"max_length_ratio": 2.0, "max_length": 7}):
        search = make(**{"max_length_offset": 0, **settings})
        for source in (1, 3, 10):
            lengths = {len(one) for one in ids(search, EVEN * 4, [7] * source)}
            assert lengths == {search.constraints.cap(source)}


@searches
def test_a_prefix_wins_over_everything(make: type[Search]) -> None:
    prefix = (A, A, UNK, A, A, UNK, B)
    search = make(max_length=2, forbid_unknown=True, no_repeat_ngram=1, min_length=5)
    assert {tuple(one) for one in ids(search, REPEATING, [7], *prefix)} == {prefix}
    assert all(tuple(one[:7]) == prefix for one in ids(make(max_length_offset=20), REPEATING, [7], *prefix))


@searches
@pytest.mark.parametrize("special", [PAD, BOS, EOS])
def test_a_prefix_of_what_is_never_written_is_refused(make: type[Search], special: int) -> None:
    with pytest.raises(ValueError, match=f"the prefix of sentence 1 holds the id {special}, which is never written"):
        n_best(make(), TableModel(EVEN), [[7], [8]], prefixes=[[A], [A, special]])


def test_a_prefix_counts_in_log_p() -> None:
    (found,) = n_best(beam_search(max_length=2, normalization="none"), TableModel(EVEN), [[7]], prefixes=[[B, B]])
    (free,) = n_best(beam_search(max_length=2, normalization="none"), TableModel(EVEN), [[7]])
    assert found[0].ids == [B, B]
    assert found[0].log_prob == pytest.approx(free[0].log_prob)


@searches
def test_no_ngram_is_written_twice(make: type[Search]) -> None:
    for one in ids(make(no_repeat_ngram=1, max_length_offset=30), REPEATING, [7]):
        assert len(one) == len({*one}) <= 3
    for one in ids(make(no_repeat_ngram=2, max_length_offset=30, min_length=6), REPEATING, [7]):
        pairs = [*itertools.pairwise(one)]
        assert len(pairs) == len({*pairs})
        assert len(one) >= 6  # three words have a way on for so long


@searches
def test_where_blocking_leaves_no_way_on_the_end_is_allowed(make: type[Search]) -> None:
    search = make(no_repeat_ngram=1, forbid_unknown=True, min_length=5, max_length_offset=9)
    assert {frozenset(one) for one in ids(search, REPEATING, [7])} == {frozenset({A, B})}
    assert {len(one) for one in ids(search, REPEATING, [7])} == {2}


def test_a_hypothesis_that_can_not_go_on_yields_to_those_that_can() -> None:
    """A A is the likeliest, but no third word may follow it: A B and then the end is all that is left."""
    search = beam_search(beam_size=2, no_repeat_ngram=2, min_length=4, max_length=4, normalization="none")
    found = ids(search, [[0, 0, 0, 0.0, 0.9, 0.1]] * 6, [7])
    assert found[0] == [A, A, B, A]


@searches
def test_a_vocabulary_without_words_gives_an_empty_translation(make: type[Search]) -> None:
    search = make(forbid_unknown=True, min_length=3)
    assert {tuple(one) for one in ids(search, [[0.25] * 4] * 4, [1])} == {()}


def test_coverage_needs_weights() -> None:
    search = beam_search(coverage_penalty=0.2)
    with pytest.raises(
        ValueError, match=r"search\.coverage_penalty=0\.2: needs attention weights.*coverage_penalty=0$"
    ):
        n_best(search, random_translator("fixed"), [[5, 6]])


@searches
@pytest.mark.parametrize(
    ("key", "value"), [("n_best", 0), ("min_length", -1), ("max_length", -1), ("no_repeat_ngram", -1)]
)
def test_a_setting_that_makes_no_sense_is_refused(make: type[Search], key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"search\.{key}={value}: must be at least"):
        make(**{key: value}) if key != "n_best" else (beam_search(n_best=0), sampling(n_best=0))


@pytest.mark.parametrize("key", ["length_alpha", "coverage_penalty"])
def test_penalties_are_not_negative(key: str) -> None:
    with pytest.raises(ValueError, match=rf"search\.{key}=-0\.1: must be at least 0"):
        beam_search(**{key: -0.1})


def test_a_list_is_no_longer_than_the_beam_is_wide() -> None:
    with pytest.raises(ValueError, match=r"search\.n_best=5: must be at most search\.beam_size=4; widen the beam"):
        beam_search(beam_size=4, n_best=5)


def test_attention_without_numbers_gives_some_translation() -> None:
    class Broken(TableModel):
        def step(self, *given: object) -> tuple[Tensor, object, Tensor]:
            log_probs_NV, state, _ = super().step(*given)
            return log_probs_NV, state, torch.full((len(log_probs_NV), 2), torch.nan)

    (found,) = n_best(beam_search(coverage_penalty=0.2), Broken(ENDING), [[7]])
    assert math.isfinite(found[0].score)
