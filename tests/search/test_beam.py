"""Beam search against slow, obvious searches, and the properties that it promises."""

import math
from collections.abc import Sequence

import pytest
import torch

from rnnsearch.data.batching import pad
from rnnsearch.data.tokenizer import BOS, EOS, PAD, UNK
from rnnsearch.model.translator import Translator
from rnnsearch.search.beam import BeamSearch

from .models import TableModel, random_translator
from .searches import beam_search, n_best, random_sources

Found = list[tuple[list[int], float]]


def found(search: BeamSearch, model: object, sources: Sequence[list[int]], *, padding: int = 0) -> Found:
    return [(best[0].ids, best[0].score) for best in n_best(search, model, sources, padding=padding)]


def assert_same(first: Found, second: Found) -> None:
    assert [ids for ids, _ in first] == [ids for ids, _ in second]
    assert [score for _, score in first] == pytest.approx([score for _, score in second], abs=1e-10)


@torch.no_grad()
def next_words(model: Translator, source: list[int], prefixes: Sequence[Sequence[int]]) -> list[list[float]]:
    """Log-probabilities of the word after each of some equally long prefixes, through the unrolled model."""
    readouts_BTR, _ = model(*pad([source] * len(prefixes)), torch.tensor([[BOS, *prefix] for prefix in prefixes]))
    return model.logits(readouts_BTR)[:, -1].log_softmax(-1).tolist()


def slow_beam(
    model: Translator, source: list[int], *, width: int, average: bool, least: int = 0
) -> tuple[list[int], float]:
    """The search that the module's text describes, on lists; with sums it never stops before the cap."""
    cap = math.floor(1.5 * len(source) + 3)
    live, finished = [((), 0.0)], []
    for length in range(cap + 1):
        candidates = []
        following = next_words(model, source, [prefix for prefix, _ in live])
        for (prefix, score), log_probs in zip(live, following, strict=True):
            banned = (PAD, BOS, EOS) if length < least else (PAD, BOS)
            words = [EOS] if length == cap else [word for word in range(len(log_probs)) if word not in banned]
            candidates += [((*prefix, word), score + log_probs[word]) for word in words]
        candidates.sort(key=lambda candidate: -candidate[1])
        best = candidates[: 2 * width]
        finished += [candidate for candidate in best[:width] if candidate[0][-1] == EOS]
        live = [candidate for candidate in best if candidate[0][-1] != EOS][:width]
        if average and len(finished) >= width:
            break
    ids, score = max(finished, key=lambda candidate: candidate[1] / (len(candidate[0]) if average else 1))
    return list(ids[:-1]), score / len(ids) if average else score


@pytest.mark.parametrize("normalization", ["none", "average"])
@pytest.mark.parametrize("width", [1, pytest.param(2, marks=pytest.mark.slow), 5])
def test_equals_a_slow_search_on_lists(width: int, normalization: str) -> None:
    search = beam_search(beam_size=width, normalization=normalization)
    for seed in range(2):
        model, sources = random_translator(seed=seed), random_sources(5, seed=seed)
        slow = [slow_beam(model, ids, width=width, average=normalization == "average") for ids in sources]
        assert_same(found(search, model, sources), slow)


@pytest.mark.parametrize("normalization", ["none", "average"])
def test_equals_a_slow_search_that_may_not_end_early(normalization: str) -> None:
    search = beam_search(beam_size=3, normalization=normalization, min_length_ratio=1.0, min_length_offset=2)
    model, sources = random_translator(seed=1), random_sources(8)
    settings = {"width": 3, "average": normalization == "average"}
    slow = [slow_beam(model, ids, least=len(ids) + 2, **settings) for ids in sources]
    assert slow != [slow_beam(model, ids, **settings) for ids in sources]
    assert_same(found(search, model, sources), slow)


def test_wide_and_narrow_searches_find_different_translations() -> None:
    """Else the test above would compare nothing."""
    model, sources = random_translator(seed=1), random_sources(12)
    wide, narrow = (found(beam_search(beam_size=width), model, sources) for width in (5, 1))
    assert sum(a[0] != b[0] for a, b in zip(wide, narrow, strict=True)) > 3
    assert len({len(ids) for ids, _ in wide}) > 3


def greedy(model: Translator, source: list[int], cap: int) -> list[int]:
    source_BS, mask_BS = pad([source])
    with torch.no_grad():
        state, memory = model.encode(source_BS, mask_BS)
        ids = [BOS]
        while ids[-1] != EOS and len(ids) <= cap:
            log_probs_BV, state, _ = model.step(torch.tensor(ids[-1:]), state, memory, len(ids) - 1)
            log_probs_BV[0, [PAD, BOS]] = -torch.inf
            ids.append(int(log_probs_BV.argmax()))
    return [word for word in ids if word not in (BOS, EOS)]


