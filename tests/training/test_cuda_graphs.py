"""Padding to few shapes, and what is recorded and replayed; CUDA's part, which needs a GPU, is in tests/gpu."""

import logging
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnsearch.data.batching import BucketBatches, collate
from rnnsearch.training import cuda_graphs
from rnnsearch.training.cuda_graphs import Inputs, Readouts, Recording, padded

from .test_module import fit, module, rows, translator


class Rerun:
    """A recording that runs the model again, as a graph would: on its own inputs, gradients found apart."""

    def __init__(self, readouts: Readouts, inputs: Inputs) -> None:
        self.of, self.inputs = readouts, tuple(x.clone() for x in inputs)

    def forward(self) -> Tensor:
        with torch.enable_grad():
            self.found = self.of.translator(*self.inputs)[0]
        return self.found.detach()

    def backward(self, d_readouts_BTR: Tensor) -> list[Tensor | None]:
        return [*torch.autograd.grad(self.found, self.of.parameters, d_readouts_BTR, allow_unused=True)]


class Rerunning(Readouts):
    def record(self, inputs: Inputs) -> Recording:
        return Rerun(self, inputs)


def gradients_of(context: str, cell: str, sizes: Sequence[int], *, replay: bool) -> list[list[Tensor | None]]:
    """Loss and gradients of batches of some sizes, in double precision."""
    found = []
    trained = module(translator(context=context, cell=cell).double(), smoothing=0.1)
    trained.replayed = Rerunning(trained.translator) if replay else None
    for seed, size in enumerate(sizes):
        loss = trained.log_likelihood_loss(collate(rows(size, longest=7 + 5 * seed, seed=seed)), 0.1)
        gradients = torch.autograd.grad(loss, list(trained.translator.parameters()), allow_unused=True)
        found.append([loss.detach(), *gradients])
    return found


@pytest.mark.parametrize("cell", ["cudnn", "paper", "lstm", "elman"])
@pytest.mark.parametrize("context", ["Additive", "Fixed", "Mean", "General"])
def test_padding_to_few_shapes_changes_neither_loss_nor_gradients(context: str, cell: str) -> None:
    sizes = [5, 16, 1, 17]
    plain, replayed = (gradients_of(context, cell, sizes, replay=replay) for replay in (False, True))
    for one, other in zip(plain, replayed, strict=True):
        for expected, got in zip(one, other, strict=True):
            assert (got is None) == (expected is None)
            if expected is not None:
                torch.testing.assert_close(got, expected, rtol=0, atol=1e-11)


def test_shapes_are_multiples_and_nothing_real_is_lost() -> None:
    batch = collate(rows(19, longest=9))
    source_BS, mask_BS, target_in_BT = padded(batch.source_BS, batch.source_mask_BS, batch.target_in_BT)
    assert source_BS.shape == mask_BS.shape == (32, 12)
    assert target_in_BT.shape == (32, 12)
    longest = batch.source_BS.shape[1]
    assert torch.equal(source_BS[:19, :longest], batch.source_BS)
    assert torch.equal(mask_BS[:19, :longest], batch.source_mask_BS)
    assert not mask_BS[:19, longest:].any()
    assert mask_BS[19:].sum(1).tolist() == [1] * 13
    again = padded(source_BS, mask_BS, target_in_BT)
    assert all(torch.equal(a, b) for a, b in zip(again, (source_BS, mask_BS, target_in_BT), strict=True))


def test_lengths_like_multi30k_s_make_few_shapes() -> None:
    """Captions: about 14 pieces with a tail to 45, a translation within a fifth of its source."""
    random = np.random.default_rng(0)
    source = np.clip(np.rint(random.lognormal(2.6, 0.35, 29_000)), 3, 45).astype(np.int64)
    target = np.clip(np.rint(source * random.normal(1.0, 0.2, 29_000)), 2, 50).astype(np.int64)
    shapes, real, positions = set(), 0, 0
    for epoch in range(3):
        for part in BucketBatches(unit="sentences", size=80, pool=100).plan(source, target, seed=1, epoch=epoch):
            sizes = (len(part), int(source[part].max()) + 1, int(target[part].max()) + 1)
            multiples = (cuda_graphs.SENTENCES, cuda_graphs.LENGTHS, cuda_graphs.LENGTHS)
            rows, s, t = (-(-n // m) * m for n, m in zip(sizes, multiples, strict=True))
            shapes.add((rows, s, t))
            real += sizes[0] * (sizes[1] + sizes[2])
            positions += rows * (s + t)
    assert 5 < len(shapes) <= 20 < cuda_graphs.SHAPES
    assert positions < 1.1 * real


def test_beyond_the_most_shapes_batches_run_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "SHAPES", 1)
    replaying = Rerunning(translator())
    for size in (3, 20, 3, 40):
        batch = collate(rows(size))
        assert replaying(batch.source_BS, batch.source_mask_BS, batch.target_in_BT).shape[0] == size
    assert [shape[0] for shape in replaying.recordings] == [16]


def test_where_recording_fails_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Readouts):
        def record(self, inputs: Inputs) -> Recording:
            raise RuntimeError("operation not permitted when stream is capturing\nand much more")

    model, batch = translator(), collate(rows(3))
    given = (batch.source_BS, batch.source_mask_BS, batch.target_in_BT)
    failing = Failing(model)
    with caplog.at_level(logging.INFO, logger="rnnsearch"):
        for _ in range(2):
            torch.testing.assert_close(failing(*given), model(*given)[0], rtol=0, atol=0)
    assert len(caplog.records) == 1
    assert caplog.messages[0].endswith("recording one failed: operation not permitted when stream is capturing")


def test_without_a_gpu_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    asked = module(translator())
    asked.cuda_graphs = True
    with caplog.at_level(logging.INFO, logger="rnnsearch"):
        fit(asked, [collate(rows(4))])
    assert asked.replayed is None
    assert [m for m in caplog.messages if "graphs" in m] == ["no CUDA graphs: they need one GPU"]


def test_training_by_replay_is_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates with accumulation and clipping, through Lightning's own loop."""
    ends = []
    for replay in (False, True):
        trained = module(translator().double(), updates=3)
        if replay:
            monkeypatch.setattr(trained, "on_fit_start", lambda: None)
            trained.replayed = Rerunning(trained.translator)
        fit(trained, [collate(rows(n, seed=n)) for n in (4, 6, 3)], accumulate_grad_batches=2, gradient_clip_val=0.1)
        ends.append([p.detach() for p in trained.translator.parameters()])
    for plain, replayed in zip(*ends, strict=True):
        torch.testing.assert_close(replayed, plain, rtol=0, atol=1e-12)
