"""Batched beam search; a beam of 1 is greedy search. It drives ``encode`` and ``step`` and knows no more of a model.

What is found for a sentence depends on that sentence alone, never on its batch, its place there or padding:

- A translation of n source tokens has at most ⌊ratio · n + offset⌋ tokens (ends of sentence not counted); a hypothesis
  of that length can only end. So every score is the log-probability of a complete sentence. It has at least as many as
  another such pair says, or as the first allows if that is less; a shorter hypothesis can't end.
- At each step the 2K best continuations are ranked. Ends among the first K finish a hypothesis; the best K others live
  on, so finished hypotheses take no room from live ones.
- A sentence is done when its best finished hypothesis can't be beaten any more: log-probabilities are at most 0, so a
  live sum s ends as s at best or, divided by length, as s / (cap + 1). That bound is loose; with averages a sentence is
  done, too, when K hypotheses have finished, as in the authors' program and most later ones.
- Equals are ranked by lower beam, then lower token id; of equal finished hypotheses the shorter wins.

B sentences, A sentences still in the batch, S source, T target, K beam, C = 2K candidates, V vocabulary, N = A · K
hypotheses, those of a sentence one after another; or any rows.
"""

from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from rnnsearch.data.tokenizer import BOS, EOS, PAD, UNK
from rnnsearch.search.ranking import best_continuations

NORMALIZATIONS = ("none", "average")
STAYING = 0.75  # done sentences leave the batch when at most this share is live: leaving copies the memory
SELDOM = 4  # steps between looks at who is done, where a look waits for a device
IMPOSSIBLE = -1e9  # in the place of log 0 and NaN, so that any model gives some translation


class Rows(Protocol):
    """Values with the batch in front."""

    def select(self, index_N: Tensor) -> Self:
        """The rows ``index_N`` of the batch."""


S = TypeVar("S", bound=Rows)
M = TypeVar("M", bound=Rows)


class Model(Protocol[S, M]):
    """What search needs of a model. A state has a row for each hypothesis, the memory one for each sentence."""

    def encode(self, source_BS: Tensor, mask_BS: Tensor, /) -> tuple[S, M]:
        """Initial state and memory of a batch of sentences."""

    def step(self, token_N: Tensor, state: S, memory: M, step: int, /) -> tuple[Tensor, S, Tensor | None]:
        """Log-probabilities of the next word ``[N, V]``, which search may overwrite, the next state, weights."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Target ids without the end of sentence, and log p with it, summed or averaged."""

    ids: list[int]
    score: float


@dataclass(frozen=True, slots=True)
class Beams:
    """The live hypotheses of the sentences still in the batch, best first; a score of -∞ marks a slot without one."""

    row_A: Tensor  # the sentence's row in the whole batch
    least_A: Tensor  # target tokens wanted
    cap_A: Tensor  # target tokens allowed
    word_AK: Tensor  # last words
    score_AK: Tensor  # log p so far, float64

    @classmethod
    def start(cls, least_B: Tensor, cap_B: Tensor, width: int) -> "Beams":
        """One hypothesis a sentence, the empty one."""
        word_BK = torch.full((len(cap_B), width), BOS, device=cap_B.device)
        score_BK = torch.full(word_BK.shape, -torch.inf, dtype=torch.float64, device=cap_B.device)
        score_BK[:, 0] = 0.0
        return cls(torch.arange(len(cap_B), device=cap_B.device), least_B, cap_B, word_BK, score_BK)

    def select(self, index_N: Tensor) -> "Beams":
        """The sentences ``index_N``."""
        parts = (self.row_A, self.least_A, self.cap_A, self.word_AK, self.score_AK)
        return Beams(*(part[index_N] for part in parts))


