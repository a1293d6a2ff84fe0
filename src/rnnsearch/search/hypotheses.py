"""What every search promises and what it needs of a model, which is ``encode`` and ``step`` alone.

B sentences, N rows of a step, V vocabulary, S source.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A translation that a search found.

    Args:
        ids: target ids without the end of sentence.
        score: what ranked it: normalised and penalised.
        log_prob: log p of the complete sentence in nats, end of sentence included.
    """

    ids: list[int]
    score: float
    log_prob: float


class Rows(Protocol):
    """Values with the batch in front."""

    def select(self, index_N: Tensor) -> Self:
        """The rows ``index_N`` of the batch."""


S = TypeVar("S", bound=Rows)
M = TypeVar("M", bound=Rows)


class Model(Protocol[S, M]):
    """What search needs of a model. A state has a row for each hypothesis, the memory one for each sentence."""

    @property
    def encode(self) -> Callable[..., tuple[S, M]]:
        """Initial state and memory of a batch of sentences, from the parts of its source."""

    def step(self, token_N: Tensor, state: S, memory: M, step: int, /) -> tuple[Tensor, S, Tensor | None]:
        """Log-probabilities of the next word ``[N, V]``, which search may overwrite; the next state; weights.

        N = B · K for the B sentences of the memory, the K hypotheses of a sentence one after another. Weights are
        ``[N, S]``, or None where the model has none.
        """


class Search(Protocol):
    """Finds translations. What is found for a sentence depends on that sentence alone, never on its batch."""

    max_source_length: int  # source tokens kept, and sentences together, for whoever calls `search`
    batch_size: int

    def search(
        self,
        model: Model[S, M],
        source: tuple[Any, ...],
        lengths_B: Tensor,
        *,
        prefixes: Sequence[Sequence[int]] | None = None,
        keys: Sequence[int] | None = None,
    ) -> list[list[Hypothesis]]:
        """The hypotheses of each sentence, best first, at least one.

        Args:
            model: whatever can ``encode(*source)`` and ``step``.
            source: a batch of sentences as the model wants it.
            lengths_B: source tokens of each sentence, the end of sentence not counted.
            prefixes: target ids that the hypotheses of a sentence must begin with.
            keys: the number of each sentence, on which all randomness depends besides the seed; its place by default.
        """
