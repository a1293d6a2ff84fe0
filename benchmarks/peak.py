"""What the machine can do: a square product, by torch's own library and by oneDNN, measured beside the systems.

On a CPU torch's float32 product is MKL's, which leaves half of some processors' width unused; the peak is the faster of
the two, and a system's share of torch's own product is told apart.
"""

from contextlib import ExitStack
from typing import Self

from benchmarks.options import Options
from benchmarks.products import Product
from benchmarks.systems import PRESETS
from benchmarks.workers import SystemFailed, Worker, start

COUNT = 10  # products a sample


class Peak:
    """Operations a second of the product, a value a round. Use it as a context."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.best: list[float] = []
        self.torch: list[float] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.workers = [worker for name in ("product", "onednn_product") for worker in self._start(name, stack)]
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def _start(self, name: str, stack: ExitStack) -> list[Worker]:
        try:
            worker = stack.enter_context(start(name, PRESETS["reference"], self.options))
            worker.ask("prepare", batch=1, source=1, target=1)
        except SystemFailed:
            if name == "product":
                raise
            return []  # no oneDNN here, or not for this device and type
        return [worker]

    def measure(self) -> None:
        """Take this round's values."""
        speeds = [2 * Product.SIZE**3 / worker.ask("step", count=COUNT)["seconds"] for worker in self.workers]
        self.torch.append(speeds[0])
        self.best.append(max(speeds))

    def clear(self) -> None:
        """Begin a new series of rounds."""
        self.best, self.torch = [], []
