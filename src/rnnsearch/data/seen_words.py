"""How often each target word was seen in training: data/target_words.txt of a run's folder.

A line holds a number and the words that the training pairs have so often, the most frequent first, all separated by
blanks. Words are `rnnsearch.data.scripts.bare_words` of the normalised text, so that none holds a blank.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path

from rnnsearch.data.normalization import normalized
from rnnsearch.data.scripts import bare_words
from rnnsearch.records.json_files import LARGEST, write_text

SEEN_WORDS = "data/target_words.txt"

Lookup = Callable[[Collection[str]], Mapping[str, int]]
"""How often each of some words was seen; one that was not may be missing."""


def count_words(texts: Iterable[str], form: str) -> Counter[str]:
    """How often each word stands in texts that are brought to a Unicode form."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(bare_words(normalized(text, form)))
    return counts


def write_words(path: Path, counts: Mapping[str, int]) -> None:
    """Replace a file of words in one step; equal counts give equal bytes."""
    words: dict[int, list[str]] = defaultdict(list)
    for word, count in counts.items():
        words[count].append(word)
    lines = (" ".join([str(count), *sorted(words[count])]) for count in sorted(words, reverse=True))
    write_text(path, "".join(f"{line}\n" for line in lines))


def kept_words(folder: Path) -> Lookup | None:
    """What a run's folder tells of its training; None for runs that kept nothing."""
    path = folder / SEEN_WORDS
    return partial(read_words, path) if path.is_file() else None


def read_words(path: Path, only: Collection[str]) -> dict[str, int]:
    """How often each of some words was seen; a word that was not is missing.

    Raises:
        FileNotFoundError, ValueError: if there is no such file, or it is damaged.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST:,} bytes, so no run left it")
    counts: dict[str, int] = {}
    with path.open(encoding="utf-8", newline="\n") as file:
        try:
            for line in file:
                count, *words = line.rstrip("\n").split(" ")
                counts |= dict.fromkeys((word for word in words if word in only), int(count))
        except ValueError:
            raise ValueError(f"{path} is damaged: a line holds no number and words; train the run again") from None
    return counts
