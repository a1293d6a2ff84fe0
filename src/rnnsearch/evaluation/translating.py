"""Text through a trained model: translations, forced decoding of references, and a split's figures from both.

B batch, S source, T target, R read-out, V vocabulary, N real target tokens of a batch.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnnsearch.data.batching import Batch, Row, collate, pad_sources
from rnnsearch.data.corpus import word_count
from rnnsearch.data.tokenizer import EOS, SPECIALS, Tokenizer, TokenizerPair
from rnnsearch.evaluation.alignment import alignment_score, format_pharaoh, links_from_weights, parse_pharaoh
from rnnsearch.evaluation.bleu import score
from rnnsearch.evaluation.length import by_length
from rnnsearch.model.translator import Translator
from rnnsearch.search.hypotheses import Hypothesis, Search

logger = logging.getLogger(__name__)

Ids = Sequence[int]
Weights = NDArray[np.float64]

POSITIONS = 8192  # target positions of a forced batch, padding counted: bounds the logits
SAMPLES = 8
SAMPLE_WORDS = range(6, 21)  # source words of sentences whose alignment is worth a picture
OVERFLOW = 700.0  # nats; the exponential of more is no float


@dataclass(frozen=True, slots=True)
class Translation:
    """A sentence's translation; `source_ids` are as the model read them, `score` is the search's."""

    text: str
    source_ids: list[int]
    target_ids: list[int]
    score: float


@dataclass(frozen=True, slots=True)
class Forced:
    """Forced decoding of one pair: -log p of the target in nats, tokens with the end of sentence, weights [T, S].

    The weights' last row and column are the ends of sentence; None for a model without weights.
    """

    nll: float
    tokens: int
    weights_TS: Weights | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A split's sentences, figures and alignment samples, as plain values for a run's folder."""

    rows: list[dict[str, Any]]
    metrics: dict[str, Any]
    samples: list[dict[str, Any]]


def translate(model: Translator, tokenizers: TokenizerPair, search: Search, texts: Iterable[str]) -> list[Translation]:
    """Translations of raw text, in order; sources over `search.max_source_length` tokens are cut, with a warning."""
    sources = cut([tokenizers.source.encode(text) for text in texts], search.max_source_length)
    found = zip(sources, translate_ids(model, search, sources), strict=True)
    return [Translation(tokenizers.target.decode(h.ids), source, h.ids, h.score) for source, h in found]


def cut(sources: Sequence[list[int]], longest: int) -> list[list[int]]:
    """Sources of at most `longest` tokens, the end of sentence not counted; warns of those that were longer."""
    over = sum(len(ids) > longest for ids in sources)
    if over:
        logger.warning(
            "%d of %d sources have more than %d tokens and are cut (see search.max_source_length)",
            over,
            len(sources),
            longest,
        )
    return [ids[:longest] for ids in sources]


