"""A process that holds one system and times it when asked: `PYTHON -m benchmarks.worker`, driven by `workers.Worker`.

A request is a line of JSON on standard input, its answer a line of JSON on what was standard output; everything else
that is printed goes to standard error. Between requests the process waits for its pipe and computes nothing, so that
systems can be timed in turn, each alone.
"""

import ctypes
import gc
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.ours import Loop, Ours, rung
from benchmarks.peer_modules import JoeyNMT, OpenNMT
from benchmarks.products import OneDNNProduct, Product, Unrolled
from benchmarks.systems import RUNGS, Sizes, System, Timed, Words

PRECISIONS = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
BUILDERS: dict[str, Callable[[Sizes, dict[str, Any]], Timed]] = {
    "ours": lambda sizes, options: Ours(sizes, options, kernels=None),
    "ours_plain": lambda sizes, options: Ours(sizes, options, kernels="plain"),
    "plain_loop": Loop,
    **{name: partial(rung, name) for name in RUNGS},
    "joeynmt_modules": JoeyNMT,
    "opennmt_modules": OpenNMT,
    "products_at_once": Unrolled,
    "product": Product,
    "onednn_product": OneDNNProduct,
}


class Bench:
    """One system on one device, and the requests it answers."""

    def __init__(self) -> None:
        self.system: Timed
        self.words: Words

    def build(
        self, *, name: str, sizes: dict[str, Any], options: dict[str, Any], device: str, dtype: str, threads: int
    ) -> dict[str, Any]:
        """Make the system; bfloat16 means autocast over float32 weights, but for the bare products."""
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.device, self.sizes = torch.device(device), Sizes(**sizes)
        self.system = BUILDERS[name](self.sizes, options)
        precision = PRECISIONS[dtype]
        self.lowered = precision if precision == torch.bfloat16 else None
        self.system.model.to(self.device, torch.float32 if self.lowered else precision).train()
        if name.startswith(("product", "onednn")):
            self.system.model.to(precision)
            self.lowered = None
        return {"parameters": sum(parameter.numel() for parameter in self.system.model.parameters())}

    def prepare(self, *, batch: int, source: int, target: int) -> dict[str, Any]:
        """Make the batch, and warm up."""
        self.words = Words.random(self.sizes, batch=batch, source=source, target=target, device=self.device)
        self._step()
        return {"operations": self.system.operations(source, target), "seconds": self._timed(self._step)}

    def step(self, *, count: int) -> dict[str, Any]:
        """Seconds of forward and backward, the mean of ``count``."""
        gc.collect()
        return {"seconds": self._timed(lambda: self._steps(count)) / count}

    def translate(self, *, beam: int) -> dict[str, Any]:
        """Seconds of a search that writes as many words for each sentence as its reference has."""
        from rnnsearch.search.beam import BeamSearch

        assert isinstance(self.system, Ours), "only our own models are searched with"
        source_BS, words = self.words.source_BS, self.words.target_out_BT.shape[1] - 1
        search = BeamSearch(
            beam_size=beam, normalization="none", min_length=words, max_length=words, max_length_ratio=0.0,
            max_length_offset=words, max_source_length=source_BS.shape[1], batch_size=len(source_BS),
            forbid_unknown=True,
        )  # fmt: skip
        mask_BS = torch.ones_like(source_BS, dtype=torch.bool)
        model, lengths_B = self.system.translator.eval(), mask_BS.sum(-1) - 1  # without the ends of sentences
        seconds = self._timed(lambda: search.search(model, (source_BS, mask_BS), lengths_B))
        model.train()
        return {"seconds": seconds}

    def update(self) -> dict[str, Any]:
        """Seconds of the optimiser's step, with gradients there."""
        if not hasattr(self, "_optimizer"):
            assert isinstance(self.system, System), "bare products have no optimiser"
            self._optimizer = self.system.optimizer()
        self._step()
        return {"seconds": self._timed(self._optimizer.step)}

    def operations(self, *, source: int, target: int) -> dict[str, Any]:
        """Of training a target token."""
        return {"operations": self.system.operations(source, target)}

    def memory(self, *, batch: int, source: int, target: int) -> dict[str, Any]:
        """Bytes at the peak of one step, gradients included, above the level before it."""
        self.words = Words.random(self.sizes, batch=2, source=3, target=3, device=self.device)
        self._step()  # libraries are loaded and their own buffers made, the allocator has kept next to nothing
        self.words = Words.random(self.sizes, batch=batch, source=source, target=target, device=self.device)
        self.system.model.zero_grad(set_to_none=True)
        gc.collect()
        level = self._cuda_level() if self.device.type == "cuda" else _reset_peak()
        self._step()
        peak = torch.cuda.max_memory_allocated() if self.device.type == "cuda" else _peak()
        return {"bytes": peak - level, "operations": self.system.operations(source, target)}

    def _cuda_level(self) -> int:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()

    def _steps(self, count: int) -> None:
        for _ in range(count):
            self._step()

    def _step(self) -> None:
        self.system.model.zero_grad(set_to_none=True)
        self.system.step(self.words, self._autocast)

    def _autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, dtype=self.lowered) if self.lowered else nullcontext()

    def _timed(self, action: Callable[[], object]) -> float:
        """Seconds of an action; on a GPU its own clock, from an idle device to an idle device."""
        if self.device.type != "cuda":
            start = time.perf_counter()
            action()
            return time.perf_counter() - start
        start_event, end_event = (torch.Event("cuda", enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start_event.record()
        action()
        end_event.record()
        torch.cuda.synchronize()
        return float(start_event.elapsed_time(end_event)) / 1000


def _reset_peak() -> int:
    """Give freed memory back, start the kernel's record of the peak anew, and return the resident bytes."""
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        with suppress(OSError):  # the peak is then that of the process so far, and a smaller step reads as too little
            Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(key: str) -> int:
    """A line of /proc/self/status in bytes; where there is none, the most that the process ever held."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def serve(bench: object) -> None:
    """Let ``bench`` answer requests until standard input ends: each names a method and its arguments."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(bench, request.pop("do"))(**request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    serve(Bench())
