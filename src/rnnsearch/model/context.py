"""Context mechanisms: how the decoder looks at the source. The one seam in which compared models differ.

A mechanism prepares a sentence once (``remember``) and then weighs its positions for a query (``weigh``). Before search
asks many times of one memory, ``settle`` may put a quicker form of it in its place. The context
is c_i = Σ_j α_ij value_j; a mechanism whose context never changes remembers that one value and has no weights, so
``weigh`` returns None. Mixing is left to `Memory.mix`, because values may then be projected into the decoder's gates
before the recurrence: Σ_j α_ij (C h_j) = C c_i.

B batch, T target, S source, E annotation and context, H query (decoder state), A alignment hidden layer, X any. N
queries of a step: B, or B · K where search follows K hypotheses of each sentence, which stand together and share its
memory.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import replace

import entmax
import torch
from torch import Generator, Tensor, nn

from rnnsearch.kernels import attention as kernels
from rnnsearch.kernels.energies import additive_energies, exponentials
from rnnsearch.model.cells import choose
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.initial_values import fill_by_name
from rnnsearch.model.linear import Linear
from rnnsearch.model.memory import Memory as Memory  # where packages of others look for it

WEIGHTS = ("softmax", "sparsemax", "entmax15")
NEVER = -1e9  # an energy that no sparse weights reach; they can't be had of infinities


class Context(nn.Module, ABC):
    """Base of the mechanisms: ``size`` of the context vector, and whether it is ``constant`` over the target steps."""

    size: int
    constant: bool
    reads_ends = False  # whether it needs the encoder's end states
    sums_to_one = True  # whether weights do, for which a bias may be mixed with the values

    @abstractmethod
    def remember(self, annotations: Annotations) -> Memory:
        """Prepare a batch of sentences, once."""

    def settle(self, memory: Memory) -> Memory:
        """The memory in the form in which the most queries are answered soonest."""
        return memory

    @abstractmethod
    def weigh(self, query_NH: Tensor, memory: Memory, step: int) -> Tensor | None:
        """Weights α_i over the source positions at target step ``step`` (from 0), ``[N, S]``, or None."""

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


class ConstantContext(Context, ABC):
    """Base of the mechanisms whose context is the same at every step."""

    constant = True

    def energy_cost(self) -> float | None:
        return 0.0

    def weigh(self, query_NH: Tensor, memory: Memory, step: int) -> Tensor | None:
        return None


class InitialOnly(ConstantContext):
    """No context after s_0: the context terms are absent (a context of size 0)."""

    def __init__(self, *, annotation_size: int, state_size: int) -> None:
        super().__init__()
        self.size = 0

    def remember(self, annotations: Annotations) -> Memory:
        states = annotations.states_BSE
        return Memory(annotations.mask_BS, states.new_zeros(states.shape[0], 1, 0))


class Fixed(ConstantContext):
    """c = tanh(V [→h_Tx ; ←h_1]) at every step and read-out (Cho et al. 2014; c = tanh(V h_Tx) if forward only)."""

    reads_ends = True

    def __init__(self, *, annotation_size: int, state_size: int) -> None:
        super().__init__()
        self.size = annotation_size
        self.summary = Linear(annotation_size, annotation_size)

    def remember(self, annotations: Annotations) -> Memory:
        return Memory(annotations.mask_BS, torch.tanh(self.summary(annotations.ends_BE)).unsqueeze(1))


class Mean(ConstantContext):
    """c_i = mean of the annotations of the real positions."""

    def __init__(self, *, annotation_size: int, state_size: int) -> None:
        super().__init__()
        self.size = annotation_size

    def remember(self, annotations: Annotations) -> Memory:
        return Memory(annotations.mask_BS, mean_annotation(annotations).unsqueeze(1))


def mean_annotation(annotations: Annotations) -> Tensor:
    """Mean of the real positions' annotations, ``[B, E]`` (padding is zero in the annotations)."""
    return annotations.states_BSE.sum(1) / annotations.mask_BS.sum(1, keepdim=True)