def translate_ids(model: Translator, search: Search, sources: Sequence[Ids]) -> list[Hypothesis]:
    """The best hypothesis of each source (ids without end of sentence); nothing translates as nothing, score 0."""
    found = [Hypothesis([], 0.0, 0.0)] * len(sources)
    device = _device(model)
    with _evaluating(model):
        for rows in _batches([len(ids) for ids in sources], search.batch_size):
            source_BS, mask_BS = pad_sources([sources[row] for row in rows])
            source = (source_BS.to(device), mask_BS.to(device))
            n_best = search.search(model, source, source[1].sum(-1) - 1, keys=rows)
            for row, hypotheses in zip(rows, n_best, strict=True):
                found[row] = hypotheses[0]
    return found


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Rows of batches of up to `size`, the longest first, without the empty."""
    order = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: -lengths[row])
    yield from (order[start : start + size] for start in range(0, len(order), size))


def force(model: Translator, pairs: Sequence[tuple[Ids, Ids]]) -> Iterator[tuple[int, Forced]]:
    """Forced decoding of (source, target) ids without ends of sentence: each pair's place and result, out of order."""
    order = sorted(range(len(pairs)), key=lambda place: -max(map(len, pairs[place])))
    while order:
        longest = max(map(len, pairs[order[0]])) + 1
        size = max(1, POSITIONS // longest)
        rows, order = order[:size], order[size:]
        batch = collate([Row(index=row, source=pairs[row][0], target=pairs[row][1]) for row in rows])
        yield from zip(rows, _force_batch(model, batch.to(_device(model))), strict=True)


@torch.inference_mode()
def _force_batch(model: Translator, batch: Batch) -> list[Forced]:
    with _evaluating(model):
        readouts_BTR, weights_BTS = model(batch.source_BS, batch.source_mask_BS, batch.target_in_BT)
        logits_NV = model.logits(readouts_BTR[batch.target_mask_BT])
    nll_N = nn.functional.cross_entropy(logits_NV, batch.target_out_BT[batch.target_mask_BT], reduction="none")
    nll_BT = torch.zeros(batch.target_mask_BT.shape, dtype=torch.float64, device=nll_N.device)
    nll_BT[batch.target_mask_BT] = nll_N.double()
    tokens = batch.target_mask_BT.sum(-1).tolist()
    weights = _unpadded(weights_BTS, tokens, batch.source_mask_BS.sum(-1).tolist())
    return [Forced(*parts) for parts in zip(nll_BT.sum(-1).tolist(), tokens, weights, strict=True)]


def _unpadded(weights_BTS: Tensor | None, targets: Sequence[int], sources: Sequence[int]) -> Sequence[Weights | None]:
    if weights_BTS is None:
        return [None] * len(targets)
    weights = weights_BTS.double().cpu().numpy()
    return [
        weights[i, :target, :source].copy() for i, (target, source) in enumerate(zip(targets, sources, strict=True))
    ]


def evaluate_split(
    model: Translator, tokenizers: TokenizerPair, rows: Iterable[Mapping[str, Any]], search: Search
) -> Evaluation:
    """Translates and scores a split, and force-decodes its references.

    Args:
        rows: each has source_text, target_text, links ("0-1 2-3" or None) and line.

    Raises:
        ValueError: there are no rows.
    """
    pairs = list(rows)
    logger.info("translating %d sentences", len(pairs))
    translations = translate(model, tokenizers, search, [pair["source_text"] for pair in pairs])
    forced = _forced_references(model, tokenizers, pairs, translations)
    sentences = [_sentence(index, *parts) for index, parts in enumerate(zip(pairs, translations, forced, strict=True))]
    samples = [
        {"index": index, **alignment}
        for index in sample_places([sentence["source_words"] for sentence in sentences])
        if (alignment := _alignment(model, tokenizers, translations[index]))["weights"] is not None
    ]
    return Evaluation(sentences, split_metrics(sentences), samples)


def _forced_references(
    model: Translator,
    tokenizers: TokenizerPair,
    pairs: Sequence[Mapping[str, Any]],
    translations: Sequence[Translation],
) -> list[dict[str, Any]]:
    """nll, tokens and word links of each reference; weights are not kept, for they fill memory."""
    targets = [tokenizers.target.encode(pair["target_text"]) for pair in pairs]
    ids = [(translation.source_ids, target) for translation, target in zip(translations, targets, strict=True)]
    found: list[dict[str, Any]] = [{} for _ in pairs]
    for place, forced in force(model, ids):
        found[place] = {
            "nll": forced.nll,
            "tokens": forced.tokens,
            "links": word_links(tokenizers, *ids[place], forced.weights_TS),
        }
    return found


def word_links(tokenizers: TokenizerPair, source: Ids, target: Ids, weights_TS: Weights | None) -> str | None:
    """Links "source-target" between words; the weights on the ends of sentence are left out. None without weights."""
    if weights_TS is None:
        return None
    words = tokenizers.source.word_of_piece(source), tokenizers.target.word_of_piece(target)
    return format_pharaoh(links_from_weights(weights_TS, *words))


def _sentence(
    index: int, pair: Mapping[str, Any], translation: Translation, forced: Mapping[str, Any]
) -> dict[str, Any]:
    """A line of translations.<split>.jsonl."""
    return {
        "index": index,
        "line": pair["line"],
        "source": pair["source_text"],
        "reference": pair["target_text"],
        "hypothesis": translation.text,
        "score": translation.score,
        "source_words": word_count(pair["source_text"]),
        "gold": pair["links"],
        **forced,
    }


def split_metrics(sentences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of a whole split from its lines of translations.<split>.jsonl; nll in nats a token, unsmoothed."""
    scores = score([s["hypothesis"] for s in sentences], [s["reference"] for s in sentences])
    nll = math.fsum(s["nll"] for s in sentences) / sum(s["tokens"] for s in sentences)
    return {
        "sentences": len(sentences),
        **scores,
        "nll": nll,
        "perplexity": math.exp(min(nll, OVERFLOW)),
        "aer": _alignment_error(sentences),
        "by_length": by_length(sentences),
    }


def _alignment_error(sentences: Sequence[Mapping[str, Any]]) -> float | None:
    """AER over the sentences that have gold links; None without any, or without predicted ones."""
    linked = [s for s in sentences if s["gold"] is not None and s["links"] is not None]
    predicted = [parse_pharaoh(s["links"]).sure for s in linked]
    gold = [parse_pharaoh(s["gold"]) for s in linked]
    if not any(predicted) or not any(links.sure for links in gold):
        return None
    return alignment_score(predicted, gold).aer


def sample_places(source_words: Sequence[int]) -> list[int]:
    """Rows to show alignments of: up to `SAMPLES`, evenly spread over those of 6 to 20 words (else over all)."""
    fit = [row for row, words in enumerate(source_words) if words in SAMPLE_WORDS]
    chosen = fit or [row for row, words in enumerate(source_words) if words]
    count = min(SAMPLES, len(chosen))
    return [chosen[i * len(chosen) // count] for i in range(count)]


def sample_translations(
    model: Translator, tokenizers: TokenizerPair, rows: Iterable[Mapping[str, Any]], search: Search
) -> list[dict[str, Any]]:
    """Source, reference, hypothesis and alignment of each row; weights are None for a model without any."""
    pairs = list(rows)
    translations = translate(model, tokenizers, search, [pair["source_text"] for pair in pairs])
    return [
        {"source": pair["source_text"], "reference": pair["target_text"], "hypothesis": translation.text}
        | _alignment(model, tokenizers, translation)
        for pair, translation in zip(pairs, translations, strict=True)
    ]


def _alignment(model: Translator, tokenizers: TokenizerPair, translation: Translation) -> dict[str, Any]:
    """The weights [T, S] of the model's own translation, with readable pieces, ends of sentence included (Figure 3)."""
    [(_, forced)] = force(model, [(translation.source_ids, translation.target_ids)])
    return {
        "source_pieces": _pieces(tokenizers.source, translation.source_ids),
        "target_pieces": _pieces(tokenizers.target, translation.target_ids),
        "weights": None if forced.weights_TS is None else forced.weights_TS.round(4).tolist(),
    }


def _pieces(tokenizer: Tokenizer, ids: Ids) -> list[str]:
    return [*tokenizer.pieces(ids), SPECIALS[EOS]]


def _device(model: Translator) -> torch.device:
    return next(model.parameters()).device


@contextmanager
def _evaluating(model: Translator) -> Iterator[None]:
    """The model without dropout, afterwards as before."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
