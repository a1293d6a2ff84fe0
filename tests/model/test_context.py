import math

import pytest
import torch

from rnnsearch.model.context import Additive, Dot, Fixed, LocationOnly, Mean, sinusoids
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.memory import mix


def annotations(*states: list[list[float]]) -> Annotations:
    """One sentence a list, forward only; shorter ones are padded."""
    longest = max(map(len, states))
    width = len(states[0][0])
    states_BSE = torch.tensor([s + [[0.0] * width] * (longest - len(s)) for s in states], dtype=torch.float64)
    mask_BS = torch.tensor([[j < len(s) for j in range(longest)] for s in states])
    last_BH = torch.tensor([s[-1] for s in states], dtype=torch.float64)
    return Annotations(states_BSE, mask_BS, last_BH, None)


def test_additive_attention_by_hand() -> None:
    """artanh(1/2) = ln(3)/2, so v = ln 3 turns tanh = ±1/2 into energies ± ln(3)/2: weights 3/4 and 1/4."""
    context = Additive(annotation_size=1, state_size=1, attention_size=1, normed=False).double()
    with torch.no_grad():
        context.query.weight.fill_(2.0)
        context.key.weight.fill_(1.0)
        context.v.fill_(math.log(3))
    s, a = 0.1, math.log(3) / 2
    given = annotations([[a - 2 * s], [-a - 2 * s]], [[5.0]])  # the second sentence has one word, and looks at it
    memory = context.remember(given)
    weights_BS = context.weigh(torch.tensor([[s], [s]], dtype=torch.float64), memory, 0)
    expected_BS = torch.tensor([[0.75, 0.25], [1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(weights_BS, expected_BS, atol=1e-15, rtol=0)
    contexts_BTE = mix(weights_BS.unsqueeze(1), memory.values_BSE)
    assert contexts_BTE.flatten().tolist() == pytest.approx([a / 2 - 2 * s, 5.0], abs=1e-15)


def test_normed_additive_does_not_depend_on_the_length_of_v() -> None:
    torch.manual_seed(0)
    context = Additive(annotation_size=2, state_size=3, attention_size=4, normed=True).double()
    query_BH = torch.randn(1, 3, dtype=torch.float64)
    memory = context.remember(annotations([[0.5, 1.0], [-1.0, 2.0]]))
    before = context.weigh(query_BH, memory, 0)
    with torch.no_grad():
        context.v.mul_(7.0)
    torch.testing.assert_close(context.weigh(query_BH, memory, 0), before)
    with torch.no_grad():
        context.g.mul_(7.0)
    assert (context.weigh(query_BH, memory, 0) - before).abs().max() > 1e-3


def test_dot_by_hand() -> None:
    context = Dot(annotation_size=2, state_size=2)
    memory = context.remember(annotations([[math.log(3), 9.0], [0.0, -5.0]]))
    weights_BS = context.weigh(torch.tensor([[1.0, 0.0]], dtype=torch.float64), memory, 0)
    assert weights_BS.tolist() == [pytest.approx([0.75, 0.25])]


def test_constant_contexts_by_hand() -> None:
    given = annotations([[1.0, 2.0], [3.0, 6.0]], [[5.0, 7.0]])
    mean = Mean(annotation_size=2, state_size=2).remember(given)
    assert mean.values_BSE.tolist() == [[[2.0, 4.0]], [[5.0, 7.0]]]
    fixed = Fixed(annotation_size=2, state_size=2).double()
    with torch.no_grad():
        fixed.summary.weight.copy_(torch.tensor([[0.0, 1.0], [0.5, 0.0]]))
        fixed.summary.bias.copy_(torch.tensor([0.0, 1.0]))
    values_BSE = fixed.remember(given).values_BSE
    assert values_BSE[0, 0].tolist() == pytest.approx([math.tanh(6.0), math.tanh(2.5)])
    assert fixed.weigh(torch.zeros(2, 2), fixed.remember(given), 0) is None


def test_sinusoids_by_hand() -> None:
    got = sinusoids(torch.tensor([0, 3]), 4, torch.float64)
    assert got[0].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert got[1].tolist() == pytest.approx([math.sin(3), math.sin(0.03), math.cos(3), math.cos(0.03)])


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"model/context=dot .* a state has 2 values and an annotation 4; set model\."):
        Dot(annotation_size=4, state_size=2)
    with pytest.raises(ValueError, match=r"model\.context\.position_size=5"):
        LocationOnly(annotation_size=4, state_size=2, attention_size=3, position_size=5)
