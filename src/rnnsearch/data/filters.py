"""Filters on training pairs; every pair that is dropped is counted under the reason it was dropped for."""

import copy
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, get_args

from rnnsearch.data.corpus import Pair
from rnnsearch.data.scripts import estimated_words, units

logger = logging.getLogger(__name__)

Unit = Literal["words", "tokens"]
Lengths = Callable[[Pair], tuple[float, float]]
"""Length of the source and of the target."""
MANY = 0.1  # the share of pairs dropped as too long that deserves a warning


class Filters:
    """Drops pairs with an empty side, a side over `max_length`, unlike lengths, or that were seen before.

    Of those that pass, the `first` so many are taken (None: all), whatever the seed, so that a smaller amount is the
    beginning of a larger one.

    `max_length_ratio` is the longer side over the shorter. `unit` says what lengths count: words of the raw text, or
    tokens. Of a script without blanks between words each character counts, and for the ratio about as many words as
    the characters make (`scripts.estimated_words`), so that it compares like with like. None switches a filter off;
    empty sides are always dropped.
    """

    def __init__(
        self,
        *,
        max_length: int | None,
        max_length_ratio: float | None,
        drop_duplicates: bool,
        unit: Unit,
        first: int | None = None,  # runs of earlier versions lack it
    ) -> None:
        """Raises ValueError for a limit that no pair could meet, or an unknown unit."""
        if max_length is not None and max_length < 1:
            raise ValueError(f"filters.max_length is {max_length}; it must be at least 1, or null for no limit")
        if max_length_ratio is not None and max_length_ratio < 1:
            raise ValueError(f"filters.max_length_ratio is {max_length_ratio}; it must be at least 1, or null")
        if first is not None and first < 1:
            raise ValueError(f"filters.first is {first}; it must be at least 1, or null for all pairs")
        if unit not in get_args(Unit):
            raise ValueError(f"filters.unit is {unit!r}; it must be words or tokens")
        self.max_length = max_length
        self.max_length_ratio = max_length_ratio
        self.drop_duplicates = drop_duplicates
        self.unit: Unit = unit
        self.first = first
        self._counts: dict[str, int] = _no_counts()

    def apply(
        self, pairs: Iterable[Pair], length: Lengths | None = None, *, shares: Mapping[str, int] | None = None
    ) -> Iterator[Pair]:
        """The pairs that pass, lazily; the counts of `report` begin anew and are final when the last pair is out.

        No pair is read beyond the `first` that pass.

        Args:
            pairs: read from their beginning.
            length: asked for the tokens of the two sides with unit=tokens, and only then.
            shares: of a mixture with `first`, how many pairs of each member are taken.
        """
        if self.unit == "words":
            return self._passing(pairs, _words, _estimated_words, shares)
        assert length is not None, "unit=tokens needs the tokenizer's lengths"
        return self._passing(pairs, length, length, shares)

    def without_first(self) -> "Filters":
        """The same filters for all pairs that pass them."""
        others = copy.copy(self)
        others.first, others._counts = None, _no_counts()
        return others

    def report(self) -> dict[str, int]:
        """How many pairs were read, dropped for each reason (the first that applied), and kept.

        For a mixture also by member, under keys such as news.kept; "after_first" are those beyond a member's share.
        """
        return dict(self._counts)

    def require_kept(self) -> None:
        """Raises ValueError if no pair, or fewer than `first`, passed the last time."""
        if self._counts["kept"] == 0:
            raise ValueError(
                f"no training pair is left after filtering ({_sentence(self._counts)}); "
                "raise filters.max_length or filters.max_length_ratio, or look at the files"
            )
        self.require_first(self._counts["kept"])

    def require_first(self, passing: int) -> None:
        """Raises ValueError if `first` is more than the pairs that pass the other filters."""
        if self.first is not None and passing < self.first:
            raise ValueError(
                f"filters.first={self.first}, but only {passing} training pairs pass the other filters; give at most "
                "that, or null for all"
            )

    def _passing(
        self, pairs: Iterable[Pair], length: Lengths, comparable: Lengths, shares: Mapping[str, int] | None
    ) -> Iterator[Pair]:
        counts = self._counts = _no_counts()
        seen: set[int] = set()
        for pair in pairs:
            reason = self._reason(pair, length, comparable, seen)
            if shares is not None and reason == "kept":
                assert pair.member is not None, "only a mixture has shares"
                reason = "kept" if counts.get(f"{pair.member}.kept", 0) < shares[pair.member] else "after_first"
            for key in ("read", reason):
                counts[key] = counts.get(key, 0) + 1
                if pair.member is not None:
                    counts[f"{pair.member}.{key}"] = counts.get(f"{pair.member}.{key}", 0) + 1
            if reason == "kept":
                yield pair
            if counts["kept"] == self.first:
                break
        logger.info("filters: %s%s", _sentence(counts), f" by filters.first={self.first}" if self.first else "")
        if counts["too_long"] > MANY * counts["read"] and counts["kept"]:
            logger.warning(
                "%d of %d training pairs are longer than filters.max_length=%s %s and left out; raise it to keep them",
                counts["too_long"], counts["read"], self.max_length, self.counted,
            )  # fmt: skip

    @property
    def counted(self) -> str:
        """What a length is a number of, in words."""
        return "tokens" if self.unit == "tokens" else "words (characters, of a script without blanks)"

    def _reason(self, pair: Pair, length: Lengths, comparable: Lengths, seen: set[int]) -> str:
        if is_empty(pair):
            return "empty"
        if self.max_length is not None and max(length(pair)) > self.max_length:
            return "too_long"
        shorter, longer = sorted(comparable(pair)) if self.max_length_ratio is not None else (0, 0)
        if self.max_length_ratio is not None and longer > self.max_length_ratio * shorter:
            return "ratio"
        if self.drop_duplicates and _seen_before(pair, seen):
            return "duplicate"
        return "kept"


def is_empty(pair: Pair) -> bool:
    """Whether a side holds nothing but white space."""
    return not (pair.source.strip() and pair.target.strip())


def _words(pair: Pair) -> tuple[int, int]:
    return units(pair.source), units(pair.target)


def _estimated_words(pair: Pair) -> tuple[float, float]:
    return estimated_words(pair.source), estimated_words(pair.target)


def _seen_before(pair: Pair, seen: set[int]) -> bool:
    text = f"{len(pair.source)} {pair.source}{pair.target}".encode()
    digest = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 4  # 60 bits: the smallest int
    if digest in seen:
        return True
    seen.add(digest)
    return False


def _no_counts() -> dict[str, int]:
    return dict.fromkeys(("read", "empty", "too_long", "ratio", "duplicate", "kept"), 0)


def _sentence(counts: dict[str, int]) -> str:
    dropped = ", ".join(f"{counts[key]} {key.replace('_', ' ')}" for key in ("empty", "too_long", "ratio", "duplicate"))
    return f"{counts['read']} pairs read, {dropped}, {counts['kept']} kept"
