"""The equations of the Transformer (Vaswani et al. 2017) in NumPy, as `oracle` has those of the recurrent models.

One sentence, one vector a position in plain lists, one matrix a head; analytic, so that derivatives can be had by
complex step (the larger of two numbers is the one with the larger real part).
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

Vector = np.ndarray
Weights = dict[str, np.ndarray]
Condition = Callable[[list[complex], int, int, int], list[complex]]
"""Weights over the source, step, layer and head, all counted from 0, to the weights that are used."""
HEADS = 2


def learned(weights: list[complex], step: int, layer: int, head: int) -> list[complex]:
    return weights


def aligning(layers: int) -> int:
    """Which layer's weights align, from 0: the last but one, of two or one the last."""
    return layers - 2 if layers > 2 else layers - 1


PARTS = {"query": "W_q", "key": "W_k", "value": "W_v", "output": "W_o"}


def rename(state: Mapping[str, np.ndarray], half: str, layers: int, norm: str) -> Weights:
    """The one place that knows torch's names of a half's parameters, `encoder` or `decoder`."""
    w: Weights = {}
    for layer in range(layers):
        own, theirs = f"{half[0]}{layer}", f"{half}.layers.{layer}"
        for kind in ("own", "source") if half == "decoder" else ("own",):
            w |= {f"{own}.{kind}.{name}": state[f"{theirs}.{kind}.{part}.weight"] for part, name in PARTS.items()}
        for part, number in (("inner", 1), ("outer", 2)):
            w[f"{own}.W_{number}"] = state[f"{theirs}.feed_forward.{part}.weight"]
            w[f"{own}.b_{number}"] = state[f"{theirs}.feed_forward.{part}.bias"]
        for kind in ("own", "source", "feed_forward") if half == "decoder" else ("own", "feed_forward"):
            around = f"{theirs}.around_{kind}.norm"
            w[f"{own}.{kind}.gain"], w[f"{own}.{kind}.bias"] = state[f"{around}.weight"], state[f"{around}.bias"]
    if norm == "pre":
        w[f"{half[0]}.last.gain"], w[f"{half[0]}.last.bias"] = state[f"{half}.norm.weight"], state[f"{half}.norm.bias"]
    return w


def softmax(energies: list[complex]) -> list[complex]:
    top = max(np.real(e) for e in energies)
    powers = [np.exp(e - top) for e in energies]
    return [p / sum(powers) for p in powers]


def place(position: int, size: int) -> Vector:
    """Sinusoids of a position counted from 0: all sines, then all cosines."""
    angles = [position / 10000 ** (2 * k / size) for k in range(size // 2)]
    return np.array([math.sin(a) for a in angles] + [math.cos(a) for a in angles])


def layer_norm(w: Weights, name: str, x: Vector) -> Vector:
    centred = x - x.sum() / len(x)
    return centred / np.sqrt((centred**2).sum() / len(x) + 1e-5) * w[f"{name}.gain"] + w[f"{name}.bias"]


def attention(
    w: Weights,
    name: str,
    q: Vector,
    seen: list[Vector],
    used: Callable[[list[complex], int], list[complex]] = lambda weights, head: weights,
) -> tuple[Vector, list[list[complex]]]:
    """What one position sees of others, and the weights of each head as they are used."""
    width = len(w[f"{name}.W_q"]) // HEADS
    parts, weights = [], []
    for head in range(HEADS):
        rows = slice(head * width, (head + 1) * width)
        query = w[f"{name}.W_q"][rows] @ q
        keys = [w[f"{name}.W_k"][rows] @ x for x in seen]
        values = [w[f"{name}.W_v"][rows] @ x for x in seen]
        weights.append(used(softmax([query @ key / math.sqrt(width) for key in keys]), head))
        parts.append(sum(a * v for a, v in zip(weights[-1], values, strict=True)))
    return w[f"{name}.W_o"] @ np.concatenate(parts), weights


def feed_forward(w: Weights, name: str, x: Vector) -> Vector:
    inner = w[f"{name}.W_1"] @ x + w[f"{name}.b_1"]
    return w[f"{name}.W_2"] @ np.where(np.real(inner) > 0, inner, 0) + w[f"{name}.b_2"]


class Half:
    """One side: `half` is e or d."""

    def __init__(self, w: Weights, half: str, layers: int, norm: str, condition: Condition = learned) -> None:
        self.w, self.half, self.layers, self.pre = w, half, layers, norm == "pre"
        self.condition = condition

    def enter(self, embedded: list[Vector]) -> list[Vector]:
        size = len(embedded[0])
        return [math.sqrt(size) * x + place(i, size) for i, x in enumerate(embedded)]

    def read(self, name: str, x: Vector) -> Vector:
        return layer_norm(self.w, name, x) if self.pre else x

    def add(self, name: str, x: Vector, found: Vector) -> Vector:
        return x + found if self.pre else layer_norm(self.w, name, x + found)

    def leave(self, xs: list[Vector]) -> list[Vector]:
        return [layer_norm(self.w, f"{self.half}.last", x) for x in xs] if self.pre else xs

    def run(
        self, embedded: list[Vector], h: list[Vector] | None = None
    ) -> tuple[list[Vector], list[list[list[list[complex]]]]]:
        """What leaves the last layer at each position, and by layer, position and head the weights over `h`."""
        xs, weights = self.enter(embedded), []
        for layer in range(self.layers):
            name = f"{self.half}{layer}"
            read = [self.read(f"{name}.own", x) for x in xs]
            seen = [read if h is None else read[: i + 1] for i in range(len(xs))]  # a written word sees those before
            found = [attention(self.w, f"{name}.own", q, s)[0] for q, s in zip(read, seen, strict=True)]
            xs = [self.add(f"{name}.own", x, f) for x, f in zip(xs, found, strict=True)]
            if h is not None:
                looked = [
                    attention(
                        self.w,
                        f"{name}.source",
                        self.read(f"{name}.source", x),
                        h,
                        lambda weights, head, i=i, layer=layer: self.condition(weights, i, layer, head),
                    )
                    for i, x in enumerate(xs)
                ]
                weights.append([of_heads for _, of_heads in looked])
                xs = [self.add(f"{name}.source", x, f) for x, (f, _) in zip(xs, looked, strict=True)]
            found = [feed_forward(self.w, name, self.read(f"{name}.feed_forward", x)) for x in xs]
            xs = [self.add(f"{name}.feed_forward", x, f) for x, f in zip(xs, found, strict=True)]
        return self.leave(xs), weights
