"""How long the chain of a sentence pair is: cells or layers of which each must wait for the one before.

With S source and T target tokens and L layers a half, at the model's own depth:

- a recurrent encoder takes S + L - 1 steps, since layers overlap along the diagonal; one of cells that are linear in
  the state, L log S; a Transformer's L.
- in training, a recurrent decoder takes T + L - 1 steps, two for each cell of a `two_step` decoder; L log T of linear
  cells, if no state waits for a context; a Transformer's L.
- in translation every decoder takes T L steps, for each word waits for the one before.

The decoder waits for the encoder, so that both add up.
"""

import math
from dataclasses import dataclass

from rnnsearch.model.cells import MinGruCell
from rnnsearch.model.context import LocationOnly
from rnnsearch.model.decoder import Decoder
from rnnsearch.model.encoder import RecurrentEncoder
from rnnsearch.model.recurrence import Current, TwoStep
from rnnsearch.model.transformer import TransformerDecoder, TransformerEncoder
from rnnsearch.model.translator import Translator


@dataclass(frozen=True)
class DependentSteps:
    """Steps of a sentence pair that wait for one another."""

    training: float
    translation: float


def dependent_steps(translator: Translator, *, source_length: float, target_length: float) -> DependentSteps | None:
    """Those of pairs of ``source_length`` and ``target_length`` tokens, ends included; None for another's half."""
    encoding = _encoding(translator.encoder, source_length)
    decoder, words = translator.decoder, target_length
    if encoding is None or not isinstance(decoder, Decoder | TransformerDecoder):
        return None
    if isinstance(decoder, TransformerDecoder):
        layers = len(decoder.layers)
        return DependentSteps(encoding + layers, encoding + words * layers)
    above, cells = len(decoder.above), 2 if isinstance(decoder.transition, TwoStep) else 1
    training = words * cells + above
    if isinstance(decoder.transition.cell, MinGruCell) and not _waits_for_contexts(decoder):
        training = (1 + above) * _doublings(words)
    return DependentSteps(encoding + training, encoding + words * (cells + above))


def _encoding(encoder: object, length: float) -> float | None:
    if isinstance(encoder, TransformerEncoder):
        return len(encoder.layers)
    if not isinstance(encoder, RecurrentEncoder):
        return None
    layers = len(encoder.layers)
    return layers * _doublings(length) if encoder.cell == "mingru" else length + layers - 1


def _waits_for_contexts(decoder: Decoder) -> bool:
    """Whether a state needs a context that needs the state before it."""
    known = decoder.context.constant or isinstance(decoder.context, LocationOnly)
    known = known and not isinstance(decoder.transition, TwoStep)
    return decoder.by_step or not (known or isinstance(decoder.transition, Current))


def _doublings(length: float) -> float:
    return math.log2(max(2.0, length))