class Attention(Context, ABC):
    """Base of the mechanisms with energies e_ij and α_i = softmax of e_i / τ over the real source positions.

    Args:
        annotation_size: E.
        weights: ``softmax``; ``sparsemax``, the point of the simplex nearest to the energies (Martins and Astudillo
            2016, arXiv 1602.02068); or ``entmax15``, between both (Peters, Niculae and Martins 2019, arXiv 1905.05702).
            The latter two give most positions no weight.
        temperature: τ.

    Raises:
        ValueError: for weights of another name, or a temperature that is not above 0.
    """

    constant = False

    def __init__(self, *, annotation_size: int, weights: str = "softmax", temperature: float = 1.0) -> None:
        super().__init__()
        self.size = annotation_size
        self.weights = choose(weights, WEIGHTS, "model.context.weights")
        if not temperature > 0:
            raise ValueError(f"model.context.temperature={temperature}: energies are divided by it, so it is above 0")
        self.temperature = temperature

    @abstractmethod
    def keys(self, annotations: Annotations) -> Tensor:
        """What is projected once a sentence, ``[B, S, A]``."""

    @abstractmethod
    def energies(self, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
        """e_i for K queries of each sentence, ``[B, K, S]``, or ``[B, 1, S]`` where no query changes them."""

    def distribution(self, energies_BKS: Tensor, mask_B1S: Tensor) -> Tensor:
        """α_i of energies, zero at padding."""
        if self.temperature != 1.0:
            energies_BKS = energies_BKS / self.temperature
        if self.weights == "softmax":
            return energies_BKS.masked_fill(~mask_B1S, float("-inf")).softmax(-1)
        sparse = entmax.sparsemax if self.weights == "sparsemax" else entmax.entmax15
        weights_BKS: Tensor = sparse(energies_BKS.masked_fill(~mask_B1S, NEVER), dim=-1)
        return weights_BKS

    @property
    def is_plain_softmax(self) -> bool:
        """Whether weights are those that `rnnsearch.kernels` makes of energies."""
        return self.weights == "softmax" and self.temperature == 1.0

    def scoring(self) -> kernels.Scoring | None:
        """The same energies for `rnnsearch.kernels`; None where it has none."""
        return None

    def table(self, memory: Memory, steps: int) -> Tensor | None:
        """The weights of all steps, ``[B, T, S]``, where no query changes them; None where one does."""
        return None

    def remember(self, annotations: Annotations) -> Memory:
        return Memory(annotations.mask_BS, annotations.states_BSE, self.keys(annotations))

    def weigh(self, query_NH: Tensor, memory: Memory, step: int) -> Tensor | None:
        query_BKH = query_NH.view(len(memory.mask_BS), -1, query_NH.shape[1])
        energies_BKS = self.energies(query_BKH, memory, step)
        weights_BKS = self.distribution(energies_BKS, memory.mask_BS.unsqueeze(1))
        return weights_BKS.expand(-1, query_BKH.shape[1], -1).flatten(0, 1)


class HiddenLayer(Attention, ABC):
    """Base of the mechanisms with e_ij = v^T tanh(query_i + key_j)."""

    v: nn.Parameter

    @abstractmethod
    def queries(self, query_BKH: Tensor, step: int) -> Tensor:
        """What is projected once a step, ``[B, K, A]``, or ``[1, 1, A]`` where no state changes it."""

    def direction(self) -> Tensor:
        """v, ``[A]``."""
        return self.v

    def energy_cost(self) -> float | None:
        return 4.0 * self.v.numel()  # A sums, A tanh, and a product with v

    def settle(self, memory: Memory) -> Memory:
        assert memory.keys_BSA is not None
        return replace(memory, keys_BSA=None, exponentials_BSA=exponentials(memory.keys_BSA))

    def energies(self, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
        queries_BKA = self.queries(query_BKH, step)
        if memory.exponentials_BSA is not None:
            return additive_energies(queries_BKA, memory.exponentials_BSA, self.direction())
        assert memory.keys_BSA is not None
        return torch.tanh(queries_BKA.unsqueeze(2) + memory.keys_BSA.unsqueeze(1)) @ self.direction()


class Additive(HiddenLayer):
    """e_ij = v_a^T tanh(W_a s_{i-1} + U_a h_j) (A.1.2).

    ``normed`` puts g v / ‖v‖ in the place of v and a bias inside the tanh (as in Salimans and Kingma 2016, arXiv
    1602.07868).
    """

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        attention_size: int,
        normed: bool,
        weights: str = "softmax",
        temperature: float = 1.0,
    ) -> None:
        super().__init__(annotation_size=annotation_size, weights=weights, temperature=temperature)
        self.query = Linear(state_size, attention_size, bias=False)  # W_a
        self.key = Linear(annotation_size, attention_size, bias=normed)  # U_a
        self.v = nn.Parameter(torch.empty(attention_size))
        nn.init.normal_(self.v, std=attention_size**-0.5)
        self.g = nn.Parameter(torch.tensor(attention_size**-0.5)) if normed else None

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA

    def scoring(self) -> kernels.Scoring | None:
        return kernels.Scoring(kernels.Additive, self.query.weight, self.direction())

    def queries(self, query_BKH: Tensor, step: int) -> Tensor:
        queries_BKA: Tensor = self.query(query_BKH)
        return queries_BKA

    def direction(self) -> Tensor:
        return self.v if self.g is None else self.g * self.v / self.v.norm()


class LocationOnly(HiddenLayer):
    """e_ij = v^T tanh(W_p φ(i) + U_p φ(j)), φ sinusoids: looks at positions, never at content."""

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        attention_size: int,
        position_size: int,
        weights: str = "softmax",
        temperature: float = 1.0,
    ) -> None:
        super().__init__(annotation_size=annotation_size, weights=weights, temperature=temperature)
        self.position_size = even(position_size)
        self.query = Linear(position_size, attention_size, bias=False)  # W_p
        self.key = Linear(position_size, attention_size, bias=False)  # U_p
        self.v = nn.Parameter(torch.empty(attention_size))
        nn.init.normal_(self.v, std=attention_size**-0.5)

    def keys(self, annotations: Annotations) -> Tensor:
        batch, length, _ = annotations.states_BSE.shape
        positions_S = torch.arange(length, device=self.v.device)
        keys_SA: Tensor = self.key(sinusoids(positions_S, self.position_size, self.v.dtype))
        return keys_SA.expand(batch, -1, -1)

    def queries(self, query_BKH: Tensor, step: int) -> Tensor:
        return self._queries(torch.tensor([step], device=self.v.device))

    def _queries(self, positions_T: Tensor) -> Tensor:
        queries_TA: Tensor = self.query(sinusoids(positions_T, self.position_size, self.v.dtype))
        return queries_TA.unsqueeze(0)

    def table(self, memory: Memory, steps: int) -> Tensor | None:
        assert memory.keys_BSA is not None
        queries_1TA = self._queries(torch.arange(steps, device=self.v.device))
        energies_1TS = torch.tanh(queries_1TA.unsqueeze(2) + memory.keys_BSA[:1].unsqueeze(1)) @ self.v
        return self.distribution(energies_1TS, memory.mask_BS.unsqueeze(1))


