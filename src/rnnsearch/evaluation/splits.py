"""A split through a trained model: translations, forced decoding of the references, and figures from both."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from rnnsearch.data.scripts import units
from rnnsearch.data.seen_words import Lookup
from rnnsearch.data.tokenizer import EOS, SPECIALS, Tokenizer
from rnnsearch.evaluation.corpus_scores import score
from rnnsearch.evaluation.error_model import Floats
from rnnsearch.evaluation.forcing import force
from rnnsearch.evaluation.length import by_length
from rnnsearch.evaluation.progress import Progress, silent
from rnnsearch.evaluation.references import DEFAULT, Aligning, reference_rows
from rnnsearch.evaluation.scoring import Scoring, perplexity
from rnnsearch.evaluation.significance import RESAMPLES, SEED, interval
from rnnsearch.evaluation.summed_metrics import BLEU, CHRF, alignment_metrics, attention_metrics, links_by, text_counts
from rnnsearch.evaluation.system import Ids, System
from rnnsearch.evaluation.translating import Translation, translate
from rnnsearch.evaluation.word_frequency import by_frequency
from rnnsearch.search.constraints import Constraints
from rnnsearch.search.hypotheses import Search

logger = logging.getLogger(__name__)

SAMPLES = 8
SAMPLE_WORDS = range(6, 21)  # lengths of sentences whose alignment is worth a picture
NAMED = 20  # lines in a message, at most


class NoNumbers(ValueError):
    """A model gives sentences a likelihood that is not a number: its training diverged."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A split's sentences, figures and alignment samples, as plain values for a run's folder."""

    rows: list[dict[str, Any]]
    metrics: dict[str, Any]
    samples: list[dict[str, Any]]
    counts: dict[str, Floats] = field(compare=False)  # of each sentence, by metric


def evaluate_split(
    system: System,
    rows: Iterable[Mapping[str, Any]],
    search: Search,
    *,
    scoring: Scoring,
    aligning: Aligning = DEFAULT,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    seen: Lookup | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Translates and scores a split, and force-decodes its references.

    Args:
        rows: each has source_text, target_text, links (gold ones, "0-1 2p3", or None) and line.
        scoring: how the translations are scored.
        aligning: how the references are aligned.
        resamples, seed: of the intervals.
        seen: how often training showed each target word; None if that is unknown.

    Raises:
        NoNumbers: if the likelihood of some rows is not a number.
        ValueError: if there are no rows, or they can't be aligned as asked.
    """
    aligning.check(system)
    pairs = list(rows)
    logger.info("translating %d sentences", len(pairs))
    with progress("translations", len(pairs)) as advance:
        n_best = translate(system, search, [pair["source_text"] for pair in pairs], advance=advance)
    translations = [best for best, *_ in n_best]
    forced = reference_rows(system, pairs, translations, aligning, progress)
    full = [is_at_limit(search, translation) for translation in translations]
    sentences = [
        _sentence(index, *parts) for index, parts in enumerate(zip(pairs, translations, full, forced, strict=True))
    ]
    _require_numbers(sentences)
    samples = [
        {"index": index, **alignment}
        for index in sample_places([sentence["source_words"] for sentence in sentences])
        if (alignment := _alignment(system, translations[index]))["weights"] is not None
    ]
    counts = text_counts(sentences, scoring)
    metrics = split_metrics(sentences, counts, scoring=scoring, resamples=resamples, seed=seed, seen=seen)
    if metrics["alignment"]:
        metrics["alignment"] |= aligning.description
    return Evaluation(sentences, metrics, samples, counts)


def is_at_limit(search: Search, translation: Translation) -> bool | None:
    """Whether a translation has the largest length that the search allows, so that it had to end; None if unknown."""
    constraints = getattr(search, "constraints", None)
    if not isinstance(constraints, Constraints):
        return None
    return len(translation.target_ids) >= max(1, constraints.cap(len(translation.sources[0])))


def _require_numbers(sentences: Sequence[Mapping[str, Any]]) -> None:
    lines = [str(sentence["line"]) for sentence in sentences if not math.isfinite(sentence["nll"])]
    if lines:
        more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
        raise NoNumbers(
            f"the likelihood of {len(lines)} of {len(sentences)} sentences is no number (lines "
            f"{', '.join(lines[:NAMED])}{more}): the model's training diverged"
        )


def _sentence(
    index: int, pair: Mapping[str, Any], translation: Translation, at_limit: bool | None, forced: Mapping[str, Any]
) -> dict[str, Any]:
    """A line of translations.<split>.jsonl."""
    return {
        "index": index,
        "line": pair["line"],
        "source": pair["source_text"],
        "reference": pair["target_text"],
        "hypothesis": translation.text,
        "score": translation.score,
        "at_limit": at_limit,
        "source_words": units(pair["source_text"]),
        "gold": pair["links"],
        **forced,
    }


def split_metrics(
    sentences: Sequence[Mapping[str, Any]],
    counts: Mapping[str, Floats],
    *,
    scoring: Scoring,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    seen: Lookup | None = None,
) -> dict[str, Any]:
    """Figures of a whole split from its lines of translations.<split>.jsonl and their `text_counts`.

    nll is in nats a token, unsmoothed.

    ``bleu_interval`` and ``chrf_interval`` are 95 % bootstrap intervals over sentences; ``aer`` is that of
    ``alignment``, which says how the links were made; ``aer_saliency``, by saliency, every model has. ``by_frequency``,
    of words by how often training showed them, is None if that is unknown.
    """
    scores = score([s["hypothesis"] for s in sentences], [s["reference"] for s in sentences], scoring)
    nll = math.fsum(s["nll"] for s in sentences) / sum(s["tokens"] for s in sentences)
    alignment, by_saliency = alignment_metrics(sentences), alignment_metrics(links_by("saliency", sentences))
    return {
        "sentences": len(sentences),
        **scores,
        **{
            f"{metric.name}_interval": list(
                astuple(interval(counts[metric.name], metric.score, resamples=resamples, seed=seed))
            )
            for metric in (BLEU, CHRF)
        },
        "nll": nll,
        "perplexity": perplexity(nll),
        "aer": alignment and alignment["aer"],
        "aer_saliency": by_saliency and by_saliency["aer"],
        "alignment": alignment,
        "attention": attention_metrics(sentences),
        "by_length": by_length(sentences, statistics=counts),
        "by_frequency": seen and by_frequency(sentences, seen, scoring, resamples=resamples, seed=seed),
    }


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
