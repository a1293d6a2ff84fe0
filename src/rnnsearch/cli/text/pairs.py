"""Files for the commands that read pairs: in blocks of bounded size, with progress, bad bytes mended and counted."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rnnsearch.config.progress import bar
from rnnsearch.data.corpus import Pair
from rnnsearch.data.lines import Mended, lines, paired_lines

logger = logging.getLogger(__name__)

T = TypeVar("T")

TEXTS = 4096  # of a block, which is sorted by length and batched together
CHARACTERS = 1 << 22  # of a block, give or take an item


@dataclass
class Mending:
    """Counts lines that are not UTF-8, by file."""

    counts: Counter[Path] = field(default_factory=Counter)

    def __call__(self, path: Path, number: int) -> None:
        self.counts[path] += 1

    def warn(self) -> None:
        """Say how many there were, if any."""
        for path, count in self.counts.items():
            logger.warning(
                "%s is not UTF-8 in %d lines: the bad bytes were read as U+FFFD (strict=true refuses them)", path, count
            )


def pair_blocks(source: Path, target: Path, *, strict: bool) -> Iterator[list[Pair]]:
    """Blocks of the pairs of two line-aligned files, in order.

    Files are first read to the end once, pipes are not, so that those of unequal length are refused at once.

    Raises:
        FileNotFoundError, ValueError: a file is missing, empty or broken; their lines differ in number; under
            ``strict``, a line is not UTF-8.
    """
    total = None
    if source.is_file() and target.is_file():
        total = sum(1 for _ in paired_lines(source, target, mended=None if strict else Mending()))
    return _counted(
        lambda mended: paired_lines(source, target, mended=mended),
        lambda pair: (pair.source, pair.target),
        total=total,
        strict=strict,
    )


def line_blocks(
    path: Path, parse: Callable[[str, int], T], texts: Callable[[T], Sequence[str]], *, strict: bool
) -> Iterator[list[T]]:
    """Blocks of what ``parse`` makes of a file's lines and their numbers, in order; ``texts`` are what takes room."""
    return _counted(
        lambda mended: (parse(line, number) for number, line in enumerate(lines(path, mended=mended), 1)),
        texts,
        strict=strict,
    )


def _counted(
    items: Callable[[Mended | None], Iterable[T]],
    texts: Callable[[T], Sequence[str]],
    *,
    total: int | None = None,
    strict: bool,
) -> Iterator[list[T]]:
    """Blocks, each counted as done when the next is asked for."""
    mending = Mending()
    with bar("lines", total) as advance:
        for block in blocks(items(None if strict else mending), texts):
            yield block
            advance(len(block))
    mending.warn()


def blocks(items: Iterable[T], texts: Callable[[T], Sequence[str]]) -> Iterator[list[T]]:
    """Items in order, cut where a block has `TEXTS` texts or `CHARACTERS` characters."""
    block: list[T] = []
    count = characters = 0
    for item in items:
        block.append(item)
        count += len(texts(item))
        characters += sum(map(len, texts(item)))
        if count >= TEXTS or characters >= CHARACTERS:
            yield block
            block, count, characters = [], 0, 0
    if block:
        yield block
