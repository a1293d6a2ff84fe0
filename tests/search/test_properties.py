"""What every search promises, over random models with every context mechanism, all options on."""

from collections.abc import Sequence
from typing import Any

import pytest

from rnnsearch.data.tokenizer import BOS, EOS, PAD, UNK
from rnnsearch.search.ensemble import Ensemble
from rnnsearch.search.hypotheses import Hypothesis, Search

from .models import CONTEXTS, random_translator
from .oracle import Rules, force, score
from .searches import beam_search, n_best, random_sources, sampling

SOURCES = random_sources(12)
PREFIXES = [[], [5], [4, UNK, 4, 4], [], [7, 8], [], [], [9] * 18, [6], [], [10, 11], []]
KEYS = [31, 4, 15, 9, 2, 6, 5, 35, 8, 97, 93, 23]
BOUNDS = {"min_length": 1, "max_length": 9, "min_length_ratio": 0.5, "max_length_ratio": 1.2, "max_length_offset": 1}
CONSTRAINTS = {**BOUNDS, "forbid_unknown": True, "no_repeat_ngram": 2}
SCORING = {"normalization": "gnmt", "length_alpha": 0.8}
WEIGHTLESS = {"fixed", "initial_only", "mean"}


def members_of(kind: str, mechanism: str) -> list[Any]:
    second = ["fixed" if mechanism != "fixed" else "additive"] if kind == "ensemble" else []
    return [random_translator(context, seed=3 + place) for place, context in enumerate([mechanism, *second])]


def scoring_of(kind: str, mechanism: str) -> dict[str, Any]:
    penalized = kind == "beam" and mechanism not in WEIGHTLESS
    return SCORING | ({"coverage_penalty": 0.3} if penalized else {})


def search_of(kind: str, mechanism: str) -> Search:
    if kind == "sampling":
        return sampling(n_best=4, temperature=1.3, top_k=6, top_p=0.9, seed=5, **CONSTRAINTS)
    return beam_search(beam_size=5, n_best=4, **scoring_of(kind, mechanism), **CONSTRAINTS)


def assert_same(first: Sequence[Sequence[Hypothesis]], second: Sequence[Sequence[Hypothesis]]) -> None:
    assert [[h.ids for h in one] for one in first] == [[h.ids for h in one] for one in second]
    for part in ("score", "log_prob"):
        numbers = [[getattr(h, part) for one in found for h in one] for found in (first, second)]
        assert numbers[0] == pytest.approx(numbers[1], abs=1e-10)


FEW = ("additive", "fixed")  # mechanisms of the quick tests of what is no beam search
every_kind = pytest.mark.parametrize(
    ("kind", "mechanism"),
    [
        pytest.param(kind, mechanism, marks=[] if kind == "beam" or mechanism in FEW else pytest.mark.slow)
        for kind in ("beam", "sampling", "ensemble")
        for mechanism in CONTEXTS
    ],
)


@every_kind
def test_batch_order_and_padding_change_nothing(kind: str, mechanism: str) -> None:
    members, search = members_of(kind, mechanism), search_of(kind, mechanism)
    model = members[0] if len(members) == 1 else Ensemble(members)

    def found(places: Sequence[int], padding: int = 0) -> list[list[Hypothesis]]:
        parts = ([part[place] for place in places] for part in (SOURCES, PREFIXES, KEYS))
        sources, prefixes, keys = parts
        return n_best(search, model, sources, padding=padding, prefixes=prefixes, keys=keys)

    alone = [one for place in range(12) for one in found([place])]
    assert_same(found(range(12)), alone)
    assert_same(found(range(11, -1, -1), padding=5), alone[::-1])
    assert_same([*found(range(5)), *found(range(5, 12))], alone)


@every_kind
def test_scores_are_those_of_forced_decoding(kind: str, mechanism: str) -> None:
    members = members_of(kind, mechanism)
    model = members[0] if len(members) == 1 else Ensemble(members)
    found = n_best(search_of(kind, mechanism), model, SOURCES, prefixes=PREFIXES, keys=KEYS)
    for source, hypotheses in zip(SOURCES, found, strict=True):
        forced = force(members, source, [h.ids for h in hypotheses])
        assert [h.log_prob for h in hypotheses] == pytest.approx([one.log_prob for one in forced], abs=1e-9)
        expected = [one.log_prob for one in forced]
        if kind != "sampling":
            scoring = scoring_of(kind, mechanism)
            expected = [score(one, h.ids, **scoring) for one, h in zip(forced, hypotheses, strict=True)]
        assert [h.score for h in hypotheses] == pytest.approx(expected, abs=1e-9)


@every_kind
def test_lists_are_sorted_and_obey_the_constraints(kind: str, mechanism: str) -> None:
    members = members_of(kind, mechanism)
    model = members[0] if len(members) == 1 else Ensemble(members)
    found = n_best(search_of(kind, mechanism), model, SOURCES, prefixes=PREFIXES)
    for source, prefix, hypotheses in zip(SOURCES, PREFIXES, found, strict=True):
        least, cap = max(1, len(source) // 2), min(9, int(1.2 * len(source)) + 1)
        rules = Rules(least=least, cap=cap, prefix=prefix, ngram=2, unknown=False)
        assert 1 <= len(hypotheses) <= 4
        assert all(rules.allow(h.ids) and not {PAD, BOS, EOS} & {*h.ids} for h in hypotheses)
        assert [h.score for h in hypotheses] == sorted((h.score for h in hypotheses), reverse=True)
        if kind == "sampling":
            assert len(hypotheses) == 4
        else:
            assert len({(*h.ids,) for h in hypotheses}) == len(hypotheses)


def test_the_constraints_bite() -> None:
    """Else the tests above would say little."""
    model = random_translator(seed=1)
    free = n_best(beam_search(beam_size=5, n_best=4), model, SOURCES)
    for change in (
        {"min_length": 6},
        {"max_length": 2},
        {"forbid_unknown": True},
        {"no_repeat_ngram": 2},
        {"normalization": "none"},
        {"normalization": "gnmt"},
        {"coverage_penalty": 0.3},
    ):
        found = n_best(beam_search(**({"beam_size": 5, "n_best": 4} | change)), model, SOURCES)
        assert [[h.ids for h in one] for one in found] != [[h.ids for h in one] for one in free], change
