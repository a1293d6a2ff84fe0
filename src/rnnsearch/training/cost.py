"""Floating-point operations a model needs for a target token, from one formula.

For a sentence pair with S source and T target tokens::

    forward  = 2/T · (Σ_M size(M) · times(M) + S · T · (energy + mixing))
    training = 3 · forward

The sum runs over the weight matrices M, and a multiply-add counts as 2. times(M) says how often a matrix is applied:

- S: the encoder's matrices, the keys (U_a h_j), the annotations into the decoder's gates (C h_j);
- T: the decoder's own matrices, the query (W_a s), the read-out, the vocabulary;
- 1: s_0, V of the fixed context, and C, C_o of a constant context (C_o: T under input feeding).

energy is what one e_ij costs beyond keys and queries, a product of A (or H) numbers; mixing is the width of what the
weights α_ij mix, the annotations and their projections into the gates. Backward takes twice the forward's products.

Left out: sums, products and functions of single elements (gates, tanh, softmax, biases, sinusoids, dropout, the norm
of v), embedding look-ups, the optimiser, padding. Position terms of `location_only` count once a sentence, though a
batch shares them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from rnnsearch.model.context import Context, DotProduct, ScaledDot
from rnnsearch.model.translator import Translator


@dataclass(frozen=True)
class Cost:
    """Floating-point operations a target token."""

    forward: float
    training: float


def operations_per_token(translator: Translator, *, source_length: int, target_length: int) -> Cost:
    """What a target token costs in sentence pairs of ``source_length`` and ``target_length`` tokens, ends included."""
    products = sum(
        size * _times(name, translator, source_length, target_length) for name, size in _matrices(translator)
    )
    decoder = translator.decoder
    if not decoder.context.constant:
        mixed = decoder.context.size + (decoder.transition.gates if decoder.transition.into_gates is not None else 0)
        products += (
            source_length * target_length * (_energy(decoder.context, decoder.transition.cell.hidden_size) + mixed)
        )
    forward = 2 * products / target_length
    return Cost(forward=forward, training=3 * forward)


def _matrices(translator: Translator) -> Iterator[tuple[str, int]]:
    """Name and size of every matrix that multiplies something; a tied one counts where it does."""
    for name, module in translator.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module.weight.numel()
        elif isinstance(module, nn.RNNBase):
            yield name, sum(weight.numel() for weight in module.parameters() if weight.dim() == 2)


def _times(name: str, translator: Translator, source_length: int, target_length: int) -> int:
    decoder = translator.decoder
    values = 1 if decoder.context.constant else source_length
    if name.startswith("encoder.") or name == "decoder.context.key":
        return source_length
    if name in ("decoder.initial.project", "decoder.context.summary"):
        return 1
    if name == "decoder.transition.into_gates":
        return values
    if name == "decoder.readout.context" and decoder.context.constant and decoder.feed is None:
        return 1
    return target_length


def _energy(context: Context, state_size: int) -> int:
    """Multiply-adds of one e_ij, keys and query known."""
    if isinstance(context, DotProduct):
        return state_size
    if isinstance(context, ScaledDot):
        return context.query.out_features
    return sum(vector.numel() for name, vector in context.named_parameters() if name == "v")
