"""Small translators of any design, batches of unequal lengths, and how far a translator is from the oracle."""

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnsearch.model.context import (
    Additive,
    Context,
    Dot,
    Fixed,
    General,
    InitialOnly,
    LocationOnly,
    Mean,
    ScaledDot,
    Slots,
)
from rnnsearch.model.decoder import Decoder
from rnnsearch.model.encoder import RecurrentEncoder
from rnnsearch.model.transformer import TransformerDecoder, TransformerEncoder
from rnnsearch.model.translator import Translator

from .oracle import ELEMENTWISE, GATES, Design, Oracle, rename
from .transformer_oracle import HEADS

PAPER = Design()
MODERN = Design(cell="cudnn", readout_state="after", readout="tanh", initial_state="ends")
TRANSFORMER = Design(encoder="transformer", decoder="transformer")
READS = ("forward", "backward")
BEGUN = (("mean", "pre"), ("zero", "post"))  # states of decoders behind a Transformer's encoder
AXES = [
    *(PAPER.but(mechanism=m) for m in ("additive", "location_only", "general", "scaled_dot", "dot")),
    *(PAPER.but(mechanism=m) for m in ("initial_only", "fixed", "mean")),
    PAPER.but(normed=True),
    *(design.but(mechanism="slots", normalized=n) for design, n in ((PAPER, "positions"), (MODERN, "slots"))),
    MODERN.but(mechanism="slots", query_state="current"),
    *(
        design.but(weights=w, temperature=0.5)
        for design in (PAPER, MODERN)
        for w in ("softmax", "sparsemax", "entmax15")
    ),
    MODERN.but(weights="entmax15", mechanism="general", query_state="current"),
    MODERN.but(weights="sparsemax", mechanism="location_only", cell="mingru", query_state="current"),
    *(MODERN.but(cell=cell) for cell in GATES),
    *(PAPER.but(cell=cell) for cell in GATES if cell != "paper"),
    *(MODERN.but(cell=cell, query_state="current", layers=2) for cell in ELEMENTWISE),
    PAPER.but(bidirectional=False, initial_state="ends"),
    MODERN.but(bidirectional=False),
    PAPER.but(bidirectional=False, reads="backward", initial_state="ends"),
    *(MODERN.but(bidirectional=False, reads="backward", cell=cell, layers=2) for cell in ("cudnn", "mingru")),
    MODERN.but(bidirectional=False, reads="backward", mechanism="fixed"),
    *(design.but(layers=2, residual=residual) for design in (PAPER, MODERN) for residual in (False, True)),
    *(PAPER.but(readout_state="after", query_state=q) for q in ("previous", "current", "two_step")),
    *(MODERN.but(query_state="current", mechanism=m) for m in ("additive", "location_only", "general", "fixed")),
    MODERN.but(query_state="current", cell="lstm", normed=True),
    *(MODERN.but(query_state="two_step", cell=cell) for cell in GATES if cell != "paper"),
    *(PAPER.but(readout=readout) for readout in ("tanh", "linear")),
    *(MODERN.but(input_feeding=True, query_state=q) for q in ("previous", "current", "two_step")),
    MODERN.but(input_feeding=True, readout="maxout", mechanism="fixed"),
    *(PAPER.but(initial_state=initial) for initial in ("ends", "mean", "zero")),
    *(PAPER.but(mechanism=m, initial_state="context") for m in ("fixed", "mean")),
    PAPER.but(mechanism="fixed", initial_state="context", bidirectional=False),
    *(MODERN.but(decoder_layers=2, cell=cell) for cell in ("cudnn", "sru")),
    MODERN.but(
        decoder_layers=3, residual=True, cell="lstm", mechanism="fixed", initial_memory="ends", bidirectional=False
    ),
    MODERN.but(decoder_layers=2, residual=True, input_feeding=True, query_state="two_step", initial_state="zero"),
    *(MODERN.but(initial_memory="ends", cell="lstm", reads=r, bidirectional=r == "forward") for r in READS),
    *(MODERN.but(layer_norm=True, cell=cell) for cell in GATES if cell not in ELEMENTWISE),
    MODERN.but(layer_norm=True, cell="lstm", layers=2, decoder_layers=2, initial_memory="ends", query_state="two_step"),
    *(design.but(heads=2, mechanism=m) for design in (PAPER, MODERN) for m in ("additive", "scaled_dot")),
    *(MODERN.but(heads=2, mechanism=m, query_state=q) for m, q in (("general", "current"), ("dot", "two_step"))),
    *(design.but(window=w) for design, w in ((PAPER, 1), (MODERN, 2))),
    MODERN.but(window=2, heads=3, weights="entmax15", mechanism="scaled_dot", query_state="current"),
    *(design.but(coverage=True) for design in (PAPER, MODERN, MODERN.but(query_state="two_step", decoder_layers=2))),
    MODERN.but(coverage=True, heads=2, normed=True, query_state="current", input_feeding=True, weights="sparsemax"),
    *(MODERN.but(tied_embeddings=tied) for tied in ("output", "all")),
    PAPER.but(tied_embeddings="all"),
    *(TRANSFORMER.but(norm=norm, layers=layers) for norm in ("pre", "post") for layers in (1, 2)),
    TRANSFORMER.but(tied_embeddings="all", layers=3),
    *(MODERN.but(encoder="transformer", initial_state=initial, norm=norm) for initial, norm in BEGUN),
    MODERN.but(encoder="transformer", initial_state="context", mechanism="mean"),
    *(TRANSFORMER.but(encoder="recurrent", bidirectional=both) for both in (True, False)),
]