@pytest.mark.parametrize("normalization", ["none", "average"])
def test_a_beam_of_one_is_greedy(mechanism: str, normalization: str) -> None:
    model, sources = random_translator(mechanism), random_sources(20)
    search = beam_search(beam_size=1, normalization=normalization)
    expected = [greedy(model, ids, math.floor(1.5 * len(ids) + 3)) for ids in sources]
    assert [ids for ids, _ in found(search, model, sources)] == expected


@pytest.mark.parametrize(("width", "normalization"), [(1, "average"), (4, "average"), (4, "none")])
def test_batch_order_and_padding_change_nothing(width: int, normalization: str) -> None:
    """Of every mechanism and every search: tests/search/test_properties.py."""
    model, sources = random_translator(seed=3), random_sources(20)
    search = beam_search(beam_size=width, normalization=normalization)
    alone = [one for ids in sources for one in found(search, model, [ids])]
    assert_same(found(search, model, sources), alone)
    assert_same(found(search, model, sources[::-1], padding=5), alone[::-1])
    assert_same([*found(search, model, sources[:7]), *found(search, model, sources[7:])], alone)


@pytest.mark.parametrize(
    "decoder",
    [
        {"query_state": "current", "input_feeding": True},
        {"query_state": "two_step", "initial_state": "mean"},
        {"cell": "lstm", "readout": "linear"},
        {"cell": "paper", "readout_state": "before", "readout": "maxout", "initial_state": "backward"},
    ],
    ids=["luong", "conditional", "lstm", "paper"],
)
def test_every_kind_of_state_follows_its_hypothesis(decoder: dict[str, object]) -> None:
    model, sources = random_translator(seed=2, **decoder), random_sources(6)
    slow = [slow_beam(model, ids, width=3, average=True) for ids in sources]
    assert_same(found(beam_search(beam_size=3), model, sources), slow)


A, B = 4, 5
HAND = [  # pad, unk, bos, eos, A, B
    [0, 0, 0, 1, 0, 0],
    [0, 0, 0, 1, 0, 0],
    [0, 0, 0, 0, 0.6, 0.4],
    [0, 0, 0, 1, 0, 0],
    [0, 0, 0, 0.5, 0.3, 0.2],  # after A
    [0, 0, 0, 0.9, 0.1, 0],  # after B
]


def test_worked_example() -> None:
    """Greedy: A, 0.6 · 0.5 = 0.30. Two beams also see B, 0.4 · 0.9 = 0.36, which is better."""
    (one,) = found(beam_search(beam_size=1, normalization="none"), TableModel(HAND), [[7]])
    (two,) = found(beam_search(beam_size=2, normalization="none"), TableModel(HAND), [[7]])
    (average,) = found(beam_search(beam_size=2, normalization="average"), TableModel(HAND), [[7]])
    assert one == ([A], pytest.approx(math.log(0.30)))
    assert two == ([B], pytest.approx(math.log(0.36)))
    assert average == ([B], pytest.approx(math.log(0.36) / 2))


def test_sums_prefer_the_short_and_averages_the_long() -> None:
    table = [row[:] for row in HAND]
    table[BOS] = [0, 0, 0, 0, 0.05, 0.95]
    table[A] = [0, 0, 0, 1, 0, 0]
    table[B] = [0, 0, 0, 0.3, 0, 0.7]
    settings = {"beam_size": 2, "max_length_ratio": 0.0, "max_length_offset": 9}

    model = TableModel(table)
    (summed,) = found(beam_search(normalization="none", **settings), model, [[7]])
    assert summed == ([B], pytest.approx(math.log(0.95 * 0.3)))
    assert len(model.rows) == 5  # then B B B B B, 0.228, can't beat 0.285 any more

    model = TableModel(table)
    (averaged,) = found(beam_search(normalization="average", **settings), model, [[7]])
    assert averaged == ([B, B], pytest.approx(math.log(0.95 * 0.7 * 0.3) / 3))
    assert len(model.rows) == 3  # then two have finished


@pytest.mark.parametrize("width", [1, 3])
def test_the_cap_is_the_sentences_own(width: int) -> None:
    table = [[0, 0, 0, 0, 0.5, 0.5]] * 6  # never ends
    search = beam_search(beam_size=width, max_length_ratio=1.5, max_length_offset=2)
    sources = [[7] * n for n in (5, 0, 1, 2, 9)]
    assert [len(ids) for ids, _ in found(search, TableModel(table), sources)] == [9, 2, 3, 5, 15]


