"""Word dropout: whole vectors, at each position by itself, in training alone, the same on every path."""

import pytest
import torch
from tests.model.designs import Design, build

from rnnsearch.model.dropout import WordEmbedding

HALVES = ("recurrent", "transformer")


def test_whole_vectors_are_left_out_and_the_mean_stays() -> None:
    torch.manual_seed(0)
    embedding = WordEmbedding(3, 4, dropout=0.25)
    ids = torch.randint(3, (100, 50))
    ratio_BTM = (embedding(ids) / embedding.weight[ids]).detach()
    assert torch.equal(ratio_BTM.unique().round(decimals=4), torch.tensor([0.0, 1.3333]))  # 1 / (1 - p)
    kept_BT = ratio_BTM[..., 0] > 0
    assert torch.equal(ratio_BTM > 0, kept_BT[..., None].expand_as(ratio_BTM))
    assert kept_BT.double().mean() == pytest.approx(0.75, abs=0.02)  # 5,000 draws have a standard deviation of 0.006
    same_word_twice = (ids[:, 1:] == ids[:, :-1]) & (kept_BT[:, 1:] != kept_BT[:, :-1])
    assert same_word_twice.any()  # a position by itself, not every occurrence of a word in a sentence


@pytest.mark.parametrize("rate", [None, 0.0])
def test_none_draws_nothing(rate: float | None) -> None:
    embedding = WordEmbedding(3, 4, dropout=rate)
    state = torch.get_rng_state()
    assert torch.equal(embedding(torch.tensor([1, 2])), embedding.weight[1:])
    assert torch.equal(torch.get_rng_state(), state)


def test_search_and_scores_see_every_word() -> None:
    embedding = WordEmbedding(3, 4, dropout=0.9).eval()
    assert torch.equal(embedding(torch.tensor([1, 2])), embedding.weight[1:])


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_senseless_rates(rate: float) -> None:
    with pytest.raises(ValueError, match="a rate of word dropout is at least 0 and below 1, or null"):
        WordEmbedding(3, 4, dropout=rate)


@pytest.mark.parametrize("encoder", HALVES)
@pytest.mark.parametrize("decoder", HALVES)
def test_every_path_leaves_out_the_same(encoder: str, decoder: str) -> None:
    """Plain, portable and fused paths give equal read-outs in training, which differ from those without dropout."""
    state = "mean" if encoder == "transformer" else "backward"
    design = Design(encoder=encoder, decoder=decoder, initial_state=state)
    source_BS, target_BT = torch.tensor([[4, 7, 5], [8, 3, 6]]), torch.tensor([[2, 6, 9], [2, 12, 4]])
    mask_BS = torch.ones_like(source_BS, dtype=torch.bool)

    def readouts(kernels: str, rate: float) -> torch.Tensor:
        translator = build(design, kernels=kernels).train()
        for half in (translator.encoder, translator.decoder):
            assert isinstance(half.embedding, WordEmbedding)
            half.embedding.dropout = rate
        torch.manual_seed(3)
        return translator(source_BS, mask_BS, target_BT)[0]

    plain = readouts("plain", 0.5)
    assert not torch.allclose(plain, readouts("plain", 0.0))
    for kernels in ("portable", "fused"):
        torch.testing.assert_close(readouts(kernels, 0.5), plain)
