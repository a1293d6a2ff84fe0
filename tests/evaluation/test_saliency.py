"""Gradient saliency against differences, for every design; batches, modes and precisions change nothing."""

import random

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.model.designs import MODERN, PAPER, QUICK_AXES, build
from tests.model.oracle import Design
from torch import Tensor, nn

from rnnsearch.data.tokenizer import BOS, EOS
from rnnsearch.evaluation import saliency as module
from rnnsearch.evaluation.saliency import saliency
from rnnsearch.model.translator import Translator

Pairs = list[tuple[list[int], list[int]]]
PAIRS: Pairs = [([4, 7, 5, 10], [6, 9]), ([8, 8], [12, 4, 7]), ([9], []), ([], [5]), ([], [])]
STEP = 1e-6


def by_differences(translator: Translator, source: list[int], target: list[int]) -> NDArray[np.float64]:
    """ψ_ij as the change of log p(y_i) when the embedding of x_j is a little longer, divided by how much."""
    found = np.zeros((len(target) + 1, len(source) + 1))
    for j in range(len(source) + 1):
        longer, shorter = (log_probs(translator, source, target, j, 1 + sign * STEP) for sign in (1, -1))
        found[:, j] = (longer - shorter) / (2 * STEP)
    found = np.maximum(found, 0)
    total = found.sum(1, keepdims=True)
    return found / np.where(total > 0, total, 1)


@torch.no_grad()
def log_probs(
    translator: Translator, source: list[int], target: list[int], j: int, factor: float
) -> NDArray[np.float64]:
    def lengthen(_: nn.Module, __: object, embedded_BSM: Tensor) -> Tensor:
        factors = torch.ones(embedded_BSM.shape[1], dtype=embedded_BSM.dtype)
        factors[j] = factor
        return embedded_BSM * factors[:, None]

    handle = translator.encoder.embedding.register_forward_hook(lengthen)
    source_BS = torch.tensor([[*source, EOS]])
    readouts_BTR, _ = translator(
        source_BS, torch.ones_like(source_BS, dtype=torch.bool), torch.tensor([[BOS, *target]])
    )
    handle.remove()
    log_probs_TV = torch.log_softmax(translator.logits(readouts_BTR[0]), dim=-1).numpy()
    found: NDArray[np.float64] = log_probs_TV[np.arange(len(target) + 1), [*target, EOS]]
    return found


@pytest.mark.parametrize("design", QUICK_AXES)
def test_it_is_what_differences_give(design: Design) -> None:
    translator = build(design)
    for found, (source, target) in zip(saliency(translator, PAIRS), PAIRS, strict=True):
        np.testing.assert_allclose(found, by_differences(translator, source, target), atol=1e-6)


@pytest.mark.parametrize("kernels", ["portable", "fused"])
@pytest.mark.parametrize("mechanism", ["additive", "fixed", "mean"])
@pytest.mark.parametrize("start", [PAPER, MODERN], ids=["paper", "modern"])
def test_kernels_agree_with_the_plain_path(kernels: str, mechanism: str, start: Design) -> None:
    design = start.but(mechanism=mechanism)
    plain, other = (saliency(build(design, kernels=kind), PAIRS) for kind in ("plain", kernels))
    for one, two in zip(plain, other, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-10)


@pytest.mark.parametrize("positions", [pytest.param(1, marks=pytest.mark.slow), 40, 8192])
@pytest.mark.parametrize("mechanism", ["additive", "fixed"])
def test_batches_and_padding_change_nothing(positions: int, mechanism: str, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = build(MODERN.but(mechanism=mechanism), kernels="portable")
    draw = random.Random(3)
    pairs = [
        ([*draw.choices(range(4, 11), k=draw.randrange(9))], draw.choices(range(4, 13), k=draw.randrange(9)))
        for _ in "x" * 25
    ]
    alone = [saliency(translator, [pair])[0] for pair in pairs]
    monkeypatch.setattr(module, "POSITIONS", positions)
    for found, expected, (source, target) in zip(saliency(translator, pairs), alone, pairs, strict=True):
        assert found.shape == (len(target) + 1, len(source) + 1)
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_no_batch_has_more_than_its_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POSITIONS", 60)
    draw = random.Random(0)
    pairs = [([4] * draw.randrange(20), [4] * draw.randrange(20)) for _ in range(40)]
    seen = []
    for batch in module._batches(pairs):
        longest = max(len(pairs[pair][0]) for pair, _ in batch) + 1 + max(place for _, place in batch) + 1
        assert len(batch) == 1 or len(batch) * longest <= 60
        seen += batch
    assert sorted(seen) == [(pair, place) for pair, (_, target) in enumerate(pairs) for place in range(len(target) + 1)]


def test_rows_are_distributions_or_nothing() -> None:
    for found in saliency(build(MODERN.but(mechanism="fixed")), PAIRS):
        sums = found.sum(1)
        assert (np.isclose(sums, 1) | (sums == 0)).all()
        assert (found >= 0).all()
    assert saliency(build(MODERN), []) == []


def test_a_model_that_never_sees_its_source_has_no_saliency() -> None:
    translator = build(PAPER.but(mechanism="initial_only", initial_state="zero"))
    for found, (source, target) in zip(saliency(translator, PAIRS), PAIRS, strict=True):
        np.testing.assert_array_equal(found, np.zeros((len(target) + 1, len(source) + 1)))


def test_the_model_is_left_as_it_was() -> None:
    translator = build(MODERN.but(mechanism="fixed"))
    expected = saliency(translator, PAIRS)
    translator.encoder.embedding_dropout.rate = 0.5
    translator.train()
    with torch.inference_mode():
        found = saliency(translator, PAIRS)
        assert torch.is_inference_mode_enabled()
    assert translator.training
    assert not translator.encoder.embedding._forward_hooks
    assert all(parameter.grad is None for parameter in translator.parameters())
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two)


def test_single_precision_is_close_to_double() -> None:
    translator = build(MODERN.but(mechanism="fixed"))
    double, single = saliency(translator, PAIRS), saliency(translator.float(), PAIRS)
    for one, two in zip(double, single, strict=True):
        assert two.dtype == np.float64
        np.testing.assert_allclose(one, two, atol=1e-4)
