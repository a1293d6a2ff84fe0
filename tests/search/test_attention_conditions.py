"""Attention weights replaced at test time, against the oracle of the equations, in search and with words given."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.model.designs import MODERN, PAPER, SOURCES, TARGETS, TRANSFORMER, batch, build, parameters
from tests.model.oracle import Design, Oracle, rename
from tests.model.transformer_oracle import Condition as ByOracle
from torch import Tensor

from rnnsearch.data.tokenizer import PAD
from rnnsearch.model.translator import Translator
from rnnsearch.search.attention_conditions import (
    Condition,
    Diagonal,
    Known,
    Permuted,
    erased,
    of_other_run,
    uniform,
)
from rnnsearch.search.replaced_attention import ReplacedTranslator

from .models import random_translator
from .searches import beam_search, n_best, random_sources

RATIO = 0.8
Weights = list[complex]
Equation = Callable[[Weights, int, list[int], int | None], Weights]  # weights, step, source ids, T (None in search)


def equal_weights(weights: Weights, i: int, source: list[int], target: int | None) -> Weights:
    return [sum(weights) / len(source) for _ in source]


def permuted_weights(weights: Weights, i: int, source: list[int], target: int | None) -> Weights:
    order = np.random.Generator(np.random.Philox(np.random.SeedSequence([5, i, *source]))).permutation(len(source))
    return [weights[place] for place in order]


def weights_without_the_strongest(weights: Weights, i: int, source: list[int], target: int | None) -> Weights:
    if len(weights) == 1:
        return weights
    strongest = max(range(len(weights)), key=lambda j: np.real(weights[j]))
    rest = sum(w for j, w in enumerate(weights) if j != strongest)
    if rest == 0:
        return [0.0 if j == strongest else sum(weights) / (len(weights) - 1) for j in range(len(weights))]
    return [0.0 if j == strongest else sum(weights) * w / rest for j, w in enumerate(weights)]


def diagonal_weights(weights: Weights, i: int, source: list[int], target: int | None) -> Weights:
    place = (i + 0.5) / RATIO if target is None else (i + 0.5) * len(source) / target
    return [sum(weights) if j == min(math.floor(place), len(source) - 1) else 0.0 for j in range(len(source))]


CONDITIONS: dict[str, tuple[Condition, Equation]] = {
    "uniform": (uniform, equal_weights),
    "permuted": (Permuted(5), permuted_weights),
    "erased": (erased, weights_without_the_strongest),
    "diagonal": (Diagonal(RATIO), diagonal_weights),
}
DESIGNS = [
    PAPER,
    PAPER.but(coverage=True),
    PAPER.but(heads=2, mechanism="scaled_dot"),
    MODERN.but(mechanism="slots", normalized="slots"),
    MODERN.but(mechanism="location_only", query_state="current"),
    MODERN.but(weights="sparsemax", mechanism="general", query_state="two_step"),
    MODERN.but(window=1, input_feeding=True, decoder_layers=2),
    TRANSFORMER.but(layers=2),
    TRANSFORMER.but(encoder="recurrent", norm="post"),
]
every_condition = pytest.mark.parametrize("name", CONDITIONS)
every_design = pytest.mark.parametrize("design", DESIGNS, ids=str)


def by_oracle(equation: Equation, source: list[int], target: int | None) -> ByOracle:
    return lambda weights, i, layer, head: equation(weights, i, source, target)


def forced(translator: Translator) -> tuple[Tensor, Tensor]:
    """log p ``[B, T, V]`` and weights of a padded batch."""
    source_BS, source_mask_BS, target_BT, target_mask_BT = batch()
    readouts_BTR, weights_BTS = translator(source_BS, source_mask_BS, target_BT.where(target_mask_BT, PAD))
    assert weights_BTS is not None
    return torch.log_softmax(translator.logits(readouts_BTR), dim=-1), weights_BTS


def stepped(translator: Translator, source: list[int], target: list[int]) -> tuple[Tensor, Tensor]:
    """The same of one sentence by the steps of search, with the next sentence beside it and two hypotheses of each."""
    source_BS, mask_BS, *_ = batch([source, SOURCES[0]], [target, target])
    state, memory = translator.encode(source_BS, mask_BS)
    state, memory = state.select(torch.tensor([0, 0])), memory.select(torch.tensor([0]))
    log_probs, weights = [], []
    for i, word in enumerate(target):
        log_probs_NV, state, weights_NS = translator.step(torch.tensor([word, word]), state, memory, i)
        assert weights_NS is not None
        torch.testing.assert_close(log_probs_NV[0], log_probs_NV[1])
        log_probs.append(log_probs_NV[1])
        weights.append(weights_NS[1, : len(source)])
        assert (weights_NS[:, len(source) :] == 0).all()
    return torch.stack(log_probs), torch.stack(weights)


@every_condition
@every_design
@torch.no_grad()
def test_they_agree_with_the_oracle(design: Design, name: str) -> None:
    translator = build(design)
    condition, equation = CONDITIONS[name]
    replaced = ReplacedTranslator(learned=translator, condition=condition)
    own = rename(parameters(translator), design)
    log_probs_BTV, weights_BTS = forced(replaced)
    for b, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        assert (weights_BTS[b, : len(target), len(source) :] == 0).all()
        got = log_probs_BTV[b, : len(target)], weights_BTS[b, : len(target), : len(source)]
        agree(got, Oracle(design, own, by_oracle(equation, source, len(target))), source, target)
        if b == 1:
            in_search = Oracle(design, own, by_oracle(equation, source, None))
            agree(stepped(replaced, source, target), in_search, source, target)


def agree(got: tuple[Tensor, Tensor], oracle: Oracle, source: list[int], target: list[int]) -> None:
    for tensor, expected in zip(got, oracle.translate(source, target), strict=True):
        np.testing.assert_allclose(tensor.numpy(), np.array(expected), atol=1e-10)


@every_design
@torch.no_grad()
def test_another_model_s_weights_agree_with_the_oracle(design: Design) -> None:
    translator, of_other = build(design), build(design, seed=1)
    replaced = ReplacedTranslator(learned=translator, condition=of_other_run, other=of_other)
    log_probs_BTV, weights_BTS = forced(replaced)
    other = Oracle(design, rename(parameters(of_other), design))
    for b, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        _, alphas = other.translate(source, target)
        assert alphas is not None

        def theirs(weights: Weights, i: int, layer: int, head: int, alphas: list[list[float]] = alphas) -> Weights:
            return [sum(weights) * a / sum(alphas[i]) for a in alphas[i]]

        got = log_probs_BTV[b, : len(target)], weights_BTS[b, : len(target), : len(source)]
        agree(got, Oracle(design, rename(parameters(translator), design), theirs), source, target)


@pytest.mark.parametrize(
    ("design", "layer", "head"),
    [
        (PAPER.but(heads=2), None, 2),
        (TRANSFORMER.but(layers=2), 1, None),
        (TRANSFORMER.but(layers=2), None, 1),
        (TRANSFORMER.but(layers=2), 2, 2),
    ],
    ids=str,
)
@torch.no_grad()
def test_layers_and_heads_that_are_named_alone_are_replaced(
    design: Design, layer: int | None, head: int | None
) -> None:
    translator = build(design)
    replaced = ReplacedTranslator(learned=translator, condition=uniform, layer=layer, head=head)
    log_probs_BTV, weights_BTS = forced(replaced)

    def some(weights: Weights, i: int, of_layer: int, of_head: int) -> Weights:
        is_meant = layer in (None, of_layer + 1) and head in (None, of_head + 1)
        return [sum(weights) / len(weights)] * len(weights) if is_meant else weights

    source, target = SOURCES[0], TARGETS[0]
    got = log_probs_BTV[0, : len(target)], weights_BTS[0, : len(target), : len(source)]
    agree(got, Oracle(design, rename(parameters(translator), design), some), source, target)


@every_design
@torch.no_grad()
def test_weights_that_are_replaced_by_themselves_change_no_bit(design: Design) -> None:
    translator = build(design)
    before = {name: value.clone() for name, value in translator.state_dict().items()}
    replaced = ReplacedTranslator(learned=translator, condition=lambda learned_BXS, known, step: learned_BXS)
    for same, learnt in zip(forced(replaced), forced(translator), strict=True):
        assert torch.equal(same, learnt)
    for same, learnt in zip(stepped(replaced, *PAIR), stepped(translator, *PAIR), strict=True):
        assert torch.equal(same, learnt)
    assert {id(one) for one in replaced.parameters()} == {id(one) for one in translator.parameters()}
    assert all(torch.equal(value, before[name]) for name, value in translator.state_dict().items())


PAIR = (SOURCES[1], TARGETS[1])


@every_condition
@pytest.mark.parametrize("context", ["additive", "transformer"])
def test_neither_batch_nor_padding_nor_beam_matters(context: str, name: str) -> None:
    model = ReplacedTranslator(learned=random_translator(context), condition=CONDITIONS[name][0])
    sources, search = random_sources(4), beam_search(beam_size=3, n_best=3)
    together = n_best(search, model, sources, padding=2)
    for source, expected in zip(sources, together, strict=True):
        [alone] = n_best(search, model, [source])
        assert [h.ids for h in alone] == [h.ids for h in expected]
        np.testing.assert_allclose([h.score for h in alone], [h.score for h in expected], atol=1e-10)


def known(*lengths: int, targets: list[int] | None = None) -> Known:
    mask_BS = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    sources = tuple(tuple(range(4, 4 + length)) for length in lengths)
    return Known(mask_BS, sources, None if targets is None else torch.tensor(targets))


def test_a_permutation_is_of_its_seed_sentence_and_step() -> None:
    learned_BXS = torch.rand(2, 3, 9, dtype=torch.float64)
    learned_BXS[1, :, 7:] = 0
    sentences = known(9, 7)
    first = Permuted(0)(learned_BXS, sentences, 0)
    assert torch.equal(first.sort(-1).values, learned_BXS.sort(-1).values)
    assert (first[1, :, 7:] == 0).all()
    assert torch.equal(Permuted(0)(learned_BXS, sentences, 0), first)
    for other in (Permuted(0)(learned_BXS, sentences, 1), Permuted(1)(learned_BXS, sentences, 0)):
        assert not torch.equal(other[0], first[0])
    assert torch.equal(Permuted(0)(learned_BXS[1:], sentences.select(torch.tensor([1])), 0), first[1:])


@pytest.mark.parametrize(
    ("learned", "length", "expected"),
    [
        ([0.5, 0.3, 0.2], 3, [0.0, 0.6, 0.4]),
        ([0.4, 0.4, 0.2], 3, [0.0, 2 / 3, 1 / 3]),  # the leftmost of equals
        ([0.0, 1.0, 0.0, 0.0], 3, [0.5, 0.0, 0.5, 0.0]),  # all of it on one word
        ([1.0, 0.0], 1, [1.0, 0.0]),  # no other word
        ([0.1, 0.3, 0.1, 0.0], 3, [0.25, 0.0, 0.25, 0.0]),  # of one of two heads
    ],
)
def test_what_is_left_of_weights_without_the_strongest(
    learned: list[float], length: int, expected: list[float]
) -> None:
    learned_BXS = torch.tensor([[learned]], dtype=torch.float64)
    mask_BS = torch.arange(len(learned))[None] < length
    found = erased(learned_BXS, Known(mask_BS, ()), 0)
    np.testing.assert_allclose(found[0, 0].numpy(), expected, rtol=1e-12)


def test_the_diagonal_goes_from_corner_to_corner() -> None:
    learned_BXS = torch.full((3, 1, 6), 1 / 6)
    sentences = known(3, 6, 2, targets=[3, 3, 6])
    steps = [Diagonal()(learned_BXS, sentences, step).argmax(-1)[:, 0].tolist() for step in range(6)]
    assert [of_step[0] for of_step in steps[:3]] == [0, 1, 2]
    assert [of_step[1] for of_step in steps[:3]] == [1, 3, 5]
    assert [of_step[2] for of_step in steps] == [0, 0, 0, 1, 1, 1]
    free = [Diagonal(2.0)(learned_BXS, known(3, 6, 2), step).argmax(-1)[:, 0].tolist() for step in range(6)]
    assert [of_step[0] for of_step in free] == [0, 0, 1, 1, 2, 2]
    assert [of_step[2] for of_step in free] == [0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("context", "places", "sentence"),
    [
        ("fixed", {}, "this model has none: its context is the same at every step"),
        ("additive", {"layer": 1}, "attention_layer chooses among the layers of a Transformer's decoder"),
        ("additive", {"head": 2}, "attention_head=2: this decoder has 1, counted from 1"),
        ("transformer", {"layer": 3}, "attention_layer=3: this decoder has 2, counted from 1"),
        ("transformer", {"head": 3}, "attention_head=3: this decoder has 2, counted from 1"),
    ],
)
def test_what_can_t_be_replaced(context: str, places: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ReplacedTranslator(learned=random_translator(context), condition=uniform, **places)
