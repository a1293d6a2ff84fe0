"""Recurrent cells as single steps (paper, A.2.1 and A.2.2).

A cell is given the sum of all that enters it, already multiplied by each input's own matrix and with the bias
added (``inputs_BG``), and multiplies only the previous state itself. So whatever does not depend on the previous
step can be projected for all steps at once, outside the recurrence.

B batch, H state, G all gates together (a multiple of H).
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from rnnsearch.kernels import cells as kernels
from rnnsearch.kernels import products
from rnnsearch.model.linear import Linear

CellState = tuple[Tensor, ...]  # (s_BH,), or (s_BH, m_BH) for the LSTM


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


class _Recurrent(nn.Module):
    gates: int
    parts = 1  # tensors in a state
    kernel: kernels.CellStep | None = None  # the same step for `rnnsearch.kernels`

    def __init__(self, *, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.recurrent = Linear(hidden_size, self.gates * hidden_size, bias=False)

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
        return (torch.tanh(inputs_BG + self.recurrent(state[0])),)


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
        inputs_gates, inputs_candidate = torch.split(inputs_BG, [2 * size, size], dim=-1)
        weights_gates, weights_candidate = torch.split(self.recurrent.weight, [2 * size, size])
        z, r = torch.sigmoid(inputs_gates + products.linear(s, weights_gates, None)).chunk(2, dim=-1)
        candidate = torch.tanh(inputs_candidate + products.linear(r * s, weights_candidate, None))
        return (torch.lerp(s, candidate.to(s.dtype), z.to(s.dtype)),)  # (1 - z) ∘ s + z ∘ candidate


class CudnnCell(_Recurrent):
    """The gated unit of torch.nn.GRU: resets *after* U, with a bias b' inside the reset, and z keeps the state.

    Gate blocks: reset r, update z, candidate (torch's order).
    """

    gates = 3
    kernel = kernels.Cudnn()

    def __init__(self, *, hidden_size: int) -> None:
        super().__init__(hidden_size=hidden_size)
        self.candidate_bias = nn.Parameter(torch.zeros(hidden_size))

    def kernel_weights(self) -> tuple[Tensor, Tensor | None]:
        return self.recurrent.weight, self.candidate_bias.unsqueeze(0)

    def forward(self, inputs_BG: Tensor, state: CellState) -> CellState:
        (s,) = state
        size = self.hidden_size
        inputs_gates, inputs_candidate = torch.split(inputs_BG, [2 * size, size], dim=-1)
        recurrent_gates, recurrent_candidate = torch.split(self.recurrent(s), [2 * size, size], dim=-1)
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
        i, f, g, o = (inputs_BG + self.recurrent(s)).chunk(4, dim=-1)
        m = torch.sigmoid(f) * m + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(m), m


CELLS: dict[str, type[_Recurrent]] = {
    "paper": PaperCell,
    "cudnn": CudnnCell,
    "lstm": LstmCell,
    "elman": ElmanCell,
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


def make_cell(kind: str, *, hidden_size: int) -> _Recurrent:
    """The cell called ``kind``: ``paper``, ``cudnn``, ``lstm`` or ``elman``."""
    return CELLS[choose(kind, list(CELLS), "cell")](hidden_size=hidden_size)
