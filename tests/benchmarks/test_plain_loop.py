"""The plain loop has our model's equations: with equal weights, equal loss and gradients."""

import pytest
import torch
from benchmarks.ours import Loop, Ours
from benchmarks.plain_loop import PlainLoop
from benchmarks.systems import Sizes, Words
from torch import Tensor, nn

from rnnsearch.data.batching import Batch, Row, collate
from rnnsearch.model.translator import Translator
from rnnsearch.training.cost import SOFTMAX

SIZES = Sizes("tiny", embedding=96, hidden=96, attention=96, readout=96, vocabulary=40)


@pytest.fixture
def ours() -> Ours:
    torch.manual_seed(3)
    system = Ours(SIZES, {}, kernels=None)
    system.model.double()
    return system


@pytest.fixture
def loop(ours: Ours) -> Loop:
    system = Loop(SIZES, {})
    system.model.double()
    copy_weights(ours.model.translator, system.model)
    return system


def pairs(ours: Translator, loop: PlainLoop) -> list[tuple[str, list[Tensor], Tensor]]:
    """Each weight of the loop with those of ours that, side by side in their columns, are the same matrix."""
    encoder, decoder = ours.encoder, ours.decoder
    rnn = next(module for module in encoder.modules() if isinstance(module, nn.GRU))
    cell, transition = loop.cell, decoder.transition
    same = [(name, [dict(rnn.named_parameters())[name]], weight) for name, weight in loop.encoder.named_parameters()]
    return [
        *same,
        ("source embedding", [encoder.embedding.weight], loop.source_embedding.weight),
        ("target embedding", [decoder.embedding.weight], loop.target_embedding.weight),
        ("bridge", [decoder.initial.project.weight], loop.bridge.weight),
        ("bridge bias", [decoder.initial.project.bias], loop.bridge.bias),
        ("query", [decoder.context.query.weight], loop.query.weight),
        ("key", [decoder.context.key.weight], loop.key.weight),
        ("v", [decoder.context.v], loop.energy.weight[0]),
        ("input", [decoder.input.weight, transition.into_gates.weight], cell.weight_ih),
        ("input bias", [decoder.input.bias], cell.bias_ih),
        ("recurrent", [transition.cell.recurrent.weight], cell.weight_hh),
        ("candidate bias", [transition.cell.candidate_bias], cell.bias_hh[2 * loop.cell.hidden_size :]),
        ("readout", readout_parts(decoder.readout), loop.readout.weight),
        ("readout bias", [decoder.readout.state.bias], loop.readout.bias),
        ("output", [decoder.output.weight], loop.output.weight),
        ("output bias", [decoder.output.bias], loop.output.bias),
    ]


def readout_parts(readout: nn.Module) -> list[Tensor]:
    return [getattr(readout, part).weight for part in ("state", "word", "context")]


@torch.no_grad()
def copy_weights(ours: Translator, loop: PlainLoop) -> None:
    loop.cell.bias_hh.zero_()  # ours has a bias on the state in the candidate only
    for _, parts, weight in pairs(ours, loop):
        weight.copy_(torch.cat(parts, dim=-1))


def padded() -> Batch:
    rows = [Row(index=i, source=[4 + i] * s, target=[9 + i] * t) for i, (s, t) in enumerate([(5, 3), (1, 6), (3, 1)])]
    return collate(rows)


def test_losses_and_gradients_agree(ours: Ours, loop: Loop) -> None:
    words = Words.random(SIZES, batch=3, source=5, target=4, device=torch.device("cpu"))
    losses = [system.loss(words) for system in (ours, loop)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-10, atol=0)
    for loss in losses:
        loss.backward()
    gradients = {id(p): p.grad for model in (ours.model, loop.model) for p in model.parameters()}
    for name, parts, weight in pairs(ours.model.translator, loop.model):
        if id(weight) in gradients:  # rows of a weight are no parameters
            wanted = torch.cat([gradients[id(part)] for part in parts], dim=-1)
            torch.testing.assert_close(gradients[id(weight)], wanted, rtol=1e-8, atol=1e-10, msg=name)


def test_padding_is_masked(ours: Ours, loop: Loop) -> None:
    batch = padded()
    logits_BTV = loop.model(batch.source_BS, batch.source_mask_BS, batch.target_in_BT)
    readouts_BTR, _ = ours.model.translator(batch.source_BS, batch.source_mask_BS, batch.target_in_BT)
    wanted_BTV = ours.model.translator.logits(readouts_BTR)
    torch.testing.assert_close(
        logits_BTV[batch.target_mask_BT], wanted_BTV[batch.target_mask_BT], rtol=1e-9, atol=1e-10
    )


def test_parameters_and_operations_are_as_many(ours: Ours, loop: Loop) -> None:
    counts = [sum(p.numel() for p in model.parameters()) for model in (ours.model, loop.model)]
    assert counts[1] - counts[0] == 2 * SIZES.hidden  # the two biases that a GRUCell has twice
    source, target = 7, 5
    mixed_gates = 3 * 2 * source * 3 * SIZES.hidden  # ours mixes projected annotations, the loop projects the mixture
    projected = 3 * 2 * 2 * SIZES.hidden * 3 * SIZES.hidden * (source / target - 1)
    elements = 3 * source * (2 * SIZES.attention + SOFTMAX)  # of energies and weights, beside their products
    found = ours.operations(source, target) - loop.operations(source, target)
    assert found == pytest.approx(mixed_gates + projected + elements)