@pytest.mark.parametrize("width", [1, 3])
def test_the_least_length_is_the_sentences_own(width: int) -> None:
    table = [[0, 0, 0, 1 - 2e-9, 1e-9, 1e-9]] * 6  # would always end
    search = beam_search(beam_size=width, min_length_ratio=0.5, min_length_offset=1, max_length_offset=1)
    sources = [[7] * n for n in (5, 0, 1, 2, 9)]
    results = found(search, TableModel(table), sources)
    assert [len(ids) for ids, _ in results] == [3, 1, 1, 2, 5]
    assert results[0][1] == pytest.approx(
        (3 * math.log(1e-9) + math.log(1 - 2e-9)) / 4
    )  # no share of what is ruled out


@pytest.mark.parametrize("table", [[[0, 0, 0, 0.9, 0.05, 0.05]] * 6, [[0, 0, 0, 0.1, 0.6, 0.3]] * 6])
def test_equal_bounds_force_the_length_and_the_cap_wins(table: list[list[float]]) -> None:
    sources = [[7] * n for n in (1, 4, 2)]
    forced = {"min_length_ratio": 1.5, "min_length_offset": 2, "max_length_ratio": 1.5, "max_length_offset": 2}
    assert [len(ids) for ids, _ in found(beam_search(**forced), TableModel(table), sources)] == [3, 8, 5]
    search = beam_search(**(forced | {"max_length_ratio": 1.0, "max_length_offset": 0}))
    assert [len(ids) for ids, _ in found(search, TableModel(table), sources)] == [1, 4, 2]


def test_a_cap_of_nothing_gives_nothing() -> None:
    search = beam_search(max_length_ratio=0.0, max_length_offset=0)
    assert found(search, TableModel(HAND), [[7, 8]])[0][0] == []


@pytest.mark.parametrize("width", [1, 3])
def test_a_model_without_numbers_gives_some_translation(width: int) -> None:
    (one,) = found(beam_search(beam_size=width), TableModel([[math.nan] * 6] * 6), [[7, 8]])
    assert math.isfinite(one[1])
    assert len(one[0]) <= 6


@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_equals_go_to_the_lower_id_and_beam(width: int) -> None:
    table = torch.full((40, 40), 1e-9)
    table[:, 10:30] = 0.04
    table[10] = torch.eye(40)[EOS]
    search = beam_search(beam_size=width, normalization="none")
    (one,) = found(search, TableModel(table.tolist()), [[7, 8]])
    assert one[0] == [10]


def test_of_equal_translations_the_shorter_wins() -> None:
    table = [row[:] for row in HAND]
    table[BOS] = [0, 0, 0, 0.25, 0.5, 0.25]
    table[A] = [0, 0, 0, 0.5, 0.25, 0.25]
    (one,) = found(beam_search(beam_size=2, normalization="none"), TableModel(table), [[7, 8]])
    assert one == ([], pytest.approx(math.log(0.25)))


@pytest.mark.parametrize("width", [1, 4])
def test_specials_are_never_written(width: int) -> None:
    table = [[0.4, 0.3, 0.2, 0.02, 0.05, 0.03]] * 6
    (allowed,) = found(beam_search(beam_size=width), TableModel(table), [[7]])
    (forbidden,) = found(beam_search(beam_size=width, forbid_unknown=True), TableModel(table), [[7]])
    assert UNK in allowed[0]
    assert not {PAD, BOS, EOS} & set(allowed[0])
    assert not {PAD, UNK, BOS, EOS} & set(forbidden[0])


def test_done_sentences_leave_the_batch() -> None:
    table = [[0, 0, 0, 0, 1, 0]] * 6
    model = TableModel(table)
    found(beam_search(beam_size=2, max_length_ratio=1.0, max_length_offset=0), model, [[7] * n for n in (1, 2, 3, 20)])
    assert model.rows[0] == 8
    assert model.rows[-1] == 2
    assert len(model.rows) == 21


def test_dropout_and_gradients_are_the_callers_affair() -> None:
    model = random_translator()
    found(beam_search(), model, [[5, 6]])
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("beam_size", 0),
        ("normalization", "length"),
        ("min_length_ratio", -0.5),
        ("min_length_offset", -1),
        ("max_length_ratio", -0.5),
        ("max_length_ratio", math.nan),
        ("max_length_offset", -1),
        ("max_source_length", 0),
        ("batch_size", 0),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"search\.{key}={value}: (must be at least|allowed are)"):
        beam_search(**{key: value})
