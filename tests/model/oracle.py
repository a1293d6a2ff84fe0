"""The equations of Bahdanau et al. (2015, appendix A) and of the rest of the design space in NumPy: the oracle.

Written from the equations alone. It shares no code and no layout with `rnnsearch.model`: one sentence at a time, no
batch, no padding, one vector a position in plain lists, one matrix a gate with the paper's name. Loops run over target
positions i and source positions j. All functions are analytic where the equations are (a maximum is taken by the real
part), so that derivatives can be had by complex step: f(x + ih) = f(x) + ih f'(x) + O(h²).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from . import transformer_oracle
from .transformer_oracle import HEADS, Condition, Half, aligning, learned

Vector = np.ndarray
Weights = dict[str, np.ndarray]
GATES = {"paper": "zrh", "cudnn": "rzh", "lstm": "ifgo", "elman": "s"}  # as torch stacks them; h and s: the candidate
ELEMENTWISE = {"mingru": "zh", "sru": "frwx", "lrn": "qkv"}  # cells without a product with the state
GATES |= ELEMENTWISE
CONSTANT = ("initial_only", "fixed", "mean")


@dataclass(frozen=True)
class Design:
    """One point of the design space; the defaults are RNNsearch's."""

    mechanism: str = "additive"
    normed: bool = False
    normalized: str = "positions"
    weights: str = "softmax"
    temperature: float = 1.0
    cell: str = "paper"
    bidirectional: bool = True
    reads: str = "forward"
    layers: int = 1
    residual: bool = False
    decoder_layers: int = 1
    layer_norm: bool = False
    initial_memory: str = "zero"
    heads: int = 1
    window: int | None = None
    coverage: bool = False
    query_state: str = "previous"
    readout_state: str = "before"
    readout: str = "maxout"
    input_feeding: bool = False
    initial_state: str = "backward"
    tied_embeddings: str = "none"
    encoder: str = "recurrent"
    decoder: str = "recurrent"
    norm: str = "pre"

    @property
    def weighs(self) -> bool:
        """Whether there are weights over the source."""
        return self.decoder == "transformer" or self.mechanism not in CONSTANT

    def __str__(self) -> str:
        changed = {k: v for k, v in vars(self).items() if v != vars(Design())[k]}
        return ",".join(f"{k}={v}" for k, v in changed.items()) or "rnnsearch"

    def but(self, **changes: object) -> "Design":
        return replace(self, **changes)


