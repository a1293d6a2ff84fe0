"""Gold word alignments from a file: one line of Pharaoh links a pair of a split, in its order, for AER."""

from collections.abc import Sequence
from pathlib import Path

from rnnsearch.data.corpus import words
from rnnsearch.data.lines import lines
from rnnsearch.evaluation.alignment_links import GoldLinks, Link, parse_pharaoh


def read_gold(path: Path, texts: Sequence[tuple[str, str]], *, one_indexed: bool = False) -> list[GoldLinks]:
    """The gold links of (source, target) texts, counted from 0 over `corpus.words` of each.

    A line may be empty: then no word of the pair has a counterpart. The file may be compressed.

    Args:
        path: a line of `3-4` (sure) and `3p4` (possible) for each pair of texts.
        one_indexed: the file counts words from 1.

    Raises:
        FileNotFoundError, ValueError: if there is no such file, it has another number of lines, or a line holds
            something that is no link, or names a word that the sentence does not have.
    """
    file_lines = list(lines(path))
    if len(file_lines) != len(texts):
        raise ValueError(
            f"{path}: {len(file_lines)} lines but the split has {len(texts)} pairs; give one line of links a pair, "
            "in order"
        )
    return [
        _read_line(f"{path}: line {number}", line, pair, one_indexed=one_indexed)
        for number, (line, pair) in enumerate(zip(file_lines, texts, strict=True), start=1)
    ]


def _read_line(place: str, line: str, texts: tuple[str, str], *, one_indexed: bool) -> GoldLinks:
    try:
        gold = parse_pharaoh(line, one_indexed=one_indexed)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    lengths = tuple(len(words(text)) for text in texts)
    for link in sorted(gold.possible):
        if link[0] >= lengths[0] or link[1] >= lengths[1]:
            raise ValueError(f"{place}: {_beyond(link, lengths, one_indexed=one_indexed)}")
    return gold


def _beyond(link: Link, lengths: tuple[int, ...], *, one_indexed: bool) -> str:
    first = 1 if one_indexed else 0
    return (
        f"link {link[0] + first}-{link[1] + first} is beyond the {lengths[0]} source and {lengths[1]} target words of "
        f"the pair, counted from {first}" + ("" if one_indexed else "; set one_indexed=true if the file counts from 1")
    )


def format_gold(gold: GoldLinks) -> str:
    """Writes gold links so that `parse_pharaoh` reads them again: `3-4` if sure, `3p4` if only possible."""
    return " ".join(
        f"{source}{'-' if (source, target) in gold.sure else 'p'}{target}" for source, target in sorted(gold.possible)
    )
