"""Validation and test pairs taken out of training pairs: so many, by sentence, and the same wherever they are taken.

Pairs that share a text, in whichever language and through any number of others, form a group that stays on one side:
corpora such as Tatoeba's hold many translations of one sentence, and a model tested on one of them has learnt the
others. Groups are chosen by a hash of what they hold, so that neither a seed, nor the order of the pairs, nor the
direction of translation changes the choice, and each pair is as likely to be chosen as another.
"""

import hashlib
import logging
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

logger = logging.getLogger(__name__)

VERSION = 2
"""Of the choice: part of what identifies the splits."""
Digests = npt.NDArray[np.uint64]
Groups = npt.NDArray[np.int32]


class _Ignored(dict[int, int | None]):
    """For `str.translate`: drops punctuation, blanks and control characters."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if unicodedata.category(chr(code))[0] in "PZC" else code
        return self[code]


_IGNORED = _Ignored()


def essence(text: str) -> str:
    """What texts that count as one have in common: all but case, blanks, punctuation and forms of a character (NFKC).

    >>> essence("Let's go!") == essence("lets  go")
    True
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return folded.translate(_IGNORED) or folded.strip()


def dealt(texts: Iterable[tuple[str, str]], counts: Mapping[str, int]) -> npt.NDArray[np.int8]:
    """For each training pair 0 if it stays one, or the place, from 1, of the split in `counts` that it is taken for.

    Args:
        texts: both sides of each pair, read once.
        counts: pairs to be taken out for each of some splits; those for the first are chosen first.

    Raises:
        ValueError: there are too few pairs, or too few that share no text with the rest.
    """
    digests = np.fromiter((_digest(text) for pair in texts for text in pair), np.uint64).reshape(-1, 2)
    groups = _groups(digests)
    if len(groups) <= sum(counts.values()):
        asked = " and ".join(f"data.{split}={count}" for split, count in counts.items())
        raise ValueError(f"{asked} would leave none of {len(groups)} training pairs; take out fewer")
    sizes = np.bincount(groups)
    split_of_group = np.zeros(len(sizes), np.int8)
    order = _shuffled(groups, digests)
    for place, (split, count) in enumerate(counts.items(), start=1):
        chosen, left = _fitting(order, sizes, count)
        if left:
            raise ValueError(
                f"data.{split}={count}: only {count - left} of {len(groups)} training pairs can be taken out, since "
                "pairs that share a text stay together; take out fewer, or give a file"
            )
        split_of_group[chosen] = place
        order = [group for group in order if not split_of_group[group]]
        logger.info("%d pairs, in %d groups, are taken out of %d for %s", count, len(chosen), len(groups), split)
    return split_of_group[groups]


def checksum(count: int) -> str:
    """SHA-256 that stands for a split of so many pairs taken out of training pairs, whose files have their own."""
    return hashlib.sha256(f"version {VERSION}: {count} pairs".encode()).hexdigest()


def _fitting(order: Sequence[int], sizes: npt.NDArray[np.int64], count: int) -> tuple[list[int], int]:
    """The first groups that make up so many pairs, those passed over that are too large; and the pairs that lack."""
    chosen = []
    for group in order:
        if sizes[group] <= count:
            chosen.append(group)
            count -= int(sizes[group])
        if not count:
            break
    return chosen, count


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(essence(text).encode(), digest_size=8).digest())


def _groups(digests: Digests) -> Groups:
    """The number of each pair's group: pairs are edges between texts, and groups are what hangs together."""
    from scipy.sparse import coo_array  # takes a while, and few corpora need it
    from scipy.sparse.csgraph import connected_components

    texts, numbers = np.unique(digests, return_inverse=True)
    source, target = numbers.reshape(-1, 2).T
    edges = coo_array((np.ones(len(digests), np.int8), (source, target)), shape=(len(texts), len(texts)))
    of_text: Groups = connected_components(edges, directed=False)[1]
    return of_text[source]


def _shuffled(groups: Groups, digests: Digests) -> list[int]:
    """The groups in an order that what they hold decides: each by a hash of its least text, of whatever size it is."""
    least = np.full(groups.max(initial=-1) + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(least, groups, digests.min(axis=1))
    keys = [hashlib.blake2b(name.tobytes(), digest_size=8).digest() for name in least.astype(">u8")]
    return sorted(range(len(keys)), key=keys.__getitem__)
