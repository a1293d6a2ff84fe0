"""Bare matrix products: what the machine can do, and what our model would take if no step waited for another."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import astuple
from typing import Any

import torch
from torch import nn

from benchmarks.systems import Sizes, Timed, Words, training_operations


class Product(Timed):
    """A square matrix product: what the machine can do."""

    SIZE = 2048

    def __init__(self, sizes: Sizes, options: dict[str, Any]) -> None:
        self.model = self.linear = nn.Linear(self.SIZE, self.SIZE, bias=False)

    @torch.no_grad()
    def step(self, words: Words, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        with autocast():
            torch.matmul(self.linear.weight, self.linear.weight)

    def operations(self, source: int, target: int) -> float:
        """Of one product."""
        return 2.0 * self.SIZE**3


class OneDNNProduct(Product):
    """The same through oneDNN, which torch brings along; it fails where there is none."""

    @torch.no_grad()
    def step(self, words: Words, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        weight = self.linear.weight
        if not (weight.is_cpu and weight.dtype == torch.float32):
            raise ValueError("elsewhere torch's own product is the best there is")
        torch.ops.mkldnn._linear_pointwise(weight, weight, None, "none", [], "")


class Unrolled(Timed):
    """The matrix products of our model's step, forward and backward, as if no step waited for another.

    Each weight meets all its positions in one product, by the library that ours uses, and nothing else is done: what
    remains between this and ours is the price of the recurrence, of the attention's own products and of all that is
    done to single elements.
    """

    def __init__(self, sizes: Sizes, options: dict[str, Any]) -> None:
        m, h, a, r, v = astuple(sizes)[1:]
        e, g = 2 * h, 3 * h
        shapes = {
            "source": [(m, 2 * g), (h, g), (h, g), (e, a), (e, g)],
            "target": [(m, g), (h, g), (h, a), (h + m + e, r), (r, v)],
        }
        self.linears = {side: [nn.Linear(*shape, bias=False) for shape in of_side] for side, of_side in shapes.items()}
        self.model = nn.ModuleDict({side: nn.ModuleList(linears) for side, linears in self.linears.items()})

    @torch.no_grad()
    def step(self, words: Words, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        from rnnsearch.kernels.products import product, weight_gradient

        with autocast():
            for side, ids in (("source", words.source_BS), ("target", words.target_out_BT)):
                for linear in self.linears[side]:
                    inputs_NI = linear.weight.new_ones(ids.numel(), linear.in_features)
                    outputs_NO = product(inputs_NI, linear.weight)
                    product(outputs_NO, linear.weight.T), weight_gradient(outputs_NO, inputs_NI)

    def operations(self, source: int, target: int) -> float:
        per_source, per_target = (
            sum(one.weight.numel() for one in self.linears[side]) for side in ("source", "target")
        )
        return training_operations(
            source=source, target=target, per_source=per_source, per_target=per_target, per_pair=0, once=0
        )
