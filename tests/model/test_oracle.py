import itertools
import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch

from rnnsearch.model.translator import Translator

from .designs import (
    AXES,
    PATHS,
    QUICK_AXES,
    SOURCES,
    TARGETS,
    batch,
    build,
    distance_from_oracle,
    every_path,
    log_probabilities,
    parameters,
)
from .oracle import GATES, Design, Oracle, rename

CHOICES = {
    "mechanism": [
        "additive",
        "location_only",
        "general",
        "scaled_dot",
        "slots",
        "dot",
        "initial_only",
        "fixed",
        "mean",
    ],
    "normed": [False, True],
    "normalized": ["positions", "slots"],
    "weights": ["softmax", "sparsemax", "entmax15"],
    "temperature": [1.0, 0.5],
    "cell": [*GATES],
    "bidirectional": [True, False],
    "reads": ["forward", "backward"],
    "layers": [1, 2],
    "residual": [True, False],
    "decoder_layers": [1, 2],
    "layer_norm": [False, False, True],
    "initial_memory": ["zero", "ends"],
    "heads": [1, 1, 2],
    "window": [None, None, 2],
    "coverage": [False, False, True],
    "query_state": ["previous", "current", "two_step"],
    "readout_state": ["before", "after"],
    "readout": ["maxout", "tanh", "linear"],
    "input_feeding": [True, False],
    "initial_state": ["backward", "ends", "mean", "context", "zero"],
    "tied_embeddings": ["none", "output", "all"],
}
HALVES = {"encoder": ["recurrent", "transformer"], "decoder": ["recurrent", "transformer"], "norm": ["pre", "post"]}


def drawn_designs(count: int, choices: Mapping[str, Sequence[object]]) -> list[Design]:
    """Points drawn from the whole space, so that axes meet; those that make no sense are refused and drawn again."""
    draw, designs = random.Random(0), []
    while len(designs) < count:
        design = Design(**{key: draw.choice(values) for key, values in choices.items()})
        try:
            build(design)
        except ValueError:
            continue
        designs.append(design)
    return designs


@every_path
@pytest.mark.parametrize("design", [*AXES, *drawn_designs(60, CHOICES), *drawn_designs(30, CHOICES | HALVES)], ids=str)
def test_log_probabilities_and_weights_agree_with_the_oracle(design: Design, kernels: str) -> None:
    assert distance_from_oracle(build(design, kernels=kernels), design) < 1e-10


def test_the_axes_are_all_there() -> None:
    for key, values in (CHOICES | HALVES).items():
        assert {getattr(design, key) for design in AXES} >= set(values), key


def gradients(translator: Translator, cotangents: list[np.ndarray]) -> dict[str, np.ndarray]:
    """By backpropagation: d/dθ of Σ cotangent · log p over the real positions of a padded batch."""
    log_probs_BTV, _ = log_probabilities(translator, batch())
    terms = [(log_probs_BTV[b, : len(c)] * torch.from_numpy(c)).sum() for b, c in enumerate(cotangents)]
    torch.stack(terms).sum().backward()
    grads = {
        name: p.grad for name, p in translator.named_parameters()
    }  # None: has no influence (→h under initial_only)
    return {
        name: np.zeros_like(p) if grads[name] is None else grads[name].numpy()
        for name, p in parameters(translator).items()
    }


def oracle_slope(design: Design, state: dict[str, np.ndarray], cotangents: list[np.ndarray]) -> float:
    """By complex step: the slope of the same sum along the imaginary part of `state`, a multiple of 1e-30."""
    oracle = Oracle(design, rename(state, design))
    total = sum(
        (np.array(oracle.translate(source, target)[0]) * cotangent).sum()
        for source, target, cotangent in zip(SOURCES, TARGETS, cotangents, strict=True)
    )
    return float(np.imag(total) / 1e-30)


@pytest.mark.parametrize("alone", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("design", QUICK_AXES)
def test_gradients_agree_with_the_oracle(design: Design, alone: int) -> None:
    """For every parameter tensor, on every path: the slope along a random direction, which involves all its entries.

    ``alone``: so many entries by themselves, too.
    """
    draw = np.random.default_rng(1)
    cotangents = [draw.normal(size=(len(target), 13)) / 4 for target in TARGETS]
    state = parameters(build(design))
    found = {kernels: gradients(build(design, kernels=kernels), cotangents) for kernels in PATHS}
    for name, value in state.items():
        gradient = found[PATHS[0]][name]
        entries = sorted(np.ndindex(value.shape), key=lambda entry, of=gradient: -abs(of[entry]))
        entries = [entries[k] for k in draw.integers(0, (len(entries) + 1) // 2, size=alone)]  # not only unused words
        directions = [draw.normal(size=value.shape)]
        for entry in entries:
            directions.append(np.zeros(value.shape))
            directions[-1][entry] = 1.0
        for direction in directions:
            slope = oracle_slope(design, {**state, name: value + 1e-30j * direction}, cotangents)
            for kernels in PATHS:
                assert slope == pytest.approx((found[kernels][name] * direction).sum(), abs=1e-8), (kernels, name)


def test_the_oracle_by_its_own_equations() -> None:
    """One unit, one word: RNNsearch by hand, so that the oracle is not only right by agreement."""
    one = np.ones((1, 1))
    half = one / 2
    weights = {"E_x": one, "E_y": one, "W_s": one, "b_s": np.zeros(1), "W_a": one, "U_a": one, "v_a": np.ones(1)}
    for cell, gate in itertools.product(("f0", "b0", "d"), "zrh"):
        weights |= {f"{cell}.W_{gate}": half, f"{cell}.U_{gate}": half, f"{cell}.b_{gate}": np.zeros(1)}
    weights |= {f"d.C_{gate}": np.array([[0.5, 0.25]]) for gate in "zrh"}
    weights |= {"U_o": np.ones((2, 1)), "V_o": np.zeros((2, 1)), "C_o": np.zeros((2, 2)), "b_t": np.array([0.0, 5.0])}
    weights |= {"W_o": np.array([[1.0], [0.0]]), "b_o": np.zeros(2)}
    weights["U_a"] = np.ones((1, 2))
    log_probs, alphas = Oracle(Design(), weights).translate([0], [0, 0])

    def sigma(x: float) -> float:
        return 1 / (1 + np.exp(-x))

    h = sigma(0.5) * np.tanh(0.5)  # from h_0 = 0: z times the candidate
    s0 = np.tanh(h)
    entering = 0.5 + 0.75 * h  # W E y + C c, the same for each gate
    gate = sigma(entering + 0.5 * s0)
    s1 = (1 - gate) * s0 + gate * np.tanh(entering + 0.5 * gate * s0)
    assert alphas == [[1.0], [1.0]]
    for got, s in zip(log_probs, (s0, s1), strict=True):  # the read-out looks at the state before the update
        t = s + 5.0  # the larger of the pair
        np.testing.assert_allclose(got, [-np.log1p(np.exp(-t)), -t - np.log1p(np.exp(-t))], rtol=1e-12)
