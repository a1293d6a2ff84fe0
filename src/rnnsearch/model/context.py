"""Context mechanisms: how the decoder looks at the source. The one seam in which compared models differ.

A mechanism prepares a sentence once (``remember``) and then weighs its positions for a query (``weigh``). Before search
asks many times of one memory, ``settle`` may put a quicker form of it in its place. The context
is c_i = Σ_j α_ij value_j; a mechanism whose context never changes remembers that one value and has no weights, so
``weigh`` returns None. Mixing is left to `Memory.mix`, because values may then be projected into the decoder's gates
before the recurrence: Σ_j α_ij (C h_j) = C c_i.

B batch, T target, S source, E annotation and context, H query (decoder state), A alignment hidden layer, P heads, V
values of a sentence: S, or P · S of several heads, X any. N queries of a step: B, or B · K where search follows K
hypotheses of each sentence, which stand together and share its memory.
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
from rnnsearch.model.linear import Linear, by_part
from rnnsearch.model.memory import Memory as Memory  # where packages of others look for it
from rnnsearch.model.window import Window

WEIGHTS = ("softmax", "sparsemax", "entmax15")
NEVER = -1e9  # an energy that no sparse weights reach; they can't be had of infinities


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

    Of P heads each has energies and weights of its own, by its part of the query and of the keys, and mixes its part of
    each annotation; a matrix joins what they find (Vaswani et al. 2017, section 3.2.2). Here that is P · S values: an
    annotation's part times its columns of the matrix, and times P, for weights are α_ij / P, which sum to 1 over all.

    Args:
        annotation_size: E.
        state_size: H; only a window needs it.
        weights: ``softmax``; ``sparsemax``, the point of the simplex nearest to the energies (Martins and Astudillo
            2016, arXiv 1602.02068); or ``entmax15``, between both (Peters, Niculae and Martins 2019, arXiv 1905.05702).
            The latter two give most positions no weight.
        temperature: τ.
        heads: P.
        window: D of `Window`, or None: all words.

    Raises:
        ValueError: for weights of another name, a temperature that is not above 0, or heads that don't divide E.
    """

    constant = False

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int | None = None,
        weights: str = "softmax",
        temperature: float = 1.0,
        heads: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__()
        self.size = annotation_size
        self.weights = choose(weights, WEIGHTS, "model.context.weights")
        if not temperature > 0:
            raise ValueError(f"model.context.temperature={temperature}: energies are divided by it, so it is above 0")
        self.temperature = temperature
        self.heads = heads
        self._check_heads(annotation_size, "an annotation")
        self.output = Linear(annotation_size, annotation_size, bias=False) if heads > 1 else None
        if window is not None and state_size is None:
            raise ValueError(f"model.context.window={window}: {type(self).__name__} does not look around a place")
        self.window = None if window is None or state_size is None else Window(state_size=state_size, reach=window)

    def _check_heads(self, size: int, what: str) -> None:
        if self.heads < 1 or size % self.heads:
            raise ValueError(
                f"model.context.heads={self.heads}: {what} has {size} values, which heads share evenly; choose a "
                "number that divides it"
            )

    @abstractmethod
    def keys(self, annotations: Annotations) -> Tensor:
        """What is projected once a sentence, ``[B, S, A]``."""

    @abstractmethod
    def energies(self, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
        """e_i for K queries of each sentence, ``[B, K, V]``, or ``[B, 1, V]`` where no query changes them."""

    def distribution(self, energies_XS: Tensor, mask_XS: Tensor) -> Tensor:
        """α_i of energies, zero where the mask is False."""
        if self.temperature != 1.0:
            energies_XS = energies_XS / self.temperature
        if self.weights == "softmax":
            return energies_XS.masked_fill(~mask_XS, float("-inf")).softmax(-1)
        sparse = entmax.sparsemax if self.weights == "sparsemax" else entmax.entmax15
        weights_XS: Tensor = sparse(energies_XS.masked_fill(~mask_XS, NEVER), dim=-1)
        return weights_XS

    @property
    def is_plain_softmax(self) -> bool:
        """Whether weights are those that `rnnsearch.kernels` makes of energies."""
        return (
            self.weights == "softmax"
            and self.temperature == 1.0
            and self.heads == 1
            and self.window is None
            and not self.covers
        )

    def scoring(self) -> kernels.Scoring | None:
        """The same energies for `rnnsearch.kernels`; None where it has none."""
        return None

    def table(self, memory: Memory, steps: int) -> Tensor | None:
        """The weights of all steps, ``[B, T, S]``, where no query changes them; None where one does."""
        return None

    def remember(self, annotations: Annotations) -> Memory:
        return Memory(annotations.mask_BS, self._values(annotations.states_BSE), self.keys(annotations))

    def _values(self, states_BSE: Tensor) -> Tensor:
        if self.output is None:
            return states_BSE
        parts_BSPX = by_part(states_BSE, self.heads)
        matrices_EPX = self.heads * by_part(self.output.weight, self.heads)
        return torch.einsum("bspx,epx->bpse", parts_BSPX, matrices_EPX).flatten(1, 2)

    def weigh(self, query_NH: Tensor, memory: Memory, step: int) -> Tensor | None:
        query_BKH = query_NH.view(len(memory.mask_BS), -1, query_NH.shape[1])
        weights_BKV = self._weights(self.energies(query_BKH, memory, step), query_BKH, memory.mask_BS)
        return weights_BKV.expand(-1, query_BKH.shape[1], -1).flatten(0, 1)

    def _weights(self, energies_BKV: Tensor, query_BKH: Tensor, mask_BS: Tensor) -> Tensor:
        energies_BKPS, mask_BKS = by_part(energies_BKV, self.heads), mask_BS.unsqueeze(1)
        if self.window is not None:
            nearness_BKS, mask_BKS = self.window(query_BKH, mask_BS)
            energies_BKPS = energies_BKPS + nearness_BKS.unsqueeze(2)
        weights_BKV = self.distribution(energies_BKPS, mask_BKS.unsqueeze(2)).flatten(2)
        return weights_BKV if self.heads == 1 else weights_BKV / self.heads

    def over_source(self, weights_XV: Tensor | None) -> Tensor | None:
        return None if weights_XV is None else by_part(weights_XV, self.heads).sum(-2)


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
        if self.heads > 1 or self.covers:
            return memory
        assert memory.keys_BSA is not None
        return replace(memory, keys_BSA=None, exponentials_BSA=exponentials(memory.keys_BSA))

    def energies(self, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
        queries_BKA = self.queries(query_BKH, step)
        if memory.exponentials_BSA is not None:
            return additive_energies(queries_BKA, memory.exponentials_BSA, self.direction())
        hidden_BKSA = torch.tanh(self.sums(queries_BKA, memory))
        if self.heads == 1:
            return hidden_BKSA @ self.direction()
        return by_part(hidden_BKSA * self.direction(), self.heads).sum(-1).movedim(-1, 2).flatten(2)

    def sums(self, queries_BKA: Tensor, memory: Memory) -> Tensor:
        """What the tanh is taken of, ``[B, K, S, A]``."""
        assert memory.keys_BSA is not None
        return queries_BKA.unsqueeze(2) + memory.keys_BSA.unsqueeze(1)


class Additive(HiddenLayer):
    """e_ij = v_a^T tanh(W_a s_{i-1} + U_a h_j) (A.1.2).

    ``normed`` puts g v / ‖v‖ in the place of v and a bias inside the tanh (as in Salimans and Kingma 2016, arXiv
    1602.07868). With ``coverage`` a step sees what was attended to: u_a C_ij joins the sum, C_ij = Σ_{k<i} α_kj (Tu et
    al. 2016, arXiv 1601.04811); of several heads each sees its own α_kj / P.

    Raises:
        ValueError: if heads don't divide the hidden layer.
    """

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        attention_size: int,
        normed: bool,
        coverage: bool = False,
        weights: str = "softmax",
        temperature: float = 1.0,
        heads: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__(
            annotation_size=annotation_size,
            state_size=state_size,
            weights=weights,
            temperature=temperature,
            heads=heads,
            window=window,
        )
        self._check_heads(attention_size, "the hidden layer of energies")
        self.query = Linear(state_size, attention_size, bias=False)  # W_a
        self.key = Linear(annotation_size, attention_size, bias=normed)  # U_a
        self.v = nn.Parameter(torch.empty(attention_size))
        nn.init.normal_(self.v, std=attention_size**-0.5)
        self.g = nn.Parameter(torch.tensor(attention_size**-0.5)) if normed else None
        self.u = nn.Parameter(torch.zeros(attention_size)) if coverage else None
        self.covers = coverage

    def energy_cost(self) -> float | None:
        return (4.0 if self.u is None else 6.0) * self.v.numel()  # one more product and sum for each hidden unit

    def sums(self, queries_BKA: Tensor, memory: Memory) -> Tensor:
        sums_BKSA = super().sums(queries_BKA, memory)
        if self.u is None:
            return sums_BKSA
        assert memory.covered_NV is not None
        covered_BKV = memory.covered_NV.view(*sums_BKSA.shape[:2], -1)
        covered_BKSP1 = by_part(covered_BKV, self.heads).movedim(2, -1).unsqueeze(-1)
        return sums_BKSA + (covered_BKSP1 * by_part(self.u, self.heads)).flatten(-2)

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

    def queries(self, query_BKH: Tensor) -> Tensor:
        """What keys are multiplied with, ``[B, K, A]``."""
        return query_BKH

    def energies(self, query_BKH: Tensor, memory: Memory, step: int) -> Tensor:
        assert memory.keys_BSA is not None
        queries_BKA = self.queries(query_BKH)
        if self.heads == 1:
            return queries_BKA @ memory.keys_BSA.mT
        by_head = (by_part(values, self.heads) for values in (queries_BKA, memory.keys_BSA))
        return torch.einsum("bkpw,bspw->bkps", *by_head).flatten(2)


class Dot(DotProduct):
    """e_ij = s^T h_j; the sizes of state and annotation must agree (Luong et al. 2015)."""

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        weights: str = "softmax",
        temperature: float = 1.0,
        heads: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__(
            annotation_size=annotation_size,
            state_size=state_size,
            weights=weights,
            temperature=temperature,
            heads=heads,
            window=window,
        )
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
        self,
        *,
        annotation_size: int,
        state_size: int,
        weights: str = "softmax",
        temperature: float = 1.0,
        heads: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__(
            annotation_size=annotation_size,
            state_size=state_size,
            weights=weights,
            temperature=temperature,
            heads=heads,
            window=window,
        )
        self._check_heads(state_size, "a state")
        self.key = Linear(annotation_size, state_size, bias=False)  # W

    def energy_cost(self) -> float | None:
        return 2.0 * self.key.out_features

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA


class ScaledDot(DotProduct):
    """e_ij = (W_q s)^T (W_k h_j) / √(A / P) (Vaswani et al. 2017, section 3.2)."""

    def __init__(
        self,
        *,
        annotation_size: int,
        state_size: int,
        attention_size: int,
        weights: str = "softmax",
        temperature: float = 1.0,
        heads: int = 1,
        window: int | None = None,
    ) -> None:
        super().__init__(
            annotation_size=annotation_size,
            state_size=state_size,
            weights=weights,
            temperature=temperature,
            heads=heads,
            window=window,
        )
        self._check_heads(attention_size, "the width of query and key")
        self.query = Linear(state_size, attention_size, bias=False)  # W_q
        self.key = Linear(annotation_size, attention_size, bias=False)  # W_k
        self.scale = (attention_size // self.heads) ** -0.5

    def energy_cost(self) -> float | None:
        return 2.0 * self.key.out_features

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA

    def scoring(self) -> kernels.Scoring | None:
        return kernels.Scoring(kernels.Product, self.scale * self.query.weight, None)

    def queries(self, query_BKH: Tensor) -> Tensor:
        queries_BKA: Tensor = self.scale * self.query(query_BKH)
        return queries_BKA
