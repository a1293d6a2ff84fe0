import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rnnsearch.model.translator import Translator
from rnnsearch.training.cost import operations_per_token

from .translators import translator_of

SOURCE, TARGET = 9, 7
ATTENTION, STATE, READOUT, VOCABULARY = 24, 40, 16, 50


def build(mechanism: str = "additive", *, bidirectional: bool = True, **changes: object) -> Translator:
    sizes = {"attention": ATTENTION, "embedding": READOUT, "vocabulary": VOCABULARY, "readout_size": READOUT}
    sizes |= {"hidden": 20 if bidirectional else 40, "state": STATE}
    return translator_of(mechanism, bidirectional=bidirectional, **({"cell": "paper"} | sizes | changes))


def pair() -> tuple[Tensor, Tensor]:
    return torch.randint(4, VOCABULARY, (1, SOURCE)), torch.randint(4, VOCABULARY, (1, TARGET))


def counted(translator: Translator, *, training: bool) -> int:
    """What torch counts for one sentence pair: products of two matrices alone."""
    source_BS, target_BT = pair()
    translator = translator.double()  # in float32 mkldnn's LSTM runs, into which torch does not look
    with FlopCounterMode(display=False) as counter:
        readouts_BTR, _ = translator(source_BS, torch.ones_like(source_BS, dtype=torch.bool), target_BT)
        loss = translator.logits(readouts_BTR).logsumexp(-1).sum()
        if training:
            loss.backward()
    return counter.get_total_flops()


def formula(translator: Translator) -> float:
    return TARGET * operations_per_token(translator, source_length=SOURCE, target_length=TARGET).forward


def softmaxes(translator: Translator) -> int:
    return 0 if translator.decoder.context.constant else 5 * SOURCE * TARGET


CHANGES = [
    {"mechanism": "fixed"},
    {"mechanism": "mean"},
    {"mechanism": "initial_only"},
    {"mechanism": "dot"},
    {"mechanism": "general"},
    {"mechanism": "scaled_dot"},
    {"mechanism": "dot", "query_state": "current"},
    {"mechanism": "scaled_dot", "query_state": "two_step"},
    {"mechanism": "fixed", "query_state": "two_step"},
    {"mechanism": "fixed", "input_feeding": True},
    {"mechanism": "general", "input_feeding": True, "query_state": "current", "readout": "maxout"},
    {"mechanism": "general", "layers": 2, "bidirectional": False},
    {"mechanism": "general", "cell": "cudnn", "layers": 2},
    {"mechanism": "general", "cell": "lstm"},
    {"mechanism": "general", "cell": "elman"},
    {"mechanism": "general", "tied": "all"},
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: ",".join(map(str, changes.values())))
def test_formula_is_what_torch_counts_and_the_softmax(changes: dict[str, object]) -> None:
    translator = build(**changes)
    expected = counted(translator, training=False) + softmaxes(translator)
    assert formula(translator) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("mechanism", ["additive", "location_only"])
def test_torch_leaves_out_sums_tanh_and_products_with_a_vector(mechanism: str) -> None:
    """Of v_a^T tanh(q + k), a matrix times a vector, FlopCounterMode sees nothing."""
    translator = build(mechanism=mechanism)
    energies = (1 + 1 + 2) * SOURCE * TARGET * ATTENTION
    expected = counted(translator, training=False) + energies + softmaxes(translator)
    assert formula(translator) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: ",".join(map(str, changes.values())))
def test_training_is_three_times_forward(changes: dict[str, object]) -> None:
    """Up to products whose gradient nobody needs: with the zero state that a recurrence starts from."""
    translator = build(**changes)
    cost = operations_per_token(translator, source_length=SOURCE, target_length=TARGET)
    assert cost.training == 3 * cost.forward
    expected = counted(translator, training=True) + 3 * softmaxes(translator)
    assert TARGET * cost.training == pytest.approx(expected, rel=0.05)


def reference() -> Translator:
    sizes = {"attention": 512, "embedding": 256, "vocabulary": 8000, "hidden": 512, "state": 512, "readout_size": 512}
    with torch.device("meta"):
        return translator_of("additive", cell="cudnn", **sizes)


def test_the_reference_model_by_hand() -> None:
    length = 25
    gates = 3 * 512
    encoder = 2 * gates * (256 + 512)
    once = 1024 * 512 + 1024 * gates  # keys, annotations into the gates: as many source tokens as target tokens
    step = (256 + 512) * gates + 512 * 512 + 512 * (512 + 256 + 1024) + 512 * 8000
    attention = length * (512 + 1024 + gates)  # products of the energies, mixed annotations, mixed gates
    elements = length * (512 + 512 + 5)  # sums and tanh of the energies, the softmax
    start = 1024 * 512 / length
    cost = operations_per_token(reference(), source_length=length, target_length=length)
    assert cost.forward == pytest.approx(2 * (encoder + once + step + attention + start) + elements)
    assert cost.training == pytest.approx(66e6, rel=0.01)


def test_longer_sources_cost_more_a_target_token_under_attention() -> None:
    attention, fixed = build(mechanism="general"), build(mechanism="fixed")
    for translator, grows in ((attention, True), (fixed, False)):
        costs = [operations_per_token(translator, source_length=n, target_length=n).forward for n in (1_000, 2_000)]
        assert (costs[1] > 1.5 * costs[0]) == grows
