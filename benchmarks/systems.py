"""What a system is that is timed beside others: a model, its summed loss, and what a target token costs it.

This file, `worker` and the systems run under two interpreters, ours and the peers', so they need torch and the
standard library alone; a system's own package is imported when the system is built.

Operations follow one formula (that of `rnnsearch.training.cost`): a multiply-add of a matrix counts as 2, backward
takes twice the forward's products, and what is done to single elements is left out, but in our energies and softmax.
Each system counts the products that its own code performs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

OURS = ("ours", "ours_plain", "plain_loop")
RUNGS = ("current", "mingru", "sru", "lrn", "hybrid", "transformer")  # members of price_of_recurrence, beside ours
SINGLE = "_float32"  # ends the name of a system that is timed in single precision beside others that are not
PEERS = ("joeynmt_modules", "opennmt_modules")
SPECIALS = 4  # ids below are padding, begin, end and unknown in every system here; random words are above


@dataclass(frozen=True)
class Sizes:
    """What all systems share. A preset of the project (`model=NAME`), without dropout and with free embeddings."""

    model: str
    embedding: int
    hidden: int
    attention: int
    readout: int
    vocabulary: int


PRESETS = {
    "reference": Sizes("reference", embedding=256, hidden=512, attention=512, readout=512, vocabulary=8000),
    "small": Sizes("small", embedding=256, hidden=256, attention=256, readout=256, vocabulary=6000),
    "tiny": Sizes("tiny", embedding=96, hidden=96, attention=96, readout=96, vocabulary=2000),
}


@dataclass(frozen=True)
class Words:
    """A batch without padding: source and target ids, ends of sentence among them, and the target begun by BOS."""

    source_BS: Tensor
    target_in_BT: Tensor
    target_out_BT: Tensor

    @classmethod
    def random(cls, sizes: Sizes, *, batch: int, source: int, target: int, device: torch.device) -> "Words":
        """Random words, the same for every system."""
        generator = torch.Generator().manual_seed(batch * 1_000_003 + source * 1009 + target)
        source_BS, target_BT = (
            torch.randint(SPECIALS, sizes.vocabulary, (batch, length), generator=generator)
            for length in (source, target)
        )
        begun_BT = torch.cat([torch.ones_like(target_BT[:, :1]), target_BT[:, :-1]], dim=1)
        return cls(source_BS.to(device), begun_BT.to(device), target_BT.to(device))


class Timed(ABC):
    """Something to time: what a step does, and what it costs a target token."""

    model: nn.Module

    @abstractmethod
    def step(self, words: Words, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        """Do once what is timed."""

    @abstractmethod
    def operations(self, source: int, target: int) -> float:
        """Floating-point operations of training a target token, in pairs of these lengths."""


class System(Timed):
    """A model that can be trained on `Words`."""

    @abstractmethod
    def loss(self, words: Words) -> Tensor:
        """Cross entropy summed over all target words."""

    def step(self, words: Words, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        """Forward and backward."""
        with autocast():
            loss = self.loss(words)
        loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types

    def optimizer(self) -> torch.optim.Optimizer:
        """What updates the weights: Adam as torch has it by default."""
        return torch.optim.Adam(self.model.parameters(), lr=1e-3)


def training_operations(
    *, source: int, target: int, per_source: int, per_target: int, per_pair: int, once: int
) -> float:
    """Operations of a target token, from multiply-adds per source token, target token, pair of both, and sentence."""
    products = source * per_source + target * per_target + source * target * per_pair + once
    return 3 * 2 * products / target
