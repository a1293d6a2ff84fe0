"""What a search may write, and how long: the same for every way of searching.

A translation of n source tokens has at most the smaller of max_length and ⌊ratio · n + offset⌋ tokens (ends of sentence
not counted); a hypothesis of that length can only end. It has at least the greater of two such numbers, or as many as
the first allows if that is less; a shorter hypothesis can't end. Padding and begin of sentence are never written, and
no n-gram twice if that is asked for. A forced prefix wins over all of this, and where blocked n-grams leave a sentence
no way on, it may end.

B sentences, A sentences still in the batch, K hypotheses of each, V vocabulary, T words written, P longest prefix,
X any.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rnnsearch.data.tokenizer import BOS, EOS, PAD, UNK

IMPOSSIBLE = -1e9  # in the place of log 0 and NaN, so that any model gives some translation


class Constraints:
    """The settings that every search has.

    Args:
        min_length, max_length: bounds on a translation's tokens; no upper one if None.
        min_length_ratio, min_length_offset: the least length by the source's.
        max_length_ratio, max_length_offset: the cap by the source's.
        forbid_unknown: never write the unknown word.
        no_repeat_ngram: n, no n words are written twice in a sentence; 0 is off.

    Raises:
        ValueError: for a value that is not allowed.
    """

    def __init__(
        self,
        *,
        min_length: int,
        max_length: int | None,
        min_length_ratio: float,
        min_length_offset: int,
        max_length_ratio: float,
        max_length_offset: int,
        forbid_unknown: bool,
        no_repeat_ngram: int,
    ) -> None:
        require(0, min_length=min_length, no_repeat_ngram=no_repeat_ngram)
        if max_length is not None:
            require(0, max_length=max_length)
        require(0, min_length_ratio=min_length_ratio, min_length_offset=min_length_offset)
        require(0, max_length_ratio=max_length_ratio, max_length_offset=max_length_offset)
        self.min_length, self.max_length = min_length, max_length
        self.min_by_source = min_length_ratio, min_length_offset
        self.max_by_source = max_length_ratio, max_length_offset
        self.forbidden = [PAD, BOS, UNK] if forbid_unknown else [PAD, BOS]
        self.no_repeat_ngram = no_repeat_ngram

    def cap(self, source_tokens: int) -> int:
        """The most tokens that a translation of so many source tokens may have, where no prefix is forced."""
        ratio, offset = self.max_by_source
        cap = int(source_tokens * ratio + offset)
        return cap if self.max_length is None else min(cap, self.max_length)

    def bounds(self, source_B: Tensor, prefixes: Sequence[Sequence[int]] | None) -> "Bounds":
        """The bounds of sentences with ``source_B`` source tokens and the prefixes that they must begin with.

        Raises:
            ValueError: a prefix holds padding, begin or end of sentence.
        """
        prefix_BP, written_B = _padded(prefixes or [()] * len(source_B), source_B)
        cap_B = _by_source(source_B, *self.max_by_source)
        if self.max_length is not None:
            cap_B = cap_B.clamp(max=self.max_length)
        cap_B = cap_B.maximum(written_B)
        least_B = _by_source(source_B, *self.min_by_source).clamp(min=self.min_length).minimum(cap_B)
        first_full, last_full, last_short = torch.stack([*cap_B.aminmax(), least_B.max()]).tolist()
        return Bounds(self, first_full, last_full, last_short, source_B, least_B, cap_B, prefix_BP)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The constraints on the sentences still in the batch."""

    constraints: Constraints
    first_full: int  # the first and last steps at which hypotheses of some sentence can only end
    last_full: int
    last_short: int  # from here on every hypothesis may end
    source_A: Tensor  # source tokens
    least_A: Tensor  # target tokens wanted
    cap_A: Tensor  # target tokens allowed
    prefix_AP: Tensor  # target tokens to begin with; padding where a prefix has ended

    def select(self, index_N: Tensor) -> "Bounds":
        """The sentences ``index_N``."""
        parts = (self.source_A, self.least_A, self.cap_A, self.prefix_AP)
        source_A, least_A, cap_A, prefix_AP = (part[index_N] for part in parts)
        return replace(self, source_A=source_A, least_A=least_A, cap_A=cap_A, prefix_AP=prefix_AP)

    def mask_(self, log_probs_AKV: Tensor, live_AK: Tensor, written_AKT: Tensor | None, step: int) -> None:
        """Put -∞ in the place of what may not follow; ``written_AKT`` are the words so far, if n-grams are blocked."""
        forced = step < self.prefix_AP.shape[1]
        if forced:
            word_AK1 = self.prefix_AP[:, step].view(-1, 1, 1).expand(-1, live_AK.shape[1], -1)
            forced_AK1 = log_probs_AKV.gather(2, word_AK1)
        end_AK = log_probs_AKV[..., EOS].clone() if self._may_be_stuck(log_probs_AKV, step) else None
        for word in self.constraints.forbidden:
            log_probs_AKV[..., word] = -torch.inf
        if step < self.last_short:
            log_probs_AKV[..., EOS].masked_fill_((step < self.least_A).unsqueeze(1), -torch.inf)
        if written_AKT is not None:
            _block_repeated_(log_probs_AKV, written_AKT, self.constraints.no_repeat_ngram)
        if step >= self.first_full:
            words_V = torch.arange(log_probs_AKV.shape[2], device=log_probs_AKV.device)
            full_A11 = (step >= self.cap_A).view(-1, 1, 1)
            log_probs_AKV.masked_fill_(full_A11 & (words_V != EOS), -torch.inf)
        if end_AK is not None:
            stuck_A1 = ~((log_probs_AKV.amax(-1) > -torch.inf) & live_AK).any(1, keepdim=True)
            log_probs_AKV[..., EOS] = end_AK.where(stuck_A1, log_probs_AKV[..., EOS])
        if forced:
            log_probs_AKV.masked_fill_(word_AK1 != PAD, -torch.inf)
            log_probs_AKV.scatter_(2, word_AK1, forced_AK1.masked_fill(word_AK1 == PAD, -torch.inf))

    def _may_be_stuck(self, log_probs_AKV: Tensor, step: int) -> bool:
        """Whether there may be no word left to write for a hypothesis that may not end."""
        wordless = log_probs_AKV.shape[2] <= len(self.constraints.forbidden) + 1
        return step < self.last_short and (wordless or self.constraints.no_repeat_ngram > 0)


