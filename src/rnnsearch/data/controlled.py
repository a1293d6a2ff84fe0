"""The built-in corpus: English to German from a synchronous grammar, with gold word alignments and no files.

Sentences are derived one after another from one seed a split: a target length is drawn, and a derivation spends that
many English words. A pair belongs to a split by a hash of its German sentence (three fifths training, one fifth each
validation and test), and no German sentence comes twice in a split. The German sentence is a function of the English
one, so neither side of one split ever occurs in another, whatever the seed and the lengths; a smaller training set is
the beginning of a larger one.
"""

import hashlib
import json
from collections.abc import Iterator
from random import Random

from rnnsearch.data.corpus import SPLITS, DirectedCorpus, Pair
from rnnsearch.data.grammar.rules import GRAMMAR_VERSION
from rnnsearch.data.grammar.sentences import LEAST_WORDS, sentence

LONGEST = 200
"""Words of the longest English sentence that may be asked for."""
SHARES = ("train", "train", "train", "validation", "test")
"""The split of a pair by the hash of its German sentence, modulo 5."""
PATIENCE = 5_000
"""So many draws in a row of known sentences, or of another split, and the grammar counts as exhausted."""


class ControlledCorpus(DirectedCorpus):
    """English and German sentences of a synchronous grammar with links between their words.

    Lengths are blank-separated English words. They lie between `min_length` and `max_length` with the mean
    `mean_length` (the test split has its own three); a mean of None stands for lengths that are all as likely.
    `corpus_seed` alone, not the run's seed, decides on the sentences.
    """

    def __init__(
        self,
        *,
        corpus_seed: int,
        train_pairs: int,
        validation_pairs: int,
        test_pairs: int,
        min_length: int,
        max_length: int,
        mean_length: float | None,
        test_min_length: int,
        test_max_length: int,
        test_mean_length: float | None,
        reverse: bool,
    ) -> None:
        """Raises ValueError for counts below 0 or lengths that contradict each other."""
        super().__init__(name="controlled", source_language="en", target_language="de", reverse=reverse)
        self._seed = corpus_seed
        self._counts = dict(zip(SPLITS, (train_pairs, validation_pairs, test_pairs), strict=True))
        for split, count in self._counts.items():
            if count < 0:
                raise ValueError(f"data.{split}_pairs={count} is below 0; give the number of pairs, such as 1000")
        learnt = Lengths("", min_length, max_length, mean_length)
        tested = Lengths("test_", test_min_length, test_max_length, test_mean_length)
        self._lengths = {"train": learnt, "validation": learnt, "test": tested}

    def splits(self) -> tuple[str, ...]:
        """Those with at least one pair."""
        return tuple(split for split in SPLITS if self._counts[split])

    def stored_pairs(self, split: str) -> Iterator[Pair]:
        """English to German pairs of a split; `line` counts them from 1.

        Raises ValueError if the grammar has too few different sentences of the lengths asked for.
        """
        return self._first(split, self._counts[split])

    def checksums(self) -> dict[str, str]:
        """SHA-256 over version, parameters and first 20 pairs of a split, under keys such as train.source."""
        sums = {}
        for split in self.splits():
            lengths = self._lengths[split]
            facts = [GRAMMAR_VERSION, self._seed, split, self._counts[split], lengths.low, lengths.high, lengths.mean]
            start = [
                [pair.source, pair.target, pair.links] for pair in self._first(split, min(20, self._counts[split]))
            ]
            for side, stored in self.sides().items():
                text = json.dumps([*facts, stored, start], ensure_ascii=True)
                sums[f"{split}.{side}"] = hashlib.sha256(text.encode()).hexdigest()
        return sums

    def setting(self, split: str) -> str:
        """How to give a split, as part of a sentence."""
        return f"set data.{split}_pairs to more than 0 to make it"

    def _first(self, split: str, count: int) -> Iterator[Pair]:
        random = Random(f"{self._seed} {split}")
        lengths, known, vain, line = self._lengths[split], set[bytes](), 0, 0
        while line < count:
            derived = sentence(random, lengths.draw(random))
            digest = hashlib.sha256(derived.german.encode()).digest()
            words = derived.english.count(" ") + 1
            fits = lengths.low <= words <= lengths.high and SHARES[digest[0] % 5 if digest[0] < 255 else 0] == split
            if not fits or digest in known:
                vain += 1
                if vain > PATIENCE:
                    raise ValueError(self._exhausted(split, line))
                continue
            known.add(digest)
            vain, line = 0, line + 1
            yield Pair(source=derived.english, target=derived.german, line=line, links=derived.links)

    def _exhausted(self, split: str, count: int) -> str:
        lengths = self._lengths[split]
        return (
            f"data=controlled found only {count} different {split} sentences of {lengths.low} to {lengths.high} words; "
            f"lower data.{split}_pairs={self._counts[split]} or allow longer sentences"
        )


class Lengths:
    """A distribution of lengths from `low` to `high`: a power of a uniform number, such that the mean is `mean`."""

    def __init__(self, prefix: str, low: int, high: int, mean: float | None) -> None:
        """Raises ValueError unless 3 <= low <= mean <= high <= 200; `prefix` is that of the keys in the message."""
        if not LEAST_WORDS <= low <= high <= LONGEST:
            raise ValueError(
                f"data.{prefix}min_length={low} and data.{prefix}max_length={high} do not fit; "
                f"lengths go from {LEAST_WORDS} to {LONGEST} words, the smaller first"
            )
        if mean is not None and not low <= mean <= high:
            raise ValueError(
                f"data.{prefix}mean_length={mean} is outside data.{prefix}min_length={low} to "
                f"data.{prefix}max_length={high}; set it between them, or to null for lengths all as likely"
            )
        self.low, self.high, self.mean = low, high, mean

    def draw(self, random: Random) -> int:
        """A length."""
        uniform = random.random()
        if self.mean is None:
            return self.low + int(uniform * (self.high - self.low + 1))
        if self.mean == self.low:
            return self.low
        power: float = uniform ** ((self.high - self.low) / (self.mean - self.low) - 1)
        return self.low + int(power * (self.high - self.low) + 0.5)
