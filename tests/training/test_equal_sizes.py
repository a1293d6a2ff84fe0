"""Sizes with equal parameters."""

import pytest

from rnnsearch.training.equal_sizes import match_hidden_sizes


def gru(encoder: int, decoder: int) -> int:
    return 6 * encoder * (encoder + 50) + 3 * decoder * (decoder + 2 * encoder + 50) + 5000


@pytest.mark.parametrize(("encoder", "decoder"), [(64, 64), (32, 64), (64, 96), (7, 200)])
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.3, 4.0])
def test_within_one_percent_and_in_proportion(encoder: int, decoder: int, factor: float) -> None:
    target = round(factor * gru(encoder, decoder))
    found = match_hidden_sizes(gru, encoder=encoder, decoder=decoder, parameters=target)
    assert abs(gru(*found) / target - 1) <= 0.01
    assert abs(found[0] - found[1] * encoder / decoder) <= 1.5


def test_the_nearest_of_all() -> None:
    target = 123_456
    found = match_hidden_sizes(gru, encoder=64, decoder=64, parameters=target)
    best = min(range(1, 400), key=lambda units: abs(gru(units, units) - target))
    assert found == (best, best)


def test_out_of_reach() -> None:
    with pytest.raises(ValueError, match=r"no hidden size gives 4,000 within 1 %: \(1, 1\) gives .*set match=none"):
        match_hidden_sizes(gru, encoder=64, decoder=64, parameters=4000)


def test_models_that_exist_in_one_proportion_alone_keep_it() -> None:
    def count(encoder: int, decoder: int) -> int:
        if decoder != 2 * encoder:
            raise ValueError("states and annotations are multiplied")
        return gru(encoder, decoder)

    encoder, decoder = match_hidden_sizes(count, encoder=64, decoder=128, parameters=200_000)
    assert decoder == 2 * encoder
    assert abs(gru(encoder, decoder) / 200_000 - 1) <= 0.01


def test_sizes_that_heads_share_are_multiples() -> None:
    def count(encoder: int, decoder: int) -> int:
        if encoder % 4 or decoder % 4:
            raise ValueError("heads share them")
        return gru(encoder, decoder)

    for encoder, decoder in ((64, 64), (64, 96), (32, 64)):
        found = match_hidden_sizes(count, encoder=encoder, decoder=decoder, parameters=300_000, step=4)
        assert abs(count(*found) / 300_000 - 1) <= 0.01
