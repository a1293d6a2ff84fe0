"""Word alignments of given translations, by attention weights or by gradient saliency, over words between white space.

A word's weights are made from its pieces' by one rule, `alignment_links.word_weights`: summed over the source word's
pieces, averaged over the target word's, ends of sentence left out. No word is empty, however many blanks there are.
Links are always between these words; what people look at is split further if a script has no blanks, see
`Alignment.drawn`. T target words, S source words (or pieces, where it says so).
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnsearch.data.corpus import words
from rnnsearch.data.scripts import drawn_words, has_unspaced
from rnnsearch.evaluation.alignment_links import Links, Weights, links_of_words, word_weights
from rnnsearch.evaluation.forcing import Forced, force
from rnnsearch.evaluation.heatmap import heatmap
from rnnsearch.evaluation.saliency import saliency
from rnnsearch.evaluation.system import Ids, Sources, System
from rnnsearch.evaluation.translating import Translation

logger = logging.getLogger(__name__)

METHODS = ("auto", "attention", "saliency")
MAX_LENGTH = 1000  # pieces of either side; weights take memory, and saliency time, with the square of it


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Words of a pair, the weight of each source word for each target word `[T, S]`, and links.

    A row sums to at most 1: the end of sentence's share is left out. Links are 0-indexed (source word, target word).
    `method` is ``attention`` or ``saliency``. `finer` is the same by pieces, if the script of a side has no blanks
    between words; the other side's words stay words.
    """

    source: list[str]
    target: list[str]
    weights_TS: Weights
    links: Links
    method: str
    finer: "Alignment | None" = None

    @property
    def drawn(self) -> "Alignment":
        """What a heatmap shows: this, or the finer one."""
        return self if self.finer is None else self.finer

    def _repr_html_(self) -> str:
        """A heatmap, which a notebook shows."""
        caption, drawn = "attention" if self.method == "attention" else "gradient saliency", self.drawn
        return heatmap(drawn.source, drawn.target, drawn.weights_TS, drawn.links, caption=caption)


def align(
    system: System,
    pairs: Sequence[tuple[str, str]],
    *,
    method: str = "auto",
    threshold: float | None = None,
    max_length: int = MAX_LENGTH,
) -> list[Alignment]:
    """Alignments of (source, target) texts by forced decoding, in order, over the words of the texts.

    Args:
        system: a model, or an ensemble, whose members' weights of words are averaged.
        pairs: texts; one without a word has no links.
        method: ``attention`` weights; gradient ``saliency``; ``auto``, attention where every member has it.
        threshold: None links each target word to the source word with the largest weight (the leftmost of equals);
            otherwise to every source word whose weight is at least this.
        max_length: a pair with more pieces on either side has no links, with a warning.

    Raises:
        ValueError: the method is not known or not the system's, or the threshold is not in (0, 1].
    """
    segmented = [_given(system, source, target) for source, target in pairs]
    return _align(system, segmented, chosen_method(system, method), threshold, max_length)


def align_translations(
    system: System,
    translations: Sequence[Translation],
    sources: Sequence[str],
    *,
    method: str = "auto",
    threshold: float | None = None,
    max_length: int = MAX_LENGTH,
) -> list[Alignment]:
    """As `align`, for translations that the system wrote: from their own pieces, over the words of their text."""
    written = [_written(system, *pair) for pair in zip(translations, sources, strict=True)]
    return _align(system, written, chosen_method(system, method), threshold, max_length)


def align_forced(
    system: System, source: str, target: str, forced: Forced, *, threshold: float | None = None
) -> Alignment:
    """As `align` by attention, for a pair of texts that is forced already; its source may have been cut."""
    pair = _given(system, source, target)
    weights = [weights_TS for weights_TS in forced.weights if weights_TS is not None]
    cut = tuple(
        words[: weights_TS.shape[1] - 1] for words, weights_TS in zip(pair.word_of_source, weights, strict=True)
    )
    whole = pair.source and pair.target
    weights_TS = _weights_of_words(replace(pair, word_of_source=cut), weights) if whole else _nothing(pair)
    return _alignment(pair, weights_TS, "attention", threshold)


def chosen_method(system: System, method: str) -> str:
    """``attention`` or ``saliency``.

    Raises:
        ValueError: the method is not known, or a member has no attention weights to read.
    """
    if method not in METHODS:
        raise ValueError(f"alignments.method={method}: choose one of {', '.join(METHODS)}")
    if method == "attention" and not system.has_attention:
        raise ValueError(
            "alignments.method=attention: a model without attention has no weights to read; choose saliency, or auto"
        )
    return ("attention" if system.has_attention else "saliency") if method == "auto" else method


@dataclass(frozen=True, slots=True)
class _Pair:
    """The source's text, words, pieces, and the word of each piece (of each member's source pieces)."""

    text: str
    source: list[str]
    target: list[str]
    sources: Sources
    target_ids: Ids
    word_of_source: tuple[Sequence[int], ...]
    word_of_target: Sequence[int]

    def fits(self, max_length: int) -> bool:
        """Whether neither side has more pieces, and there are no more weights of words than of so many pieces."""
        pieces = max(map(len, (self.target_ids, *self.sources)))
        return pieces <= max_length and len(self.source) * len(self.target) <= max_length**2


