"""Initial values of all parameters: the paper's scheme (A.2.3, B.1), or the customary one of later models.

Each parameter has one role, found by its name. A scheme says how each role is filled. What a context mechanism from
another package has besides keeps the values that its constructor gave.

H state, M embedding, A alignment hidden layer, G gates (a multiple of H).
"""

import re
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Generator, Tensor, nn

from rnnsearch.model.cells import choose
from rnnsearch.model.translator import Translator

ROLES: Mapping[str, re.Pattern[str]] = {
    role: re.compile(pattern)
    for role, pattern in {
        "recurrent": r".*\.(cell|second)\.recurrent\.weight|.*\.rnn\.weight_hh_l0(_reverse)?",  # U
        "gates": r".*\.input\.weight|.*\.rnn\.weight_ih_l0(_reverse)?|.*\.feed\.weight|.*\.into_gates\.weight",  # W, C
        "gates_bias": r".*\.input\.bias|.*\.rnn\.bias_ih_l0(_reverse)?|.*\.into_gates\.bias",
        "bias": r".*\.(candidate_bias|rnn\.bias_hh_l0(_reverse)?)"
        r"|decoder\.(context\.(key|summary)|initial\.project|readout\.state|output)\.bias",
        "alignment": r"decoder\.context\.(query|key)\.weight",  # W_a, U_a
        "alignment_vector": r"decoder\.context\.v",  # v_a
        "alignment_scale": r"decoder\.context\.g",
        "embedding": r"(en|de)coder\.embedding\.weight",  # E, and the output matrix where they are tied
        "dense": r"decoder\.(context\.summary|initial\.project|readout\.(state|word|context)|output)\.weight",
    }.items()
}

# Fills a parameter: the tensor, H of its half of the model, whether the mechanism is normed, the source of randomness.
Fill = Callable[[Tensor, int, bool, Generator | None], None]


def initialize(translator: Translator, *, scheme: str, seed: int | None = None) -> None:
    """Give every parameter of ``translator`` its initial value, in place.

    ``paper``: recurrent matrices orthogonal, gate by gate; the alignment model's matrices N(0, 0.001²); v_a and all
    biases zero; all other weights N(0, 0.01²). Where v is normed, g is zero in the place of v.
    ``modern``: recurrent matrices as above; embeddings with standard deviation M^-1/2; v with A^-1/2, and g = A^-1/2;
    biases zero, but 1 in an LSTM's forget gate; all other weights Xavier-uniform, gate by gate.

    Args:
        scheme: ``paper`` or ``modern``.
        seed: of a generator of its own; without it torch's default generator is used.

    Raises:
        ValueError: if ``scheme`` is neither.
    """
    fills = SCHEMES[choose(scheme, list(SCHEMES), "model.initialization")]
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    sizes = {"encoder": translator.encoder.hidden_size, "decoder": translator.decoder.transition.cell.hidden_size}
    normed = getattr(translator.decoder.context, "g", None) is not None
    with torch.no_grad():
        for name, parameter in translator.named_parameters():
            fills[role_of(name)](parameter, sizes[name.split(".")[0]], normed, generator)


def role_of(name: str) -> str:
    """The one role of the parameter called ``name``."""
    roles = [role for role, pattern in ROLES.items() if pattern.fullmatch(name)]
    if not roles and name.startswith("decoder.context."):
        return "own"
    assert len(roles) == 1, f"parameter {name} has the roles {roles}, and should have exactly one"
    return roles[0]


def _blocks(values_GX: Tensor, hidden_size: int) -> Iterator[Tensor]:
    """The part of each gate, a view."""
    yield from values_GX.chunk(values_GX.shape[0] // hidden_size)


def _orthogonal(values: Tensor, hidden_size: int, normed: bool, generator: Generator | None) -> None:
    for block_HH in _blocks(values, hidden_size):
        nn.init.orthogonal_(block_HH, generator=generator)


def _zero(values: Tensor, hidden_size: int, normed: bool, generator: Generator | None) -> None:
    values.zero_()


def _normal(deviation: float) -> Fill:
    def fill(values: Tensor, hidden_size: int, normed: bool, generator: Generator | None) -> None:
        values.normal_(0.0, deviation, generator=generator)

    return fill


def _zero_unless_normed(values: Tensor, hidden_size: int, normed: bool, generator: Generator | None) -> None:
    """v_a = 0; g v / ‖v‖ has no meaning there, so a normed v has a direction and g is zero."""
    if normed:
        values.normal_(0.0, 0.01, generator=generator)
    else:
        values.zero_()


def _normal_by_last_size(values: Tensor, hidden_size: int, normed: bool, generator: Generator | None) -> None:
    values.normal_(0.0, values.shape[-1] ** -0.5, generator=generator)


def _xavier(values: Tensor, hidden_size: int, normed: bool, generator: Generator | None) -> None:
    nn.init.xavier_uniform_(values, generator=generator)


def _xavier_by_gate(values: Tensor, hidden_size: int, normed: bool, generator: Generator | None) -> None:
    for block_HX in _blocks(values, hidden_size):
        nn.init.xavier_uniform_(block_HX, generator=generator)


def _forget_little(values_G: Tensor, hidden_size: int, normed: bool, generator: Generator | None) -> None:
    """Zero, but 1 in the forget gate, the second of an LSTM's four blocks (Jozefowicz et al. 2015, section 2.2)."""
    values_G.zero_()
    blocks = list(_blocks(values_G, hidden_size))
    if len(blocks) == 4:
        blocks[1].fill_(1.0)


def _keep(values: Tensor, hidden_size: int, normed: bool, generator: Generator | None) -> None:
    """Leave what the constructor set."""


SCHEMES: Mapping[str, Mapping[str, Fill]] = {
    "paper": {
        "recurrent": _orthogonal,
        "gates": _normal(0.01),
        "gates_bias": _zero,
        "bias": _zero,
        "alignment": _normal(0.001),
        "alignment_vector": _zero_unless_normed,
        "alignment_scale": _zero,
        "own": _keep,
        "embedding": _normal(0.01),
        "dense": _normal(0.01),
    },
    "modern": {
        "recurrent": _orthogonal,
        "gates": _xavier_by_gate,
        "gates_bias": _forget_little,
        "bias": _zero,
        "alignment": _xavier,
        "alignment_vector": _normal_by_last_size,
        "alignment_scale": _keep,
        "own": _keep,
        "embedding": _normal_by_last_size,
        "dense": _xavier,
    },
}
