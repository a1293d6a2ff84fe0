"""Context mechanisms: how the decoder looks at the source. The one seam in which compared models differ.

A mechanism prepares a sentence once (``remember``) and then weighs its positions for a query (``weigh``). The context
is c_i = Σ_j α_ij value_j; a mechanism whose context never changes remembers that one value and has no weights, so
``weigh`` returns None. Mixing is left to `Memory.mix`, because values may then be projected into the decoder's gates
before the recurrence: Σ_j α_ij (C h_j) = C c_i.

B batch, T target, S source, E annotation and context, H query (decoder state), A alignment hidden layer, X any.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnnsearch.kernels import attention as kernels
from rnnsearch.model.encoder import Annotations


@dataclass(frozen=True)
class Memory:
    """What is computed once a sentence. ``values`` has S positions, or a single one if the context is constant."""

    mask_BS: Tensor
    values_BSE: Tensor
    keys_BSA: Tensor | None = None
    gates_BSG: Tensor | None = None  # the values, projected into the decoder's gates

    def select(self, index_N: Tensor) -> "Memory":
        """The rows ``index_N`` of the batch."""
        keys, gates = (None if part is None else part[index_N] for part in (self.keys_BSA, self.gates_BSG))
        return Memory(self.mask_BS[index_N], self.values_BSE[index_N], keys, gates)


def mix(weights_BTS: Tensor | None, values_BSX: Tensor) -> Tensor:
    """Σ_j α_ij value_j for each step, ``[B, T, X]``; without weights the single value, ``[B, 1, X]``."""
    return values_BSX if weights_BTS is None else torch.bmm(weights_BTS, values_BSX)


class Context(nn.Module, ABC):
    """Base of the mechanisms: ``size`` of the context vector, and whether it is ``constant`` over the target steps."""

    size: int
    constant: bool

    @abstractmethod
    def remember(self, annotations: Annotations) -> Memory:
        """Prepare a batch of sentences, once."""

    @abstractmethod
    def weigh(self, query_BH: Tensor, memory: Memory, step: int) -> Tensor | None:
        """Weights α_i over the source positions at target step ``step`` (from 0), ``[B, S]``, or None."""


class ConstantContext(Context, ABC):
    """Base of the mechanisms whose context is the same at every step."""

    constant = True

    def weigh(self, query_BH: Tensor, memory: Memory, step: int) -> Tensor | None:
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

    def __init__(self, *, annotation_size: int, state_size: int) -> None:
        super().__init__()
        self.size = annotation_size
        self.summary = nn.Linear(annotation_size, annotation_size)

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
    """Base of the mechanisms with energies e_ij and α_i = softmax of e_i over the real source positions."""

    constant = False

    def __init__(self, *, annotation_size: int) -> None:
        super().__init__()
        self.size = annotation_size

    @abstractmethod
    def keys(self, annotations: Annotations) -> Tensor:
        """What is projected once a sentence, ``[B, S, A]``."""

    @abstractmethod
    def energies(self, query_BH: Tensor, keys_BSA: Tensor, step: int) -> Tensor:
        """e_i, ``[B, S]``."""

    def scoring(self) -> kernels.Scoring | None:
        """The same energies for `rnnsearch.kernels`; None where it has none."""
        return None

    def remember(self, annotations: Annotations) -> Memory:
        return Memory(annotations.mask_BS, annotations.states_BSE, self.keys(annotations))

    def weigh(self, query_BH: Tensor, memory: Memory, step: int) -> Tensor | None:
        assert memory.keys_BSA is not None
        energies_BS = self.energies(query_BH, memory.keys_BSA, step)
        return energies_BS.masked_fill(~memory.mask_BS, float("-inf")).softmax(-1)


class Additive(Attention):
    """e_ij = v_a^T tanh(W_a s_{i-1} + U_a h_j) (A.1.2).

    ``normed`` puts g v / ‖v‖ in the place of v and a bias inside the tanh (as in Salimans and Kingma 2016, arXiv
    1602.07868).
    """

    def __init__(self, *, annotation_size: int, state_size: int, attention_size: int, normed: bool) -> None:
        super().__init__(annotation_size=annotation_size)
        self.query = nn.Linear(state_size, attention_size, bias=False)  # W_a
        self.key = nn.Linear(annotation_size, attention_size, bias=normed)  # U_a
        self.v = nn.Parameter(torch.empty(attention_size))
        nn.init.normal_(self.v, std=attention_size**-0.5)
        self.g = nn.Parameter(torch.tensor(attention_size**-0.5)) if normed else None

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA

    @property
    def direction_A(self) -> Tensor:
        """v, or g v / ‖v‖."""
        return self.v if self.g is None else self.g * self.v / self.v.norm()

    def scoring(self) -> kernels.Scoring | None:
        return kernels.Scoring(kernels.Additive, self.query.weight, self.direction_A)

    def energies(self, query_BH: Tensor, keys_BSA: Tensor, step: int) -> Tensor:
        return torch.tanh(self.query(query_BH).unsqueeze(1) + keys_BSA) @ self.direction_A


class LocationOnly(Attention):
    """e_ij = v^T tanh(W_p φ(i) + U_p φ(j)), φ sinusoids: looks at positions, never at content."""

    def __init__(self, *, annotation_size: int, state_size: int, attention_size: int, position_size: int) -> None:
        super().__init__(annotation_size=annotation_size)
        if position_size % 2:
            raise ValueError(f"model.context.position_size={position_size}: sinusoids come in pairs, so it is even")
        self.position_size = position_size
        self.query = nn.Linear(position_size, attention_size, bias=False)  # W_p
        self.key = nn.Linear(position_size, attention_size, bias=False)  # U_p
        self.v = nn.Parameter(torch.empty(attention_size))
        nn.init.normal_(self.v, std=attention_size**-0.5)

    def keys(self, annotations: Annotations) -> Tensor:
        batch, length, _ = annotations.states_BSE.shape
        positions_S = torch.arange(length, device=self.v.device)
        keys_SA: Tensor = self.key(sinusoids(positions_S, self.position_size, self.v.dtype))
        return keys_SA.expand(batch, -1, -1)

    def energies(self, query_BH: Tensor, keys_BSA: Tensor, step: int) -> Tensor:
        position_1 = torch.tensor([step], device=self.v.device)
        query_1A = self.query(sinusoids(position_1, self.position_size, self.v.dtype))
        return torch.tanh(query_1A + keys_BSA) @ self.v


def sinusoids(positions_N: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """φ: ``[N, size]``, sine and cosine halves, wavelengths 2π to 2π · 10000 (Vaswani et al. 2017, section 3.5)."""
    rates = torch.exp(torch.arange(size // 2, device=positions_N.device, dtype=dtype) * (-2 * math.log(10000.0) / size))
    angles = positions_N.to(dtype).unsqueeze(-1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class DotProduct(Attention, ABC):
    """Base of the mechanisms whose energy is the product of state and key."""

    def scoring(self) -> kernels.Scoring | None:
        return kernels.Scoring(kernels.Product, None, None)

    def energies(self, query_BH: Tensor, keys_BSA: Tensor, step: int) -> Tensor:
        return (keys_BSA @ query_BH.unsqueeze(-1)).squeeze(-1)


class Dot(DotProduct):
    """e_ij = s^T h_j; the sizes of state and annotation must agree (Luong et al. 2015)."""

    def __init__(self, *, annotation_size: int, state_size: int) -> None:
        super().__init__(annotation_size=annotation_size)
        if annotation_size != state_size:
            raise ValueError(
                f"model/context=dot multiplies states with annotations, but a state has {state_size} values and an "
                f"annotation {annotation_size}; set model.decoder.hidden_size={annotation_size}, or choose "
                "model/context=general or scaled_dot"
            )

    def keys(self, annotations: Annotations) -> Tensor:
        return annotations.states_BSE


class General(DotProduct):
    """e_ij = s^T W h_j (Luong et al. 2015)."""

    def __init__(self, *, annotation_size: int, state_size: int) -> None:
        super().__init__(annotation_size=annotation_size)
        self.key = nn.Linear(annotation_size, state_size, bias=False)  # W

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA


class ScaledDot(Attention):
    """e_ij = (W_q s)^T (W_k h_j) / √A (Vaswani et al. 2017, section 3.2.1, one head)."""

    def __init__(self, *, annotation_size: int, state_size: int, attention_size: int) -> None:
        super().__init__(annotation_size=annotation_size)
        self.query = nn.Linear(state_size, attention_size, bias=False)  # W_q
        self.key = nn.Linear(annotation_size, attention_size, bias=False)  # W_k
        self.scale = attention_size**-0.5

    def keys(self, annotations: Annotations) -> Tensor:
        keys_BSA: Tensor = self.key(annotations.states_BSE)
        return keys_BSA

    def scoring(self) -> kernels.Scoring | None:
        return kernels.Scoring(kernels.Product, self.scale * self.query.weight, None)

    def energies(self, query_BH: Tensor, keys_BSA: Tensor, step: int) -> Tensor:
        query_BA: Tensor = self.scale * self.query(query_BH)
        return (keys_BSA @ query_BA.unsqueeze(-1)).squeeze(-1)
