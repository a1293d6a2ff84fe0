"""Small random translators whose distributions are sharp enough to tell hypotheses apart, and tables as models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from rnnsearch.model.build import build_translator
from rnnsearch.model.translator import Translator

HIDDEN = 6
HALVES = (
    {"_target_": "rnnsearch.model.transformer.TransformerEncoder"},
    {"_target_": "rnnsearch.model.transformer.TransformerDecoder"},
    {},
)
ROOM = "rnnsearch.model.context"
CONTEXTS = {
    "initial_only": {"_target_": "rnnsearch.model.context.InitialOnly"},
    "fixed": {"_target_": "rnnsearch.model.context.Fixed"},
    "mean": {"_target_": "rnnsearch.model.context.Mean"},
    "location_only": {"_target_": "rnnsearch.model.context.LocationOnly", "attention_size": 5, "position_size": 4},
    "dot": {"_target_": "rnnsearch.model.context.Dot"},
    "general": {"_target_": "rnnsearch.model.context.General"},
    "scaled_dot": {"_target_": "rnnsearch.model.context.ScaledDot", "attention_size": 5},
    "slots": {"_target_": f"{ROOM}.Slots", "slots": 3, "position_size": 4, "normalized": "positions"},
    "additive": {"_target_": "rnnsearch.model.context.Additive", "attention_size": 5, "normed": False},
    "transformer": None,  # whose decoder has a mechanism of its own
}
TRANSFORMER = {"embedding_size": 8, "layers": 2, "heads": 2, "feed_forward_size": 9, "norm": "pre"}


@cache
def random_translator(
    context: str = "additive",
    *,
    seed: int = 0,
    sources: int = 12,
    vocabulary: int = 12,
    encoder_cell: str = "paper",
    dropout: float = 0.0,
    **decoder: object,
) -> Translator:
    """Made once: tests do not change it."""
    embedded = {"embedding_dropout": dropout, "variational_dropout": False}
    encoder = {
        "_target_": "rnnsearch.model.encoder.RecurrentEncoder",
        "embedding_size": 4,
        "hidden_size": HIDDEN // 2 if context == "dot" else HIDDEN,
        "cell": encoder_cell,
        "layers": 1,
        "bidirectional": True,
        "residual": False,
        "layer_dropout": dropout,
    }
    defaults = {
        "_target_": "rnnsearch.model.decoder.Decoder",
        "embedding_size": 4,
        "hidden_size": HIDDEN,
        "cell": "cudnn",
        "query_state": "previous",
        "readout_state": "after",
        "readout": "tanh",
        "readout_size": 5,
        "input_feeding": False,
        "initial_state": "ends",
        "readout_dropout": dropout,
    }
    if context == "transformer":
        rates = embedded | {"residual_dropout": dropout, "attention_dropout": dropout}
        encoder, defaults, decoder = ({**TRANSFORMER, **rates, **target} for target in HALVES)
    model = {
        "encoder": encoder | embedded,
        "context": CONTEXTS[context],
        "decoder": defaults | embedded | decoder,
        "tied_embeddings": "none",
    }
    translator = build_translator(model, source_size=sources, target_size=vocabulary).double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in translator.parameters():
            parameter.normal_(std=1.2, generator=generator)
    return translator


@dataclass
class Nothing:
    rows: int

    def select(self, index_N: Tensor) -> "Nothing":
        assert index_N.min() >= 0
        assert index_N.max() < self.rows
        return Nothing(len(index_N))


class TableModel:
    """The next word depends on the last alone, by a table of probabilities; remembers how many rows each step had."""

    def __init__(self, table: Sequence[Sequence[float]]) -> None:
        self.log_probs_VV = torch.tensor(table, dtype=torch.float64).log()
        self.rows: list[int] = []

    def encode(self, source_BS: Tensor, mask_BS: Tensor) -> tuple[Nothing, Nothing]:
        return Nothing(len(source_BS)), Nothing(len(source_BS))

    def step(self, word_N: Tensor, state: Nothing, memory: Nothing, step: int) -> tuple[Tensor, Nothing, None]:
        assert len(word_N) == state.rows
        assert len(word_N) % memory.rows == 0
        self.rows.append(len(word_N))
        return self.log_probs_VV[word_N], state, None