def rename(state: Mapping[str, np.ndarray], design: Design) -> Weights:
    """The one place that knows torch's names: parameters of a `Translator` by the oracle's names."""
    gates = GATES[design.cell]
    w: Weights = {"E_x": state["encoder.embedding.weight"]}
    w["E_y"] = w["E_x"] if design.tied_embeddings == "all" else state["decoder.embedding.weight"]
    w["W_o"] = w["E_y"] if design.tied_embeddings != "none" else state["decoder.output.weight"]
    w["b_o"] = state["decoder.output.bias"]

    def by_gate(own: str, matrix: np.ndarray) -> None:
        size = len(matrix) // len(gates)
        for k, gate in enumerate(gates):
            own_name = own.replace("*", gate)
            w[own_name] = w.get(own_name, 0) + matrix[k * size : (k + 1) * size]

    def on_the_state(own: str, theirs: str) -> None:
        if design.cell == "sru":
            w[f"{own}.v_f"], w[f"{own}.v_r"] = state[f"{theirs}.forget"], state[f"{theirs}.reset"]
        elif design.cell not in ELEMENTWISE:
            by_gate(f"{own}.U_*", state[f"{theirs}.recurrent.weight"])
        if design.cell == "cudnn":  # b' stands inside the reset, so it can't join b
            w[f"{own}.b'"] = state[f"{theirs}.candidate_bias"]
        if design.layer_norm:
            by_gate(f"{own}.norm_x_*", state[f"{theirs}.input_norm.weight"])
            by_gate(f"{own}.norm_b_*", state[f"{theirs}.input_norm.bias"])
            by_gate(f"{own}.norm_s_*", state[f"{theirs}.state_norm.weight"])

    for half in ("encoder", "decoder"):
        if getattr(design, half) == "transformer":
            w |= transformer_oracle.rename(state, half, design.layers, design.norm)
    for layer in range(design.layers if design.encoder == "recurrent" else 0):
        for direction in range(1 + design.bidirectional):
            own = f"{'fb'[direction]}{layer}"
            if design.cell == "paper" or design.cell in ELEMENTWISE or design.layer_norm:
                theirs = f"encoder.layers.{layer}.directions.{direction}"
                by_gate(f"{own}.W_*", state[f"{theirs}.input.weight"])
                by_gate(f"{own}.b_*", state[f"{theirs}.input.bias"])
                on_the_state(own, f"{theirs}.cell")
                continue
            theirs, end = f"encoder.layers.{layer}.rnn", "l0_reverse" if direction else "l0"
            by_gate(f"{own}.W_*", state[f"{theirs}.weight_ih_{end}"])
            by_gate(f"{own}.U_*", state[f"{theirs}.weight_hh_{end}"])
            by_gate(f"{own}.b_*", state[f"{theirs}.bias_ih_{end}"])
            second = state[f"{theirs}.bias_hh_{end}"].copy()
            if design.cell == "cudnn":
                size = len(second) // 3
                w[f"{own}.b'"] = second[2 * size :].copy()
                second[2 * size :] = 0
            by_gate(f"{own}.b_*", second)

    if design.decoder == "transformer":
        return w
    by_gate("d.W_*", state["decoder.input.weight"])
    by_gate("d.b_*", state["decoder.input.bias"])
    on_the_state("d", "decoder.transition.cell")
    for layer in range(design.decoder_layers - 1):
        own, theirs = f"d^{layer + 2}", f"decoder.above.{layer}"
        by_gate(f"{own}.W_*", state[f"{theirs}.input.weight"])
        by_gate(f"{own}.b_*", state[f"{theirs}.input.bias"])
        on_the_state(own, f"{theirs}.cell")
    if design.input_feeding:
        by_gate("d.F_*", state["decoder.feed.weight"])
    if design.query_state == "two_step":
        by_gate("d2.C_*", state["decoder.transition.into_gates.weight"])
        by_gate("d2.b_*", state["decoder.transition.into_gates.bias"])
        on_the_state("d2", "decoder.transition.second")
    elif design.query_state == "previous" and design.mechanism != "initial_only":
        by_gate("d.C_*", state["decoder.transition.into_gates.weight"])

    rest = {
        "W_s": "initial.project.weight",
        "b_s": "initial.project.bias",
        "U_o": "readout.state.weight",
        "b_t": "readout.state.bias",
        "V_o": "readout.word.weight",
        "C_o": "readout.context.weight",
        "V": "context.summary.weight",
        "b_V": "context.summary.bias",
        "W_a": "context.query.weight",
        "U_a": "context.key.weight",
        "b_a": "context.key.bias",
        "v_a": "context.v",
        "g": "context.g",
        "u_a": "context.u",
        "W_c": "context.output.weight",
        "W_p": "context.window.query.weight",
        "v_p": "context.window.v",
        "W_m": "initial.memory.weight",
        "b_m": "initial.memory.bias",
    }
    w.update({own: state[f"decoder.{theirs}"] for own, theirs in rest.items() if f"decoder.{theirs}" in state})
    return w


def logistic(x: Vector) -> Vector:
    return 1 / (1 + np.exp(-x))


def softmax(energies: list[complex]) -> list[complex]:
    top = max(np.real(e) for e in energies)
    powers = [np.exp(e - top) for e in energies]
    return [p / sum(powers) for p in powers]


def log_softmax(x: Vector) -> Vector:
    top = np.real(x).max()
    return x - top - np.log(np.exp(x - top).sum())


