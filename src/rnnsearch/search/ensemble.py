"""Several models that share a target vocabulary as one: their probabilities of the next word are averaged.

S source, V vocabulary, N rows of a step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rnnsearch.search.hypotheses import Model, Rows


@dataclass(frozen=True, slots=True)
class Parts:
    """States or memories of the members."""

    parts: tuple[Rows, ...]
    same_source: bool  # whether the members read the same tokens

    def select(self, index_N: Tensor) -> "Parts":
        """The rows ``index_N`` of the batch."""
        return Parts(tuple(part.select(index_N) for part in self.parts), self.same_source)


class Ensemble:
    """The mixture 1/M Σ_m p_m(y_i | y_<i, x_m) of M models, as search wants a model.

    Args:
        members: models whose target ids mean the same words; each reads the source in its own tokens.

    Raises:
        ValueError: if there are no members.
    """

    def __init__(self, members: Sequence[Model[Any, Any]]) -> None:
        if not members:
            raise ValueError("an ensemble needs at least one member, and got none")
        self.members = tuple(members)

    def encode(self, *sources: tuple[Tensor, Tensor]) -> tuple[Parts, Parts]:
        """Initial states and memories, given ids ``[B, S]`` and mask ``[B, S]`` of a batch of sentences a member."""
        begun = [member.encode(*source) for member, source in zip(self.members, sources, strict=True)]
        same = all(
            torch.equal(part, first) for source in sources for part, first in zip(source, sources[0], strict=True)
        )
        states, memories = zip(*begun, strict=True)
        return Parts(states, same), Parts(memories, same)

    def step(self, token_N: Tensor, state: Parts, memory: Parts, step: int) -> tuple[Tensor, Parts, Tensor | None]:
        """Log of the mean probability of the next word ``[N, V]``, the next states, and the mean weights ``[N, S]``.

        There are weights where every member has some and all read the same source tokens, else None.
        """
        steps = [
            member.step(token_N, one, remembered, step)
            for member, one, remembered in zip(self.members, state.parts, memory.parts, strict=True)
        ]
        log_probs, states, weights = zip(*steps, strict=True)
        mixture_NV = torch.stack(log_probs).logsumexp(0) - math.log(len(steps))
        shared = memory.same_source and all(part is not None for part in weights)
        return mixture_NV, Parts(states, state.same_source), torch.stack(weights).mean(0) if shared else None
