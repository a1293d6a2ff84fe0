"""Recurrent cells as single steps (paper, A.2.1 and A.2.2).

A cell is given the sum of all that enters it, already multiplied by each input's own matrix and with the bias
added (``inputs_BG``), and multiplies only the previous state itself. So whatever does not depend on the previous
step can be projected for all steps at once, outside the recurrence.

B batch, H state, G all gates together (a multiple of H).
"""

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rnnsearch.kernels import cells as kernels
from rnnsearch.kernels import products
from rnnsearch.model.linear import Linear, by_part

CellState = tuple[Tensor, ...]  # (s_BH,), or (s_BH, m_BH) for the LSTM, (s_BH, c_BH) for the SRU


class Cell(Protocol):
    """One step of a recurrence: ``gates`` blocks of ``hidden_size`` values go in, a state comes out."""

    gates: int
    hidden_size: int

    def zeros(self, like_B: Tensor) -> CellState:
        """The all-zero state for the batch of ``like_B`` (any tensor with the batch first)."""

    def start(self, state_BH: Tensor) -> CellState:
        """The state that has ``state_BH`` as its visible part; an LSTM's memory starts at zero."""

    def __call__(self, inputs_BG: Tensor, state: CellState) -> CellState:
        """The next state."""


class GateNorm(nn.Module):
    """g ∘ (x - mean) / deviation + b of the values of each gate (Ba, Kiros and Hinton 2016, arXiv 1607.06450)."""

    def __init__(self, *, gates: int, hidden_size: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(gates * hidden_size))
        self.bias = nn.Parameter(torch.zeros(gates * hidden_size)) if bias else None
        self.gates, self.hidden_size = gates, hidden_size

    def forward(self, values_BX: Tensor, gates: slice = slice(None)) -> Tensor:
        """The values of some of the gates, all of them by default, normalised."""
        by_gate = by_part(values_BX.to(self.weight.dtype), values_BX.shape[-1] // self.hidden_size)
        scaled = nn.functional.layer_norm(by_gate, (self.hidden_size,)) * by_part(self.weight, self.gates)[gates]
        if self.bias is not None:
            scaled = scaled + by_part(self.bias, self.gates)[gates]
        return scaled.flatten(-2)


class _Recurrent(nn.Module):
    gates: int
    parts = 1  # tensors in a state
    kernel: kernels.CellStep | None = None  # the same step for `rnnsearch.kernels`

    def __init__(self, *, hidden_size: int, layer_norm: bool = False) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.recurrent = Linear(hidden_size, self.gates * hidden_size, bias=False)
        self.input_norm = GateNorm(gates=self.gates, hidden_size=hidden_size, bias=True) if layer_norm else None
        self.state_norm = GateNorm(gates=self.gates, hidden_size=hidden_size, bias=False) if layer_norm else None
        if layer_norm:
            self.kernel = None

    def entering(self, inputs_BG: Tensor) -> Tensor:
        """What enters the gates, normalised if the cell is."""
        return inputs_BG if self.input_norm is None else self.input_norm(inputs_BG)

    def from_state(self, product_BX: Tensor, gates: slice = slice(None)) -> Tensor:
        """A product of the state for some of the gates, normalised if the cell is."""
        return product_BX if self.state_norm is None else self.state_norm(product_BX, gates)

    def zeros(self, like_B: Tensor) -> CellState:
        zero = like_B.new_zeros(like_B.shape[0], self.hidden_size, dtype=self.recurrent.weight.dtype)
        return (zero,) * self.parts

    def start(self, state_BH: Tensor) -> CellState:
        visible_BH = state_BH.to(self.recurrent.weight.dtype)  # under autocast the state keeps the weights' precision
        return (visible_BH, *self.zeros(state_BH)[1:])

    def kernel_weights(self) -> tuple[Tensor, Tensor | None]:
        """The rows of U that act on the state as it is, and the kernel's ``extra``, for one direction."""
        return self.recurrent.weight, None


class ElmanCell(_Recurrent):
    """s_i = tanh(W x_i + U s_{i-1})."""

    gates = 1

    def forward(self, inputs_BG: Tensor, state: CellState) -> CellState:
        return (torch.tanh(self.entering(inputs_BG) + self.from_state(self.recurrent(state[0]))),)


class PaperCell(_Recurrent):
    """The paper's gated unit (A.2.1): resets the state *before* U, and z multiplies the candidate.

    Gate blocks: update z, reset r, candidate.
    """

    gates = 3
    kernel = kernels.Paper()

    def kernel_weights(self) -> tuple[Tensor, Tensor | None]:
        joined_JH, candidate_HH = torch.split(self.recurrent.weight, [2 * self.hidden_size, self.hidden_size])
        return joined_JH, candidate_HH

    def forward(self, inputs_BG: Tensor, state: CellState) -> CellState:
        (s,) = state
        size = self.hidden_size
        inputs_gates, inputs_candidate = torch.split(self.entering(inputs_BG), [2 * size, size], dim=-1)
        weights_gates, weights_candidate = torch.split(self.recurrent.weight, [2 * size, size])
        recurrent_gates = self.from_state(products.linear(s, weights_gates, None), slice(2))
        z, r = torch.sigmoid(inputs_gates + recurrent_gates).chunk(2, dim=-1)
        recurrent_candidate = self.from_state(products.linear(r * s, weights_candidate, None), slice(2, 3))
        candidate = torch.tanh(inputs_candidate + recurrent_candidate)
        return (torch.lerp(s, candidate.to(s.dtype), z.to(s.dtype)),)  # (1 - z) ∘ s + z ∘ candidate


class CudnnCell(_Recurrent):
    """The gated unit of torch.nn.GRU: resets *after* U, with a bias b' inside the reset, and z keeps the state.

    Gate blocks: reset r, update z, candidate (torch's order).
    """

    gates = 3
    kernel = kernels.Cudnn()

    def __init__(self, *, hidden_size: int, layer_norm: bool = False) -> None:
        super().__init__(hidden_size=hidden_size, layer_norm=layer_norm)
        self.candidate_bias = nn.Parameter(torch.zeros(hidden_size))

    def kernel_weights(self) -> tuple[Tensor, Tensor | None]:
        return self.recurrent.weight, self.candidate_bias.unsqueeze(0)

    def forward(self, inputs_BG: Tensor, state: CellState) -> CellState:
        (s,) = state
        size = self.hidden_size
        inputs_gates, inputs_candidate = torch.split(self.entering(inputs_BG), [2 * size, size], dim=-1)
        recurrent_BG = self.from_state(self.recurrent(s))
        recurrent_gates, recurrent_candidate = torch.split(recurrent_BG, [2 * size, size], dim=-1)
        r, z = torch.sigmoid(inputs_gates + recurrent_gates).chunk(2, dim=-1)
        candidate = torch.tanh(inputs_candidate + r * (recurrent_candidate + self.candidate_bias))
        return (torch.lerp(candidate.to(s.dtype), s, z.to(s.dtype)),)  # (1 - z) ∘ candidate + z ∘ s


class LstmCell(_Recurrent):
    """m_i = f ∘ m_{i-1} + i ∘ g, s_i = o ∘ tanh(m_i). Gate blocks: input, forget, candidate g, output (as torch)."""

    gates = 4
    parts = 2
    kernel = kernels.Lstm()

    def forward(self, inputs_BG: Tensor, state: CellState) -> CellState:
        s, m = state
        i, f, g, o = (self.entering(inputs_BG) + self.from_state(self.recurrent(s))).chunk(4, dim=-1)
        m = torch.sigmoid(f) * m + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(m), m


class Elementwise(nn.Module):
    """Base of the cells that multiply no matrix with the previous state, so that a step is work on single elements."""

    gates: int
    parts = 1
    kernel = None

    def __init__(self, *, hidden_size: int, layer_norm: bool = False) -> None:
        super().__init__()
        if layer_norm:
            raise ValueError(
                f"{type(self).__name__} multiplies no matrix with its state, whose products layer_norm=true "
                "normalises; leave layer_norm out, or choose cell=paper, cudnn, lstm or elman"
            )
        self.hidden_size = hidden_size

    def zeros(self, like_B: Tensor) -> CellState:
        dtype = torch.promote_types(like_B.dtype, torch.float32)  # states keep their precision under autocast
        return (like_B.new_zeros(like_B.shape[0], self.hidden_size, dtype=dtype),) * self.parts

    def start(self, state_BH: Tensor) -> CellState:
        return (state_BH.to(torch.promote_types(state_BH.dtype, torch.float32)),) * self.parts

    def kernel_weights(self) -> tuple[Tensor, Tensor | None]:
        raise NotImplementedError("there is no product with the state")

    def forward(self, inputs_BG: Tensor, state: CellState) -> CellState:
        raise NotImplementedError

    def run(self, inputs_TBG: Tensor, state: CellState, mask_TB: Tensor | None = None) -> Tensor:
        """The visible states after all T steps, ``[T, B, H]``; where the mask is False the state stays as it is."""
        states = []
        for t, inputs_BG in enumerate(inputs_TBG):
            new = self(inputs_BG, state)
            if mask_TB is not None:
                real_B1 = mask_TB[t].unsqueeze(1)
                new = tuple(torch.where(real_B1, n, s) for n, s in zip(new, state, strict=True))
            state = new
            states.append(state[0])
        return torch.stack(states)


class MinGruCell(Elementwise):
    """z = σ(z_i), s_i = (1 - z) ∘ s_{i-1} + z ∘ h_i: linear in the state (Feng et al. 2024, arXiv 2410.01201).

    Gate blocks: update z, candidate h. The linear form, whose candidate is not squashed; not the paper's one in
    logarithms, which needs states above 0.
    """

    gates = 2

    def forward(self, inputs_BG: Tensor, state: CellState) -> CellState:
        (s,) = state
        z, candidate = inputs_BG.to(s.dtype).chunk(2, dim=-1)
        return (torch.lerp(s, candidate, torch.sigmoid(z)),)

    def run(self, inputs_TBG: Tensor, state: CellState, mask_TB: Tensor | None = None) -> Tensor:
        z_TBH, candidate_TBH = inputs_TBG.to(state[0].dtype).chunk(2, dim=-1)
        share_TBH = torch.sigmoid(z_TBH)
        if mask_TB is not None:
            share_TBH = share_TBH * mask_TB.unsqueeze(-1)
        return mixed_in(state[0], candidate_TBH, share_TBH)


class SruCell(Elementwise):
    """The simple recurrent unit (Lei et al. 2018, arXiv 1709.02755): what it carries is c, what others see is s.

    f = σ(f_i + v_f ∘ c_{i-1}), r = σ(r_i + v_r ∘ c_{i-1}),
    c_i = f ∘ c_{i-1} + (1 - f) ∘ w_i, s_i = r ∘ c_i + (1 - r) ∘ x_i.
    Gate blocks: forget f, reset r, candidate w, highway x.
    """

    gates = 4
    parts = 2

    def __init__(self, *, hidden_size: int, layer_norm: bool = False) -> None:
        super().__init__(hidden_size=hidden_size, layer_norm=layer_norm)
        self.forget = nn.Parameter(torch.zeros(hidden_size))  # v_f
        self.reset = nn.Parameter(torch.zeros(hidden_size))  # v_r

    def forward(self, inputs_BG: Tensor, state: CellState) -> CellState:
        c = state[1]
        f, r, candidate, highway = inputs_BG.to(c.dtype).chunk(4, dim=-1)
        new = torch.lerp(candidate, c, torch.sigmoid(f + self.forget * c))
        return torch.lerp(highway, new, torch.sigmoid(r + self.reset * c)), new


class LrnCell(Elementwise):
    """i = σ(k + s), f = σ(q - s), s_i = tanh(i ∘ v + f ∘ s), s = s_{i-1} (Zhang and Sennrich 2019, arXiv 1905.13324).

    Gate blocks: query q, key k, value v.
    """

    gates = 3

    def forward(self, inputs_BG: Tensor, state: CellState) -> CellState:
        (s,) = state
        q, k, v = inputs_BG.to(s.dtype).chunk(3, dim=-1)
        return (torch.tanh(torch.sigmoid(k + s) * v + torch.sigmoid(q - s) * s),)


def mixed_in(state_BH: Tensor, values_TBH: Tensor, shares_TBH: Tensor) -> Tensor:
    """s_t = (1 - a_t) ∘ s_{t-1} + a_t ∘ x_t for all t, ``[T, B, H]``, s_0 being ``state_BH``."""
    found: Tensor = _MixedIn.apply(state_BH, values_TBH, shares_TBH)  # type: ignore[no-untyped-call]  # torch gives it no types
    return found


class _MixedIn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, state_BH: Tensor, values_TBH: Tensor, shares_TBH: Tensor) -> Tensor:
        kept_TBH = 1.0 - shares_TBH
        added_TBH = shares_TBH * values_TBH
        added_TBH[0].addcmul_(kept_TBH[0], state_BH)
        states_TBH = accumulated(added_TBH, kept_TBH[1:])
        ctx.save_for_backward(state_BH, values_TBH, shares_TBH, states_TBH)
        return states_TBH

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states_TBH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        state_BH, values_TBH, shares_TBH, states_TBH = ctx.saved_tensors
        kept_TBH = 1.0 - shares_TBH
        d_TBH = accumulated(d_states_TBH.flip(0), kept_TBH[1:].flip(0)).flip(0)  # of all that a state leads to
        before_TBH = torch.cat([state_BH.unsqueeze(0), states_TBH[:-1]])
        return d_TBH[0] * kept_TBH[0], d_TBH * shares_TBH, d_TBH * (values_TBH - before_TBH)


