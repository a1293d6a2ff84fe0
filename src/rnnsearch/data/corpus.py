"""What a parallel corpus is: pairs of sentences in named splits."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rnnsearch.data.taken_out import checksum, dealt

SPLITS = ("train", "validation", "test")
"""The names of the splits, in the order in which they are reported."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence and its translation, as raw text.

    `line` counts from 1 (line of the file, or index of the generated pair). `links` are gold word alignments
    (source word, target word), counted from 0 over the `words` of each text; None where there are none.
    `member` names the corpus of a mixture that the pair, and its line, belong to.
    """

    source: str
    target: str
    line: int
    links: tuple[tuple[int, int], ...] | None = None
    member: str | None = None


class Corpus(Protocol):
    """Pairs of sentences in splits; each file of conf/data is one constructor call of a class like this."""

    @property
    def name(self) -> str:
        """A short name for records and reports."""
        ...

    @property
    def source_language(self) -> str:
        """Code of the language translated from, after any reversal."""
        ...

    @property
    def target_language(self) -> str:
        """Code of the language translated into, after any reversal."""
        ...

    def prepare(self) -> None:
        """Fetch or build the source of the pairs; does nothing the second time, and is safe when two runs race."""
        ...

    def splits(self) -> tuple[str, ...]:
        """The splits this corpus has, in the order of `SPLITS`."""
        ...

    def pairs(self, split: str) -> Iterator[Pair]:
        """The pairs of a split, one after another."""
        ...

    def checksums(self) -> dict[str, str]:
        """SHA-256 of the source of the pairs, under stable keys without absolute paths."""
        ...


class DirectedCorpus(ABC):
    """The part that corpora read from files share: two languages, and the choice to swap them.

    `source_language` and `target_language` name what is stored; with `reverse` the corpus offers them swapped.
    A language that is None is asked for when it is first needed. `taken_out` says how many of the stored training
    pairs are validation or test pairs instead, chosen by `rnnsearch.data.taken_out`.
    """

    def __init__(
        self,
        *,
        name: str,
        source_language: str | None,
        target_language: str | None,
        reverse: bool,
        taken_out: Mapping[str, int] | None = None,
    ) -> None:
        self.name = name
        self.reverse = reverse
        self.taken_out = dict(taken_out or {})
        self._languages = {"source_language": source_language, "target_language": target_language}

    @property
    def source_language(self) -> str:
        """Code of the language translated from, after any reversal."""
        return self._language("target_language" if self.reverse else "source_language")

    @property
    def target_language(self) -> str:
        """Code of the language translated into, after any reversal."""
        return self._language("source_language" if self.reverse else "target_language")

    def _language(self, key: str) -> str:
        code: object = self._languages[key]
        if isinstance(code, bool):
            raise ValueError(
                f"data.{key} is {str(code).lower()}, which YAML makes of the word {'yes' if code else 'no'}; quote the "
                f'language: {key}: "no" in a file, \'data.{key}="no"\' on the command line'
            )
        if not code:
            raise ValueError(f"data.{key} is not set; give the language of the text, such as data.{key}=en")
        if not isinstance(code, str):
            raise ValueError(f"data.{key}={code} is no language; give a code such as data.{key}=en")
        return code

    def prepare(self) -> None:
        """Check that there are training and validation pairs. Raises ValueError if not."""
        missing = [split for split in ("train", "validation") if split not in self.splits()]
        if missing:
            raise ValueError(f"data={self.name} has no {missing[0]} pairs; {self.setting(missing[0])}")
        _ = self.source_language, self.target_language

    def pairs(self, split: str) -> Iterator[Pair]:
        """The pairs of a split, one after another. Raises ValueError for a split that the corpus lacks."""
        if split not in self.splits():
            have = ", ".join(self.splits()) or "no split at all"
            raise ValueError(f"data={self.name} has no split {split!r}; it has {have}; {self.setting(split)}")
        stored = self._dealt_pairs(split) if self.taken_out else self.stored_pairs(split)
        return map(swapped, stored) if self.reverse else stored

    def _dealt_pairs(self, split: str) -> Iterator[Pair]:
        if split not in ("train", *self.taken_out):
            return self.stored_pairs(split)
        place = ["train", *self.taken_out].index(split)
        return (pair for pair, at in zip(self.stored_pairs("train"), self._places, strict=True) if at == place)

    @cached_property
    def _places(self) -> npt.NDArray[np.int8]:
        """For each stored training pair 0, or the place, from 1, of the split that it is taken for."""
        return dealt(((pair.source, pair.target) for pair in self.stored_pairs("train")), self.taken_out)

    def checksums_of_taken(self) -> dict[str, str]:
        """What stands for files of the splits that are taken out of training pairs, beside the checksums of these."""
        return {f"{split}.taken_out": checksum(count) for split, count in self.taken_out.items()}

    def setting(self, split: str) -> str:
        """How to give a missing split, as part of a sentence."""
        return f"set data.{split} to read it"

    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """The splits this corpus has, in the order of `SPLITS`."""

    @abstractmethod
    def stored_pairs(self, split: str) -> Iterator[Pair]:
        """The pairs of a split in the stored direction."""

    @abstractmethod
    def checksums(self) -> dict[str, str]:
        """SHA-256 of the source of the pairs, under stable keys that name the sides in the offered direction."""

    def sides(self) -> dict[str, str]:
        """Which stored side is offered as source and which as target."""
        return {"source": "target", "target": "source"} if self.reverse else {"source": "source", "target": "target"}


def swapped(pair: Pair) -> Pair:
    """The same pair in the other direction, its links turned round."""
    links = None if pair.links is None else tuple(sorted((j, i) for i, j in pair.links))
    return replace(pair, source=pair.target, target=pair.source, links=links)


def words(text: str) -> list[str]:
    """The words of raw text, split at white space of any kind and length; none is empty."""
    return text.split()
