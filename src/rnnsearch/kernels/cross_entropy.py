"""The loss over the vocabulary without its logits: product, softmax and gradients, a chunk of rows after the other.

N target tokens, R read-out, V vocabulary, C tokens of a chunk.

With logits l = W t + b, smoothing ε and z = logsumexp(l), a token y costs (1 - ε)(z - l_y) + ε (z - mean(l)), and
d/dl = softmax(l) - (1 - ε) onehot(y) - ε/V. The terms with ε need no pass over the logits: the mean of l is that of W
and b over the vocabulary, applied to t, and ε/V, the same everywhere, has gradients of rank one.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from rnnsearch.kernels.products import add_weight_gradient, product, transposed

# Bytes of a chunk's logits. On a CPU more stops to fit its caches, less makes the products small (2,400 × 8,000
# logits: 128 rows cost 5 to 10 % more than 512); on a GPU each chunk costs a dozen launches, and memory is plenty.
CPU_BYTES = 16 * 2**20
GPU_BYTES = 256 * 2**20
UNIT = 32  # rows


def linear_cross_entropy(
    readouts_NR: Tensor,
    weight_VR: Tensor,
    bias_V: Tensor,
    targets_N: Tensor,
    *,
    label_smoothing: float,
    chunk: int | None = None,
) -> Tensor:
    """The summed cross entropy, in nats, of ``softmax(W t + b)`` against the targets: a scalar.

    Equal to ``cross_entropy(linear(...), reduction="sum")`` and its gradients, with ``chunk`` rows of logits (None:
    what suits the device) instead of N. Gradients are found along with the loss; there are none of second order. Under
    autocast the products have its type; exponentials, and sums over chunks, are in float32.

    Raises:
        RuntimeError: in the backward pass, if it is to be differentiated itself (``create_graph``).
    """
    kind = readouts_NR.device.type
    rows = chunk or chunk_rows(len(weight_VR), readouts_NR.device)
    casting = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    low = torch.get_autocast_dtype(kind) if casting else weight_VR.dtype
    needed = [torch.is_grad_enabled() and x.requires_grad for x in (readouts_NR, weight_VR, bias_V)]
    given = (readouts_NR, weight_VR, bias_V, targets_N, label_smoothing, rows, low, needed)
    with torch.autocast(kind, enabled=False) if casting else nullcontext():
        loss: Tensor = _LinearCrossEntropy.apply(*given)  # type: ignore[no-untyped-call]  # torch gives it no types
    return loss


def chunk_rows(vocabulary_size: int, device: torch.device) -> int:
    """How many rows of logits are held at a time."""
    size = CPU_BYTES if device.type == "cpu" else GPU_BYTES
    return max(1, size // (4 * vocabulary_size))


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        readouts_NR: Tensor,
        weight_VR: Tensor,
        bias_V: Tensor,
        targets_N: Tensor,
        smoothing: float,
        rows: int,
        low: torch.dtype,
        needed: list[bool],
    ) -> Tensor:
        sums = _Sums(readouts_NR, weight_VR, bias_V, smoothing, low, needed)
        loss = sums.over(targets_N, rows)
        ctx.save_for_backward(*sums.gradients())
        return loss

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # once_differentiable would let a second order pass as zero
            raise RuntimeError("linear_cross_entropy has no second derivative; call backward without create_graph")
        gradients = [None if saved is None else saved * scale.to(saved.dtype) for saved in ctx.saved_tensors]
        return (*gradients, None, None, None, None, None)


class _Sums:
    """The loss and its gradients, summed chunk by chunk into buffers that are made once."""

    def __init__(
        self,
        readouts_NR: Tensor,
        weight_VR: Tensor,
        bias_V: Tensor,
        smoothing: float,
        low: torch.dtype,
        needed: list[bool],
    ) -> None:
        self.exact = torch.float32 if low in (torch.bfloat16, torch.float16) else low
        self.smoothing = smoothing
        self.given = (readouts_NR, weight_VR, bias_V)
        self.readouts_NR, self.weight_VR, self.bias_V = (x.to(low) for x in self.given)
        self.mean_R, self.mean = weight_VR.mean(0, dtype=self.exact), bias_V.mean(dtype=self.exact)
        self.by_readouts_NR = torch.empty_like(readouts_NR) if needed[0] else None
        self.by_weight_RV = torch.zeros_like(weight_VR.T, dtype=self.exact) if needed[1] else None
        self.by_bias_V = torch.zeros_like(bias_V, dtype=self.exact) if needed[2] else None

    def over(self, targets_N: Tensor, rows: int) -> Tensor:
        """The loss of all rows."""
        size = (min(rows, len(targets_N)), len(self.weight_VR))
        softmax_CV = self.readouts_NR.new_empty(size, dtype=self.exact)
        losses_N = softmax_CV.new_empty(len(targets_N))
        for part in _parts(len(targets_N), rows):
            count = part.stop - part.start
            targets_C1 = targets_N[part].unsqueeze(1)
            logits_CV = product(self.readouts_NR[part], self.weight_VR, self.bias_V)
            torch.softmax(logits_CV, dim=-1, dtype=self.exact, out=softmax_CV[:count])
            losses_N[part] = self._losses(logits_CV, softmax_CV[:count], targets_C1, part)
            self._differentiate(softmax_CV[:count], targets_C1, part)
        return losses_N.sum()

    def gradients(self) -> tuple[Tensor | None, ...]:
        """By read-outs, weight and bias, where needed; to be asked for once."""
        share = self.smoothing / len(self.weight_VR)
        if share and self.by_weight_RV is not None:
            self.by_weight_RV -= share * self.readouts_NR.sum(0, dtype=self.exact).unsqueeze(1)
        if share and self.by_bias_V is not None:
            self.by_bias_V -= share * len(self.readouts_NR)
        by_weight_VR = None if self.by_weight_RV is None else transposed(self.by_weight_RV)
        found = (self.by_readouts_NR, by_weight_VR, self.by_bias_V)
        return tuple(None if by is None else by.to(x.dtype) for by, x in zip(found, self.given, strict=True))

    def _losses(self, logits_CV: Tensor, softmax_CV: Tensor, targets_C1: Tensor, part: slice) -> Tensor:
        """The loss of each row of a chunk, [C]."""
        wanted_C = logits_CV.gather(1, targets_C1).squeeze(1).to(self.exact)
        # the greatest probability, at least 1/V, is exp(greatest logit - z)
        z_C = logits_CV.amax(-1).to(self.exact) - softmax_CV.amax(-1).log()
        if not self.smoothing:
            return z_C - wanted_C
        mean_C = torch.mv(self.readouts_NR[part].to(self.exact), self.mean_R) + self.mean
        return (1 - self.smoothing) * (z_C - wanted_C) + self.smoothing * (z_C - mean_C)

    def _differentiate(self, softmax_CV: Tensor, targets_C1: Tensor, part: slice) -> None:
        """Add a chunk to the gradients, all but the terms ε/V of weight and bias; ``softmax_CV`` is changed."""
        by_logits_CV = softmax_CV.scatter_add_(
            1, targets_C1, softmax_CV.new_full((), self.smoothing - 1).expand_as(targets_C1)
        )
        if self.by_bias_V is not None:
            self.by_bias_V += by_logits_CV.sum(0)
        readouts_CR = self.readouts_NR[part]
        by_logits_CV = by_logits_CV.to(readouts_CR.dtype)
        if self.by_readouts_NR is not None:
            self.by_readouts_NR[part] = product(by_logits_CV, self.weight_VR.T)
            if self.smoothing:
                self.by_readouts_NR[part] -= self.smoothing * self.mean_R
        if self.by_weight_RV is None:
            return
        if readouts_CR.dtype == self.exact:
            self.by_weight_RV = add_weight_gradient(self.by_weight_RV, by_logits_CV, readouts_CR)
        else:
            self.by_weight_RV += torch.mm(readouts_CR.T, by_logits_CV)


def _parts(length: int, rows: int) -> Iterator[slice]:
    """Runs of at most ``rows``, as equal as can be in multiples of `UNIT`, and what is left over.

    So batches of any size meet few sizes of a product, each of which a library prepares when it first comes.
    """
    unit = min(UNIT, rows)
    units = length // unit
    count = max(1, -(-units // (rows // unit)))
    ends = [i * units // count * unit for i in range(count + 1)] + [length]
    for start, stop in pairwise(ends):
        if start < stop:
            yield slice(start, stop)
