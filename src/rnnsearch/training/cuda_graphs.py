"""CUDA graphs: all launches of a translator's forward and backward pass, recorded once for each shape of batches.

A recurrence is hundreds of small launches, and a GPU that gets them one by one waits for the host. Batches are padded
to few shapes, in length and in sentences. Padding enters neither attention nor loss, so it changes only the noise of
dropout, which is drawn for the padded shape and is still a function of seed and batch.

B batch, S source, T target, R read-out.
"""

import logging
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rnnsearch.data.tokenizer import PAD
from rnnsearch.model.translator import Translator

logger = logging.getLogger(__name__)

LENGTHS, SENTENCES = 4, 16  # shapes are multiples of these: captions in batches of 80 make 17, a tenth more padding
SHAPES = 32  # recorded at most; batches of other shapes run without graphs
WARM_UP = 3  # runs before a recording, in which libraries choose and compile what they need

Inputs = tuple[Tensor, Tensor, Tensor]  # source_BS, mask_BS, target_in_BT


def padded(source_BS: Tensor, mask_BS: Tensor, target_in_BT: Tensor) -> Inputs:
    """The batch padded to one of few shapes. An added sentence has one real word, so that its attention is defined."""
    rows = -len(source_BS) % SENTENCES
    source_more, target_more = ((0, -ids.shape[1] % LENGTHS, 0, rows) for ids in (source_BS, target_in_BT))
    mask_BS = nn.functional.pad(mask_BS, source_more, value=False)
    mask_BS[len(source_BS) :, 0] = True
    pad = nn.functional.pad
    return pad(source_BS, source_more, value=PAD), mask_BS, pad(target_in_BT, target_more, value=PAD)


class Recording(Protocol):
    """Both passes of one shape. ``inputs`` are filled before the forward pass."""

    inputs: Inputs

    def forward(self) -> Tensor:
        """The read-outs ``[B, T, R]``, good until the next forward pass."""

    def backward(self, d_readouts_BTR: Tensor) -> list[Tensor | None]:
        """The gradient of each parameter."""


class Readouts:
    """A translator's read-outs, replayed from recordings as long as those can be made.

    A backward pass must come before the next forward pass: recordings share their memory.
    """

    def __init__(self, translator: Translator) -> None:
        self.translator = translator
        self.parameters = [p for p in translator.parameters() if p.requires_grad]
        self.recordings: dict[tuple[int, ...], Recording] = {}
        self.usable = True

    def __call__(self, source_BS: Tensor, mask_BS: Tensor, target_in_BT: Tensor) -> Tensor:
        """t_i for known previous words, ``[B, T, R]``."""
        inputs = padded(source_BS, mask_BS, target_in_BT)
        recording = self._recording(inputs)
        if recording is None:
            plain_BTR: Tensor = self.translator(source_BS, mask_BS, target_in_BT)[0]
            return plain_BTR
        for buffer, value in zip(recording.inputs, inputs, strict=True):
            buffer.copy_(value)
        readouts_BTR: Tensor = _Replay.apply(recording, *self.parameters)  # type: ignore[no-untyped-call]  # torch gives it no types
        return readouts_BTR[: len(source_BS), : target_in_BT.shape[1]]

    def _recording(self, inputs: Inputs) -> Recording | None:
        shape = (*inputs[0].shape, inputs[2].shape[1])
        if shape not in self.recordings and self.usable and len(self.recordings) < SHAPES:
            try:
                self.recordings[shape] = self.record(inputs)
            except RuntimeError as error:
                self.usable = False
                self.recordings.clear()
                logger.info("no CUDA graphs, for recording one failed: %s", str(error).partition("\n")[0])
        return self.recordings.get(shape)

    def record(self, inputs: Inputs) -> Recording:
        """A new recording.

        Raises:
            RuntimeError: if CUDA can't record something in it.
        """
        first = next(iter(self.recordings.values()), None)
        assert first is None or isinstance(first, CudaGraphs)
        return CudaGraphs(self.translator, self.parameters, inputs, first)


class CudaGraphs:
    """A recording as two CUDA graphs. ``first``: an earlier one, to share memory and gradients with.

    Other threads (one that pins batches, say) may use the GPU meanwhile. The state of random numbers stays as it was; a
    graph reads seed and offset anew at each replay.
    """

    def __init__(
        self, translator: Translator, parameters: list[nn.Parameter], inputs: Inputs, first: "CudaGraphs | None"
    ) -> None:
        source_BS, mask_BS, target_in_BT = inputs
        self.inputs = (source_BS.clone(), mask_BS.clone(), target_in_BT.clone())
        device = source_BS.device
        lowered = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
        # autocast's cache of weights in lower precision would hold those of this update for ever
        precision = torch.autocast("cuda", enabled=lowered[0], dtype=lowered[1], cache_enabled=False)
        with torch.random.fork_rng([device]), precision:
            gradients = self._warm_up(translator, parameters)
            fresh = [None if g is None else torch.empty_like(g) for g in gradients]
            self.gradients: list[Tensor | None] = first.gradients if first else fresh
            self.pool: Any = first.pool if first else torch.cuda.graph_pool_handle()
            self.forward_graph, self.backward_graph = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.forward_graph, pool=self.pool, capture_error_mode="thread_local"):
                readouts_BTR: Tensor = translator(*self.inputs)[0]
            self.d_readouts_BTR = torch.zeros_like(readouts_BTR)
            with torch.cuda.graph(self.backward_graph, pool=self.pool, capture_error_mode="thread_local"):
                computed = torch.autograd.grad(readouts_BTR, parameters, self.d_readouts_BTR, allow_unused=True)
                for buffer, gradient in zip(self.gradients, computed, strict=True):
                    if buffer is not None:
                        buffer.copy_(gradient)
            self.readouts_BTR = readouts_BTR.detach()

    def _warm_up(self, translator: Translator, parameters: list[nn.Parameter]) -> tuple[Tensor | None, ...]:
        """Run both passes on a stream of their own, as recordings do; returns the last gradients."""
        stream = torch.cuda.Stream(self.inputs[0].device)  # type: ignore[no-untyped-call]  # torch gives it no types
        stream.wait_stream(torch.cuda.current_stream())
        gradients: tuple[Tensor | None, ...] = ()
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                readouts_BTR = translator(*self.inputs)[0]
                gradients = torch.autograd.grad(readouts_BTR.sum(), parameters, allow_unused=True)
        torch.cuda.current_stream().wait_stream(stream)
        return gradients

    def forward(self) -> Tensor:
        """The read-outs ``[B, T, R]``, good until the next forward pass."""
        self.forward_graph.replay()
        return self.readouts_BTR.detach()

    def backward(self, d_readouts_BTR: Tensor) -> list[Tensor | None]:
        """The gradient of each parameter, as copies: an optimiser may keep or change them."""
        self.d_readouts_BTR.copy_(d_readouts_BTR)
        self.backward_graph.replay()
        return [None if g is None else g.clone() for g in self.gradients]


class _Replay(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, recording: Recording, *parameters: Tensor) -> Tensor:
        ctx.recording = recording
        return recording.forward()

    @staticmethod
    def backward(ctx: Any, d_readouts_BTR: Tensor) -> tuple[Tensor | None, ...]:
        recording: Recording = ctx.recording
        return None, *recording.backward(d_readouts_BTR)
