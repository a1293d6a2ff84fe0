"""With a tiny vocabulary and a beam as wide as everything, n-best lists are the best of all that is allowed."""

import functools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rnnsearch.data.tokenizer import UNK
from rnnsearch.model.translator import Translator
from rnnsearch.search.ensemble import Ensemble

from .models import CONTEXTS, random_translator
from .oracle import Forced, Rules, every_translation, force, score
from .searches import beam_search, n_best

VOCABULARY, LONGEST = 6, 3
EVERY = every_translation(VOCABULARY, LONGEST)
WEIGHTLESS = {"fixed", "initial_only", "mean"}
SOURCES = ([5, 9], [4, 11, 6, 8], [7])
WORDS = st.sampled_from([UNK, 4, 5])


@functools.cache
def model(context: str, seed: int) -> Translator:
    return random_translator(context, seed=seed, vocabulary=VOCABULARY)


@functools.cache
def everything(members: tuple[Translator, ...], source: tuple[int, ...]) -> list[Forced]:
    return force(members, list(source), EVERY)


def best(members: tuple[Translator, ...], source: Sequence[int], rules: Rules, **scoring: object) -> list[object]:
    """Ids and scores of all that is allowed, best first."""
    found = [
        (list(ids), score(forced, ids, **scoring))
        for ids, forced in zip(EVERY, everything(members, tuple(source)), strict=True)
        if rules.allow(ids)
    ]
    return sorted(found, key=lambda one: -one[1])


SCORING = st.fixed_dictionaries(
    {
        "normalization": st.sampled_from(["none", "average", "gnmt"]),
        "length_alpha": st.sampled_from([0.0, 0.6, 2.0]),
        "coverage_penalty": st.sampled_from([0.0, 0.3, 2.0]),
    }
)
CONSTRAINTS = st.fixed_dictionaries(
    {
        "min_length": st.integers(0, 4),
        "max_length": st.sampled_from([LONGEST, 2, 1, 0]),
        "min_length_ratio": st.sampled_from([0.0, 0.5]),
        "min_length_offset": st.integers(0, 2),
        "max_length_ratio": st.sampled_from([1.0, 0.3]),
        "max_length_offset": st.integers(0, 2),
        "forbid_unknown": st.booleans(),
        "no_repeat_ngram": st.integers(0, 3),
    }
)


@settings(max_examples=80, deadline=None)
@given(
    contexts=st.lists(st.sampled_from(sorted(CONTEXTS)), min_size=1, max_size=2),
    scoring=SCORING,
    of=CONSTRAINTS,
    count=st.sampled_from([1, 2, 3, 45]),
    prefixes=st.lists(st.lists(WORDS, max_size=LONGEST), min_size=3, max_size=3),
)
def test_full_width_finds_the_best_of_all_that_is_allowed(
    contexts: list[str], scoring: dict[str, Any], of: dict[str, Any], count: int, prefixes: list[list[int]]
) -> None:
    assume(not scoring["coverage_penalty"] or not WEIGHTLESS & {*contexts})
    members = tuple(model(context, seed) for seed, context in enumerate(contexts))
    search = beam_search(beam_size=60, n_best=count, **of, **scoring)  # never so many end that averages end it early
    found = n_best(search, members[0] if len(members) == 1 else Ensemble(members), SOURCES, prefixes=prefixes)
    for source, prefix, hypotheses in zip(SOURCES, prefixes, found, strict=True):
        rules = Rules(
            least=max(of["min_length"], int(of["min_length_ratio"] * len(source)) + of["min_length_offset"]),
            cap=min(of["max_length"], int(of["max_length_ratio"] * len(source)) + of["max_length_offset"]),
            prefix=prefix,
            ngram=of["no_repeat_ngram"],
            unknown=not of["forbid_unknown"],
        )
        expected = best(members, source, rules, **scoring)
        assert hypotheses
        if expected:
            assert [h.ids for h in hypotheses] == [ids for ids, _ in expected[:count]]
            assert [h.score for h in hypotheses] == pytest.approx([value for _, value in expected[:count]], abs=1e-9)
        else:  # blocked n-grams leave no way on
            assert all(h.ids[: len(prefix)] == prefix for h in hypotheses)


@pytest.mark.parametrize("normalization", ["none", "average", "gnmt"])
def test_normalizations_and_coverage_rank_differently(normalization: str) -> None:
    """Else the test above would compare little."""
    members, rules = (model("additive", 0),), Rules(least=0, cap=LONGEST)
    orders = {
        tuple(tuple(ids) for ids, _ in best(members, SOURCES[1], rules, **scoring))
        for scoring in (
            {"normalization": normalization},
            {"normalization": normalization, "coverage_penalty": 0.5},
            {"normalization": "none" if normalization != "none" else "gnmt"},
        )
    }
    assert len(orders) == 3
