"""Updates that are not finite: skipped, counted, named, and the end where there are too many."""

import logging
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rnnsearch.training.faults import Diverged, Skipped, Watch, skip_on_device


def watch(limit: int = 3, above: float | None = None) -> Watch:
    return Watch(limit=limit, above=above, lines=lambda rows: [10 * row for row in rows])


OPTIMIZERS: dict[str, Any] = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "fused adam": lambda p: torch.optim.AdamW(p, lr=0.1, fused=True),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=1.0),
}


def step(weight: nn.Parameter, optimizer: torch.optim.Optimizer, gradient: Tensor, watch: Watch, update: int) -> None:
    weight.grad = gradient.clone()
    watch.saw(torch.tensor([update, 7]), torch.tensor(1.0))
    watch.judge(watch.loss(), gradient.norm(), [weight], optimizer, update=update, scaled=False)
    optimizer.step()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30])
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_a_skipped_update_is_as_if_it_had_not_been(make: Any, bad: float) -> None:
    gradients = [torch.tensor([1.0, -2.0]), torch.tensor([0.5, bad]), torch.tensor([3.0, 0.1])]
    weights = []
    for chosen in (gradients, [gradients[0], gradients[2]]):
        weight = nn.Parameter(torch.tensor([1.0, 1.0]))
        optimizer, over = make([weight]), watch(above=1e6)
        for number, gradient in enumerate(chosen):
            step(weight, optimizer, gradient, over, number + 1)
        weights.append(weight.detach())
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("fused", [True, False])
def test_what_a_gpu_skips_without_the_host(fused: bool, momentum: float) -> None:
    """The same on the CPU, whose fused optimisers look at the same mark."""
    weights = []
    for gradients in ([1.0, math.nan, 3.0], [1.0, 3.0]):
        weight = nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD([weight], lr=0.1, momentum=momentum, fused=fused)
        for gradient in gradients:
            weight.grad = torch.full((2,), gradient)
            skip_on_device(~weight.grad.norm().isfinite(), [weight], optimizer, scaled=False)
            optimizer.step()
        weights.append(weight.detach())
    assert weights[0].isfinite().all()
    assert torch.equal(weights[0], weights[1]) == (fused or not momentum)


def test_skips_are_counted_and_named(caplog: pytest.LogCaptureFixture) -> None:
    weight, over, skipped = nn.Parameter(torch.ones(1)), watch(), Skipped()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    with caplog.at_level(logging.WARNING):
        for update, value in enumerate([1.0, math.nan, math.inf, 1.0, math.nan], start=1):
            step(weight, optimizer, torch.tensor([value]), over, update)
            over.look(skipped, always=False)
    assert skipped == Skipped(total=3, in_a_row=1)
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "training lines 20, 70",
        "training lines 30, 70",
        "training lines 50, 70",
    ]


def test_too_many_in_a_row_end_the_run() -> None:
    weight, over, skipped = nn.Parameter(torch.ones(1)), watch(limit=2), Skipped(total=4, in_a_row=1)
    over.saw(torch.tensor(range(150)), torch.tensor(1.0))
    step(weight, torch.optim.SGD([weight], lr=0.1), torch.tensor([math.nan]), over, 8)
    with pytest.raises(
        Diverged, match=r"gradient became NaN at update 7, and 2 .*update 8, of training lines 0, 10, .* and 52 more$"
    ) as error:
        over.look(skipped, always=True)
    assert error.value.update == 7
    assert skipped == Skipped(total=5, in_a_row=2)
    assert weight.item() == 1.0


def test_all_batches_of_an_update_are_named_and_no_others() -> None:
    weight, over = nn.Parameter(torch.ones(1)), watch(limit=1)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    step(weight, optimizer, torch.tensor([1.0]), over, 1)
    over.saw(torch.tensor([4, 3]), torch.tensor(1.0))
    step(weight, optimizer, torch.tensor([math.inf]), over, 2)
    with pytest.raises(Diverged, match=r"gradient became infinite at .* training lines 20, 30, 40, 70$"):
        over.look(Skipped(), always=True)


def test_a_device_that_would_be_waited_for_is_asked_now_and_then() -> None:
    class Elsewhere(Watch):
        def _is_cheap(self) -> bool:
            return len(self._unseen) >= 4

    weight, skipped = nn.Parameter(torch.ones(1)), Skipped()
    over = Elsewhere(limit=3, above=None, lines=list)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    totals = []
    for update, value in enumerate([math.nan, 1.0, math.nan, math.nan, math.nan], start=1):
        step(weight, optimizer, torch.tensor([value]), over, update)
        over.look(skipped, always=False)
        totals.append(skipped.total)
    assert totals == [0, 0, 0, 3, 3]
    with pytest.raises(Diverged, match="3 updates in a row"):
        over.look(skipped, always=True)


@pytest.mark.parametrize(("loss", "word"), [(math.nan, "NaN"), (math.inf, "infinite"), (-math.inf, "infinite")])
def test_a_loss_that_is_no_number_is_skipped_and_named_whatever_its_gradient(
    loss: float, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    weight, over, skipped = nn.Parameter(torch.ones(1)), watch(limit=2), Skipped()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    for update in (4, 5):
        weight.grad = torch.ones(1)
        over.saw(torch.tensor([1]), torch.tensor(2.0))
        over.saw(torch.tensor([2]), torch.tensor(loss))  # an update of two batches
        over.judge(over.loss(), weight.grad.norm(), [weight], optimizer, update=update, scaled=False)
        optimizer.step()
        if update == 4:
            over.look(skipped, always=True)
    assert weight.item() == 1.0
    assert f"update 4 is skipped, for the loss became {word}" in caplog.text
    with pytest.raises(Diverged, match=f"^the loss became {word} at update 4, and 2 updates in a row"):
        over.look(skipped, always=True)
