"""Initial values of all parameters: the paper's scheme (A.2.3, B.1), or the usual one of later models.

Each parameter has one role, found by its name. A scheme says how each role is filled. A context mechanism fills its own
parameters (`Context.initialize`).

H state, M embedding, G gates (a multiple of H).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby

import torch
from torch import Generator, Tensor, nn

from rnnsearch.model.cells import choose
from rnnsearch.model.decoder import Decoder
from rnnsearch.model.initial_values import Fill, keep, normal, normal_by_last_size, xavier, zero
from rnnsearch.model.translator import Translator

ROLES: Mapping[str, re.Pattern[str]] = {
    role: re.compile(pattern)
    for role, pattern in {
        "recurrent": r".*\.(cell|second)\.recurrent\.weight|.*\.rnn\.weight_hh_l0(_reverse)?",  # U
        "gates": r".*\.input\.weight|.*\.rnn\.weight_ih_l0(_reverse)?|.*\.feed\.weight|.*\.into_gates\.weight",  # W, C
        "gates_bias": r".*\.input\.bias|.*\.rnn\.bias_ih_l0(_reverse)?|.*\.into_gates\.bias",
        "bias": r".*\.(candidate_bias|(cell|second)\.(forget|reset)|rnn\.bias_hh_l0(_reverse)?)"
        r"|decoder\.(initial\.(project|memory)|readout\.state|output)\.bias"
        r"|.*\.feed_forward\.(inner|outer)\.bias|.*norm\.bias",
        "embedding": r"(en|de)coder\.embedding\.weight",  # E, and the output matrix where they are tied
        "dense": r"decoder\.(initial\.(project|memory)|readout\.(state|word|context)|output)\.weight"
        r"|.*\.(own|source)\.(query|key|value|output)\.weight|.*\.feed_forward\.(inner|outer)\.weight",
        "norm": r".*norm\.weight",
    }.items()
}

CONTEXT = "decoder.context."

# Fills a parameter: the tensor, H of its half of the model, the source of randomness.
FillGates = Callable[[Tensor, int, Generator | None], None]


def initialize(translator: Translator, *, scheme: str, seed: int | None = None) -> None:
    """Give every parameter of ``translator`` its initial value, in place.

    ``paper``: recurrent matrices orthogonal, gate by gate; the alignment model's matrices N(0, 0.001²); v_a and all
    biases zero; all other weights N(0, 0.01²). If v is normed, g is zero instead of v.
    ``modern``: recurrent matrices as above; embeddings with standard deviation M^-1/2; v with A^-1/2, and g = A^-1/2;
    biases zero, but 1 in an LSTM's forget gate; all other weights Xavier-uniform, gate by gate.
    The factors of layer norms are 1 under both.

    Args:
        scheme: ``paper`` or ``modern``.
        seed: of a generator of its own; without it torch's default generator is used.

    Raises:
        ValueError: if ``scheme`` is neither.
    """
    fills = SCHEMES[choose(scheme, list(SCHEMES), "model.initialization")]
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    sizes = {"encoder": translator.encoder.hidden_size, "decoder": translator.decoder.hidden_size}
    by_context = groupby(translator.named_parameters(), key=lambda named: named[0].startswith(CONTEXT))
    with torch.no_grad():
        for is_context, group in by_context:
            if is_context:
                assert isinstance(translator.decoder, Decoder)
                translator.decoder.context.initialize(scheme, generator)
                continue
            for name, parameter in group:
                fills[role_of(name)](parameter, sizes[name.split(".")[0]], generator)


def role_of(name: str) -> str:
    """The one role of the parameter called ``name``, which is not one of the context's."""
    roles = [role for role, pattern in ROLES.items() if pattern.fullmatch(name)]
    assert len(roles) == 1, f"parameter {name} has the roles {roles}, and should have exactly one"
    return roles[0]


def _blocks(values_GX: Tensor, hidden_size: int) -> Iterator[Tensor]:
    """The part of each gate, a view."""
    yield from values_GX.chunk(values_GX.shape[0] // hidden_size)


def _whole(fill: Fill) -> FillGates:
    """All gates as one matrix."""

    def filled(values: Tensor, hidden_size: int, generator: Generator | None) -> None:
        fill(values, generator)

    return filled


def _by_gate(fill: Fill) -> FillGates:
    """Each gate as a matrix of its own."""

    def filled(values_GX: Tensor, hidden_size: int, generator: Generator | None) -> None:
        for block_HX in _blocks(values_GX, hidden_size):
            fill(block_HX, generator)

    return filled


def _orthogonal(values: Tensor, generator: Generator | None) -> None:
    nn.init.orthogonal_(values, generator=generator)


def _forget_little(values_G: Tensor, hidden_size: int, generator: Generator | None) -> None:
    """Zero, but 1 in the forget gate, the second of an LSTM's four blocks (Jozefowicz et al. 2015, section 2.2)."""
    values_G.zero_()
    blocks = list(_blocks(values_G, hidden_size))
    if len(blocks) == 4:
        blocks[1].fill_(1.0)


SCHEMES: Mapping[str, Mapping[str, FillGates]] = {
    "paper": {
        "recurrent": _by_gate(_orthogonal),
        "gates": _whole(normal(0.01)),
        "gates_bias": _whole(zero),
        "bias": _whole(zero),
        "embedding": _whole(normal(0.01)),
        "dense": _whole(normal(0.01)),
        "norm": _whole(keep),
    },
    "modern": {
        "recurrent": _by_gate(_orthogonal),
        "gates": _by_gate(xavier),
        "gates_bias": _forget_little,
        "bias": _whole(zero),
        "embedding": _whole(normal_by_last_size),
        "dense": _whole(xavier),
        "norm": _whole(keep),
    },
}
