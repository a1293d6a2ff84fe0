"""The live hypotheses of a batch, the loop that steps a model over them, and the trace from which they are read.

B sentences, A sentences still in the batch, S source, T target, K hypotheses of a sentence, R best of them returned,
V vocabulary, N = A · K hypotheses, those of a sentence one after another; or any rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rnnsearch.data.tokenizer import BOS
from rnnsearch.search.constraints import Bounds
from rnnsearch.search.hypotheses import Hypothesis, M, Model, S

STAYING = 0.75  # done sentences leave the batch when at most this share is live: leaving copies the memory
SELDOM = 4  # steps between looks at who is done, where a look waits for a device


@dataclass(frozen=True, slots=True)
class Frontier:
    """The live hypotheses of the sentences still in the batch; a score of -∞ marks a slot without one."""

    bounds: Bounds
    row_A: Tensor  # the sentence's row in the whole batch
    word_AK: Tensor  # last words
    score_AK: Tensor  # log p so far, float64
    written_AKT: Tensor | None  # words so far, where n-grams are blocked
    coverage_AKS: Tensor | None = None  # attention that source tokens had so far, float64, where it is asked for

    @classmethod
    def start(cls, bounds: Bounds, *, width: int, alive: int) -> "Frontier":
        """The empty hypothesis in the first ``alive`` of ``width`` slots of each sentence."""
        cap_B = bounds.cap_A
        word_BK = torch.full((len(cap_B), width), BOS, device=cap_B.device)
        score_BK = torch.full(word_BK.shape, -torch.inf, dtype=torch.float64, device=cap_B.device)
        score_BK[:, :alive] = 0.0
        written_BK0 = word_BK.new_empty(*word_BK.shape, 0) if bounds.constraints.no_repeat_ngram else None
        return cls(bounds, torch.arange(len(cap_B), device=cap_B.device), word_BK, score_BK, written_BK0)

    def select(self, index_N: Tensor) -> "Frontier":
        """The sentences ``index_N``."""
        required = (part[index_N] for part in (self.row_A, self.word_AK, self.score_AK))
        optional = (None if part is None else part[index_N] for part in (self.written_AKT, self.coverage_AKS))
        return Frontier(self.bounds.select(index_N), *required, *optional)

    def allow_(self, log_probs_AKV: Tensor, step: int) -> None:
        """Put -∞ in the place of what may not follow."""
        self.bounds.mask_(log_probs_AKV, self.score_AK > -torch.inf, self.written_AKT, step)

    def extend(self, word_AK: Tensor, score_AK: Tensor, parent_AK: Tensor) -> "Frontier":
        """Hypotheses one word longer, that go on from the slots ``parent_AK``."""
        written_AKT, coverage_AKS = (
            None if part is None else part.gather(1, parent_AK.unsqueeze(2).expand(-1, -1, part.shape[2]))
            for part in (self.written_AKT, self.coverage_AKS)
        )
        if written_AKT is not None:
            written_AKT = torch.cat([written_AKT, word_AK.unsqueeze(2)], dim=2)
        return Frontier(self.bounds, self.row_A, word_AK, score_AK, written_AKT, coverage_AKS)

    def cover(self, weights_NS: Tensor) -> "Frontier":
        """With a step's attention added."""
        weights_AKS = weights_NS.double().view(*self.word_AK.shape, -1)
        before = 0.0 if self.coverage_AKS is None else self.coverage_AKS
        return replace(self, coverage_AKS=before + weights_AKS)


Advance = Callable[[Frontier, Tensor, Tensor | None, int], tuple[Frontier, Tensor]]


