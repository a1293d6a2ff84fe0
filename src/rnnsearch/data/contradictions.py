"""Data that contradict the question: scored pairs that were trained on, sides that are swapped, files that do not pair.

Counted over the raw pairs in one pass, before any is trained on, and kept in the cache; nothing is dropped or changed.
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt

from rnnsearch.data import arrow_cache
from rnnsearch.data.controlled import ControlledCorpus
from rnnsearch.data.corpus import Corpus, Pair

VERSION = 1
"""Of the counts: part of the cache's key."""
SAMPLE = 5_000
"""Pairs of a split whose letters are compared, drawn at random."""
BLOCK = 100
"""Neighbouring pairs whose lengths are correlated together."""
STREAMED = 20_000
"""Training pairs that are examined if they are streamed."""
FEWEST = 20
"""With fewer pairs correlations and shares mean nothing."""
SHIFTS = (1, -1, 2, -2, 3, -3)
"""Lines by which one file may be late."""

Floats = npt.NDArray[np.float64]


@dataclass
class Counts:
    """What was counted in a split.

    Attributes:
        pairs: looked at.
        in_training: pairs that the training split has too, both sides alike.
        identical: pairs with the same text on both sides.
        repeated: pairs of which a side repeats the line before.
        empty: pairs with a side that holds nothing.
        swapped: pairs whose sides read like each other's language, of `sampled` ones.
        shifted: pairs where a file is late by a line or some, as lengths show.
        unrelated: pairs where the lengths of both sides have nothing to do with each other.
    """

    pairs: int = 0
    in_training: int = 0
    identical: int = 0
    repeated: int = 0
    empty: int = 0
    sampled: int = 0
    swapped: int = 0
    shifted: int = 0
    unrelated: int = 0


def examined(
    corpus: Corpus, cache: Path, *, checksums: Mapping[str, str], most: int | None
) -> dict[str, dict[str, int]]:
    """The counts of each split of a prepared corpus, from the cache if they are there.

    Args:
        corpus: whose pairs are read.
        cache: a folder that runs may share.
        checksums: of the corpus.
        most: so many training pairs are looked at; None: all.
    """
    if isinstance(corpus, ControlledCorpus) or "train" not in corpus.splits():
        return {}  # the controlled corpus has disjoint splits; without a training split nothing is trained
    key: dict[str, object] = {"contradictions": VERSION, "checksums": dict(checksums), "most": most}
    folder = cache / "examined" / arrow_cache.cache_key(key)
    try:
        arrow_cache.cached_folder(
            folder, lambda aside: arrow_cache.save_notes(aside, _plain(examine(corpus, most=most)))
        )
    except OSError:  # an older cache that can't be written: what must be written fails by itself
        return _plain(examine(corpus, most=most))
    return {split: counts for split, counts in arrow_cache.load_notes(folder).items() if isinstance(counts, dict)}


def _plain(by_split: Mapping[str, Counts]) -> dict[str, dict[str, int]]:
    return {split: asdict(counts) for split, counts in by_split.items()}


def examine(corpus: Corpus, *, most: int | None) -> dict[str, Counts]:
    """The counts of each split; of the training split, of `most` pairs from its beginning."""
    scored = {split: _Reading() for split in corpus.splits() if split != "train"}
    for split, reading in scored.items():
        reading.read(corpus.pairs(split))
    training = _Reading(wanted={key for reading in scored.values() for key in reading.keys})
    training.read(islice(corpus.pairs("train"), most))
    readings = {"train": training, **scored}
    letters, usual = _Letters(training.sample), _Lengths(*training.lengths).r or 0.0
    for split, reading in readings.items():
        counts = reading.counts
        counts.sampled = len(reading.sample)
        counts.swapped = sum(map(letters.look_swapped, reading.sample))
        if counts.swapped < 0.1 * counts.sampled:  # else the lengths of both sides are mixed
            lengths = _Lengths(*reading.lengths)
            counts.shifted = lengths.shifted()
            counts.unrelated = 0 if counts.shifted else lengths.unrelated(None if split == "train" else usual)
        if split != "train":
            counts.in_training = sum(key in training.known for key in reading.keys)
    return {split: readings[split].counts for split in corpus.splits()}


@dataclass
class _Reading:
    """One pass over a split."""

    wanted: set[int] | None = None  # keys to look for; None: keep all keys
    counts: Counts = field(default_factory=Counts)
    keys: list[int] = field(default_factory=list)
    known: set[int] = field(default_factory=set)
    lengths: tuple["array[int]", "array[int]"] = field(default_factory=lambda: (array("i"), array("i")))
    sample: list[tuple[str, str]] = field(default_factory=list)

    def read(self, pairs: Iterator[Pair]) -> None:
        """Count in one pass, and keep what is needed later."""
        random, counts, last = Random(0), self.counts, ("", "")
        for pair in pairs:
            both = source, target = pair.source.strip(), pair.target.strip()
            counts.pairs += 1
            self.lengths[0].append(len(source))
            self.lengths[1].append(len(target))
            if not (source and target):
                counts.empty += 1
                continue
            counts.identical += source == target
            counts.repeated += source == last[0] or target == last[1]
            last = both
            self._keep(hash(both))
            self._draw(both, random)

    def _keep(self, key: int) -> None:
        if self.wanted is None:
            self.keys.append(key)
        elif key in self.wanted:
            self.known.add(key)

    def _draw(self, both: tuple[str, str], random: Random) -> None:
        """Sample each pair with equal probability."""
        if len(self.sample) < SAMPLE:
            self.sample.append(both)
        elif (place := int(random.random() * self.counts.pairs)) < SAMPLE:
            self.sample[place] = both