def _spanning(designs: list[Design]) -> list[Design]:
    """Those that have a choice which none before has."""
    seen: set[tuple[str, object]] = set()
    chosen = []
    for design in designs:
        choices = set(vars(design).items())
        if choices - seen:
            chosen.append(design)
        seen |= choices
    return chosen


SPANNING = _spanning(AXES)
QUICK_AXES = [pytest.param(d, id=str(d), marks=() if d in SPANNING else pytest.mark.slow) for d in AXES]


def build(design: Design, *, seed: int = 0, kernels: str = "plain") -> Translator:
    """A translator of unequal sizes in float64 with values large enough that every term of the equations counts."""
    hidden = 3
    annotation = hidden * (1 + design.bidirectional) if design.encoder == "recurrent" else 4
    state = annotation if design.mechanism == "dot" else 5 + (design.heads > 1)
    sources = 13 if design.tied_embeddings == "all" else 11
    transformer = {"embedding_size": 4, "layers": design.layers, "heads": HEADS, "norm": design.norm}
    transformer |= {"feed_forward_size": 5, "variational_dropout": False, "kernels": kernels}
    transformer |= {f"{kind}_dropout": 0.0 for kind in ("embedding", "residual", "attention")}
    encoder = (
        _recurrent_encoder(design, sources, hidden, kernels)
        if design.encoder == "recurrent"
        else TransformerEncoder(vocabulary_size=sources, **transformer)
    )
    decoder = (
        _recurrent_decoder(design, annotation, state, kernels)
        if design.decoder == "recurrent"
        else TransformerDecoder(vocabulary_size=13, annotation_size=annotation, **transformer)
    )
    translator = Translator(encoder=encoder, decoder=decoder, tied_embeddings=design.tied_embeddings).double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in translator.parameters():
            parameter.normal_(0.0, 0.7, generator=generator)
    return translator


def _recurrent_encoder(design: Design, sources: int, hidden: int, kernels: str) -> RecurrentEncoder:
    return RecurrentEncoder(
        vocabulary_size=sources,
        embedding_size=4,
        hidden_size=hidden,
        cell=design.cell,
        layers=design.layers,
        bidirectional=design.bidirectional,
        residual=design.residual,
        embedding_dropout=0.0,
        layer_dropout=0.0,
        variational_dropout=False,
        kernels=kernels,
        reads=design.reads,
        layer_norm=design.layer_norm,
    )