def _given(system: System, source: str, target: str) -> _Pair:
    word_of_source = tuple(member.source.word_of_token(source) for member in system.members)
    ids = system.source_ids(source), system.target.encode(target)
    return _Pair(source, words(source), words(target), *ids, word_of_source, system.target.word_of_token(target))


def _written(system: System, translation: Translation, source: str) -> _Pair:
    """The source may have been cut to its first pieces."""
    target, ids = words(translation.text), translation.target_ids
    word_of_source = tuple(
        member.source.word_of_token(source)[: len(read)]
        for member, read in zip(system.members, translation.sources, strict=True)
    )
    word_of_target = translation.word_of_target
    if word_of_target is None:
        last = max(0, len(target) - 1)  # a changed text may have fewer words than its pieces
        word_of_target = [min(word, last) for word in system.target.word_of_piece(ids)]
    return _Pair(source, words(source), target, translation.sources, ids, word_of_source, word_of_target)


def _parted(system: System, pair: _Pair) -> _Pair:
    """The pair with pieces for words on a side whose script has no blanks; unchanged if both sides keep their words.

    Members of an ensemble that split the source differently have only its words in common.
    """
    parted = pair
    if has_unspaced(pair.text):
        readers = [member.source for member in system.members]
        readings = [
            _parts(pair.source, reader.written(reader.encode(pair.text)), reader.word_of_token(pair.text))
            for reader in readers
        ]
        source, _ = readings[0]
        if all(parts == source for parts, _ in readings):
            read = zip(readings, pair.word_of_source, strict=True)
            cut = tuple(part_of_piece[: len(of_read)] for (_, part_of_piece), of_read in read)
            parted = replace(parted, source=source, word_of_source=cut)
    if has_unspaced("".join(pair.target)):
        target, part_of_piece = _parts(pair.target, system.target.written(pair.target_ids), pair.word_of_target)
        parted = replace(parted, target=target, word_of_target=part_of_piece)
    return parted


def _parts(
    words: Sequence[str], pieces: Sequence[str], word_of_piece: Sequence[int]
) -> tuple[list[str], Sequence[int]]:
    """The words as they are drawn, spelled as they are unless they are split, and the part of each piece."""
    drawn, part_of_piece = drawn_words(pieces, word_of_piece)
    word_of_part = dict(zip(part_of_piece, word_of_piece, strict=True))
    if [*dict.fromkeys(word_of_part.values())] != [*range(len(words))]:
        return [*words], word_of_piece  # a changed text may have words without pieces
    counts = Counter(word_of_part.values())
    return [words[word] if counts[word] == 1 else drawn[part] for part, word in word_of_part.items()], part_of_piece


def _align(
    system: System, pairs: Sequence[_Pair], method: str, threshold: float | None, max_length: int
) -> list[Alignment]:
    whole = [pair for pair in pairs if pair.source and pair.target]
    short = [pair for pair in whole if pair.fits(max_length)]
    if len(short) < len(whole):
        logger.warning(
            "pairs with more than %d pieces on a side, or far more words, get no links (alignments.max_length): %d",
            max_length,
            len(whole) - len(short),
        )
    aligned: dict[int, Alignment] = {}
    ids = [(pair.sources, pair.target_ids) for pair in short]
    for place, weights in weights_of_pieces(system, ids, method):
        pair, parted = short[place], _parted(system, short[place])
        finer = None if parted is pair else _alignment(parted, _weights_of_words(parted, weights), method, threshold)
        of_words = _alignment(pair, _weights_of_words(pair, weights), method, threshold)
        aligned[id(pair)] = replace(of_words, finer=finer)
    return [aligned.get(id(pair)) or _alignment(pair, _nothing(pair), method, threshold) for pair in pairs]


def _nothing(pair: _Pair) -> Weights:
    return np.broadcast_to(0.0, (len(pair.target), len(pair.source)))  # takes no memory


def _alignment(pair: _Pair, weights_TS: Weights, method: str, threshold: float | None) -> Alignment:
    return Alignment(pair.source, pair.target, weights_TS, links_of_words(weights_TS, threshold=threshold), method)


def weights_of_pieces(
    system: System, pairs: Sequence[tuple[Sources, Ids]], method: str
) -> Iterator[tuple[int, Sequence[Weights]]]:
    """The place of each pair of ids and each member's weights ``[T, S]`` of its pieces, out of order."""
    if method == "attention":
        for place, forced in force(system, pairs):
            yield place, [part for part in forced.weights if part is not None]
        return
    by_member = [
        saliency(member.translator, [(sources[i], target) for sources, target in pairs])
        for i, member in enumerate(system.members)
    ]
    yield from enumerate(zip(*by_member, strict=True))


def _weights_of_words(pair: _Pair, of_members: Sequence[Weights]) -> Weights:
    """The mean over members, from their weights of pieces."""
    shape = len(pair.target), len(pair.source)
    by_member = [
        word_weights(weights_TS, word_of_source, pair.word_of_target, shape=shape)
        for weights_TS, word_of_source in zip(of_members, pair.word_of_source, strict=True)
    ]
    return np.asarray(np.mean(by_member, axis=0), dtype=np.float64)
