"""The cost of a context mechanism that does not state it: its operations, counted while it looks at a sentence.

It runs on tensors without values (torch's meta device) with torch's plain operations, so that whatever leaves torch, or
depends on values, is noticed and not left out.

S source, T target, E annotation, H state.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._decomp import decomposition_table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from rnnsearch.model.context import Context
from rnnsearch.model.encoder import Annotations, RecurrentEncoder, annotate
from rnnsearch.model.transformer import TransformerEncoder

# Products with a vector: torch's registry has only those of two matrices.
PRODUCTS: Mapping[str, Callable[..., int]] = {
    "mv": lambda matrix, vector: 2 * matrix.numel(),
    "addmv": lambda summand, matrix, vector, **_: 2 * matrix.numel(),
    "dot": lambda left, right: 2 * left.numel(),
    "vdot": lambda left, right: 2 * left.numel(),
}
ACCUMULATED = {"cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"}
MOVED = {  # made, moved, chosen or compared
    *("clone", "copy", "_to_copy", "fill", "zero", "where", "masked_fill", "index", "index_select", "index_put"),
    *("gather", "scatter", "embedding", "cat", "stack", "constant_pad_nd", "flip", "roll", "tril", "triu", "repeat"),
    *("arange", "linspace", "zeros", "ones", "full", "empty", "eye", "scalar_tensor", "sort", "topk", "_unsafe_view"),
    *("new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like", "full_like", "empty_like"),
    *("empty_strided", "new_empty_strided", "lift_fresh", "lift_fresh_copy", "detach", "_reshape_copy"),
}


@dataclass(frozen=True)
class Lengths:
    """Tokens of a sentence pair, ends included; a mean need not be whole."""

    source: float
    target: float


@dataclass(frozen=True)
class Looking:
    """What a mechanism does itself for a sentence pair, in operations, and how many values it then has to mix."""

    operations: float
    values: float


class OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """Counts operations on floating-point numbers: 2 for a product's multiply-add, else 1 for a value made or summed.

    Operations without a category in torch are decomposed into those with one.

    Raises:
        NotImplementedError: while it counts, for an operation that can't be decomposed.
    """

    operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not self._is_simple(func) and func in decomposition_table:
            with self:
                return decomposition_table[func](*args, **kwargs)
        out = func(*args, **kwargs)
        self.operations += self._count(func, args, kwargs, out)
        return out

    def _is_simple(self, func: Any) -> bool:
        known = func.overloadpacket in flop_registry or _name(func) in {*PRODUCTS, *ACCUMULATED, *MOVED}
        return known or func.is_view or bool({torch.Tag.pointwise, torch.Tag.reduction} & set(func.tags))

    def _count(self, func: Any, args: Any, kwargs: Any, out: Any) -> int:
        if func.overloadpacket in flop_registry:
            return int(flop_registry[func.overloadpacket](*args, **kwargs, out_val=out))
        if _name(func) in PRODUCTS:
            return PRODUCTS[_name(func)](*args, **kwargs)
        size = sum(leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, Tensor) and leaf.is_floating_point())
        if not size or func.is_view or _name(func) in MOVED:
            return 0
        if torch.Tag.reduction in func.tags or _name(func) in ACCUMULATED:
            return int(args[0].numel())
        if torch.Tag.pointwise in func.tags:
            return size
        raise NotImplementedError(f"torch has no count for {func}")


def _name(func: Any) -> str:
    """The name of an operation, the same if it works in place."""
    name: str = func.overloadpacket.__name__
    return name if name.endswith("__") else name.removesuffix("_")


def measured(
    context: Context, encoder: RecurrentEncoder | TransformerEncoder, *, state_size: int, lengths: Lengths
) -> Looking:
    """What ``context`` does for a sentence pair, where a step costs the mean of the first and the last one.

    Between whole source lengths it is interpolated.

    Raises:
        ValueError: if that can't be counted.
    """
    below = math.floor(lengths.source)
    try:
        empty = copy.deepcopy(context).to("meta").eval()
        ends = [_measured(empty, encoder, n, lengths.target, state_size) for n in (below, math.ceil(lengths.source))]
    except Exception as error:  # from someone else's package, so of any kind
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"the operations of {type(context).__qualname__} can't be counted ({reason}); "
            "give it a method energy_cost, or leave match=flops and budget.flops out"
        ) from error
    first, last = ends
    share = lengths.source - below
    operations = first.operations + share * (last.operations - first.operations)
    return Looking(operations, first.values + share * (last.values - first.values))


def _measured(
    context: Context,
    encoder: RecurrentEncoder | TransformerEncoder,
    source_length: int,
    target_length: float,
    state_size: int,
) -> Looking:
    dtype = next((p.dtype for p in context.parameters()), torch.float32)
    with torch.no_grad(), torch.device("meta"):
        states_1SE = torch.empty(1, source_length, encoder.annotation_size, dtype=dtype)
        mask_1S = torch.ones(1, source_length, dtype=torch.bool)
        annotations = Annotations(states_1SE, mask_1S, None, None)
        if encoder.has_ends:
            annotations = annotate(states_1SE, mask_1S, encoder.hidden_size)
        query_1H = torch.empty(1, state_size, dtype=dtype)
        with OperationCounter() as counter:  # type: ignore[no-untyped-call]  # torch gives its parent no types
            memory = context.remember(annotations)
            once = counter.operations
            for step in (0, math.ceil(target_length) - 1):
                context.weigh(query_1H, memory, step)
    steps = target_length * (counter.operations - once) / 2
    return Looking(once + steps, values=memory.values_BSE.shape[1])
