import pytest
import torch

from rnnsearch.model.dropout import SequenceDropout
from rnnsearch.model.readout import Readout

from .designs import MODERN, PAPER, SOURCES, batch, build
from .oracle import Design


def readout(kind: str) -> Readout:
    """t~ = [s, -s, 2s, y] + context, sizes 1."""
    made = Readout(kind=kind, size=2 if kind == "maxout" else 4, hidden_size=1, embedding_size=1, context_size=1)
    with torch.no_grad():
        made.state.weight.copy_(torch.tensor([[1.0], [-1.0], [2.0], [0.0]]))
        made.state.bias.zero_()
        made.word.weight.copy_(torch.tensor([[0.0], [0.0], [0.0], [1.0]]))
        made.context.weight.fill_(1.0)
    return made


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("linear", [3.5, -2.5, 6.5, 7.5]),
        ("tanh", torch.tensor([3.5, -2.5, 6.5, 7.5]).tanh().tolist()),
        ("maxout", [3.5, 7.5]),  # of neighbours: max(3.5, -2.5), max(6.5, 7.5)
    ],
)
def test_readout_by_hand(kind: str, expected: list[float]) -> None:
    s, y, c = (torch.tensor([[[value]]]) for value in (3.0, 7.0, 0.5))
    assert readout(kind)(s, y, c).flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("query_state", ["previous", "current", "two_step"])
@torch.no_grad()
def test_which_state_asks(query_state: str) -> None:
    """The first weights depend on the first word exactly if the query comes after it has been read."""
    translator = build(MODERN.but(query_state=query_state))
    state, memory = translator.encode(*batch()[:2])
    _, _, first_BS = translator.step(torch.full((len(SOURCES),), 4), state, memory, 0)
    _, _, second_BS = translator.step(torch.full((len(SOURCES),), 9), state, memory, 0)
    assert torch.equal(first_BS, second_BS) == (query_state == "previous")


@torch.no_grad()
def test_paper_readout_sees_the_word_before_and_not_the_new_state() -> None:
    """With V_o = 0 the first word can't be seen through s_0, but it can through s_1."""
    for design, sees in ((PAPER, False), (PAPER.but(readout_state="after"), True)):
        translator = build(design)
        translator.decoder.readout.word.weight.zero_()
        state, memory = translator.encode(*batch()[:2])
        given = [translator.step(torch.full((len(SOURCES),), word), state, memory, 0)[0] for word in (4, 9)]
        assert torch.equal(*given) != sees


@pytest.mark.parametrize(
    ("design", "sentence"),
    [
        (PAPER.but(query_state="current"), r"query_state=current .* set model\.decoder\.readout_state=after"),
        (PAPER.but(query_state="two_step"), r"query_state=two_step .* set model\.decoder\.readout_state=after"),
        (PAPER.but(input_feeding=True), r"input_feeding=true .* set model\.decoder\.readout_state=after"),
        (
            MODERN.but(mechanism="slots", normalized="slots", query_state="two_step"),
            r"of this Slots do not; of slots they do with model\.context\.normalized=positions",
        ),
        (PAPER.but(bidirectional=False), r"initial_state=backward .* model/encoder=unidirectional"),
        (PAPER.but(initial_state="context"), r"initial_state=context .* model/context=fixed or mean"),
        (
            PAPER.but(mechanism="initial_only", initial_state="context"),
            r"initial_state=context .* model/context=fixed or mean",
        ),
        (MODERN.but(mechanism="initial_only", query_state="two_step"), r"two_step .* model/context=initial_only"),
        (PAPER.but(cell="gru"), r"cell=gru is not known; choose one of paper, cudnn, lstm, elman"),
        (PAPER.but(readout="relu"), r"readout=relu is not known; choose one of maxout, tanh, linear"),
        (PAPER.but(query_state="next"), r"query_state=next is not known; choose one of previous, current, two_step"),
        (PAPER.but(layers=0), r"model\.encoder\.layers=0"),
        (MODERN.but(decoder_layers=0), r"model\.decoder\.layers=0"),
        (PAPER.but(decoder_layers=2), r"model\.decoder\.layers=2 .* set readout_state=after"),
        (MODERN.but(initial_memory="ends"), r"initial_memory=ends .*cell=cudnn .* set model\.cell=lstm"),
        (
            MODERN.but(initial_memory="ends", cell="lstm", encoder="transformer", initial_state="mean"),
            r"initial_memory=ends .* TransformerEncoder .* set initial_memory=zero",
        ),
        (MODERN.but(initial_memory="last", cell="lstm"), r"initial_memory=last is not known; choose one of zero, ends"),
        (MODERN.but(layer_norm=True, cell="mingru"), r"MinGruCell multiplies no matrix .* choose cell=paper"),
        (MODERN.but(heads=4), r"model\.context\.heads=4: an annotation has 6 values"),
        (MODERN.but(window=0), r"model\.context\.window=0: it reaches at least 1 word"),
        (
            MODERN.but(coverage=True, query_state="current"),
            r"coverage=true .*query_state=current .* set query_state=previous or two_step",
        ),
        (PAPER.but(tied_embeddings="both"), r"tied_embeddings=both is not known; choose one of none, output, all"),
    ],
    ids=str,
)
def test_senseless_designs_are_refused(design: Design, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        build(design)


@pytest.mark.parametrize("variational", [True, False])
def test_what_enters_layers_above_is_dropped_alike_by_step_and_at_once(variational: bool) -> None:
    """Each layer's noise is of one sentence or of one step, as `SequenceDropout` has it, and only in training."""
    decoder = build(MODERN.but(decoder_layers=3, coverage=True)).decoder
    decoder.layer_dropout = SequenceDropout(0.5, variational=variational)
    state, _ = decoder.start(build(MODERN).encoder(*batch()[:2]))
    assert decoder._noise_above(state, 40) == []
    decoder.train()
    first, second = decoder._noise_above(state, 40)
    assert first.shape == (len(SOURCES), 40, 5)
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(first, second)
    assert torch.equal(first[:, :1].expand_as(first), first) == variational
