"""Where training time goes: a trace of some updates, and a summary of one screen."""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # torch gives it no types
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from rnnsearch.records.json_files import write_text

logger = logging.getLogger(__name__)

OTHER = "other"  # Python between operators, sums of gradients, logging, checkpoints
PARTS = ("encoder", "decoder", "read-out", "vocabulary and loss", "optimiser", "data", "validation", OTHER)
LIBRARIES = {"Optimizer.": "optimiser", "enumerate(DataLoader)": "data"}  # torch's own labels, by their beginnings
BACKWARD = "backward"
OPERATORS = 12


class StepProfile(Callback):
    """Traces ``updates`` updates, after as many to warm up, and a validation that follows the last.

    ``trace.json`` (for chrome://tracing or ui.perfetto.dev) and ``summary.txt`` go into ``folder``. Parts are the
    ``record_function`` labels of model and training; the backward pass of an operator counts where its forward was.
    """

    def __init__(self, *, folder: Path, updates: int) -> None:
        self.folder = folder
        self.updates = updates
        self.summary: str | None = None
        self._seen = 0
        self._tokens = 0
        self._profile: profile | None = None
        self._label: Any = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        traced = self._seen - self.updates * trainer.accumulate_grad_batches
        if traced == 0 and trainer.is_global_zero:
            self._start(pl_module.device)
        if traced == self.updates * trainer.accumulate_grad_batches:
            self._stop()
        self._seen += 1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._tokens += outputs["tokens"] if self._profile else 0

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        self._enter(BACKWARD)

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._leave()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._enter("validation")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._leave()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop()
        if self.summary is None and trainer.is_global_zero:
            logger.warning(
                "no profile: training ended within the %d updates that warm up; lower profile or raise budget.updates",
                self.updates,
            )

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._leave()
        if self._profile is not None:
            self._profile.stop()
            self._profile = None

    def _start(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._gpu else [])]
        self._profile = profile(activities=activities, acc_events=True)
        self._profile.start()
        self._began = time.perf_counter()

    def _enter(self, name: str) -> None:
        if self._profile is not None:
            self._label = record_function(name)
            self._label.__enter__()

    def _leave(self) -> None:
        if self._label is not None:
            self._label.__exit__(None, None, None)
            self._label = None

    def _stop(self) -> None:
        if self._profile is None:
            return
        if self._gpu:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - self._began
        self._profile.stop()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._profile.export_chrome_trace(str(self.folder / "trace.json"))
        events: Iterable[FunctionEvent] = self._profile.events() or []  # type: ignore[no-untyped-call]  # torch gives it no types
        self._profile = None
        where = "the GPU's own time" if self._gpu else "on the CPU"
        title = (
            f"{self.updates} updates, {self._tokens:,} target tokens, in {seconds:.3f} s under the profiler, {where}"
        )
        self.summary = summarize(events, title=title, seconds=seconds, gpu=self._gpu)
        write_text(self.folder / "summary.txt", self.summary)


def summarize(events: Iterable[FunctionEvent], *, title: str, seconds: float, gpu: bool) -> str:
    """Two tables: seconds by part, which add up to ``seconds``, and by operator."""
    parts: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    operators: dict[str, float] = defaultdict(float)
    calls: Counter[str] = Counter()
    for event, part in assign(events):
        own = (event.self_device_time_total if gpu else event.self_cpu_time_total) / 1e6
        parts[part] += own
        if not event.is_user_annotation and not event.name.startswith("autograd::"):
            operators[event.name] += own
            calls[event.name] += 1
    parts[OTHER] = max(0.0, seconds - sum(own for part, own in parts.items() if part != OTHER))
    top = dict(sorted(operators.items(), key=lambda item: -item[1])[:OPERATORS])
    lines = [title, "backward passes count with their parts", ""]
    lines += _table("part", parts, seconds, {})
    lines += ["", *_table("operator, itself", top, seconds, calls)]
    return "\n".join(lines) + "\n"


def _table(name: str, rows: Mapping[str, float], seconds: float, calls: Mapping[str, int]) -> list[str]:
    """A line a row: name, seconds, share and, where known, calls."""
    width = max(map(len, [name, *rows]))
    head = f"{name:<{width}}    seconds   share" + ("    calls" if calls else "")
    body = [
        f"{row:<{width}}  {spent:9.4f}  {spent / seconds:6.1%}" + (f"  {calls[row]:7,}" if calls else "")
        for row, spent in rows.items()
    ]
    return [head, *body]


def assign(events: Iterable[FunctionEvent]) -> Iterable[tuple[FunctionEvent, str]]:
    """Each operator with its part: by its own label, else that of its forward operator, else its caller's.

    An operator that autograd records carries the number of its node, and so does that node's backward.
    """
    host = [event for event in events if event.device_type == DeviceType.CPU]
    part_of: dict[int, str] = {}
    forward: dict[int, str] = {}
    for event in sorted(host, key=lambda event: (event.time_range.start, -event.time_range.end)):
        caller = part_of.get(id(event.cpu_parent), OTHER)
        part = caller if caller == "validation" else _labelled(event.name) or caller
        if event.name.startswith("autograd::engine"):
            part = forward.get(event.sequence_nr, part)
        elif event.sequence_nr >= 0:
            forward[event.sequence_nr] = part
        part_of[id(event)] = part
        yield event, part


def _labelled(name: str) -> str | None:
    if name in PARTS:
        return name
    if name == BACKWARD:
        return OTHER
    return next((part for beginning, part in LIBRARIES.items() if name.startswith(beginning)), None)