def even(position_size: int) -> int:
    """The size itself.

    Raises:
        ValueError: if it is odd.
    """
    if position_size % 2:
        raise ValueError(f"model.context.position_size={position_size}: sinusoids come in pairs, so it is even")
    return position_size


def sinusoids(positions_N: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """φ: ``[N, size]``, sine and cosine halves, wavelengths 2π to 2π · 10000 (Vaswani et al. 2017, section 3.5)."""
    rates = torch.exp(torch.arange(size // 2, device=positions_N.device, dtype=dtype) * (-2 * math.log(10000.0) / size))
    angles = positions_N.to(dtype).unsqueeze(-1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class Slots(Context):
    """K vectors C_k = Σ_j a_jk h_j, made once from the source and weighed at each step: c_i = Σ_k β_ik C_k.

    β_i = softmax(W_β s), and a is made of scores W [h_j ; φ(j)], φ sinusoids (Britz, Guan and Luong 2017, arXiv
    1707.00110). A rung between one vector and attention: what a step may choose from is there before the first word is
    written. Weights are α_ij = Σ_k β_ik a_jk, which give the same context by one sum over positions.

    Args:
        slots: K.
        position_size: of φ.
        normalized: ``positions``: a_jk = softmax over j, each slot a weighted mean; ``slots``: softmax over k at each
            position, divided by the source's length, as in the paper; weights then sum to less than 1.

    Raises:
        ValueError: for fewer than 1 slot, or an odd size of positions.
    """

    constant = False

    def __init__(
        self, *, annotation_size: int, state_size: int, slots: int, position_size: int, normalized: str
    ) -> None:
        super().__init__()
        if slots < 1:
            raise ValueError(f"model.context.slots={slots}: there is at least 1 slot; 1 is one weighted mean")
        self.size = annotation_size
        self.position_size = even(position_size)
        self.normalized = choose(normalized, ("positions", "slots"), "model.context.normalized")
        self.sums_to_one = normalized == "positions"
        self.query = Linear(state_size, slots, bias=False)  # W_β
        self.key = Linear(annotation_size + position_size, slots, bias=False)  # W

    def energy_cost(self) -> float | None:
        return 2.0 * self.key.out_features

    def remember(self, annotations: Annotations) -> Memory:
        return Memory(annotations.mask_BS, annotations.states_BSE, self._shares(annotations))

    def weigh(self, query_NH: Tensor, memory: Memory, step: int) -> Tensor | None:
        assert memory.keys_BSA is not None
        query_BQH = query_NH.view(len(memory.mask_BS), -1, query_NH.shape[1])
        chosen_BQK: Tensor = self.query(query_BQH).softmax(-1)
        weights_BQS = chosen_BQK.to(memory.keys_BSA.dtype) @ memory.keys_BSA.mT
        return weights_BQS.flatten(0, 1)

    def _shares(self, annotations: Annotations) -> Tensor:
        """a, ``[B, S, K]``, zero at padding."""
        states_BSE, mask_BS1 = annotations.states_BSE, annotations.mask_BS.unsqueeze(-1)
        positions_S = torch.arange(states_BSE.shape[1], device=states_BSE.device)
        places_SP = sinusoids(positions_S, self.position_size, states_BSE.dtype)
        placed_BSX = torch.cat([states_BSE, places_SP.expand(len(states_BSE), -1, -1)], dim=-1)
        scores_BSK: Tensor = self.key(placed_BSX).to(self.query.weight.dtype)
        if self.normalized == "positions":
            return scores_BSK.masked_fill(~mask_BS1, float("-inf")).softmax(1)
        return scores_BSK.softmax(-1) * mask_BS1 / mask_BS1.sum(1, keepdim=True)


class DotProduct(Attention, ABC):
    """Base of the mechanisms whose energy is the product of state and key."""

    def scoring(self) -> kernels.Scoring | None:
        return kernels.Scoring(kernels.Product, None, None)

    def energies(self, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
        assert memory.keys_BSA is not None
        return query_BKH @ memory.keys_BSA.mT


class Dot(DotProduct):
    """e_ij = s^T h_j; the sizes of state and annotation must agree (Luong et al. 2015)."""

    def __init__(
        self, *, annotation_size: int, state_size: int, weights: str = "softmax", temperature: float = 1.0
    ) -> None:
        super().__init__(annotation_size=annotation_size, weights=weights, temperature=temperature)
        if annotation_size != state_size:
            raise ValueError(
                f"model/context=dot multiplies states with annotations, but a state has {state_size} values and an "
                f"annotation {annotation_size}; set model.decoder.hidden_size={annotation_size}, or choose "
                "model/context=general or scaled_dot"
            )

    def energy_cost(self) -> float | None:
        return 2.0 * self.size

    def keys(self, annotations: Annotations) -> Tensor:
        return annotations.states_BSE


class General(DotProduct):
    """e_ij = s^T W h_j (Luong et al. 2015)."""

    def __init__(
        self, *, annotation_size: int, state_size: int, weights: str = "softmax", temperature: float = 1.0
    ) -> None:
        super().__init__(annotation_size=annotation_size, weights=weights, temperature=temperature)
        self.key = Linear(annotation_size, state_size, bias=False)  # W

    def energy_cost(self) -> float | None:
        return 2.0 * self.key.out_features

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA


class ScaledDot(Attention):
    """e_ij = (W_q s)^T (W_k h_j) / √A (Vaswani et al. 2017, section 3.2.1, one head)."""

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        attention_size: int,
        weights: str = "softmax",
        temperature: float = 1.0,
    ) -> None:
        super().__init__(annotation_size=annotation_size, weights=weights, temperature=temperature)
        self.query = Linear(state_size, attention_size, bias=False)  # W_q
        self.key = Linear(annotation_size, attention_size, bias=False)  # W_k
        self.scale = attention_size**-0.5

    def energy_cost(self) -> float | None:
        return 2.0 * self.key.out_features

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA

    def scoring(self) -> kernels.Scoring | None:
        return kernels.Scoring(kernels.Product, self.scale * self.query.weight, None)

    def energies(self, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
        assert memory.keys_BSA is not None
        query_BKA: Tensor = self.scale * self.query(query_BKH)
        return query_BKA @ memory.keys_BSA.mT
