"""The moving average of the weights."""

import pytest
import torch

from rnnsearch.training.averaging import moving_average, no_averaging


def test_none_is_no_callback() -> None:
    assert no_averaging() == []


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, 2.0])
def test_decay_lies_between_0_and_1(decay: float) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        moving_average(decay=decay)


def test_the_average_by_hand() -> None:
    [callback] = moving_average(decay=0.5)
    average = callback._kwargs["avg_fn"]  # type: ignore[attr-defined]
    value = torch.tensor([10.0])
    for updates, new in enumerate((0.0, 4.0, 8.0)):
        value = average(value, torch.tensor([new]), updates)
    # shares of the new weights: 1 - 1/10, 1 - 2/11, 1 - 3/12
    first = 10.0 * 0.1
    second = first * 2 / 11 + 4.0 * 9 / 11
    assert float(value) == pytest.approx(second * 0.25 + 8.0 * 0.75, rel=1e-6)
    assert float(average(torch.tensor(1.0), torch.tensor(3.0), 1000)) == 2.0  # the decay itself in the end
