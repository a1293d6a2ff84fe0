"""Draws follow the distribution, and what is drawn depends on seed and key alone."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsearch.data.tokenizer import BOS, EOS, PAD
from rnnsearch.search.sampling import draw, truncated

from .models import TableModel, random_translator
from .searches import beam_search, n_best, random_sources, sampling

A, B, C = 4, 5, 6
TABLE = [  # pad, unk, bos, eos, A, B, C
    [0, 0, 0, 1, 0, 0, 0],
    [0, 0, 0, 0.5, 0.2, 0.2, 0.1],
    [0.1, 0.05, 0.05, 0.1, 0.3, 0.25, 0.15],
    [0, 0, 0, 1, 0, 0, 0],
    [0, 0.05, 0, 0.45, 0.05, 0.25, 0.2],  # after A
    [0, 0, 0, 0.7, 0.1, 0.1, 0.1],
    [0, 0, 0, 0.3, 0.3, 0.25, 0.15],
]
Settings = dict[str, float]


def distribution(probs: list[float], *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> list[float]:
    """What is drawn from, given the probabilities of all words."""
    sharpened = [p ** (1 / temperature) for p in probs]
    order = sorted((word for word, p in enumerate(sharpened) if p), key=lambda word: -sharpened[word])
    order = order[: top_k or None]
    total, kept = math.fsum(sharpened[word] for word in order), []
    for word in order:
        if math.fsum(sharpened[one] for one in kept) >= top_p * total:
            break
        kept.append(word)
    total = math.fsum(sharpened[word] for word in kept)
    return [p / total if word in kept else 0.0 for word, p in enumerate(sharpened)]


def every_draw(
    cap: int, ids: tuple[int, ...] = (), p: float = 1.0, **how: float
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Translations of the table's words and their probabilities."""
    allowed = [0.0 if word in (PAD, BOS) else p for word, p in enumerate(TABLE[ids[-1] if ids else BOS])]
    if len(ids) == cap:
        yield ids, p
        return
    for word, share in enumerate(distribution(allowed, **how)):
        if share and word == EOS:
            yield ids, p * share
        elif share:
            yield from every_draw(cap, (*ids, word), p * share, **how)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0},
        {"top_k": 2},
        {"top_p": 0.65},
        {"temperature": 1.5, "top_k": 4, "top_p": 0.8},
    ],
    ids=str,
)
def test_draws_follow_the_distribution(how: Settings) -> None:
    """Pearson's chi-square over 4,000 draws, half of them with keys and half with numbers of samples of their own."""
    found = n_best(sampling(n_best=50, max_length=3, **how), TableModel(TABLE), [[7]] * 80)
    counts = Counter(tuple(h.ids) for hypotheses in found for h in hypotheses)
    expected = dict(every_draw(3, **how))
    assert math.fsum(expected.values()) == pytest.approx(1.0)
    assert counts.keys() <= expected.keys()
    frequent = {ids: 4000 * p for ids, p in expected.items() if 4000 * p >= 5}
    rare = 4000 - math.fsum(frequent.values())
    statistic = sum((counts[ids] - n) ** 2 / n for ids, n in frequent.items())
    if rare >= 5:
        statistic += (sum(n for ids, n in counts.items() if ids not in frequent) - rare) ** 2 / rare
    freedom = len(frequent) - (rare < 5)
    assert freedom >= 5
    assert statistic < freedom + 4 * math.sqrt(2 * freedom)


@settings(max_examples=100, deadline=None)
@given(
    logits=st.lists(st.floats(-6, 6), min_size=1, max_size=9, unique=True),
    top_k=st.integers(0, 10),
    top_p=st.floats(0.01, 1.0),
    number=st.floats(0, 1, exclude_max=True),
)
def test_truncating_and_drawing_equal_a_slow_way(logits: list[float], top_k: int, top_p: float, number: float) -> None:
    probs_V = torch.tensor(logits, dtype=torch.float64).softmax(-1)
    kept_V = truncated(probs_V, top_k, top_p)
    expected = distribution(probs_V.tolist(), top_k=top_k, top_p=top_p)
    assert (kept_V / kept_V.sum()).tolist() == pytest.approx(expected)
    word = int(draw(kept_V, torch.tensor(number, dtype=torch.float64)))
    below = math.fsum(expected[:word])
    assert expected[word] > 0
    assert below - 1e-12 <= number <= below + expected[word] + 1e-12


