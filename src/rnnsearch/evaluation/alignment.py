"""Word alignments: reading gold links, reading links off attention weights, and the alignment error rate.

Links are 0-indexed pairs (source word, target word). Shape suffixes: T target positions, S source positions.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Link = tuple[int, int]
Links = frozenset[Link]

_LINK = re.compile(r"(\d+)([-p])(\d+)")


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


def parse_pharaoh(line: str, *, one_indexed: bool = False) -> GoldLinks:
    """Reads one line of links: `3-4` is sure, `3p4` only possible; blanks between them.

    Raises: ValueError for anything else.
    """
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


def links_from_weights(
    weights_TS: ArrayLike, source_word_of_piece: Sequence[int], target_word_of_piece: Sequence[int]
) -> Links:
    """Links each target word to the source word that its attention weights favour.

    The weights of a target word's pieces are summed for each source word; the source word with the largest sum is
    linked (the leftmost of equals), so every target word has exactly one link. A last row or column beyond the pieces
    belongs to the end of sentence and is left out: it is no word.

    Raises: ValueError when the shape doesn't fit the pieces.
    """
    weights = np.asarray(weights_TS, dtype=np.float64)
    targets, sources = len(target_word_of_piece), len(source_word_of_piece)
    if weights.ndim != 2 or weights.shape[0] - targets not in (0, 1) or weights.shape[1] - sources not in (0, 1):
        raise ValueError(
            f"weights have shape {weights.shape} for {targets} target and {sources} source pieces; "
            "one row and one column a piece are needed, and at most one more for the end of sentence"
        )
    if not targets or not sources:
        return frozenset()
    words = word_weights(weights[:targets, :sources], source_word_of_piece, target_word_of_piece)
    return frozenset((int(words[target].argmax()), target) for target in set(target_word_of_piece))


def word_weights(
    weights_TS: NDArray[np.float64], source_word_of_piece: Sequence[int], target_word_of_piece: Sequence[int]
) -> NDArray[np.float64]:
    """Weights of pieces summed to words on both sides, [target words, source words]."""
    words = np.zeros((max(target_word_of_piece) + 1, max(source_word_of_piece) + 1))
    np.add.at(words, (np.asarray(target_word_of_piece)[:, None], np.asarray(source_word_of_piece)[None, :]), weights_TS)
    return words


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
    """AER of many summed `alignment_statistics` at once, [..., 4] -> [...]."""
    links, sure, sure_found, possible_found = np.moveaxis(sums_RK, -1, 0)
    return np.asarray(1 - (sure_found + possible_found) / (links + sure), dtype=np.float64)