def drive(model: Model[S, M], source: tuple[Any, ...], frontier: Frontier, advance: Advance) -> None:
    """Step ``model`` until every sentence is done.

    ``advance`` takes the live hypotheses, log-probabilities ``[N, V]``, weights ``[N, S]`` and the step; it gives the
    hypotheses one word longer, and the slots ``[A, K]`` they continue.
    """
    width = frontier.word_AK.shape[1]
    state, memory = model.encode(*source)
    state = state.select(frontier.row_A.repeat_interleave(width))
    for step in range(frontier.bounds.last_full + 1):
        log_probs_NV, state, weights_NS = model.step(frontier.word_AK.flatten(), state, memory, step)
        frontier, parent_AK = advance(frontier, log_probs_NV, weights_NS, step)
        parent_AK = parent_AK + width * torch.arange(len(parent_AK), device=parent_AK.device).unsqueeze(1)
        if parent_AK.is_cpu or step % SELDOM == 0:
            live_N = (frontier.score_AK > -torch.inf).any(1).nonzero().squeeze(1)
            if not len(live_N):
                break
            if len(live_N) <= STAYING * len(parent_AK):
                frontier, memory, parent_AK = frontier.select(live_N), memory.select(live_N), parent_AK[live_N]
        state = state.select(parent_AK.flatten())


class Trace:
    """Words chosen and slots they continue at each step, and where the R best finished hypotheses of a sentence end."""

    def __init__(self, bounds: Bounds, *, width: int, best: int) -> None:
        cap_B = bounds.cap_A
        self.words_TBK = cap_B.new_zeros(bounds.last_full + 1, len(cap_B), width)
        self.parents_TBK = torch.zeros_like(self.words_TBK)
        self.score_BR = torch.full((len(cap_B), best), -torch.inf, dtype=torch.float64, device=cap_B.device)
        self.log_prob_BR = self.score_BR.clone()
        self.end_BR = cap_B.new_zeros(len(cap_B), best)  # length · K + slot
        self.ended_B = torch.zeros_like(cap_B)

    def extend(self, row_A: Tensor, word_AK: Tensor, parent_AK: Tensor, step: int) -> None:
        """Keep the step that led to the live hypotheses."""
        self.words_TBK[step, row_A], self.parents_TBK[step, row_A] = word_AK, parent_AK

    def finish(self, row_A: Tensor, score_AK: Tensor, log_prob_AK: Tensor, slot_AK: Tensor, length: int) -> None:
        """Take in hypotheses of ``length`` words that end; scores of -∞ mark those that do not."""
        best, width = self.score_BR.shape[1], score_AK.shape[1]
        score_AX = torch.cat([self.score_BR[row_A], score_AK], dim=1)
        log_prob_AX = torch.cat([self.log_prob_BR[row_A], log_prob_AK], dim=1)
        end_AX = torch.cat([self.end_BR[row_A], slot_AK + length * width], dim=1)
        score_AX, order_AX = score_AX.sort(dim=1, descending=True, stable=True)  # equals: the earlier
        order_AR = order_AX[:, :best]
        self.score_BR[row_A] = score_AX[:, :best]
        self.log_prob_BR[row_A], self.end_BR[row_A] = log_prob_AX.gather(1, order_AR), end_AX.gather(1, order_AR)
        self.ended_B[row_A] += (score_AK > -torch.inf).sum(dim=1)

    def hypotheses(self) -> list[list[Hypothesis]]:
        """The best hypotheses of each sentence, followed backward."""
        words_TBK, parents_TBK, end_BR = self.words_TBK.cpu(), self.parents_TBK.cpu(), self.end_BR.cpu()
        length_BR, slot_BR = end_BR // words_TBK.shape[2], end_BR % words_TBK.shape[2]
        ids_BRT = length_BR.new_zeros(*length_BR.shape, int(length_BR.max()))
        for step in reversed(range(ids_BRT.shape[2])):
            ids_BRT[..., step] = words_TBK[step].gather(1, slot_BR)
            slot_BR = parents_TBK[step].gather(1, slot_BR).where(step < length_BR, slot_BR)
        parts = (ids_BRT, length_BR, self.score_BR, self.log_prob_BR)
        sentences = zip(*(part.tolist() for part in parts), strict=True)
        return [
            [
                Hypothesis(ids[:length], score, log_prob)
                for ids, length, score, log_prob in zip(*sentence, strict=True)
                if score > -torch.inf
            ]
            for sentence in sentences
        ]