def finite(log_probs_NV: Tensor) -> Tensor:
    """Log-probabilities in single precision at least, none of them -∞ or no number; overwrites what it is given."""
    at_least_float = torch.promote_types(log_probs_NV.dtype, torch.float32)
    return log_probs_NV.to(at_least_float).nan_to_num_(nan=IMPOSSIBLE, neginf=IMPOSSIBLE)


def require(least: float, **values: float) -> None:
    """Refuse settings that are not at least ``least``."""
    for key, value in values.items():
        if not value >= least:
            raise ValueError(f"search.{key}={value}: must be at least {least}")


def _by_source(source_B: Tensor, ratio: float, offset: int) -> Tensor:
    return (source_B.double() * ratio + offset).long()


def _padded(prefixes: Sequence[Sequence[int]], source_B: Tensor) -> tuple[Tensor, Tensor]:
    """Prefixes ``[B, P]`` and their lengths ``[B]``."""
    for place, prefix in enumerate(prefixes):
        if special := {PAD, BOS, EOS} & {*prefix}:
            raise ValueError(f"the prefix of sentence {place} holds the id {min(special)}, which is never written")
    lengths = [len(prefix) for prefix in prefixes]
    padded = [[*prefix, *[PAD] * (max(lengths) - len(prefix))] for prefix in prefixes]
    return source_B.new_tensor(padded, dtype=torch.long), source_B.new_tensor(lengths)


def _block_repeated_(log_probs_AKV: Tensor, written_AKT: Tensor, size: int) -> None:
    """Put -∞ in the place of words that would repeat ``size`` words written before."""
    length = written_AKT.shape[2]
    if length < size:
        return
    ngrams_AKXn = written_AKT.unfold(2, size, 1)
    last_AK1n = written_AKT[..., length - size + 1 :].unsqueeze(2)
    repeats_AKX = (ngrams_AKXn[..., :-1] == last_AK1n).all(-1)
    log_probs_AKV.scatter_(2, ngrams_AKXn[..., -1].where(repeats_AKX, PAD), -torch.inf)  # padding is barred anyway
