"""Updates whose loss or gradient is not finite are skipped, named and counted; too many in a row end the run.

B sentence pairs of a batch.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

logger = logging.getLogger(__name__)

Lines = Callable[[Sequence[int]], Sequence[int]]
LOOK_EVERY = 50  # updates after which a GPU is asked what it skipped
NAMED = 100  # lines in a message, at most


class Diverged(ValueError):
    """The loss, its gradient or a weight is no longer finite.

    Args:
        message: what became NaN or infinite.
        update: at which it did so, from 1.
        retry: a command that may do better.
    """

    def __init__(self, message: str, *, update: int, retry: str | None = None) -> None:
        super().__init__(message)
        self.update = update
        self.retry = retry


@dataclass(frozen=True)
class _Judged:
    """An update that was judged, everything still on the device: its loss and norm, and whether it is skipped."""

    update: int
    bad: Tensor
    loss: Tensor
    norm: Tensor
    batches: list[Tensor]  # rows of each, (B)


def became(value: float) -> str:
    """The name in a sentence of a number that is not finite."""
    return "NaN" if math.isnan(value) else "infinite"


@dataclass
class Skipped:
    """Numbers of skipped updates: in all, and since the last one that was not skipped."""

    total: int = 0
    in_a_row: int = 0


def skip_on_device(bad: Tensor, parameters: Sequence[nn.Parameter], optimizer: Optimizer, *, scaled: bool) -> None:
    """Let the optimiser's next step do nothing if ``bad``, a scalar on its device, is true; the host doesn't wait.

    An optimiser that is not fused sees zero gradients: momentum, if any, still moves the weights, and averages of
    squares decay by a step.
    """
    if optimizer.defaults.get("fused") and not scaled:
        optimizer.found_inf = bad.float()  # type: ignore[attr-defined]  # read by its kernels
        return
    for gradient in (p.grad for p in parameters if p.grad is not None):
        gradient.masked_fill_(bad, 0.0)


class Watch:
    """Skips updates that would spoil the weights.

    A skipped update leaves weights and optimiser unchanged (on a GPU only a fused one; others see zeros), and counts as
    an update for the budget and the schedule. The norm is that of all processes' gradient, so that all skip the same
    updates. A GPU skips by itself and is asked about it every `LOOK_EVERY` updates and at checkpoints, so that nothing
    waits for it in between.

    Args:
        limit: so many skipped updates in a row end the run.
        above: a gradient of a larger norm, before clipping, is skipped too; None: only those that are not finite.
        lines: rows of the training split -> their line numbers in the corpus.
    """

    def __init__(self, *, limit: int, above: float | None, lines: Lines) -> None:
        self.limit = limit
        self.above = above
        self.lines = lines
        self._rows: list[Tensor] = []  # of the batches of the present update, each (B)
        self._losses: list[Tensor] = []  # of the same batches, sums in nats
        self._unseen: list[_Judged] = []

    def saw(self, rows_B: Tensor, loss: Tensor) -> None:
        """Take note of a batch of the present update and its loss."""
        self._rows.append(rows_B)
        self._losses.append(loss.detach())

    def loss(self) -> Tensor:
        """The sum of the losses of the present update's batches, in nats."""
        return torch.stack(self._losses).sum()

    def judge(
        self,
        loss: Tensor,
        norm: Tensor,
        parameters: Sequence[nn.Parameter],
        optimizer: Optimizer,
        *,
        update: int,
        scaled: bool,
    ) -> None:
        """Let the optimiser's next step do nothing if loss or gradient is not finite, or the gradient is too large.

        Args:
            loss: of the update, a scalar; the same on all processes.
            norm: of the mean gradient, before clipping; a scalar on the parameters' device.
            parameters: with their gradients.
            optimizer: about to step.
            update: its number, from 1.
            scaled: whether a scaler of gradients skips infinite ones by itself.
        """
        bad = ~loss.isfinite() | (~norm.isfinite() if self.above is None else ~(norm <= self.above))
        self._unseen.append(_Judged(update, bad, loss, norm, self._rows))
        self._rows, self._losses = [], []
        if norm.device.type != "cpu":
            skip_on_device(bad, parameters, optimizer, scaled=scaled)
        elif bad:
            for parameter in parameters:
                parameter.grad = None  # optimisers pass over parameters without one

    def look(self, skipped: Skipped, *, always: bool) -> None:
        """Count what was skipped since the last look.

        Args:
            skipped: the counts.
            always: even if that means waiting for a GPU that was asked only recently.

        Raises:
            Diverged: if too many updates were skipped in a row.
        """
        if not self._unseen or not (always or self._is_cheap()):
            return
        unseen, self._unseen = self._unseen, []
        flags = torch.stack([judged.bad for judged in unseen]).tolist()
        for judged, bad in zip(unseen, flags, strict=True):
            skipped.in_a_row = skipped.in_a_row + 1 if bad else 0
            skipped.total += bad
            if bad:
                self._report(judged, skipped)

    def _is_cheap(self) -> bool:
        return self._unseen[-1].bad.device.type == "cpu" or len(self._unseen) >= LOOK_EVERY

    def _report(self, judged: _Judged, skipped: Skipped) -> None:
        why, lines = self._reason(float(judged.loss), float(judged.norm)), self._named(judged.batches)
        if skipped.in_a_row < self.limit:
            logger.warning("update %d is skipped, for %s: %s", judged.update, why, lines)
            return
        first = judged.update - skipped.in_a_row + 1
        raise Diverged(
            f"{why} at update {first}, and {skipped.in_a_row} updates in a row were skipped for that "
            f"(skip_limit={self.limit}), the last of them update {judged.update}, of {lines}",
            update=first,
        )

    def _reason(self, loss: float, norm: float) -> str:
        if not math.isfinite(loss):
            return f"the loss became {became(loss)}"
        if not math.isfinite(norm):
            return f"the gradient became {became(norm)}"
        return f"the gradient's norm was {norm:.3g}, above skip_above={self.above}"

    def _named(self, batches: Sequence[Tensor]) -> str:
        numbers = sorted(self.lines([row for rows_B in batches for row in rows_B.tolist()]))
        more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
        return f"training lines {', '.join(str(number) for number in numbers[:NAMED])}{more}"