def cell_step(
    cell: str, w: Weights, name: str, inputs: Callable[[str], Vector], state: tuple[Vector, ...]
) -> tuple[Vector, ...]:
    """The next state; `inputs(gate)` is the sum of all that enters a gate, the state's own term left out."""
    s = state[0]
    is_normed = f"{name}.norm_x_{GATES[cell][0]}" in w

    def entering(gate: str) -> Vector:
        if not is_normed:
            return inputs(gate)
        return w[f"{name}.norm_x_{gate}"] * standardized(inputs(gate)) + w[f"{name}.norm_b_{gate}"]

    def u(gate: str, vector: Vector) -> Vector:
        product = w[f"{name}.U_{gate}"] @ vector
        return w[f"{name}.norm_s_{gate}"] * standardized(product) if is_normed else product

    if cell == "mingru":
        z = logistic(entering("z"))
        return ((1 - z) * s + z * entering("h"),)
    if cell == "sru":
        c = state[1]
        f, r = (logistic(entering(gate) + w[f"{name}.v_{gate}"] * c) for gate in "fr")
        new = f * c + (1 - f) * entering("w")
        return (r * new + (1 - r) * entering("x"), new)
    if cell == "lrn":
        i, f = logistic(entering("k") + s), logistic(entering("q") - s)
        return (np.tanh(i * entering("v") + f * s),)
    if cell == "elman":
        return (np.tanh(entering("s") + u("s", s)),)
    if cell == "paper":
        z = logistic(entering("z") + u("z", s))
        r = logistic(entering("r") + u("r", s))
        candidate = np.tanh(entering("h") + u("h", r * s))
        return ((1 - z) * s + z * candidate,)
    if cell == "cudnn":
        z = logistic(entering("z") + u("z", s))
        r = logistic(entering("r") + u("r", s))
        candidate = np.tanh(entering("h") + r * (u("h", s) + w[f"{name}.b'"]))
        return ((1 - z) * candidate + z * s,)
    i, f, o = (logistic(entering(gate) + u(gate, s)) for gate in "ifo")
    g = np.tanh(entering("g") + u("g", s))
    m = f * state[1] + i * g
    return (o * np.tanh(m), m)


def standardized(x: Vector) -> Vector:
    away = x - sum(x) / len(x)
    return away / np.sqrt(sum(away**2) / len(x) + 1e-5)


def nothing(cell: str, size: int) -> tuple[Vector, ...]:
    return tuple(np.zeros(size) for _ in range(2 if cell in ("lstm", "sru") else 1))


