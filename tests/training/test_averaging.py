"""Averages of the weights."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from rnnsearch.training.averaging import Average, CheckpointAverage, checkpoint_average, moving_average, no_averaging


def test_none_is_no_callback() -> None:
    assert no_averaging() == []


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, 2.0])
def test_decay_lies_between_0_and_1(decay: float) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        moving_average(decay=decay)


def test_the_average_by_hand() -> None:
    [callback] = moving_average(decay=0.5)
    assert isinstance(callback, Average)
    model = nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(model)
    for weight in (10.0, 0.0, 4.0, 8.0):
        model.weight.data.fill_(weight)
        callback.look(averaged, model)
    # shares of the new weights: all, 1 - 2/11, 1 - 3/12, 1 - 4/13
    second = 10.0 * 2 / 11
    third = second * 0.25 + 4.0 * 0.75
    assert averaged.module.weight.item() == pytest.approx(third * 4 / 13 + 8.0 * 9 / 13, rel=1e-6)
    averaged.n_averaged.fill_(1000)
    model.weight.data.copy_(averaged.module.weight + 2.0)
    before = averaged.module.weight.item()
    callback.look(averaged, model)
    assert averaged.module.weight.item() == pytest.approx(before + 1.0, rel=1e-6)  # the decay itself in the end


def test_it_is_torch_s_average() -> None:
    [callback] = moving_average(decay=0.8)
    assert isinstance(callback, Average)
    torch.manual_seed(0)
    model = nn.LSTM(3, 4)
    ours, theirs = (
        AveragedModel(model),
        AveragedModel(model, avg_fn=lambda a, b, n: a + (b - a) * (1 - min(0.8, float((1 + n) / (10 + n))))),
    )
    for _ in range(60):
        for parameter in model.parameters():
            parameter.data.normal_()
        callback.look(ours, model)
        theirs.update_parameters(model)
    assert int(ours.n_averaged) == 60
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_checkpoints_are_averaged_from_the_first_that_counts() -> None:
    [callback] = checkpoint_average(first=3, every=2)
    model = nn.Linear(1, 1, bias=False)
    assert isinstance(callback, CheckpointAverage)
    averaged = AveragedModel(model)
    seen = {}
    for update in range(1, 9):  # the weight after update u is u
        model.weight.data.fill_(float(update))
        if callback.should_update(step_idx=update - 1):
            callback.look(averaged, model)
        seen[update] = averaged.module.weight.item()
    assert seen == {1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 6: 4, 7: 5, 8: 5}  # means of 3; 3 and 5; 3, 5 and 7


@pytest.mark.parametrize(("first", "every"), [(0, 1), (1, 0)])
def test_checkpoint_average_wants_positive_numbers(first: int, every: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        checkpoint_average(first=first, every=every)
