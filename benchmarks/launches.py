"""How many launches an update of RNNsearch takes on a GPU, and how often it goes through the weights: counted on a CPU.

Counted are the operations that torch dispatches, but for views and empty buffers, and each compiled step as one, as it
is one launch of Triton's; the steps themselves are left out, so that neither a compiler nor a GPU is needed. Under
bfloat16 autocast, as trainer=gpu has it. A library may launch more than once for an operation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rnnsearch.config.compose import compose
from rnnsearch.kernels import choice, compiled, native, one_call, products
from rnnsearch.kernels.cross_entropy import linear_cross_entropy
from rnnsearch.model import encoder
from rnnsearch.model.build import build_translator
from rnnsearch.model.translator import Translator

NO_LAUNCH = ("empty", "empty_like", "new_empty", "_unsafe_view", "promote_types")
PAIRS = 2
WEIGHTS = 4096
SHORT, LONG = 4, 8  # tokens of a side


@dataclass(frozen=True)
class Launches:
    """Of forward and backward: those that stay, and those of each source and target token of the longest sentence."""

    fixed: float
    source: float
    target: float

    def of(self, source_length: float, target_length: float) -> float:
        """Launches of a batch padded to these lengths."""
        return self.fixed + self.source * source_length + self.target * target_length


def launches(translator: Translator | None = None) -> Launches:
    """Counted at three pairs of lengths."""
    translator = translator or tiny()
    base, source, target = (count(translator, *at) for at in ((SHORT, SHORT), (LONG, SHORT), (SHORT, LONG)))
    by_source, by_target = ((more - base) / (LONG - SHORT) for more in (source, target))
    return Launches(base - SHORT * (by_source + by_target), by_source, by_target)


def passes_over_weights() -> float:
    """Numbers read and written for a weight by the norm, its clipping and Adadelta as a GPU runs it (foreach)."""
    weight = nn.Parameter(torch.ones(WEIGHTS))
    weight.grad = torch.ones_like(weight)
    optimizer = torch.optim.Adadelta([weight], foreach=True)
    optimizer.step()  # makes its state
    counter = _Traffic()  # type: ignore[no-untyped-call]  # torch gives its parent no types
    with counter:
        nn.utils.get_total_norm([weight.grad], foreach=True)
        torch._foreach_mul_([weight.grad], 0.5)
        optimizer.step()
    return counter.numbers / WEIGHTS


class _Launches(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        self.count += not (function.is_view or name in NO_LAUNCH or name.startswith("_record_function"))
        return function(*args, **(kwargs or {}))


class _Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """Numbers in and out of operations on all the weights; what changes in place is read and written."""

    numbers = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if not (function.is_view or name in NO_LAUNCH):
            written = found if found is not None else args[0]
            self.numbers += self._numbers((args, kwargs)) + self._numbers(written)
        return found

    def _numbers(self, values: Any) -> int:
        sizes = [one.numel() for one in tree_leaves(values) if isinstance(one, Tensor)]
        return sum(size for size in sizes if size >= WEIGHTS)


def tiny() -> Translator:
    """RNNsearch with few units: the launches are the same."""
    sizes = ["embedding_size=4", "hidden_size=4", "attention_size=4", "readout_size=4"]
    config = compose("train", ["model=rnnsearch", *(f"model.{size}" for size in sizes)])
    return build_translator(config.model, source_size=8, target_size=8)


def count(translator: Translator, source_length: int, target_length: int) -> int:
    counter = _Launches()  # type: ignore[no-untyped-call]  # torch gives its parent no types
    translator.zero_grad(set_to_none=True)
    words = torch.full((PAIRS, max(source_length, target_length)), 4)
    with _as_on_a_gpu(counter), counter:
        with torch.autocast("cpu", torch.bfloat16):
            loss = _loss(translator, words[:, :source_length], words[:, :target_length])
        loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
    return counter.count


def _loss(translator: Translator, source_BS: Tensor, target_BT: Tensor) -> Tensor:
    """As `TranslationModule.log_likelihood_loss` has it."""
    readouts_NR = translator(source_BS, torch.ones_like(source_BS, dtype=torch.bool), target_BT)[0].flatten(0, 1)
    output = translator.decoder.output
    return linear_cross_entropy(readouts_NR, output.weight, output.bias, target_BT.flatten(), label_smoothing=0.0)


@contextmanager
def _as_on_a_gpu(counter: _Launches) -> Iterator[None]:
    """Compiled steps serve, each counted and none run: what they would write stays as it is."""

    def call(*_: object) -> None:
        counter.count += 1

    steps = replace(choice._NATIVE, any_values=True)
    with (
        patch.object(choice, "_serving", lambda like: steps),
        patch.object(native, "call", call),
        patch.object(one_call, "serves", lambda *_: False),  # step by step
        patch.object(compiled, "serves", lambda like, low=False: False),  # torch copies, as on a GPU
        patch.object(products, "autocast_to", lambda values: None),  # and lowers what goes into products
        patch.object(encoder, "goes_one_by_one", lambda inputs: False),
    ):
        yield