def phi(position: int, size: int) -> Vector:
    """Sinusoids of a position counted from 0: all sines, then all cosines."""
    angles = [position / 10000 ** (2 * k / size) for k in range(size // 2)]
    return np.array([math.sin(a) for a in angles] + [math.cos(a) for a in angles])


class Oracle:
    """A translator of one design, with weights by the oracle's names."""

    def __init__(self, design: Design, weights: Weights, condition: Condition = learned) -> None:
        self.design = design
        self.w = weights
        self.condition = condition

    def read(self, name: str, inputs: list[Vector], order: range) -> tuple[dict[int, Vector], tuple[Vector, ...]]:
        """One direction of one encoder layer: its state at each position, read in `order`, and all of its last one."""
        w, cell = self.w, self.design.cell
        gate = GATES[cell][0]
        state = nothing(cell, len(w[f"{name}.b_{gate}"]))
        states = {}
        for j in order:
            x = inputs[j]
            state = cell_step(cell, w, name, lambda g, x=x: w[f"{name}.W_{g}"] @ x + w[f"{name}.b_{g}"], state)
            states[j] = state[0]
        return states, state

    def encode(self, source: list[int]) -> tuple[list[Vector], Vector | None, Vector | None, Vector | None]:
        """h_1..h_Tx, the forward half of h_Tx, →h_Tx, the backward half of h_1, ←h_1, and an LSTM's memory there."""
        n = len(source)
        inputs = [self.w["E_x"][word] for word in source]
        if self.design.encoder == "transformer":
            return Half(self.w, "e", self.design.layers, self.design.norm).run(inputs)[0], None, None, None
        if self.design.reads == "backward":
            h, last, _, memory = Oracle(self.design.but(reads="forward"), self.w).encode(source[::-1])
            return h[::-1], last, None, memory
        for layer in range(self.design.layers):
            forward, end = self.read(f"f{layer}", inputs, range(n))
            memory = end[-1]
            outputs, size = [forward[j] for j in range(n)], len(forward[0])
            if self.design.bidirectional:
                backward, end = self.read(f"b{layer}", inputs, range(n - 1, -1, -1))
                memory = np.concatenate([memory, end[-1]])
                outputs = [np.concatenate([forward[j], backward[j]]) for j in range(n)]
            if self.design.residual and layer > 0:
                outputs = [outputs[j] + inputs[j] for j in range(n)]
            inputs = outputs
        return inputs, inputs[n - 1][:size], inputs[0][size:] if self.design.bidirectional else None, memory

    def constant(self, h: list[Vector], ends: Vector) -> Vector | None:
        if self.design.mechanism == "fixed":
            return np.tanh(self.w["V"] @ ends + self.w["b_V"])
        return sum(h) / len(h) if self.design.mechanism == "mean" else None

    def initial(self, h: list[Vector], last: Vector, first: Vector | None, ends: Vector) -> Vector:
        """s_0."""
        kind = self.design.initial_state
        if kind == "zero":
            return np.zeros(len(self.w["U_o"][0]) * self.design.decoder_layers)
        x = {"backward": first, "ends": ends, "mean": sum(h) / len(h), "context": self.constant(h, ends)}[kind]
        return np.tanh(self.w["W_s"] @ x + self.w["b_s"])

    def head(self, p: int, i: int, s: Vector, h: list[Vector], covered: list[complex]) -> list[complex]:
        """α_i of head p; each has its part of what queries and keys are made of."""
        energies = [self.energy(i, j, s, h[j], p, covered[j]) for j in range(len(h))]
        if self.design.window is None:
            return self.weights(energies)
        reach, n = self.design.window, len(h)
        place = n * logistic(self.w["v_p"] @ np.tanh(self.w["W_p"] @ s))
        near = [j for j in range(n) if abs(j - np.real(place)) <= reach]
        found = self.weights([energies[j] - (j - place) ** 2 / (2 * (reach / 2) ** 2) for j in near])
        return [found[near.index(j)] if j in near else 0.0 for j in range(n)]

    def part(self, x: Vector, p: int) -> Vector:
        """That of head p."""
        size = len(x) // self.design.heads
        return x[p * size : (p + 1) * size]

    def energy(self, i: int, j: int, s: Vector, h_j: Vector, p: int, covered: complex) -> complex:
        """e_ij of head p, positions counted from 0."""
        w, mechanism = self.w, self.design.mechanism
        if mechanism == "dot":
            return self.part(s, p) @ self.part(h_j, p)
        if mechanism == "general":
            return self.part(s, p) @ self.part(w["U_a"] @ h_j, p)
        if mechanism == "scaled_dot":
            query = self.part(w["W_a"] @ s, p)
            return query @ self.part(w["U_a"] @ h_j, p) / math.sqrt(len(query))
        if mechanism == "location_only":
            size = w["W_a"].shape[1]
            return w["v_a"] @ np.tanh(w["W_a"] @ phi(i, size) + w["U_a"] @ phi(j, size))
        v, entering = w["v_a"], w["W_a"] @ s + w["U_a"] @ h_j
        if self.design.normed:
            v, entering = w["g"] * v / np.sqrt(v @ v), entering + w["b_a"]
        if self.design.coverage:
            entering = entering + w["u_a"] * covered
        return self.part(v, p) @ self.part(np.tanh(entering), p)

    def weights(self, energies: list[complex]) -> list[complex]:
        """α_i of e_i. The sparse ones by trying supports: of the k largest, for each k, until the rest stays below."""
        scaled = [e / self.design.temperature for e in energies]
        kind = self.design.weights
        if kind == "softmax":
            return softmax(scaled)
        order = sorted(range(len(scaled)), key=lambda j: -np.real(scaled[j]))
        for k in range(len(order), 0, -1):
            best = [scaled[j] for j in order[:k]]
            if kind == "sparsemax":  # Σ (e_j - τ) = 1
                tau = (sum(best) - 1) / k
                found = [e - tau for e in best]
            else:  # Σ (e_j / 2 - τ)² = 1
                mean = sum(e / 2 for e in best) / k
                rest = 1 / k - sum((e / 2 - mean) ** 2 for e in best) / k
                if np.real(rest) < 0:
                    continue
                tau = mean - np.sqrt(rest)
                found = [(e / 2 - tau) ** 2 if np.real(e / 2) > np.real(tau) else -1 for e in best]
            if all(np.real(a) > 0 for a in found):
                weights: list[complex] = [0.0] * len(scaled)
                for j, a in zip(order, found, strict=False):
                    weights[j] = a
                return weights
        raise AssertionError("one position alone always has all")

    def by_slots(self, s: Vector, h: list[Vector]) -> list[complex]:
        """α_ij by way of K slots, of which the decoder chooses."""
        w, n = self.w, len(h)
        scores = [w["U_a"] @ np.concatenate([h[j], phi(j, 8)]) for j in range(n)]
        beta = softmax(list(w["W_a"] @ s))
        if self.design.normalized == "positions":
            a = [softmax([scores[j][k] for j in range(n)]) for k in range(len(beta))]
            return [sum(beta[k] * a[k][j] for k in range(len(beta))) for j in range(n)]
        a = [softmax(list(scores[j])) for j in range(n)]
        return [sum(beta[k] * a[j][k] / n for k in range(len(beta))) for j in range(n)]

    def readout(self, s: Vector, y: Vector, c: Vector | None) -> Vector:
        """t_i."""
        w = self.w
        t = w["U_o"] @ s + w["V_o"] @ y + w["b_t"]
        if c is not None:
            t = t + w["C_o"] @ c
        if self.design.readout == "tanh":
            return np.tanh(t)
        if self.design.readout == "linear":
            return t
        return np.array([max(t[2 * k], t[2 * k + 1], key=np.real) for k in range(len(t) // 2)])

    def translate(self, source: list[int], words: list[int]) -> tuple[list[Vector], list[list[float]] | None]:
        """log p(y_i | ...) over the vocabulary for each previous word of `words`, and the α_ij where there are any."""
        w, design, cell = self.w, self.design, self.design.cell
        h, last, first, memory = self.encode(source)
        if design.decoder == "transformer":
            half = Half(w, "d", design.layers, design.norm, self.condition)
            read, weights = half.run([w["E_y"][word] for word in words], h)
            means = [sum(map(np.array, of_heads)) / HEADS for of_heads in weights[aligning(design.layers)]]
            return [log_softmax(w["W_o"] @ x + w["b_o"]) for x in read], means
        ends = last if first is None else np.concatenate([last, first])
        constant = self.constant(h, ends)
        start = self.initial(h, last, first, ends)
        hidden = len(start) // design.decoder_layers
        begun = w["W_m"] @ memory + w["b_m"] if design.initial_memory == "ends" else np.zeros(len(start))
        layers = []
        for layer in range(design.decoder_layers):
            s_0, m_0 = (x[layer * hidden : (layer + 1) * hidden] for x in (start, begun))
            layers.append({"sru": (s_0, s_0), "lstm": (s_0, m_0)}.get(cell, (s_0,)))
        state, *above = layers
        covered = [[0.0] * len(h) for _ in range(design.heads)]
        fed = np.zeros(w["W_o"].shape[1])
        log_probabilities, alphas = [], []

        for i, word in enumerate(words):
            y = w["E_y"][word]

            def look(s: Vector, i: int = i) -> Vector | None:
                if design.mechanism in CONSTANT:
                    return constant
                if design.mechanism == "slots":
                    alphas.append(self.condition(self.by_slots(s, h), i, 0, 0))
                    return sum(alphas[-1][j] * h[j] for j in range(len(h)))
                by_head = [self.condition(self.head(p, i, s, h, covered[p]), i, 0, p) for p in range(design.heads)]
                for c, a in zip(covered, by_head, strict=True):
                    c[:] = [c[j] + a[j] / design.heads for j in range(len(h))]
                alphas.append([sum(a[j] for a in by_head) / design.heads for j in range(len(h))])
                mixed = [sum(a[j] * self.part(h[j], p) for j in range(len(h))) for p, a in enumerate(by_head)]
                return mixed[0] if design.heads == 1 else w["W_c"] @ np.concatenate(mixed)

            def entering(gate: str, y: Vector = y, fed: Vector = fed) -> Vector:
                total = w[f"d.W_{gate}"] @ y + w[f"d.b_{gate}"]
                return total + w[f"d.F_{gate}"] @ fed if design.input_feeding else total

            before = state
            if design.query_state == "previous":
                c = look(before[0])
                state = cell_step(
                    cell,
                    w,
                    "d",
                    entering if c is None else lambda gate, e=entering, c=c: e(gate) + w[f"d.C_{gate}"] @ c,
                    before,
                )
            elif design.query_state == "current":
                state = cell_step(cell, w, "d", entering, before)
                c = look(state[0])
            else:
                half = cell_step(cell, w, "d", entering, before)
                c = look(half[0])
                state = cell_step(cell, w, "d2", lambda gate, c=c: w[f"d2.C_{gate}"] @ c + w[f"d2.b_{gate}"], half)
            read = (before if design.readout_state == "before" else state)[0]
            for layer in range(len(above)):
                name, below = f"d^{layer + 2}", read
                above[layer] = cell_step(
                    cell, w, name, lambda g, n=name, x=below: w[f"{n}.W_{g}"] @ x + w[f"{n}.b_{g}"], above[layer]
                )
                read = above[layer][0] + below if design.residual else above[layer][0]
            t = self.readout(read, y, c)
            fed = t
            log_probabilities.append(log_softmax(w["W_o"] @ t + w["b_o"]))
        return log_probabilities, alphas or None