class _Letters:
    """How likely three letters in a row are in the training split's sources compared to its targets."""

    LEAST = 5.0  # nats for a text, and
    LEAST_A_LETTER = 0.2  # so many for each of its letters

    def __init__(self, sample: Sequence[tuple[str, str]]) -> None:
        counts = [Counter[str](), Counter[str]()]
        for pair in sample:
            for text, of_side in zip(pair, counts, strict=True):
                of_side.update(_triples(text))
        source, target = counts
        triples = source.keys() | target.keys()
        shift = math.log((target.total() + len(triples)) / (source.total() + len(triples))) if triples else 0.0
        self._odds = {key: math.log((source[key] + 1) / (target[key] + 1)) + shift for key in triples}

    def look_swapped(self, pair: tuple[str, str]) -> bool:
        """Whether the source reads like a target and the target like a source."""
        return self._reads_like_source(pair[1]) and self._reads_like_source(pair[0], sign=-1.0)

    def _reads_like_source(self, text: str, *, sign: float = 1.0) -> bool:
        odds = sign * sum(self._odds.get(triple, 0.0) for triple in _triples(text))
        return odds > max(self.LEAST, self.LEAST_A_LETTER * len(text))


def _triples(text: str) -> Iterator[str]:
    padded = f" {text.lower()[:200]} "
    return (padded[i : i + 3] for i in range(len(padded) - 2))


class _Lengths:
    """How lengths of both sides go together: Pearson's r of their logarithms, compared by Fisher's z."""

    def __init__(self, source: Sequence[int], target: Sequence[int]) -> None:
        self._source, self._target = (np.log1p(np.asarray(side, np.float64)) for side in (source, target))
        self._all = slice(0, len(source))
        starts = range(0, max(1, len(source) - FEWEST + 1), BLOCK)
        self._blocks = [slice(start, min(start + BLOCK, len(source))) for start in starts]
        self.r = _correlation(self._source, self._target)

    def shifted(self) -> int:
        """Number of pairs whose lengths fit better to lines before or after: all, or those of some blocks."""
        if self._is_late(self._all, 3.0):
            return self._all.stop
        return sum(block.stop - block.start for block in self._blocks if self._is_late(block, 4.0))

    def unrelated(self, usual: float | None) -> int:
        """Pairs where nothing fits: all, by the `usual` r of the training split (None: this is it), or some blocks'.

        Blocks count only where r is high in the others: in some corpora lengths say little.
        """
        count = self._all.stop
        if self.r is None:
            return 0
        if usual is None and count >= 5 * BLOCK and self.r < 0.1:
            return count
        if usual is not None and self.r < 0.2 and _z(usual, self.r) * math.sqrt(count - 3) > 4:
            return count
        correlations = [(block, self._r(block)) for block in self._blocks]
        loose = [block for block, r in correlations if r is not None and r < 0.2]
        others = [r for _, r in correlations if r is not None and r >= 0.2]
        return sum(block.stop - block.start for block in loose) if others and np.median(others) > 0.6 else 0

    def _r(self, block: slice, shift: int = 0) -> float | None:
        start, stop = max(block.start, block.start - shift), min(block.stop, self._all.stop, self._all.stop - shift)
        return _correlation(self._source[start:stop], self._target[start + shift : stop + shift])

    def _is_late(self, block: slice, least: float) -> bool:
        r = self._r(block)
        if r is None or r > 0.3:
            return False
        scale = math.sqrt(max(block.stop - block.start - 6, 1) / 2)
        return any(other is not None and _z(other, r) * scale > least for other in (self._r(block, k) for k in SHIFTS))


def _z(left: float, right: float) -> float:
    return math.atanh(left) - math.atanh(right)


def _correlation(left: Floats, right: Floats) -> float | None:
    """Pearson's r; None if there are few values or one side hardly varies."""
    if len(left) < FEWEST or min(left.std(), right.std()) < 0.01:
        return None
    return float(np.clip(np.corrcoef(left, right)[0, 1], -0.999, 0.999))


def warnings(by_split: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """A sentence for each count that suggests wrong data: what, how many, and the remedy."""
    for split, counts in by_split.items():
        for key, (share, sentence) in SENTENCES.items():
            looked_at = counts["sampled" if key == "swapped" else "pairs"]
            few = counts[key] < 2 or (key != "in_training" and looked_at < FEWEST)
            if not few and counts[key] >= share * looked_at:
                many = f"{counts[key]:,} of the {looked_at:,} pairs"
                yield f"data, the {split} split: {sentence.format(many=many, split=split)}"


SENTENCES = {
    "in_training": (
        0.002,
        "{many} are in the training split too, so that scores on it are too good; take them out of the training split, "
        "or give other files",
    ),
    "swapped": (
        0.1,
        "source and target look swapped in {many}, against the training split; swap data.{split}.source and "
        "data.{split}.target",
    ),
    "shifted": (
        0.05,
        "the lengths of source and target fit those of other lines better in {many}, as where one file lacks a line or "
        "has one too many; pair the files anew, line by line",
    ),
    "unrelated": (
        0.1,
        "the lengths of source and target have nothing to do with each other in {many}; see that line n of the one "
        "file translates line n of the other",
    ),
    "identical": (0.1, "source and target are the same text in {many}; see that both files are the right ones"),
    "repeated": (0.5, "a side repeats the line before in {many}; see that the files hold a sentence a line"),
    "empty": (0.05, "a side is empty in {many}; remove such lines from both files"),
}
"""By count: the share of pairs from which on to warn, and the warning."""
