"""The words that a sweep gives a command make the very search that it means."""

import pytest
from omegaconf import OmegaConf

from rnnsearch.config.chosen_search import chosen_search, search_overrides
from rnnsearch.config.compose import compose
from rnnsearch.config.plain_values import plain


@pytest.mark.parametrize("own_words", ["search=beam", "search=sampling search.top_k=3", "search=greedy"])
@pytest.mark.parametrize(
    "words",
    [
        "search=beam search.beam_size=12 search.max_length=30",
        "search=greedy search.normalization=none",
        "search=sampling search.temperature=0.5 search.seed=7",
    ],
)
def test_overrides_make_the_search_of_any_other(own_words: str, words: str) -> None:
    own = compose("evaluate", ["run=x", *own_words.split()]).search
    wanted = compose("evaluate", ["run=x", *words.split()]).search
    overrides = search_overrides(plain(own), plain(wanted))
    given = compose("evaluate", ["run=x", *overrides]).search
    assert chosen_search(own, given, ["run=x", *overrides]) == wanted


def test_what_an_older_run_lacks_stays_away() -> None:
    own = compose("evaluate", ["run=x"]).search
    older = OmegaConf.masked_copy(own, [str(key) for key in own if key != "no_repeat_ngram"])
    assert search_overrides(plain(older), {**plain(older), "beam_size": 7}) == ("search.beam_size=7",)
