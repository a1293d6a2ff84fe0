import pytest
import torch
from torch import Tensor

from rnnsearch.model import cells
from rnnsearch.model.context import Memory
from rnnsearch.model.decoder import State
from rnnsearch.model.recurrence import TRANSITIONS
from rnnsearch.model.transformer import Past
from rnnsearch.model.transformer_layer import MultiHeadAttention
from rnnsearch.model.translator import Translator

from .designs import (
    MODERN,
    PAPER,
    QUICK_AXES,
    SOURCES,
    TARGETS,
    TRANSFORMER,
    Batch,
    batch,
    build,
    every_path,
    log_probabilities,
)
from .oracle import GATES, Design

CLOSE = {"atol": 1e-12, "rtol": 0.0}
every_design = pytest.mark.parametrize("design", QUICK_AXES)


def real(log_probs_BTV: Tensor) -> list[Tensor]:
    """Each sentence's log-probabilities, padding cut off."""
    return [row_TV[: len(target)] for row_TV, target in zip(log_probs_BTV, TARGETS, strict=True)]


@every_path
@every_design
@torch.no_grad()
def test_padding_changes_nothing(design: Design, kernels: str) -> None:
    translator = build(design, kernels=kernels)
    less, more = (real(log_probabilities(translator, batch(more=n))[0]) for n in (0, 3))
    for a, b in zip(less, more, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


@every_path
@every_design
@torch.no_grad()
def test_batch_size_changes_nothing(design: Design, kernels: str) -> None:
    translator = build(design, kernels=kernels)
    together = real(log_probabilities(translator, batch())[0])
    for k, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        alone_BTV, _ = log_probabilities(translator, batch([source], [target]))
        torch.testing.assert_close(alone_BTV[0], together[k], **CLOSE)


@every_path
@every_design
@torch.no_grad()
def test_order_changes_nothing(design: Design, kernels: str) -> None:
    translator, order = build(design, kernels=kernels), [2, 0, 3, 1]
    straight_BTV, _ = log_probabilities(translator, batch())
    shuffled_BTV, _ = log_probabilities(translator, batch([SOURCES[k] for k in order], [TARGETS[k] for k in order]))
    torch.testing.assert_close(shuffled_BTV, straight_BTV[order], **CLOSE)


def stepwise(translator: Translator, given: Batch) -> tuple[Tensor, list[Tensor | None]]:
    source_BS, mask_BS, target_BT, _ = given
    state, memory = translator.encode(source_BS, mask_BS)
    log_probs, weights = [], []
    for i, token_B in enumerate(target_BT.unbind(1)):
        log_probs_BV, state, weights_BS = translator.step(token_B, state, memory, i)
        log_probs.append(log_probs_BV)
        weights.append(weights_BS)
    return torch.stack(log_probs, dim=1), weights


@every_path
@every_design
@torch.no_grad()
def test_unrolled_is_stepwise(design: Design, kernels: str) -> None:
    translator = build(design, kernels=kernels)
    unrolled_BTV, weights_BTS = log_probabilities(translator, batch())
    stepwise_BTV, weights = stepwise(translator, batch())
    torch.testing.assert_close(stepwise_BTV, unrolled_BTV, **CLOSE)
    assert [w is None for w in weights] == [weights_BTS is None] * len(weights)
    if weights_BTS is not None:
        torch.testing.assert_close(torch.stack(weights, dim=1), weights_BTS, **CLOSE)


@every_design
@torch.no_grad()
def test_search_may_pick_rows(design: Design) -> None:
    """State and memory of chosen rows go on as those rows would have: what beam search does at every step."""
    translator, index_N = build(design), torch.tensor([2, 0, 0])
    source_BS, mask_BS, target_BT, _ = batch()
    state, memory = translator.encode(source_BS, mask_BS)
    _, state, _ = translator.step(target_BT[:, 0], state, memory, 0)
    all_BV, _, _ = translator.step(target_BT[:, 1], state, memory, 1)
    chosen = state.select(index_N), memory.select(index_N)
    chosen_NV, _, _ = translator.step(target_BT[index_N, 1], *chosen, 1)
    torch.testing.assert_close(chosen_NV, all_BV[index_N], **CLOSE)


@every_design
@torch.no_grad()
def test_hypotheses_share_a_memory(design: Design) -> None:
    """K rows of a sentence over its one memory go on as they would over a copy each."""
    translator = build(design)
    state, memory = translator.encode(*batch()[:2])
    copies_N = torch.arange(len(SOURCES)).repeat_interleave(3)
    tokens_TN = torch.randint(2, 13, (3, len(copies_N)), generator=torch.Generator().manual_seed(0))
    shared = alone = state.select(copies_N)
    for i, token_N in enumerate(tokens_TN):
        shared_NV, shared, shared_NS = translator.step(token_N, shared, memory, i)
        alone_NV, alone, alone_NS = translator.step(token_N, alone, memory.select(copies_N), i)
        torch.testing.assert_close(shared_NV, alone_NV, **CLOSE)
        torch.testing.assert_close(tensors(shared), tensors(alone), **CLOSE)
        assert (shared_NS is None) == (alone_NS is None)
        if shared_NS is not None:
            torch.testing.assert_close(shared_NS, alone_NS, **CLOSE)


def tensors(state: State | Past) -> list[Tensor]:
    if isinstance(state, State):
        covered = [] if state.covered_NV is None else [state.covered_NV]
        return [*state.cell, *(part for cell in state.above for part in cell), *covered]
    return [part for layer in state.layers for part in (layer.keys, layer.values)]


@every_path
@every_design
@torch.no_grad()
def test_weights_are_a_distribution_over_real_words(design: Design, kernels: str) -> None:
    given = batch(more=2)
    _, weights_BTS = log_probabilities(build(design, kernels=kernels), given)
    assert (weights_BTS is None) == (not design.weighs)
    if weights_BTS is None:
        return
    mask_B1S = given[1].unsqueeze(1).expand_as(weights_BTS)
    assert (weights_BTS >= 0).all()
    assert (weights_BTS[~mask_B1S] == 0).all()
    if (design.mechanism, design.normalized) == ("slots", "slots"):  # each annotation's share is of 1 by the length
        assert (weights_BTS.sum(-1) < 1).all()
        return
    torch.testing.assert_close(weights_BTS.sum(-1), torch.ones_like(weights_BTS[..., 0]), **CLOSE)


@torch.no_grad()
def test_what_a_mechanism_may_depend_on() -> None:
    """Content-free weights ignore the words; a constant context ignores the step; attention ignores neither."""
    first, second = batch(), batch([[w + 1 if w < 10 else 4 for w in source] for source in SOURCES], TARGETS)
    location = build(PAPER.but(mechanism="location_only"))
    torch.testing.assert_close(log_probabilities(location, first)[1], log_probabilities(location, second)[1], **CLOSE)
    additive = build(PAPER)
    a_BTS, b_BTS = log_probabilities(additive, first)[1], log_probabilities(additive, second)[1]
    assert (a_BTS - b_BTS).abs().max() > 1e-3
    assert (a_BTS[:, 0] - a_BTS[:, 1]).abs().max() > 1e-3


@pytest.mark.parametrize("fast_mode", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("query_state", list(TRANSITIONS))
@pytest.mark.parametrize("cell", list(GATES))
def test_gradcheck_of_a_transition(cell: str, query_state: str, fast_mode: bool) -> None:
    """Along random directions, or each number alone."""
    translator = build(MODERN.but(cell=cell, query_state=query_state))
    transition, context = translator.decoder.transition, translator.decoder.context
    with torch.no_grad():
        start, memory = translator.decoder.start(translator.encoder(*batch()[:2]))
    inputs_BG = torch.randn(len(SOURCES), transition.gates, dtype=torch.float64)
    names = [name for name, _ in transition.named_parameters()]

    def step(inputs: Tensor, values: Tensor, keys: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        state, weights = tuple(rest[: len(start.cell)]), rest[len(start.cell) :]
        named = dict(zip(names, weights, strict=True))
        projected = values @ named["into_gates.weight"].T if query_state != "current" else None
        here = Memory(memory.mask_BS, values, keys, projected)
        new, weights_BS = torch.func.functional_call(transition, named, (inputs, state, here, context, 0))
        return *new, weights_BS

    given = (inputs_BG, memory.values_BSE, memory.keys_BSA, *start.cell, *transition.parameters())
    inputs = tuple(t.detach().clone().requires_grad_() for t in given)
    assert torch.autograd.gradcheck(step, inputs, fast_mode=fast_mode)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8])
def test_states_at_once_are_those_step_by_step(length: int) -> None:
    """By one pass and by doubling, with gradients."""
    given = [torch.rand(shape).double().requires_grad_() for shape in ((2, 3), (length, 2, 3), (length, 2, 3))]
    state, states = given[0], []
    for value, share in zip(*given[1:], strict=True):
        state = (1 - share) * state + share * value
        states.append(state)
    torch.testing.assert_close(cells.mixed_in(*given), torch.stack(states), **CLOSE)
    assert torch.autograd.gradcheck(cells.mixed_in, given)
    added, kept = given[1].detach(), given[2].detach()[1:]
    torch.testing.assert_close(cells._doubled(added, kept), cells.accumulated(added, kept), **CLOSE)


@pytest.mark.parametrize("causal", [True, False])
def test_gradcheck_of_an_attention(causal: bool) -> None:
    attention = MultiHeadAttention(width=4, heads=2, looked_size=4, rate=0.0, plain=False).double()
    mask_B11X = None if causal else torch.tensor([[True, True, False], [True, True, True]])[:, None, None]

    def attend(query_BQD: Tensor, values_BXE: Tensor, *weights: Tensor) -> Tensor:
        named = dict(zip(dict(attention.named_parameters()), weights, strict=True))
        with torch.nn.utils.stateless._reparametrize_module(attention, named):
            return attention(query_BQD, attention.look(values_BXE), mask_B11X=mask_B11X, causal=causal)

    given = (torch.randn(2, 3, 4).double(), torch.randn(2, 3, 4).double(), *attention.parameters())
    inputs = tuple(value.detach().clone().requires_grad_() for value in given)
    assert torch.autograd.gradcheck(attend, inputs, fast_mode=False)


@torch.no_grad()
def test_weights_are_those_of_the_layer_and_the_head_that_are_named() -> None:
    translator = build(TRANSFORMER.but(layers=3))
    decoder = translator.decoder
    found = {}
    for layer in (1, 2, 3):
        for head in (None, 1, 2):
            decoder.align_by(layer, head)
            found[layer, head] = log_probabilities(translator, batch())[1]
        torch.testing.assert_close((found[layer, 1] + found[layer, 2]) / 2, found[layer, None])
    decoder.align_by(None, None)
    torch.testing.assert_close(log_probabilities(translator, batch())[1], found[2, None])  # the last but one
    assert (found[1, None] - found[3, None]).abs().max() > 1e-3
    for layer, head in ((0, None), (4, None), (None, 3)):
        with pytest.raises(ValueError, match=r"alignments\..*counted from 1"):
            decoder.align_by(layer, head)
    decoder.train()
    assert log_probabilities(translator, batch())[1] is None  # nobody reads them in training


def test_state_and_memory_are_frozen() -> None:
    state, memory = build(PAPER).encode(*batch()[:2])
    assert isinstance(state, State)
    for value, field in ((state, "cell"), (memory, "values_BSE")):
        with pytest.raises(AttributeError):
            setattr(value, field, None)
