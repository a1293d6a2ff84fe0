"""Averages of the weights."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from rnnsearch.training.averaging import checkpoint_average, moving_average, no_averaging


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


def test_checkpoints_are_averaged_from_the_first_that_counts() -> None:
    [callback] = checkpoint_average(first=3, every=2)
    model = nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(model, avg_fn=callback._kwargs["avg_fn"])
    seen = {}
    for update in range(1, 9):  # the weight after update u is u
        model.weight.data.fill_(float(update))
        if callback.should_update(step_idx=update - 1):
            averaged.update_parameters(model)
        seen[update] = averaged.module.weight.item()
    assert seen == {1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 6: 4, 7: 5, 8: 5}  # means of 3; 3 and 5; 3, 5 and 7


@pytest.mark.parametrize(("first", "every"), [(0, 1), (1, 0)])
def test_checkpoint_average_wants_positive_numbers(first: int, every: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        checkpoint_average(first=first, every=every)
