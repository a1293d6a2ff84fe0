"""Floating-point operations a model needs for a target token, from one formula.

For a sentence pair with S source and T target tokens::

    forward  = 1/T · (2 Σ_M size(M) · times(M) + S · T · (energy + softmax + 2 mixing))
    training = 3 · forward

The sum runs over the weight matrices M: a multiply-add counts as 2. times(M) says how often a matrix is applied:

- S: the encoder's matrices, the keys (U_a h_j), the annotations into the decoder's gates (C h_j), a Transformer's keys
  and values of the source;
- T: the decoder's own matrices, the query (W_a s), the read-out, the vocabulary;
- 1: s_0, V of the fixed context, and C, C_o of a constant context (C_o: T under input feeding).

energy is what one e_ij costs beyond keys and queries, sums and tanh included, as the mechanism itself says
(`Context.energy_cost`); softmax is `SOFTMAX` for each head; mixing is the width of what the weights α_ij mix, the
annotations and their projections into the gates. A mechanism that does not say its cost is counted while it runs
(`rnnsearch.training.counted_operations`): for those here the two differ by less than 0.1 % of the whole, so that models
counted either way can be compared. Backward takes twice the forward's operations.

A Transformer's attentions cost 4 D + heads · softmax for a query and a key: S² of them in a layer of the encoder,
T (T + 1) / 2 and T · S in one of the decoder, each word seeing those up to itself.

Left out: what is done to single elements once a step or a position (gates, biases, sinusoids, dropout, the norm of v),
less than 2 % of the whole (2.2 % with cell=sru) at the sizes of model=tiny or above; embedding look-ups, the loss, the
optimiser, padding.
Position terms of `location_only` count once a sentence, although a batch shares them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from rnnsearch.model.context import Attention, Context
from rnnsearch.model.decoder import Decoder
from rnnsearch.model.transformer_layer import MultiHeadAttention
from rnnsearch.model.translator import Translator
from rnnsearch.training.counted_operations import Lengths, Looking, measured

SOFTMAX = 5  # of one α_ij: the largest, a difference, an exponential, their sum, a quotient
WINDOW = 4  # of one position's nearness: a difference, a square, a product, a sum
OURS = "rnnsearch."
CONTEXT = "decoder.context."


@dataclass(frozen=True)
class Cost:
    """Floating-point operations a target token."""

    forward: float
    training: float


def operations_per_token(translator: Translator, *, source_length: float, target_length: float) -> Cost:
    """What a target token costs in sentence pairs of ``source_length`` and ``target_length`` tokens, ends included.

    Raises:
        ValueError: if a part is from another package, and its operations are neither known nor can be counted.
    """
    lengths = Lengths(source_length, target_length)
    decoder = translator.decoder
    _check_known(translator)
    operations, values = _attentions(translator, lengths), lengths.source
    if isinstance(decoder, Decoder):
        looking = _looking(translator, decoder, lengths)
        operations, values = operations + looking.operations, looking.values
        if not decoder.context.constant:
            gates = decoder.transition.gates if decoder.transition.into_gates is not None else 0
            operations += 2 * values * target_length * (decoder.context.size + gates)
    products = sum(size * _times(name, translator, lengths, values) for name, size in _matrices(translator))
    forward = (2 * products + operations) / target_length
    return Cost(forward=forward, training=3 * forward)


def _check_known(translator: Translator) -> None:
    for half in (translator.encoder, translator.decoder):
        if not type(half).__module__.startswith(OURS):
            raise ValueError(
                f"the operations of {type(half).__qualname__} are not known: there is a formula for the encoders and "
                "decoders of rnnsearch alone; leave match=flops and budget.flops out"
            )


def _attentions(translator: Translator, lengths: Lengths) -> float:
    """What a Transformer's attentions do beside the products with their matrices."""
    pairs = {"encoder.own": lengths.source**2, "decoder.own": lengths.target * (lengths.target + 1) / 2}
    pairs["decoder.source"] = lengths.source * lengths.target
    return sum(
        pairs[f"{name.split('.')[0]}.{name.rpartition('.')[2]}"]
        * (4 * module.query.out_features + SOFTMAX * module.heads)
        for name, module in translator.named_modules()
        if isinstance(module, MultiHeadAttention)
    )


def _looking(translator: Translator, decoder: Decoder, lengths: Lengths) -> Looking:
    """What the context mechanism does itself, as it says, or else as measured."""
    context = decoder.context
    energy = context.energy_cost() if _speaks_for_itself(context) else None
    if energy is None or _has_more(context):
        try:
            return measured(context, translator.encoder, state_size=decoder.hidden_size, lengths=lengths)
        except ValueError:
            if energy is None:
                raise
    times = {"key": lengths.source, "query": lengths.target, "summary": 1.0, "output": lengths.source}
    times["window.query"] = lengths.target
    sizes = {name: part.weight.numel() for name, part in context.named_modules() if isinstance(part, nn.Linear)}
    products = sum(2 * sizes[name] * times[name] for name in times.keys() & sizes.keys())
    if context.constant:
        return Looking(products, values=1.0)
    heads = 1
    if isinstance(context, Attention):
        heads, energy = context.heads, energy + (0 if context.window is None else WINDOW)
    each = energy + heads * SOFTMAX
    return Looking(products + lengths.source * lengths.target * each, values=heads * lengths.source)


def _speaks_for_itself(context: Context) -> bool:
    """Whether its `energy_cost` is defined in its own module: one inherited from ours need not hold for it."""
    return type(context).energy_cost.__module__ == type(context).__module__


def _has_more(context: Context) -> bool:
    """Whether a mechanism of another package has matrices whose use is known only by running it."""
    known = {"key.weight", "query.weight", "summary.weight"}
    own = not type(context).__module__.startswith(OURS)
    return own and any(weight.dim() > 1 and name not in known for name, weight in context.named_parameters())


def _matrices(translator: Translator) -> Iterator[tuple[str, int]]:
    """Name and size of every matrix outside the context that multiplies something; a tied one where it multiplies."""
    for name, module in translator.named_modules():
        if name.startswith(CONTEXT):
            continue
        if isinstance(module, nn.Linear):
            yield name, module.weight.numel()
        elif isinstance(module, nn.RNNBase):
            yield name, sum(weight.numel() for weight in module.parameters() if weight.dim() == 2)


def _times(name: str, translator: Translator, lengths: Lengths, values: float) -> float:
    decoder = translator.decoder
    if name.startswith("encoder.") or name.endswith((".source.key", ".source.value")):
        return lengths.source
    if name.startswith("decoder.initial."):
        return 1
    if name == "decoder.transition.into_gates":
        return values
    if name == "decoder.readout.context" and not decoder.weighs_source and decoder.feed is None:
        return 1
    return lengths.target
