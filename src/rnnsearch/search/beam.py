"""Batched beam search; a beam of 1 is greedy search. It drives ``encode`` and ``step`` and knows no more of a model.

What is found for a sentence depends on that sentence alone, never on its batch, its place there or padding:

- `constraints` says what may be written, so every score is that of a complete sentence.
- At each step the 2K best continuations are ranked by log p. Ends among the first K finish a hypothesis; the best K
  others live on, so finished hypotheses take no room from live ones.
- Finished hypotheses compare by log p / lp(|Y|) + β · cp, |Y| being the words with the end of sentence.
- A sentence is done when the last of its R best finished hypotheses can't be beaten any more: log-probabilities and cp
  are at most 0 and lp grows, so a live sum s ends as s / lp(cap + 1) at best. That bound is loose; with lengths
  normalised a sentence is done, too, when K hypotheses have finished, as in the authors' program and most later ones.
- Equals are ranked by lower beam, then lower token id; of equal finished hypotheses the shorter wins.

B sentences, A sentences still in the batch, S source, K beam, R best returned, C = 2K candidates, V vocabulary,
N = A · K hypotheses, those of a sentence one after another.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from rnnsearch.data.tokenizer import EOS
from rnnsearch.kernels.rounded_products import check_precision, multiplying_in
from rnnsearch.search.constraints import Constraints, finite, require
from rnnsearch.search.frontier import Frontier, Trace, drive
from rnnsearch.search.hypotheses import Hypothesis, M, Model, S
from rnnsearch.search.ranking import best_continuations

NORMALIZATIONS = ("none", "average", "gnmt")
L = TypeVar("L", int, Tensor)


class BeamSearch:
    """Beam search of width ``beam_size``. Whatever has a default here is off by it, as in runs older than the setting.

    Args:
        beam_size: K, hypotheses kept a sentence; 1 is greedy.
        n_best: hypotheses returned a sentence, at most K.
        normalization: what log p is divided by: lp = 1 (``none``), |Y| (``average``) or ((5 + |Y|) / 6)^α (``gnmt``,
            Wu et al. 2016, arXiv 1609.08144, equation 14).
        length_alpha: α of ``gnmt``.
        coverage_penalty: β (equation 14); cp = Σ_j log min(Σ_i α_ij, 1) over the source tokens j, the end of sentence
            not among them, and the target tokens i, the end of sentence among them.
        min_length, max_length, min_length_ratio, min_length_offset, max_length_ratio, max_length_offset,
            forbid_unknown, no_repeat_ngram: see `Constraints`.
        max_source_length, batch_size: source tokens kept, and sentences together, for whoever calls `search`.
        precision: of products, see `rnnsearch.kernels.rounded_products`.

    Raises:
        ValueError: for a value that is not allowed.
    """

    def __init__(
        self,
        *,
        beam_size: int,
        n_best: int = 1,
        normalization: str,
        length_alpha: float = 0.6,
        coverage_penalty: float = 0.0,
        min_length: int = 0,
        max_length: int | None = None,
        min_length_ratio: float = 0.0,
        min_length_offset: int = 0,
        max_length_ratio: float,
        max_length_offset: int,
        max_source_length: int,
        batch_size: int,
        forbid_unknown: bool,
        no_repeat_ngram: int = 0,
        precision: str = "32-true",
    ) -> None:
        if normalization not in NORMALIZATIONS:
            raise ValueError(f"search.normalization={normalization}: allowed are {', '.join(NORMALIZATIONS)}")
        require(1, beam_size=beam_size, n_best=n_best, max_source_length=max_source_length, batch_size=batch_size)
        require(0, length_alpha=length_alpha, coverage_penalty=coverage_penalty)
        if n_best > beam_size:
            raise ValueError(f"search.n_best={n_best}: must be at most search.beam_size={beam_size}; widen the beam")
        self.beam_size, self.n_best = beam_size, n_best
        self.normalization, self.length_alpha, self.coverage_penalty = normalization, length_alpha, coverage_penalty
        check_precision(precision, "search.precision")
        self.max_source_length, self.batch_size, self.precision = max_source_length, batch_size, precision
        self.constraints = Constraints(
            min_length=min_length,
            max_length=max_length,
            min_length_ratio=min_length_ratio,
            min_length_offset=min_length_offset,
            max_length_ratio=max_length_ratio,
            max_length_offset=max_length_offset,
            forbid_unknown=forbid_unknown,
            no_repeat_ngram=no_repeat_ngram,
        )

    @torch.inference_mode()
    def search(
        self,
        model: Model[S, M],
        source: tuple[Any, ...],
        lengths_B: Tensor,
        *,
        prefixes: Sequence[Sequence[int]] | None = None,
        keys: Sequence[int] | None = None,
    ) -> list[list[Hypothesis]]:
        """The ``n_best`` best hypotheses of each sentence, or as many as there are; see `Search`.

        Raises:
            ValueError: a coverage penalty for a model without weights; a prefix with ids that are never written; a
                precision that is not to be had on the model's device.
        """
        bounds = self.constraints.bounds(lengths_B, prefixes)
        trace = Trace(bounds, width=self.beam_size, best=self.n_best)

        def advance(
            frontier: Frontier, log_probs_NV: Tensor, weights_NS: Tensor | None, step: int
        ) -> tuple[Frontier, Tensor]:
            if self.coverage_penalty:
                frontier = frontier.cover(self._required(weights_NS))
            return self._advance(frontier, finite(log_probs_NV), step, trace)

        with multiplying_in(self.precision, lengths_B.device):
            drive(model, source, Frontier.start(bounds, width=self.beam_size, alive=1), advance)
        return trace.hypotheses()

    def _required(self, weights_NS: Tensor | None) -> Tensor:
        if weights_NS is None:
            raise ValueError(
                f"search.coverage_penalty={self.coverage_penalty}: needs attention weights, and this model gives none "
                "(nor does an ensemble in which one gives none, or reads other source tokens); "
                "set search.coverage_penalty=0"
            )
        return weights_NS

    def _advance(self, frontier: Frontier, log_probs_NV: Tensor, step: int, trace: Trace) -> tuple[Frontier, Tensor]:
        """The hypotheses one word longer and the slots ``[A, K]`` they continue; finished ones go to the trace."""
        log_probs_AKV = log_probs_NV.view(*frontier.score_AK.shape, -1)
        frontier.allow_(log_probs_AKV, step)
        score_AC, word_AC, parent_AC = best_continuations(frontier.score_AK, log_probs_AKV, 2 * self.beam_size)
        end_AC = (word_AC == EOS) & (score_AC > -torch.inf)
        self._finish(frontier, score_AC, end_AC, parent_AC, step, trace)

        # Each hypothesis ends in one way only, so at least K candidates do not end; those, in order:
        place_AK = end_AC.int().argsort(dim=-1, stable=True)[:, : self.beam_size]
        score_AK, word_AK, parent_AK = (part.gather(1, place_AK) for part in (score_AC, word_AC, parent_AC))
        trace.extend(frontier.row_A, word_AK, parent_AK, step)
        done_A1 = self._done(frontier, score_AK[:, 0], trace).unsqueeze(1)
        return frontier.extend(word_AK, score_AK.masked_fill(done_A1, -torch.inf), parent_AK), parent_AK

    def _finish(
        self, frontier: Frontier, score_AC: Tensor, end_AC: Tensor, parent_AC: Tensor, step: int, trace: Trace
    ) -> None:
        """Hand those of the first K candidates that end to the trace."""
        log_prob_AK, end_AK, parent_AK = (part[:, : self.beam_size] for part in (score_AC, end_AC, parent_AC))
        score_AK = log_prob_AK / self._length_penalty(step + 1)
        if frontier.coverage_AKS is not None:
            score_AK = score_AK + self.coverage_penalty * _coverage(frontier).gather(1, parent_AK)
        trace.finish(frontier.row_A, score_AK.masked_fill(~end_AK, -torch.inf), log_prob_AK, parent_AK, step)

    def _done(self, frontier: Frontier, live_A: Tensor, trace: Trace) -> Tensor:
        """Whether no live hypothesis of a sentence, ``live_A`` being the best, can change its outcome any more."""
        bound_A = live_A / self._length_penalty(frontier.bounds.cap_A + 1)
        unbeaten_A = trace.score_BR[frontier.row_A, -1] >= bound_A
        if self.normalization == "none":
            return unbeaten_A
        return unbeaten_A | (trace.ended_B[frontier.row_A] >= self.beam_size)

    def _length_penalty(self, length: L) -> L | float:
        """lp of so many tokens, the end of sentence among them."""
        if self.normalization == "none":
            return 1.0
        return length if self.normalization == "average" else ((5 + length) / 6) ** self.length_alpha


def _coverage(frontier: Frontier) -> Tensor:
    """cp of each live hypothesis, ``[A, K]``."""
    assert frontier.coverage_AKS is not None
    positions_S = torch.arange(frontier.coverage_AKS.shape[2], device=frontier.row_A.device)
    real_A1S = (positions_S < frontier.bounds.source_A.unsqueeze(1)).unsqueeze(1)
    smallest = torch.finfo(torch.float64).tiny  # the logarithm of what has underflown stays finite
    return frontier.coverage_AKS.clamp(smallest, 1.0).log().masked_fill(~real_A1S, 0.0).sum(-1)
