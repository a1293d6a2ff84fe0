"""Sampling: translations drawn from the model's distribution, as it is or sharpened and without its tail.

What is drawn for a sentence depends on the seed, the sentence's key, the number of the sample and the step alone, never
on its batch, its place there or padding: each (seed, key, sample) has random numbers of its own, one a step, and a
number is looked up among the cumulated probabilities of the words in the order of their ids.

B sentences, A sentences still in the batch, K samples of each, T steps, V vocabulary, N = A · K samples, those of a
sentence one after another; or any rows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnsearch.data.tokenizer import EOS
from rnnsearch.kernels.rounded_products import check_precision, multiplying_in
from rnnsearch.search.constraints import Constraints, finite, require
from rnnsearch.search.frontier import Frontier, Trace, drive
from rnnsearch.search.hypotheses import Hypothesis, M, Model, S


class Sampling:
    """Independent draws, ranked by log p; a translation may be drawn more than once.

    Constraints come first, then temperature, top_k and top_p, in this order; a hypothesis' ``log_prob`` is the model's
    own all the same, and so is its ``score``.

    Args:
        n_best: K, samples a sentence.
        temperature: logits are divided by it.
        top_k: draw from so many likeliest words, equals by lower id; 0 is off.
        top_p: draw from the fewest likeliest words that have at least this probability together (Holtzman et al. 2020,
            arXiv 1904.09751, section 3.1); 1 is off.
        seed: of the random numbers.
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
        n_best: int,
        temperature: float,
        top_k: int,
        top_p: float,
        seed: int,
        min_length: int,
        max_length: int | None,
        min_length_ratio: float,
        min_length_offset: int,
        max_length_ratio: float,
        max_length_offset: int,
        max_source_length: int,
        batch_size: int,
        forbid_unknown: bool,
        no_repeat_ngram: int,
        precision: str = "32-true",
    ) -> None:
        require(1, n_best=n_best, max_source_length=max_source_length, batch_size=batch_size)
        require(0, top_k=top_k, seed=seed)
        if not 0 < temperature < np.inf:
            raise ValueError(
                f"search.temperature={temperature}: must be above 0 and finite; for the likeliest set search=greedy"
            )
        if not 0 < top_p <= 1:
            raise ValueError(f"search.top_p={top_p}: must be above 0 and at most 1, which is off")
        self.n_best, self.temperature, self.top_k, self.top_p, self.seed = n_best, temperature, top_k, top_p, seed
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
        """``n_best`` draws for each sentence; see `Search`.

        Raises:
            ValueError: a prefix with ids that are never written; a precision that is not to be had
                on the model's device.
        """
        bounds = self.constraints.bounds(lengths_B, prefixes)
        trace = Trace(bounds, width=self.n_best, best=self.n_best)
        numbers_BKT = self._numbers(range(len(lengths_B)) if keys is None else keys, bounds.last_full + 1)
        numbers_BKT = numbers_BKT.to(lengths_B.device)

        def advance(frontier: Frontier, log_probs_NV: Tensor, _: Tensor | None, step: int) -> tuple[Frontier, Tensor]:
            return self._advance(frontier, finite(log_probs_NV), numbers_BKT[frontier.row_A, :, step], step, trace)

        with multiplying_in(self.precision, lengths_B.device):
            drive(model, source, Frontier.start(bounds, width=self.n_best, alive=self.n_best), advance)
        return trace.hypotheses()

    def _numbers(self, keys: Sequence[int], steps: int) -> Tensor:
        """Uniform numbers in [0, 1), float64 ``[B, K, T]``."""
        generators = [
            np.random.Generator(np.random.Philox(np.random.SeedSequence(self.seed, spawn_key=(key, sample))))
            for key in keys
            for sample in range(self.n_best)
        ]
        numbers_NT = np.stack([generator.random(steps) for generator in generators])
        return torch.from_numpy(numbers_NT).view(len(keys), self.n_best, steps)

    def _advance(
        self, frontier: Frontier, log_probs_NV: Tensor, number_AK: Tensor, step: int, trace: Trace
    ) -> tuple[Frontier, Tensor]:
        """The samples one word longer, and their slots; finished ones go to the trace."""
        own_AKV = log_probs_NV.view(*frontier.score_AK.shape, -1)
        word_AK = draw(self._probabilities(frontier, own_AKV, step), number_AK)
        score_AK = frontier.score_AK + own_AKV.gather(2, word_AK.unsqueeze(2)).squeeze(2)
        slot_AK = torch.arange(self.n_best, device=word_AK.device).expand_as(word_AK)
        ended_AK = word_AK == EOS
        finished_AK = score_AK.masked_fill(~ended_AK, -torch.inf)
        trace.finish(frontier.row_A, finished_AK, finished_AK, slot_AK, step)
        trace.extend(frontier.row_A, word_AK, slot_AK, step)
        return frontier.extend(word_AK, score_AK.masked_fill(ended_AK, -torch.inf), slot_AK), slot_AK

    def _probabilities(self, frontier: Frontier, log_probs_AKV: Tensor, step: int) -> Tensor:
        """What is drawn from, ``[A, K, V]``."""
        allowed_AKV = log_probs_AKV.to(torch.float64, copy=True)
        frontier.allow_(allowed_AKV, step)
        stuck_AK = allowed_AKV.amax(-1) == -torch.inf  # one sample may be where another of its sentence is not
        allowed_AKV[..., EOS].masked_fill_(stuck_AK, 0.0)
        probs_AKV = (allowed_AKV / self.temperature).softmax(-1)
        return probs_AKV if not self.top_k and self.top_p == 1 else truncated(probs_AKV, self.top_k, self.top_p)


def truncated(probs_XV: Tensor, top_k: int, top_p: float) -> Tensor:
    """The ``top_k`` (0: all) likeliest words, and of these the fewest that make up a share ``top_p`` of them."""
    sorted_XV, word_XV = probs_XV.sort(dim=-1, descending=True, stable=True)
    if top_k:
        sorted_XV[..., top_k:] = 0.0
    before_XV = sorted_XV.cumsum(-1) - sorted_XV
    sorted_XV.masked_fill_(before_XV >= top_p * sorted_XV.sum(-1, keepdim=True), 0.0)
    return torch.zeros_like(probs_XV).scatter_(-1, word_XV, sorted_XV)


def draw(probs_XV: Tensor, number_X: Tensor) -> Tensor:
    """The words at which the cumulated probabilities, not normalised, first exceed the shares ``number_X`` of them."""
    sums_XV = probs_XV.cumsum(-1)
    total_X = sums_XV[..., -1]
    share_X = (number_X * total_X).minimum(total_X.nextafter(torch.zeros_like(total_X)))
    return torch.searchsorted(sums_XV, share_X.unsqueeze(-1), right=True).squeeze(-1)