def accumulated(added_TBH: Tensor, kept_TBH: Tensor) -> Tensor:
    """s_t = kept_{t-1} ∘ s_{t-1} + added_t, s_0 = added_0, ``[T, B, H]``; ``kept_TBH`` has T - 1 steps.

    On a GPU by doubling, in log T steps that each go over all (Hillis and Steele 1986); else in one pass over memory.
    """
    if added_TBH.is_cuda:
        return _doubled(added_TBH, kept_TBH)
    states_TBH = added_TBH.clone(memory_format=torch.contiguous_format)
    for t, kept_BH in enumerate(kept_TBH):
        states_TBH[t + 1].addcmul_(kept_BH, states_TBH[t])
    return states_TBH


def _doubled(added_TBH: Tensor, kept_TBH: Tensor) -> Tensor:
    states_TBH, step = added_TBH, 1
    factors_TBH = torch.cat([torch.zeros_like(added_TBH[:1]), kept_TBH])  # what is left of a state, so many steps on
    while step < len(states_TBH):
        further_TBH = states_TBH[step:] + factors_TBH[step:] * states_TBH[:-step]
        states_TBH = torch.cat([states_TBH[:step], further_TBH])
        factors_TBH = torch.cat([factors_TBH[:step], factors_TBH[step:] * factors_TBH[:-step]])
        step *= 2
    return states_TBH


AnyCell = _Recurrent | Elementwise
CELLS: dict[str, type[AnyCell]] = {
    "paper": PaperCell,
    "cudnn": CudnnCell,
    "lstm": LstmCell,
    "elman": ElmanCell,
    "mingru": MinGruCell,
    "sru": SruCell,
    "lrn": LrnCell,
}


KERNELS = ("fused", "portable", "plain")  # ways to run a recurrence


def choose(kind: str, allowed: tuple[str, ...] | list[str], key: str) -> str:
    """``kind`` itself.

    Raises:
        ValueError: if ``kind`` is none of ``allowed``; names the key and the choices.
    """
    if kind not in allowed:
        raise ValueError(f"{key}={kind} is not known; choose one of {', '.join(allowed)}")
    return kind


def make_cell(kind: str, *, hidden_size: int, layer_norm: bool = False) -> AnyCell:
    """The cell called ``kind``, a key of `CELLS`."""
    return CELLS[choose(kind, list(CELLS), "cell")](hidden_size=hidden_size, layer_norm=layer_norm)
