"""Text through a trained model, or an ensemble: the best translations of each line."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnnsearch.evaluation.progress import Advance, ignored
from rnnsearch.evaluation.system import Sources, System
from rnnsearch.search.hypotheses import Hypothesis, Search

logger = logging.getLogger(__name__)

NOTHING = Hypothesis(ids=[], score=0.0, log_prob=0.0)


@dataclass(frozen=True, slots=True)
class Translation:
    """One hypothesis of a sentence.

    ``sources`` are the sentence's ids as each member read them, ``target_ids`` the pieces written, without ends of
    sentence; ``score`` is the search's, ``log_prob`` log p in nats with the end of sentence. ``word_of_target`` is the
    index of each id's word in ``text``, if the text differs from what the tokenizer makes of the ids.
    """

    text: str
    sources: Sources
    target_ids: list[int]
    score: float
    log_prob: float
    word_of_target: list[int] | None = None


def translate(
    system: System,
    search: Search,
    texts: Sequence[str],
    *,
    prefixes: Sequence[str] | None = None,
    first: int = 0,
    advance: Advance = ignored,
) -> list[list[Translation]]:
    """The n-best translations of raw text, best first, in the order of the texts.

    Text without a letter or sign translates as nothing, with a score of 0; sources of more than
    ``search.max_source_length`` tokens are cut, with a warning.

    Args:
        prefixes: with what each translation must begin; whole words.
        first: number of the first text, on which the draws of sampling depend.
        advance: called with the number of sentences of each finished batch.
    """
    sources = read(system, search, texts)
    begun = None if prefixes is None else [system.target.encode(prefix) for prefix in prefixes]
    n_best = translate_ids(system, search, sources, prefixes=begun, first=first, advance=advance)
    return [
        [Translation(system.target.decode(h.ids), source, h.ids, h.score, h.log_prob) for h in hypotheses]
        for source, hypotheses in zip(sources, n_best, strict=True)
    ]


def read(system: System, search: Search, texts: Sequence[str]) -> list[Sources]:
    """The ids of each text as `translate` reads it."""
    return cut([system.source_ids(text) if text.strip() else _nothing(system) for text in texts], search)


def _nothing(system: System) -> Sources:
    return tuple([] for _ in system.members)


def cut(sources: Sequence[Sources], search: Search) -> list[Sources]:
    """Sources of at most ``search.max_source_length`` tokens, the end of sentence not counted; warns of longer ones."""
    longest = search.max_source_length
    over = sum(any(len(ids) > longest for ids in source) for source in sources)
    if over:
        logger.warning("sources of more than %d tokens are cut (see search.max_source_length): %d", longest, over)
    return [tuple(ids[:longest] for ids in source) for source in sources]


def translate_ids(
    system: System,
    search: Search,
    sources: Sequence[Sources],
    *,
    prefixes: Sequence[Sequence[int]] | None = None,
    first: int = 0,
    advance: Advance = ignored,
) -> list[list[Hypothesis]]:
    """The n-best hypotheses of each source (ids without end of sentence); nothing translates as nothing, score 0."""
    n_best = [[NOTHING] for _ in sources]
    model = system.model
    with system.evaluating():
        for rows in _batches([len(source[0]) for source in sources], search.batch_size):
            batch, lengths_B = system.batch([sources[row] for row in rows])
            begun = None if prefixes is None else [prefixes[row] for row in rows]
            keys = [first + row for row in rows]
            hypotheses = search.search(model, batch, lengths_B, prefixes=begun, keys=keys)
            for row, of_sentence in zip(rows, hypotheses, strict=True):
                n_best[row] = of_sentence
            advance(len(rows))
    return n_best


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Rows of batches of up to `size`, the longest first, without the empty."""
    order = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: -lengths[row])
    yield from (order[start : start + size] for start in range(0, len(order), size))