def test_what_has_no_probability_is_never_drawn() -> None:
    probs_XV = torch.tensor([[0, 0.1, 0, 0.2, 0, 0]], dtype=torch.float64).expand(4, -1)
    numbers_X = torch.tensor([0.0, 1 / 3 - 1e-9, 1 / 3 + 1e-9, 1 - 2**-53], dtype=torch.float64)
    assert draw(probs_XV, numbers_X).tolist() == [1, 1, 3, 3]


def test_equals_are_kept_by_lower_id() -> None:
    probs_V = torch.tensor([0.1, 0.3, 0.3, 0.3], dtype=torch.float64)
    assert truncated(probs_V, 2, 1.0).nonzero().flatten().tolist() == [1, 2]
    assert truncated(probs_V, 0, 0.5).nonzero().flatten().tolist() == [1, 2]


@pytest.mark.parametrize("how", [{"top_k": 1}, {"top_p": 1e-9}, {"temperature": 1e-4}], ids=str)
def test_the_narrowest_draws_are_greedy(mechanism: str, how: Settings) -> None:
    model, sources = random_translator(mechanism), random_sources(12)
    greedy = n_best(beam_search(beam_size=1, normalization="none"), model, sources)
    for hypotheses, (best,) in zip(n_best(sampling(n_best=2, **how), model, sources), greedy, strict=True):
        assert [h.ids for h in hypotheses] == [best.ids] * 2
        assert [h.log_prob for h in hypotheses] == pytest.approx([best.log_prob] * 2)


def test_seed_and_key_decide() -> None:
    model, source = random_translator(), [5, 9, 7, 4]

    def drawn(seed: int = 0, key: int = 0) -> list[list[int]]:
        (hypotheses,) = n_best(sampling(n_best=8, seed=seed), model, [source], keys=[key])
        return [h.ids for h in hypotheses]

    assert drawn() == drawn()
    different = [drawn(seed, key) for seed in (0, 1, 2**40) for key in (0, 1, 2)]
    assert len({str(one) for one in different}) == 9
    assert len({str(one) for one in drawn()}) > 3


def test_more_samples_keep_the_first_ones() -> None:
    model, sources = random_translator(), random_sources(6)
    few, many = (n_best(sampling(n_best=count, top_p=0.9), model, sources) for count in (3, 20))
    for fewer, more in zip(few, many, strict=True):
        assert not Counter(tuple(h.ids) for h in fewer) - Counter(tuple(h.ids) for h in more)


def test_the_numbers_are_a_named_generators() -> None:
    """They are the same in every version: Philox, seeded by seed, key and sample."""
    numbers = sampling(n_best=2, seed=3)._numbers([7], 4)
    expected = np.random.Generator(np.random.Philox(np.random.SeedSequence(3, spawn_key=(7, 1)))).random(9)
    assert numbers.shape == (1, 2, 4)
    assert numbers[0, 1].tolist() == expected[:4].tolist()


def test_the_key_is_the_place_unless_given() -> None:
    model, sources = random_translator(), random_sources(6)
    assert n_best(sampling(), model, sources) == n_best(sampling(), model, sources, keys=range(6))
    assert n_best(sampling(), model, sources) != n_best(sampling(), model, sources, keys=range(1, 7))


@pytest.mark.parametrize("n_best_of", [1, 3])
def test_a_model_without_numbers_gives_some_translation(n_best_of: int) -> None:
    (found,) = n_best(sampling(n_best=n_best_of, top_p=0.5), TableModel([[math.nan] * 7] * 7), [[7, 8]])
    assert len(found) == n_best_of
    assert all(math.isfinite(h.log_prob) for h in found)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("temperature", 0, "must be above 0 and finite; for the likeliest set search=greedy"),
        ("temperature", -1.0, "must be above 0"),
        ("temperature", math.inf, "must be above 0"),
        ("temperature", math.nan, "must be above 0"),
        ("top_k", -1, "must be at least 0"),
        ("top_p", 0.0, "must be above 0 and at most 1"),
        ("top_p", 1.1, "must be above 0 and at most 1"),
        ("seed", -1, "must be at least 0"),
        ("batch_size", 0, "must be at least 1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(key: str, value: object, allowed: str) -> None:
    with pytest.raises(ValueError, match=rf"^search\.{key}={value}: {allowed}"):
        sampling(**{key: value})
