import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rnnsearch.model.context import (
    Additive,
    Context,
    Dot,
    Fixed,
    General,
    InitialOnly,
    LocationOnly,
    Mean,
    ScaledDot,
)
from rnnsearch.model.decoder import Decoder
from rnnsearch.model.encoder import RecurrentEncoder
from rnnsearch.model.translator import Translator
from rnnsearch.training.cost import operations_per_token

SOURCE, TARGET = 9, 7
ATTENTION, STATE, READOUT, VOCABULARY = 24, 40, 16, 50


def build_context(mechanism: str, **sizes: int) -> Context:
    if mechanism == "additive":
        return Additive(attention_size=ATTENTION, normed=False, **sizes)
    if mechanism == "location_only":
        return LocationOnly(attention_size=ATTENTION, position_size=12, **sizes)
    if mechanism == "scaled_dot":
        return ScaledDot(attention_size=ATTENTION, **sizes)
    plain = {"dot": Dot, "general": General, "fixed": Fixed, "mean": Mean, "initial_only": InitialOnly}
    return plain[mechanism](**sizes)


def build(
    *,
    mechanism: str = "additive",
    cell: str = "paper",
    query_state: str = "previous",
    layers: int = 1,
    bidirectional: bool = True,
    input_feeding: bool = False,
    readout: str = "tanh",
    tied_embeddings: str = "none",
) -> Translator:
    encoder = RecurrentEncoder(
        vocabulary_size=VOCABULARY,
        embedding_size=READOUT,
        hidden_size=20 if bidirectional else 40,
        cell=cell,
        layers=layers,
        bidirectional=bidirectional,
        residual=False,
        embedding_dropout=0.0,
        layer_dropout=0.0,
        variational_dropout=False,
        kernels="plain",
    )
    decoder = Decoder(
        vocabulary_size=VOCABULARY,
        embedding_size=READOUT,
        hidden_size=STATE,
        context=build_context(mechanism, annotation_size=40, state_size=STATE),
        ends_size=40,
        bidirectional=bidirectional,
        cell=cell,
        query_state=query_state,
        readout_state="after",
        readout=readout,
        readout_size=READOUT,
        input_feeding=input_feeding,
        initial_state="ends",
        embedding_dropout=0.0,
        readout_dropout=0.0,
        variational_dropout=False,
        kernels="plain",
    )
    return Translator(encoder=encoder, decoder=decoder, tied_embeddings=tied_embeddings)


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
    {"mechanism": "general", "tied_embeddings": "all"},
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
    with torch.device("meta"):
        encoder = RecurrentEncoder(
            vocabulary_size=8000,
            embedding_size=256,
            hidden_size=512,
            cell="cudnn",
            layers=1,
            bidirectional=True,
            residual=False,
            embedding_dropout=0.0,
            layer_dropout=0.0,
            variational_dropout=False,
            kernels="plain",
        )
        decoder = Decoder(
            vocabulary_size=8000,
            embedding_size=256,
            hidden_size=512,
            context=Additive(annotation_size=1024, state_size=512, attention_size=512, normed=False),
            ends_size=1024,
            bidirectional=True,
            cell="cudnn",
            query_state="previous",
            readout_state="after",
            readout="tanh",
            readout_size=512,
            input_feeding=False,
            initial_state="ends",
            embedding_dropout=0.0,
            readout_dropout=0.0,
            variational_dropout=False,
            kernels="plain",
        )
    return Translator(encoder=encoder, decoder=decoder, tied_embeddings="none")


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
