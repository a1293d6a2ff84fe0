"""Searches from the shipped configs."""

import pytest

from rnnsearch.config.build import build_greedy, make
from rnnsearch.config.compose import compose

from ..search.models import TableModel
from ..search.searches import n_best

A, B = 4, 5
TABLE = [[0, 0, 0, 1, 0, 0]] * 6
TABLE[2:3] = [[0, 0, 0, 0, 0.6, 0.4]]
TABLE[A : B + 1] = [[0, 0, 0, 0.5, 0.3, 0.2], [0, 0, 0, 0.9, 0.1, 0]]  # greedy: A; better: B


@pytest.mark.parametrize(
    "words", [["search=beam", "search.n_best=3", "search.coverage_penalty=0.2"], ["search=greedy"], ["search=sampling"]]
)
def test_validation_is_greedy_within_the_bounds_of_any_search(words: list[str]) -> None:
    config = compose("train", ["data=controlled", "search.max_length_offset=1", "search.max_length_ratio=0", *words])
    (found,) = n_best(build_greedy(config.search), TableModel(TABLE), [[7, 8]])
    assert [hypothesis.ids for hypothesis in found] == [[A]]
    longer = build_greedy(compose("train", ["data=controlled", *words, "search.min_length=3"]).search)
    assert len(n_best(longer, TableModel(TABLE), [[7, 8]])[0][0].ids) >= 3


@pytest.mark.parametrize("name", ["beam", "greedy", "sampling"])
def test_every_search_of_the_shipped_configs_searches(name: str) -> None:
    (found,) = n_best(make(compose("translate", ["run=x", f"search={name}"]).search), TableModel(TABLE), [[7]])
    assert len(found) == 1
