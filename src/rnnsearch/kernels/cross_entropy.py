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

from rnnsearch.kernels import compiled
from rnnsearch.kernels.products import add_weight_gradient, column_sums, product, transposed

# Bytes of a chunk's logits. On a CPU more stops to fit its caches, less makes the products small (2,400 × 8,000
# logits: 128 rows cost 5 to 10 % more than 512); on a GPU each chunk costs a dozen launches, and memory is plenty.
CPU_BYTES = 16 * 2**20  # of float32; twice of bfloat16, which is quicker to multiply than to add up
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
    casting = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    low = torch.get_autocast_dtype(kind) if casting else weight_VR.dtype
    rows = chunk or chunk_rows(len(weight_VR), readouts_NR.device, low)
    needed = [torch.is_grad_enabled() and x.requires_grad for x in (readouts_NR, weight_VR, bias_V)]
    given = (readouts_NR, weight_VR, bias_V, targets_N, label_smoothing, rows, low, needed)
    with torch.autocast(kind, enabled=False) if casting else nullcontext():
        loss: Tensor = _LinearCrossEntropy.apply(*given)  # type: ignore[no-untyped-call]  # torch gives it no types
    return loss


def chunk_rows(vocabulary_size: int, device: torch.device, low: torch.dtype = torch.float32) -> int:
    """How many rows of logits, which products give in the type ``low``, are held at a time."""
    size = CPU_BYTES if device.type == "cpu" else GPU_BYTES
    if device.type == "cpu" and low == compiled.LOW:
        return max(1, 2 * size // (low.itemsize * vocabulary_size))
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
        losses_N = self.readouts_NR.new_empty(len(targets_N), dtype=self.exact)
        for part in _parts(len(targets_N), rows):
            logits_CV = product(self.readouts_NR[part], self.weight_VR, self.bias_V)
            by_logits_CV, z_C, wanted_C = _softened(logits_CV, targets_N[part], 1 - self.smoothing, self.exact)
            losses_N[part] = self._losses(z_C, wanted_C, part)
            self._differentiate(by_logits_CV, part)
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

    def _losses(self, z_C: Tensor, wanted_C: Tensor, part: slice) -> Tensor:
        """The loss of each row of a chunk, [C]."""
        if not self.smoothing:
            return z_C - wanted_C
        mean_C = torch.mv(self.readouts_NR[part].to(self.exact), self.mean_R) + self.mean
        return (1 - self.smoothing) * (z_C - wanted_C) + self.smoothing * (z_C - mean_C)

    def _differentiate(self, by_logits_CV: Tensor, part: slice) -> None:
        """Add a chunk to the gradients, all but the terms ε/V of weight and bias."""
        if self.by_bias_V is not None:
            self.by_bias_V += column_sums(by_logits_CV)
        readouts_CR = self.readouts_NR[part]
        if self.by_readouts_NR is not None:
            self.by_readouts_NR[part] = product(by_logits_CV, self.weight_VR.T)
            if self.smoothing:
                self.by_readouts_NR[part] -= self.smoothing * self.mean_R
        if self.by_weight_RV is not None:
            self.by_weight_RV = add_weight_gradient(self.by_weight_RV, by_logits_CV, readouts_CR)


def _softened(
    logits_CV: Tensor, targets_C: Tensor, certain: float, exact: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """softmax(l) less ``certain`` at the target, in the logits' type and maybe their place; z and l_y in ``exact``."""
    if compiled.serves(logits_CV, low=True):
        z_C, wanted_C = (logits_CV.new_empty(len(logits_CV), dtype=exact) for _ in range(2))
        compiled.call(
            "cross_entropy", *logits_CV.shape, logits_CV.data_ptr(), logits_CV.dtype == compiled.LOW,
            targets_C.contiguous().data_ptr(), certain, z_C.data_ptr(), wanted_C.data_ptr(),
        )  # fmt: skip
        return logits_CV, z_C, wanted_C
    wanted_C1 = logits_CV.gather(1, targets_C.unsqueeze(1)).to(exact)
    softmax_CV = torch.softmax(logits_CV, dim=-1, dtype=exact)
    # the greatest probability, at least 1/V, is exp(greatest logit - z)
    z_C = logits_CV.amax(-1).to(exact) - softmax_CV.amax(-1).log()
    softmax_CV.scatter_add_(1, targets_C.unsqueeze(1), torch.full_like(wanted_C1, -certain))
    return softmax_CV.to(logits_CV.dtype), z_C, wanted_C1.squeeze(1)


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