class BeamSearch:
    """Beam search of width ``beam_size``.

    Args:
        beam_size: K, hypotheses kept a sentence; 1 is greedy.
        normalization: finished hypotheses compare by log p (``none``) or by log p a token (``average``).
        min_length_ratio, min_length_offset: the least length of a translation.
        max_length_ratio, max_length_offset: the cap on it.
        max_source_length, batch_size: source tokens kept, and sentences together, for whoever calls `search`.
        forbid_unknown: never write the unknown word. Padding and begin of sentence are never written.

    Raises:
        ValueError: for a value that is not allowed.
    """

    def __init__(
        self,
        *,
        beam_size: int,
        normalization: str,
        min_length_ratio: float,
        min_length_offset: int,
        max_length_ratio: float,
        max_length_offset: int,
        max_source_length: int,
        batch_size: int,
        forbid_unknown: bool,
    ) -> None:
        if normalization not in NORMALIZATIONS:
            raise ValueError(f"search.normalization={normalization}: allowed are {' and '.join(NORMALIZATIONS)}")
        _require(1, beam_size=beam_size, max_source_length=max_source_length, batch_size=batch_size)
        _require(0, min_length_ratio=min_length_ratio, min_length_offset=min_length_offset)
        _require(0, max_length_ratio=max_length_ratio, max_length_offset=max_length_offset)
        self.beam_size = beam_size
        self.average = normalization == "average"
        self.min_length, self.max_length = (min_length_ratio, min_length_offset), (max_length_ratio, max_length_offset)
        self.max_source_length, self.batch_size = max_source_length, batch_size
        self.forbidden = [PAD, BOS, UNK] if forbid_unknown else [PAD, BOS]

    @torch.inference_mode()
    def search(self, model: Model[S, M], source_BS: Tensor, mask_BS: Tensor) -> list[Hypothesis]:
        """The best hypothesis of each sentence. Sources end with the end of sentence, a real token of the mask."""
        source_B = mask_BS.sum(-1) - 1
        cap_B = _lengths(source_B, *self.max_length)
        least_B = _lengths(source_B, *self.min_length).minimum(cap_B)
        beams, trace = Beams.start(least_B, cap_B, self.beam_size), Trace(cap_B, self.beam_size)
        state, memory = model.encode(source_BS, mask_BS)
        state = state.select(beams.row_A.repeat_interleave(self.beam_size))
        for step in range(trace.steps):
            log_probs_NV, state, _ = model.step(beams.word_AK.flatten(), state, memory, step)
            beams, parent_AK = self._advance(beams, log_probs_NV, step, trace)
            parent_AK += self.beam_size * torch.arange(len(parent_AK), device=parent_AK.device).unsqueeze(1)
            if cap_B.is_cpu or step % SELDOM == 0:
                live_N = (beams.score_AK[:, 0] > -torch.inf).nonzero().squeeze(1)
                if not len(live_N):
                    break
                if len(live_N) <= STAYING * len(parent_AK):
                    beams, memory, parent_AK = beams.select(live_N), memory.select(live_N), parent_AK[live_N]
            state = state.select(parent_AK.flatten())
        return trace.hypotheses()

    def _advance(self, beams: Beams, log_probs_NV: Tensor, step: int, trace: "Trace") -> tuple[Beams, Tensor]:
        """The hypotheses one word longer and the slots ``[A, K]`` they continue; finished ones go to the trace."""
        score_AC, word_AC, parent_AC = self._candidates(beams, log_probs_NV, step, trace.first_full)
        end_AC = (word_AC == EOS) & (score_AC > -torch.inf)
        ended_AC = (score_AC / (step + 1) if self.average else score_AC).masked_fill(~end_AC, -torch.inf)
        trace.finish(beams.row_A, ended_AC[:, : self.beam_size], parent_AC, step)

        # Each hypothesis ends in one way only, so at least K candidates do not end; those, in order:
        place_AK = end_AC.int().argsort(dim=-1, stable=True)[:, : self.beam_size]
        score_AK, word_AK, parent_AK = (part.gather(1, place_AK) for part in (score_AC, word_AC, parent_AC))
        trace.extend(beams.row_A, word_AK, parent_AK, step)

        done_A1 = self._done(beams, score_AK[:, 0], trace).unsqueeze(1)
        return replace(beams, word_AK=word_AK, score_AK=score_AK.masked_fill(done_A1, -torch.inf)), parent_AK

    def _candidates(
        self, beams: Beams, log_probs_NV: Tensor, step: int, first_full: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Score, word and slot continued of the 2K best continuations of each sentence, ``[A, C]`` each, best first."""
        at_least_float = torch.promote_types(log_probs_NV.dtype, torch.float32)
        log_probs_NV = log_probs_NV.to(at_least_float).nan_to_num_(nan=IMPOSSIBLE, neginf=IMPOSSIBLE)
        log_probs_NV[:, self.forbidden] = -torch.inf
        log_probs_AKV = log_probs_NV.view(*beams.score_AK.shape, -1)
        log_probs_AKV[..., EOS].masked_fill_((step < beams.least_A).unsqueeze(1), -torch.inf)
        if step >= first_full:
            words_V = torch.arange(log_probs_AKV.shape[2], device=log_probs_AKV.device)
            full_A11 = (step >= beams.cap_A).view(-1, 1, 1)
            log_probs_AKV.masked_fill_(full_A11 & (words_V != EOS), -torch.inf)
        return best_continuations(beams.score_AK, log_probs_AKV, 2 * self.beam_size)

    def _done(self, beams: Beams, live_A: Tensor, trace: "Trace") -> Tensor:
        """Whether no live hypothesis of a sentence, ``live_A`` being the best, can change its outcome any more."""
        if not self.average:
            return trace.score_B[beams.row_A] >= live_A
        unbeaten_A = trace.score_B[beams.row_A] >= live_A / (beams.cap_A + 1)
        return unbeaten_A | (trace.ended_B[beams.row_A] >= self.beam_size)


class Trace:
    """Words chosen and slots they continue at each step, and where the best finished hypothesis of a sentence ends."""

    def __init__(self, cap_B: Tensor, width: int) -> None:
        self.first_full, last_full = (int(cap) for cap in cap_B.aminmax())  # steps at which hypotheses can only end
        self.steps = last_full + 1
        self.words_TBK = cap_B.new_zeros(self.steps, len(cap_B), width)
        self.parents_TBK = torch.zeros_like(self.words_TBK)
        self.score_B = torch.full(cap_B.shape, -torch.inf, dtype=torch.float64, device=cap_B.device)
        self.length_B, self.slot_B, self.ended_B = (torch.zeros_like(cap_B) for _ in range(3))

    def extend(self, row_A: Tensor, word_AK: Tensor, parent_AK: Tensor, step: int) -> None:
        """Keep the step that led to the live hypotheses."""
        self.words_TBK[step, row_A], self.parents_TBK[step, row_A] = word_AK, parent_AK

    def finish(self, row_A: Tensor, ended_AK: Tensor, parent_AC: Tensor, length: int) -> None:
        """Take in hypotheses of ``length`` words that end, by their score; -∞ marks those that do not end."""
        score_A, place_A = ended_AK.max(dim=-1)
        better_A = score_A > self.score_B[row_A]
        slot_A = parent_AC.gather(1, place_A.unsqueeze(1)).squeeze(1)
        self.score_B[row_A] = score_A.maximum(self.score_B[row_A])
        self.length_B[row_A] = self.length_B[row_A].masked_fill(better_A, length)
        self.slot_B[row_A] = slot_A.where(better_A, self.slot_B[row_A])
        self.ended_B[row_A] += (ended_AK > -torch.inf).sum(dim=-1)

    def hypotheses(self) -> list[Hypothesis]:
        """The best hypothesis of each sentence, followed backward."""
        words_TBK, parents_TBK, length_B, slot_B = (
            part.cpu() for part in (self.words_TBK, self.parents_TBK, self.length_B, self.slot_B)
        )
        ids_BT = torch.full((len(length_B), int(length_B.max())), PAD)
        for step in reversed(range(ids_BT.shape[1])):
            row_N = (step < length_B).nonzero().squeeze(1)
            ids_BT[row_N, step] = words_TBK[step, row_N, slot_B[row_N]]
            slot_B[row_N] = parents_TBK[step, row_N, slot_B[row_N]]
        found = zip(ids_BT.tolist(), length_B.tolist(), self.score_B.tolist(), strict=True)
        return [Hypothesis(ids[:length], score) for ids, length, score in found]


def _lengths(source_B: Tensor, ratio: float, offset: int) -> Tensor:
    return (source_B.double() * ratio + offset).long()


def _require(least: float, **values: float) -> None:
    for key, value in values.items():
        if not value >= least:
            raise ValueError(f"search.{key}={value}: must be at least {least}")
