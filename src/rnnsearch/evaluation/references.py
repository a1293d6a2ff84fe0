"""Forced decoding of a split's references: their probability, and word alignments by attention or saliency."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rnnsearch.evaluation.alignment_links import Links, format_pharaoh, links_of_words
from rnnsearch.evaluation.attention_statistics import attention_sums
from rnnsearch.evaluation.forcing import force
from rnnsearch.evaluation.progress import Progress
from rnnsearch.evaluation.symmetrization import METHODS, symmetrize
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.translating import Translation
from rnnsearch.evaluation.word_alignment import MAX_LENGTH, align, align_forced, chosen_method

SALIENT = 100  # pairs with gold links that every model aligns by saliency, ten seconds on a core; more add little
TOGETHER = 64  # pairs that are aligned between two steps of the progress; their weights are kept no longer


@dataclass(frozen=True, slots=True)
class Aligning:
    """How references are aligned.

    Args:
        method, threshold, max_length: as in `word_alignment.align`; but ``auto`` aligns by saliency, which costs a
            backward pass a target token, only if there are gold links to compare with: all pairs of a model without
            attention, and `SALIENT` pairs of every model, so that models with and without attention can be compared.
        reverse: a model of the other direction, whose links are joined with these by `symmetrization.symmetrize`.
        how: ``intersection``, ``union`` or ``grow_diag``.
    """

    method: str = "auto"
    threshold: float | None = None
    max_length: int = MAX_LENGTH
    reverse: System | None = None
    how: str = "grow_diag"

    def check(self, system: System) -> None:
        """Raises ValueError, before any work is done, for settings that are wrong in general or for this system."""
        for direction in (system, *([self.reverse] if self.reverse else [])):
            chosen_method(direction, self.method)
        if self.how not in METHODS:
            raise ValueError(f"symmetrize={self.how}: choose one of {', '.join(METHODS)}")
        links_of_words(np.zeros((0, 0)), threshold=self.threshold)

    @property
    def description(self) -> dict[str, Any]:
        """The settings that differ from the defaults."""
        threshold = {} if self.threshold is None else {"threshold": self.threshold}
        if self.reverse is None:
            return threshold
        return threshold | {"symmetrize": self.how, "reverse_method": chosen_method(self.reverse, self.method)}

    def links(
        self, system: System, texts: Sequence[tuple[str, str]], progress: Progress, *, method: str
    ) -> Iterator[Links]:
        """The links of each pair of texts in one direction; all pairs' weights would fill memory."""
        settings: dict[str, Any] = {"threshold": self.threshold, "max_length": self.max_length}
        with progress("alignments", len(texts)) as advance:
            for start in range(0, len(texts), TOGETHER):
                together = texts[start : start + TOGETHER]
                yield from (alignment.links for alignment in align(system, together, method=method, **settings))
                advance(len(together))


DEFAULT = Aligning()


def reference_rows(
    system: System,
    pairs: Sequence[Mapping[str, Any]],
    translations: Sequence[Translation],
    aligning: Aligning,
    progress: Progress,
) -> list[dict[str, Any]]:
    """For each pair of a split nll and tokens of its reference, links of its words, and sums of its attention weights.

    Keys: nll (nats, end of sentence included), tokens, attention (the fields of `AttentionSums`, over words), links
    ("0-1 2-3"), links_method, and if no method is asked for, links_saliency of `SALIENT` pairs with gold links; the
    last four may be None. Weights are not kept.

    Raises:
        ValueError: as `Aligning.check`.
    """
    texts = [(pair["source_text"], pair["target_text"]) for pair in pairs]
    rows, links = _forced(system, texts, translations, aligning, progress)
    method = _method(system, aligning, gold=any(pair["links"] is not None for pair in pairs))
    if method == "saliency":
        links = list(aligning.links(system, texts, progress, method=method))
    if method is not None and aligning.reverse is not None:
        turned = [pair[::-1] for pair in texts]
        back = aligning.links(aligning.reverse, turned, progress, method=aligning.method)
        links = [
            symmetrize(forward, frozenset((source, target) for target, source in backward), aligning.how)
            for forward, backward in zip(links, back, strict=True)
        ]
    rows = [
        row | {"links": format_pharaoh(of_pair) if method else None, "links_method": method}
        for row, of_pair in zip(rows, links, strict=True)
    ]
    if aligning.method == "auto" and aligning.reverse is None:
        salient = _salient(system, pairs, links if method == "saliency" else None, progress, aligning)
        rows = [row | {"links_saliency": salient.get(place)} for place, row in enumerate(rows)]
    return rows


def _salient(
    system: System,
    pairs: Sequence[Mapping[str, Any]],
    links: Sequence[Links] | None,
    progress: Progress,
    aligning: Aligning,
) -> dict[int, str]:
    """Links by saliency of up to `SALIENT` pairs with gold links, spread evenly, by place; of ``links`` if known."""
    gold = [place for place, pair in enumerate(pairs) if pair["links"] is not None]
    count = min(SALIENT, len(gold))
    chosen = [gold[i * len(gold) // count] for i in range(count)]
    if links is None:
        texts = [(pairs[place]["source_text"], pairs[place]["target_text"]) for place in chosen]
        of_chosen = list(aligning.links(system, texts, progress, method="saliency"))
    else:
        of_chosen = [links[place] for place in chosen]
    return dict(zip(chosen, map(format_pharaoh, of_chosen), strict=True))


def _method(system: System, aligning: Aligning, *, gold: bool) -> str | None:
    wanted = system.has_attention or gold or aligning.method == "saliency" or aligning.reverse is not None
    return chosen_method(system, aligning.method) if wanted else None


def _forced(
    system: System,
    texts: Sequence[tuple[str, str]],
    translations: Sequence[Translation],
    aligning: Aligning,
    progress: Progress,
) -> tuple[list[dict[str, Any]], list[Links]]:
    """nll, tokens and attention of each reference, and its links by attention (none without attention)."""
    ids = [
        (translation.sources, system.target.encode(target))
        for translation, (_, target) in zip(translations, texts, strict=True)
    ]
    rows: list[dict[str, Any]] = [{} for _ in texts]
    links: list[Links] = [frozenset() for _ in texts]
    with progress("references", len(texts)) as advance:
        for place, forced in force(system, ids):
            rows[place] = {"nll": -forced.log_prob, "tokens": forced.tokens, "attention": None}
            if system.has_attention:
                alignment = align_forced(system, *texts[place], forced, threshold=aligning.threshold)
                links[place] = alignment.links
                rows[place]["attention"] = asdict(attention_sums(alignment.weights_TS))
            advance(1)
    return rows, links
