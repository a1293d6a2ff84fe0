"""Word alignments: gold links, links from attention weights, and the alignment error rate.

Links are 0-indexed pairs (source word, target word). Shape suffixes: T target positions, S source positions.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Link = tuple[int, int]
Links = frozenset[Link]
Weights = NDArray[np.float64]

_LINK = re.compile(r"(\d+)([-p])(\d+)")
_SURE_LINKS = re.compile(r"\s*(?:\d+-\d+(?:\s+|$))*")


@dataclass(frozen=True, slots=True)
class GoldLinks:
    """Sure links, and the possible ones; every sure link is possible too."""

    sure: Links
    possible: Links


@dataclass(frozen=True, slots=True)
class AlignmentScore:
    """Alignment error rate, precision and recall, as fractions, over a whole corpus."""

    aer: float
    precision: float
    recall: float


@lru_cache(maxsize=2**12)  # the runs of a study share a test set's gold links
def parse_pharaoh(line: str, *, one_indexed: bool = False) -> GoldLinks:
    """Reads one line of links: `3-4` is sure, `3p4` only possible; blanks between them.

    Raises: ValueError for anything else.
    """
    if not one_indexed and _SURE_LINKS.fullmatch(line):
        numbers = map(int, line.replace("-", " ").split())
        links = frozenset(zip(numbers, numbers, strict=True))
        return GoldLinks(links, links)
    sure: set[Link] = set()
    possible: set[Link] = set()
    first = 1 if one_indexed else 0
    for field in line.split():
        match = _LINK.fullmatch(field)
        if match is None:
            raise ValueError(
                f"{field!r} is no link; write SOURCE-TARGET (sure) or SOURCEpTARGET (possible), such as 0-1"
            )
        link = (int(match[1]) - first, int(match[3]) - first)
        if min(link) < 0:
            raise ValueError(f"{field!r} counts from 0; read it without one_indexed")
        possible.add(link)
        if match[2] == "-":
            sure.add(link)
    return GoldLinks(frozenset(sure), frozenset(possible))


def format_pharaoh(links: Iterable[Link]) -> str:
    """Writes links as `0-1 2-3`, sorted by source word."""
    return " ".join(f"{source}-{target}" for source, target in sorted(links))


def word_weights(
    weights_TS: ArrayLike,
    source_word_of_piece: Sequence[int],
    target_word_of_piece: Sequence[int],
    *,
    shape: tuple[int, int] | None = None,
) -> Weights:
    """Weights of words from weights of pieces: summed over a source word's pieces, averaged over a target word's.

    So a target word's row, like the row of one of its pieces, says how one unit of attention is spread over the source
    words. A last row or column beyond the pieces belongs to the end of sentence and is left out: it is no word. Without
    it a row sums to at most 1.

    Args:
        weights_TS: a row a target piece, a column a source piece, and at most one more of each.
        source_word_of_piece, target_word_of_piece: each piece's word, counted from 0.
        shape: numbers of (target words, source words), by default as many as have pieces; words without pieces are 0.

    Raises: ValueError when the shape doesn't fit the pieces.
    """
    weights = np.asarray(weights_TS, dtype=np.float64)
    targets, sources = len(target_word_of_piece), len(source_word_of_piece)
    if weights.ndim != 2 or weights.shape[0] - targets not in (0, 1) or weights.shape[1] - sources not in (0, 1):
        raise ValueError(
            f"weights have shape {weights.shape} for {targets} target and {sources} source pieces; "
            "one row and one column a piece are needed, and at most one more for the end of sentence"
        )
    words = np.zeros(shape or (max(target_word_of_piece, default=-1) + 1, max(source_word_of_piece, default=-1) + 1))
    target, source = np.asarray(target_word_of_piece, dtype=int), np.asarray(source_word_of_piece, dtype=int)
    np.add.at(words, (target[:, None], source[None, :]), weights[:targets, :sources])
    pieces = np.bincount(target, minlength=len(words))
    return np.asarray(words / np.maximum(pieces, 1)[:, None], dtype=np.float64)


def links_of_words(weights_TS: Weights, *, threshold: float | None = None) -> Links:
    """Links read off weights of words [T, S].

    Args:
        weights_TS: a row a target word, a column a source word.
        threshold: None links each target word to the source word with the largest weight (the leftmost of equals),
            if it has any weight; otherwise to every source word whose weight is at least this, in (0, 1].

    Raises: ValueError for another threshold.
    """
    if threshold is not None:
        if not 0 < threshold <= 1:
            raise ValueError(f"a threshold of {threshold} links all or nothing; weights lie above 0 and at most at 1")
        return frozenset((int(source), int(target)) for target, source in np.argwhere(weights_TS >= threshold))
    return frozenset((int(weights_TS[row].argmax()), int(row)) for row in np.flatnonzero(weights_TS.any(axis=1)))


def alignment_statistics(predicted: Iterable[Link], gold: GoldLinks) -> tuple[int, int, int, int]:
    """A sentence's counts: predicted links, sure gold links, predicted that are sure, predicted that are possible."""
    links = set(predicted)
    return len(links), len(gold.sure), len(links & gold.sure), len(links & gold.possible)


def alignment_score(predicted: Sequence[Iterable[Link]], gold: Sequence[GoldLinks]) -> AlignmentScore:
    """AER = 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|), precision |A ∩ P| / |A|, recall |A ∩ S| / |S| (Och and Ney 2003).

    Raises: ValueError when the two differ in length or hold no links at all.
    """
    if len(predicted) != len(gold):
        raise ValueError(f"{len(predicted)} predicted alignments but {len(gold)} gold ones; they must pair one to one")
    counts = [alignment_statistics(links, reference) for links, reference in zip(predicted, gold, strict=True)]
    links, sure, sure_found, possible_found = (
        (sum(column) for column in zip(*counts, strict=True)) if counts else (0,) * 4
    )
    if not links or not sure:
        raise ValueError(f"{links} predicted and {sure} sure gold links; the error rate needs at least one of each")
    return AlignmentScore(
        aer=1 - (sure_found + possible_found) / (links + sure),
        precision=possible_found / links,
        recall=sure_found / sure,
    )


def aer_of_sums(sums_RK: NDArray[np.float64]) -> NDArray[np.float64]:
    """AER of many summed `alignment_statistics` at once, [..., 4] -> [...]; 0 where there are no links at all."""
    links, sure, sure_found, possible_found = np.moveaxis(sums_RK, -1, 0)
    total = links + sure
    return np.where(total > 0, 1 - (sure_found + possible_found) / np.maximum(total, 1), 0.0)