def _recurrent_decoder(design: Design, annotation: int, state: int, kernels: str) -> Decoder:
    return Decoder(
        vocabulary_size=13,
        embedding_size=4,
        hidden_size=state,
        context=_context(design, annotation_size=annotation, state_size=state),
        ends_size=annotation,
        bidirectional=design.bidirectional and design.encoder == "recurrent",
        cell=design.cell,
        query_state=design.query_state,
        readout_state=design.readout_state,
        readout=design.readout,
        readout_size=6 if design.tied_embeddings == "none" else 4,
        input_feeding=design.input_feeding,
        initial_state=design.initial_state,
        embedding_dropout=0.0,
        readout_dropout=0.0,
        variational_dropout=False,
        kernels=kernels,
        initial_memory=design.initial_memory,
        layers=design.decoder_layers,
        residual=design.residual,
        layer_norm=design.layer_norm,
    )


def _context(design: Design, **sizes: int) -> Context:
    weights = {"weights": design.weights, "temperature": design.temperature}
    weighing = {**weights, "heads": design.heads, "window": design.window}
    hidden = {"attention_size": 7 if design.heads == 1 else 6}
    if design.mechanism == "additive":
        return Additive(**hidden, normed=design.normed, coverage=design.coverage, **weighing, **sizes)
    if design.mechanism == "location_only":
        if (design.heads, design.window) != (1, None):
            raise ValueError("positions alone have one head, and no place that a state predicts")
        return LocationOnly(**hidden, position_size=8, **weights, **sizes)
    if design.mechanism == "scaled_dot":
        return ScaledDot(**hidden, **weighing, **sizes)
    if design.mechanism == "slots":
        return Slots(slots=3, position_size=8, normalized=design.normalized, **sizes)
    if design.mechanism in ("dot", "general"):
        return {"dot": Dot, "general": General}[design.mechanism](**weighing, **sizes)
    plain = {"initial_only": InitialOnly, "fixed": Fixed, "mean": Mean}
    return plain[design.mechanism](**sizes)


SOURCES = [[4, 7, 5, 10, 6], [8, 3], [9], [5, 5, 4]]
TARGETS = [[2, 6, 9], [2, 12, 4, 7, 8], [2, 5], [2]]
Batch = tuple[Tensor, Tensor, Tensor, Tensor]
PATHS = ("plain", "portable")
every_path = pytest.mark.parametrize("kernels", PATHS)


def batch(sources: list[list[int]] = SOURCES, targets: list[list[int]] = TARGETS, *, more: int = 0) -> Batch:
    """Ids and masks, source then target; padding holds ids of real words, to show that nobody reads it."""
    padded = []
    for lists, filler in ((sources, 6), (targets, 11)):
        longest = max(map(len, lists)) + more
        padded.append(torch.tensor([ids + [filler] * (longest - len(ids)) for ids in lists]))
        padded.append(torch.tensor([[True] * len(ids) + [False] * (longest - len(ids)) for ids in lists]))
    return tuple(padded)


def log_probabilities(translator: Translator, given: Batch) -> tuple[Tensor, Tensor | None]:
    """log p ``[B, T, V]`` and weights of a padded batch."""
    source_BS, source_mask_BS, target_BT, _ = given
    readouts_BTR, weights_BTS = translator(source_BS, source_mask_BS, target_BT)
    return torch.log_softmax(translator.logits(readouts_BTR), dim=-1), weights_BTS


def parameters(translator: Translator) -> dict[str, np.ndarray]:
    return {name: parameter.detach().numpy() for name, parameter in translator.named_parameters()}


def distance_from_oracle(translator: Translator, design: Design) -> float:
    """The largest difference of log-probabilities and weights on real positions from the oracle's."""
    log_probs_BTV, weights_BTS = log_probabilities(translator, batch())
    oracle = Oracle(design, rename(parameters(translator), design))
    worst = 0.0
    for b, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        expected_TV, alphas_TS = oracle.translate(source, target)
        worst = max(worst, np.abs(log_probs_BTV[b, : len(target)].detach().numpy() - np.array(expected_TV)).max())
        assert (alphas_TS is None) == (weights_BTS is None)
        if weights_BTS is not None:
            got = weights_BTS[b, : len(target), : len(source)].detach().numpy()
            worst = max(worst, np.abs(got - np.array(alphas_TS)).max())
    return float(worst)
