"""Translators of any size and design on the plain path, for tests that count or name their parameters."""

from rnnsearch.model.context import Additive, Context, Dot, Fixed, General, InitialOnly, LocationOnly, Mean, ScaledDot
from rnnsearch.model.decoder import Decoder
from rnnsearch.model.encoder import RecurrentEncoder
from rnnsearch.model.translator import Translator

WITHOUT_SIZES = {"dot": Dot, "general": General, "fixed": Fixed, "mean": Mean, "initial_only": InitialOnly}


def context_of(mechanism: str, attention: int, **sizes: int) -> Context:
    if mechanism in ("additive", "normed"):
        return Additive(attention_size=attention, normed=mechanism == "normed", **sizes)
    if mechanism == "location_only":
        return LocationOnly(attention_size=attention, position_size=12, **sizes)
    if mechanism == "scaled_dot":
        return ScaledDot(attention_size=attention, **sizes)
    return WITHOUT_SIZES[mechanism](**sizes)


def translator_of(
    mechanism: str,
    *,
    attention: int,
    embedding: int,
    vocabulary: int,
    hidden: int,
    state: int,
    readout_size: int,
    cell: str,
    layers: int = 1,
    bidirectional: bool = True,
    query_state: str = "previous",
    readout: str = "tanh",
    input_feeding: bool = False,
    tied: str = "none",
) -> Translator:
    shared = {"vocabulary_size": vocabulary, "embedding_size": embedding, "cell": cell, "bidirectional": bidirectional}
    shared |= {"embedding_dropout": 0.0, "variational_dropout": False, "kernels": "plain"}
    encoder = RecurrentEncoder(**shared, hidden_size=hidden, layers=layers, residual=False, layer_dropout=0.0)
    annotation = hidden * (1 + bidirectional)
    decoder = Decoder(
        **shared,
        hidden_size=state,
        context=context_of(mechanism, attention, annotation_size=annotation, state_size=state),
        ends_size=annotation,
        query_state=query_state,
        readout_state="after",
        readout=readout,
        readout_size=readout_size,
        input_feeding=input_feeding,
        initial_state="ends",
        readout_dropout=0.0,
    )
    return Translator(encoder=encoder, decoder=decoder, tied_embeddings=tied)
