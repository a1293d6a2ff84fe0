"""A split through a trained model: translations, forced decoding of the references, and figures from both."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnsearch.data.corpus import word_count
from rnnsearch.data.tokenizer import EOS, SPECIALS, Tokenizer, TokenizerPair
from rnnsearch.evaluation.alignment import alignment_score, format_pharaoh, links_from_weights, parse_pharaoh
from rnnsearch.evaluation.bleu import score
from rnnsearch.evaluation.forcing import Floats, force
from rnnsearch.evaluation.length import by_length
from rnnsearch.evaluation.system import Ids, System
from rnnsearch.evaluation.translating import Translation, translate
from rnnsearch.search.hypotheses import Search

logger = logging.getLogger(__name__)

SAMPLES = 8
SAMPLE_WORDS = range(6, 21)  # source words of sentences whose alignment is worth a picture
OVERFLOW = 700.0  # nats; the exponential of more is no float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A split's sentences, figures and alignment samples, as plain values for a run's folder."""

    rows: list[dict[str, Any]]
    metrics: dict[str, Any]
    samples: list[dict[str, Any]]


def evaluate_split(system: System, rows: Iterable[Mapping[str, Any]], search: Search) -> Evaluation:
    """Translates and scores a split, and force-decodes its references.

    Args:
        rows: each has source_text, target_text, links ("0-1 2-3" or None) and line.

    Raises:
        ValueError: there are no rows.
    """
    pairs = list(rows)
    logger.info("translating %d sentences", len(pairs))
    translations = [best for best, *_ in translate(system, search, [pair["source_text"] for pair in pairs])]
    forced = _forced_references(system, pairs, translations)
    sentences = [_sentence(index, *parts) for index, parts in enumerate(zip(pairs, translations, forced, strict=True))]
    samples = [
        {"index": index, **alignment}
        for index in sample_places([sentence["source_words"] for sentence in sentences])
        if (alignment := _alignment(system, translations[index]))["weights"] is not None
    ]
    return Evaluation(sentences, split_metrics(sentences), samples)


def _forced_references(
    system: System, pairs: Sequence[Mapping[str, Any]], translations: Sequence[Translation]
) -> list[dict[str, Any]]:
    """nll, tokens and word links of each reference; weights are not kept, for they fill memory."""
    targets = [system.target.encode(pair["target_text"]) for pair in pairs]
    ids = [(translation.sources, target) for translation, target in zip(translations, targets, strict=True)]
    both = TokenizerPair(system.members[0].source, system.target, {})
    found: list[dict[str, Any]] = [{} for _ in pairs]
    for place, forced in force(system, ids):
        sources, target = ids[place]
        found[place] = {
            "nll": -forced.log_prob,
            "tokens": forced.tokens,
            "links": word_links(both, sources[0], target, forced.weights[0]),
        }
    return found


def word_links(tokenizers: TokenizerPair, source: Ids, target: Ids, weights_TS: Floats | None) -> str | None:
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


def sample_translations(system: System, rows: Iterable[Mapping[str, Any]], search: Search) -> list[dict[str, Any]]:
    """Source, reference, hypothesis and alignment of each row; weights are None for a model without any."""
    pairs = list(rows)
    translations = [best for best, *_ in translate(system, search, [pair["source_text"] for pair in pairs])]
    return [
        {"source": pair["source_text"], "reference": pair["target_text"], "hypothesis": translation.text}
        | _alignment(system, translation)
        for pair, translation in zip(pairs, translations, strict=True)
    ]


def _alignment(system: System, translation: Translation) -> dict[str, Any]:
    """The weights [T, S] of the model's own translation, with readable pieces, ends of sentence included (Figure 3)."""
    [(_, forced)] = force(system, [(translation.sources, translation.target_ids)])
    weights_TS = forced.weights[0]
    return {
        "source_pieces": _pieces(system.members[0].source, translation.sources[0]),
        "target_pieces": _pieces(system.target, translation.target_ids),
        "weights": None if weights_TS is None else weights_TS.round(4).tolist(),
    }


def _pieces(tokenizer: Tokenizer, ids: Ids) -> list[str]:
    return [*tokenizer.pieces(ids), SPECIALS[EOS]]
