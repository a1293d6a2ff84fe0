"""Updates whose gradient is no finite number are skipped, named and counted; too many in a row end the run.

B sentence pairs of a batch.
"""

import logging
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
    """The loss or its gradient is no finite number any more."""


@dataclass
class Skipped:
    """Updates that were skipped: all of them, and those since the last that was not."""

    total: int = 0
    in_a_row: int = 0


def skip_on_device(bad: Tensor, parameters: Sequence[nn.Parameter], optimizer: Optimizer, *, scaled: bool) -> None:
    """Let the optimiser's next step do nothing where ``bad``, a scalar on its device, is true; the host doesn't wait.

    One that is not fused sees zeros: momentum, where there is some, still moves the weights, and averages of squares
    fade by a step.
    """
    if optimizer.defaults.get("fused") and not scaled:
        optimizer.found_inf = bad.float()  # type: ignore[attr-defined]  # what its kernels look at
        return
    for gradient in (p.grad for p in parameters if p.grad is not None):
        gradient.masked_fill_(bad, 0.0)


class Watch:
    """Skips updates that would spoil the weights.

    A skipped update leaves weights and optimiser as they are (on a GPU a fused one; others see zeros), and counts as
    an update of the budget and the schedule. The norm is that of the gradient of all processes, so that all skip
    alike. A GPU skips by itself and is asked about it every `LOOK_EVERY` updates and at checkpoints, so that nothing
    waits for it in between.

    Args:
        limit: updates skipped in a row that end the run.
        above: a gradient of a larger norm, before clipping, is skipped too; None: only those that are not finite.
        lines: the corpus' line numbers of rows of the training split.
    """

    def __init__(self, *, limit: int, above: float | None, lines: Lines) -> None:
        self.limit = limit
        self.above = above
        self.lines = lines
        self._rows: list[Tensor] = []  # of the batches of the present update, each (B)
        self._unseen: list[tuple[int, Tensor, list[Tensor]]] = []  # update, whether it was skipped, its batches

    def saw(self, rows_B: Tensor) -> None:
        """Take note of a batch of the present update."""
        self._rows.append(rows_B)

    def judge(
        self, norm: Tensor, parameters: Sequence[nn.Parameter], optimizer: Optimizer, *, update: int, scaled: bool
    ) -> None:
        """Let the optimiser's next step do nothing if the gradient's norm is not finite, or too large.

        Args:
            norm: of the mean gradient, before clipping; a scalar on the parameters' device.
            parameters: with their gradients.
            optimizer: which is about to step.
            update: its number, from 1.
            scaled: whether a scaler of gradients skips infinite ones by itself.
        """
        bad = ~norm.isfinite() if self.above is None else ~(norm <= self.above)
        self._unseen.append((update, bad, self._rows))
        self._rows = []
        if norm.device.type != "cpu":
            skip_on_device(bad, parameters, optimizer, scaled=scaled)
        elif bad:
            for parameter in parameters:
                parameter.grad = None  # an optimiser passes over what has none

    def look(self, skipped: Skipped, *, always: bool) -> None:
        """Count what was skipped since the last look.

        Args:
            skipped: the counts.
            always: also where a GPU must be waited for and was asked a short time ago.

        Raises:
            Diverged: if too many updates were skipped in a row.
        """
        if not self._unseen or not (always or self._is_cheap()):
            return
        unseen, self._unseen = self._unseen, []
        flags = torch.stack([bad for _, bad, _ in unseen]).tolist()
        for (update, _, batches), bad in zip(unseen, flags, strict=True):
            skipped.in_a_row = skipped.in_a_row + 1 if bad else 0
            skipped.total += bad
            if bad:
                self._report(update, batches, skipped)

    def _is_cheap(self) -> bool:
        return self._unseen[-1][1].device.type == "cpu" or len(self._unseen) >= LOOK_EVERY

    def _report(self, update: int, batches: Sequence[Tensor], skipped: Skipped) -> None:
        lines = self._named(batches)
        if skipped.in_a_row < self.limit:
            logger.warning("update %d is skipped, for its gradient is not finite or too large: %s", update, lines)
            return
        raise Diverged(
            f"training diverged: {skipped.in_a_row} updates in a row had gradients that are not finite or too large "
            f"(skip_limit={self.limit}), the last of them update {update}, of {lines}; the last good checkpoint is "
            "kept. Look at these lines, lower optimizer.lr, lengthen scheduler.warmup, or raise skip_limit"
        )

    def _named(self, batches: Sequence[Tensor]) -> str:
        numbers = sorted(self.lines([row for rows_B in batches for row in rows_B.tolist()]))
        more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
        return f"training lines {', '.join(str(number) for number in numbers[:NAMED])}{more}"
