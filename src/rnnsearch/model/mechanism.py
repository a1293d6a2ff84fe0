"""Context mechanisms: how the decoder looks at the source. The one seam in which compared models differ.

A mechanism prepares a sentence once (``remember``) and then weighs its positions for a query (``weigh``). Before search
asks many times of one memory, ``settle`` may put a quicker form of it in its place. The context
is c_i = Σ_j α_ij value_j; a mechanism whose context never changes remembers that one value and has no weights, so
``weigh`` returns None. Mixing is left to `Memory.mix`, because values may then be projected into the decoder's gates
before the recurrence: Σ_j α_ij (C h_j) = C c_i.

B batch, S source, E annotation and context, H query (decoder state), V values of a sentence: S, or S for each of
several heads, X any. N queries of a step: B, or B · K where search follows K hypotheses of each sentence, which stand
together and share its memory.
"""

from abc import ABC, abstractmethod

from torch import Generator, Tensor, nn

from rnnsearch.model.encoder import Annotations
from rnnsearch.model.initial_values import fill_by_name
from rnnsearch.model.memory import Memory


class Context(nn.Module, ABC):
    """Base of the mechanisms: ``size`` of the context vector, and whether it is ``constant`` over the target steps."""

    size: int
    constant: bool
    reads_ends = False  # whether it needs the encoder's end states
    sums_to_one = True  # whether weights do, for which a bias may be mixed with the values
    covers = False  # whether weights depend on those of the steps before, `Memory.covered_NV`

    @abstractmethod
    def remember(self, annotations: Annotations) -> Memory:
        """Prepare a batch of sentences, once."""

    def settle(self, memory: Memory) -> Memory:
        """The memory in the form in which the most queries are answered soonest."""
        return memory

    @abstractmethod
    def weigh(self, query_NH: Tensor, memory: Memory, step: int) -> Tensor | None:
        """Weights α_i over the values at target step ``step`` (from 0), ``[N, V]``, or None."""

    def over_source(self, weights_XV: Tensor | None) -> Tensor | None:
        """The weights of source positions, ``[..., S]``, from those of the values."""
        return weights_XV

    def energy_cost(self) -> float | None:
        """Floating-point operations of one e_ij, what `key` and `query` project being known; None: it is measured.

        What a class inherits from another package's is measured, too, for its energies may be its own; and so is one
        with more matrices than `key`, `query` and `summary`. Where such a one can't be measured, what it says has to
        hold for all that they do.
        """
        return None

    def initialize(self, scheme: str, generator: Generator | None) -> None:
        """Give the parameters their initial values, in place, under a scheme of `rnnsearch.training.initialization`.

        Of Linears called ``query``, ``key`` and ``summary``, and of vectors called ``v`` and ``g``, they are the
        scheme's; all else keeps what the constructor set.
        """
        fill_by_name(self, scheme, generator)
