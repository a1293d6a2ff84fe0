"""What only a GPU can show; `pytest -m gpu` on a machine that has one."""

import copy
import functools
import importlib.util
import logging
import os
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from rnnsearch.kernels import choice
from rnnsearch.training.cuda_graphs import CudaGraphs, Readouts
from rnnsearch.training.faults import Skipped, Watch
from rnnsearch.training.module import TranslationModule

from ..kernels.test_edges import BATCHES, DESIGNS, assert_equal, outcome, small
from ..model.designs import batch
from ..model.oracle import Design
from ..training.test_module import collate, fit, module, rows, translator

DEVICE = os.environ.get("RNNSEARCH_TEST_DEVICE", "cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="needs a GPU that CUDA can use"),
]
every_cell = pytest.mark.parametrize("cell", ["cudnn", "paper", "lstm"])


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Single precision as a CPU has it."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


@pytest.mark.parametrize("kernels", ["fused", "portable", "plain"])
@pytest.mark.parametrize("name", ["batch of 1", "all lengths different", "500 words"])
@pytest.mark.parametrize("design", DESIGNS, ids=str)
@pytest.mark.parametrize(("dtype", "relative"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_a_gpu_finds_what_a_cpu_does(
    design: Design, name: str, kernels: str, dtype: torch.dtype, relative: float
) -> None:
    given, here, there = batch(*BATCHES[name]), small(design, "plain", dtype), small(design, kernels, dtype).to(DEVICE)
    expected = outcome(here, here, given)
    found = outcome(there, there, tuple(part.to(DEVICE) for part in given))
    assert_equal([expected, {key: value.cpu() for key, value in found.items()}], relative=relative)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs Triton")
def test_triton_serves() -> None:
    assert choice.on_gpu() is not None


@every_cell
@pytest.mark.parametrize("context", ["Additive", "General", "Fixed"])
def test_gradients_in_mixed_precision_are_near(cell: str, context: str) -> None:
    exact = translator(16, cell=cell, context=context).to(DEVICE)
    mixed, given = copy.deepcopy(exact), collate(rows(12, longest=9)).to(DEVICE)
    module(exact).log_likelihood_loss(given, 0.1).backward()
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        loss = module(mixed).log_likelihood_loss(given, 0.1)
    loss.backward()
    for (name, a), b in zip(exact.named_parameters(), mixed.parameters(), strict=True):
        assert b.grad.dtype == torch.float32
        assert torch.cosine_similarity(a.grad.flatten(), b.grad.flatten(), dim=0) > 0.99, name


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Whatever waits for the GPU raises."""
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


@every_cell
@pytest.mark.parametrize("low", [False, True])
def test_a_step_does_not_wait(cell: str, low: bool, request: pytest.FixtureRequest) -> None:
    made, given = module(translator(cell=cell, dropout=0.1).to(DEVICE)), collate(rows(9)).pin_memory()
    for waiting in (True, False):  # the first time libraries and kernels are loaded
        if not waiting:
            request.getfixturevalue("no_waiting")
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=low):
            loss = made.log_likelihood_loss(given.to(DEVICE, non_blocking=True), 0.1)
        loss.backward()


def replaying(**options: object) -> TranslationModule:
    made = module(translator(**options).to(DEVICE))
    made.replayed = Readouts(made.translator)
    return made


def loss_and_gradients(made: TranslationModule, size: int) -> list[Tensor | None]:
    loss = made.log_likelihood_loss(collate(rows(size, longest=5 + size, seed=size)).to(DEVICE), 0.1)
    return [loss.detach(), *torch.autograd.grad(loss, list(made.translator.parameters()), allow_unused=True)]


@every_cell
@pytest.mark.parametrize("context", ["Additive", "General", "Fixed"])
def test_replayed_graphs_find_the_same(cell: str, context: str) -> None:
    """Shapes alternate, for their graphs share memory; a graph's second replay is its first on other words."""
    graphs = replaying(cell=cell, context=context)
    plain = module(copy.deepcopy(graphs.translator))
    for size in (3, 20, 7, 3, 20):
        expected, found = loss_and_gradients(plain, size), loss_and_gradients(graphs, size)
        for a, b in zip(expected, found, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-4 * max(1.0, float(a.abs().max())))
    assert graphs.replayed is not None
    assert graphs.replayed.usable
    assert all(isinstance(recording, CudaGraphs) for recording in graphs.replayed.recordings.values())


def test_replayed_noise_is_a_function_of_seed_and_batch() -> None:
    """The first replay too, for recording leaves the random numbers where they were."""
    graphs = replaying(dropout=0.5)
    found = []
    for batches in (4, 5, 4, 4):
        graphs.counters.batches = batches
        graphs.on_train_batch_start(collate(rows(3)), 0)
        found.append(float(loss_and_gradients(graphs, 3)[0]))
    assert found[0] == found[2] == found[3]
    assert found[0] != found[1]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_by_replay_is_training(precision: str, caplog: pytest.LogCaptureFixture) -> None:
    ends = []
    for cuda_graphs in (False, True):
        made = module(translator(16), updates=4, optimizer=functools.partial(torch.optim.SGD, lr=0.5))
        made.cuda_graphs = cuda_graphs
        batches = [collate(rows(size, seed=size)) for size in (6, 3, 9)]
        with caplog.at_level(logging.INFO, logger="rnnsearch"):
            fit(made, batches, accelerator="gpu", accumulate_grad_batches=2, gradient_clip_val=0.5, precision=precision)
        ends.append(torch.cat([p.detach().flatten().cpu() for p in made.translator.parameters()]))
    start = torch.cat([p.detach().flatten() for p in translator(16).parameters()])
    assert not [message for message in caplog.messages if "CUDA graphs" in message]
    assert torch.cosine_similarity(ends[0] - start, ends[1] - start, dim=0) > (
        0.999 if precision == "32-true" else 0.98
    )


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_a_gpu_skips_an_update_that_is_not_finite(name: str) -> None:
    weights = []
    for gradients in ([1.0, float("nan"), 3.0], [1.0, 3.0]):
        weight = torch.nn.Parameter(torch.ones(2, device=DEVICE))
        optimizer = getattr(torch.optim, name)([weight], lr=0.1, fused=True)
        watch, skipped = Watch(limit=2, above=None, lines=list), Skipped()
        for update, gradient in enumerate(gradients, start=1):
            weight.grad = torch.full_like(weight, gradient)
            watch.saw(torch.tensor([update]), weight.grad.sum())
            watch.judge(watch.loss(), weight.grad.norm(), [weight], optimizer, update=update, scaled=False)
            optimizer.step()
        watch.look(skipped, always=True)
        assert skipped.total == len(gradients) - 2
        weights.append(weight.detach())
    assert torch.equal(weights[0], weights[1])
