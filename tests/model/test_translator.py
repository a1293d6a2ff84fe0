import pytest
import torch

from rnnsearch.model.translator import Translator

from .designs import AXES, MODERN, PAPER, batch, build, log_probabilities
from .oracle import Design


def test_tied_matrices_are_one() -> None:
    untied, output, everything = (build(MODERN.but(tied_embeddings=tied)) for tied in ("none", "output", "all"))
    assert untied.decoder.output.weight is not untied.decoder.embedding.weight
    assert output.decoder.output.weight is output.decoder.embedding.weight
    assert output.encoder.embedding.weight is not output.decoder.embedding.weight
    assert everything.decoder.output.weight is everything.encoder.embedding.weight
    assert everything.decoder.embedding.weight is everything.encoder.embedding.weight


def test_matrices_of_other_shapes_cannot_be_tied() -> None:
    with pytest.raises(ValueError, match=r"\(13, 4\) and the output matrix \(13, 6\); .* model\.readout_size"):
        Translator(encoder=build(PAPER).encoder, decoder=build(PAPER).decoder, tied_embeddings="output")
    decoder = build(MODERN.but(tied_embeddings="output")).decoder
    with pytest.raises(ValueError, match=r"\(13, 4\) and the source embedding \(11, 4\); .* tokenizer\.joint=true"):
        Translator(encoder=build(PAPER).encoder, decoder=decoder, tied_embeddings="all")


@pytest.mark.parametrize("design", AXES, ids=str)
def test_mixed_precision_is_near(design: Design) -> None:
    """bfloat16 products, as `trainer=gpu` has them: every design runs, forward and backward, unrolled and stepwise."""
    translator = build(design).float()
    with torch.no_grad():
        for parameter in translator.parameters():
            parameter.mul_(0.3)
        expected_BTV, _ = log_probabilities(translator, batch())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got_BTV, _ = log_probabilities(translator, batch())
        state, memory = translator.encode(*batch()[:2])
        for i in range(2):
            stepwise_BV, state, _ = translator.step(batch()[2][:, i], state, memory, i)
    got_BTV.sum().backward()
    torch.testing.assert_close(got_BTV.float(), expected_BTV, atol=0.1, rtol=0)
    torch.testing.assert_close(stepwise_BV.float(), expected_BTV[:, 1], atol=0.1, rtol=0)


@pytest.mark.parametrize("is_own", [True, False])
@pytest.mark.parametrize("design", [*AXES[::6], MODERN], ids=str)
def test_one_step_of_each_sentence_is_that_of_all(design: Design, is_own: bool) -> None:
    """Also of a decoder of somebody's own, which only knows whole sentences."""
    translator, inputs = build(design), batch()[:3]
    if not is_own:
        whole, own = translator.decoder.forward, type(translator.decoder)
        theirs = type("Theirs", (own,), {"forward": lambda self, words, state, memory: whole(words, state, memory)})
        translator.decoder.__class__ = theirs
    at_B = torch.arange(len(inputs[2])) % inputs[2].shape[1]
    rows_B = torch.arange(len(at_B))
    readouts_BTR, weights_BTS = translator(*inputs)
    readouts_B1R, weights_B1S = translator(*inputs, at_B)
    torch.testing.assert_close(readouts_B1R.squeeze(1), readouts_BTR[rows_B, at_B])
    assert (weights_B1S is None) == (weights_BTS is None)
    if weights_BTS is not None:
        torch.testing.assert_close(weights_B1S.squeeze(1), weights_BTS[rows_B, at_B])
