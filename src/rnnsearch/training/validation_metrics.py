"""Validation metrics that hold sums, so that several processes or batches give the same as one.

States are float64 sums; processes add theirs up (``dist_reduce_fx="sum"``).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from rnnsearch.evaluation.corpus_scores import (
    bleu_from_statistics,
    bleu_statistics,
    chrf_from_statistics,
    chrf_statistics,
)
from rnnsearch.evaluation.scoring import Scoring


class TokenLikelihood(Metric):
    """Negative log-likelihood a target token, in nats: the sum over all tokens over their number."""

    full_state_update = False
    nll: Tensor
    tokens: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("nll", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("tokens", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, nll: Tensor, tokens: int) -> None:
        """Add a batch: the sum of -log p in nats, and the number of tokens."""
        self.nll += nll.double()
        self.tokens += tokens

    def compute(self) -> Tensor:
        """Nats a token; its exponential is the perplexity."""
        return self.nll / self.tokens


class CorpusScore(Metric):
    """A corpus score from the sum of sacreBLEU's sufficient statistics of each sentence: ``bleu`` or ``chrf``."""

    full_state_update = False
    statistics: Tensor

    def __init__(self, kind: Literal["bleu", "chrf"], scoring: Scoring) -> None:
        super().__init__()
        self._scoring = scoring
        self._of_sentences = {"bleu": bleu_statistics, "chrf": chrf_statistics}[kind]
        self._score = {"bleu": bleu_from_statistics, "chrf": chrf_from_statistics}[kind]
        size = self._of_sentences([""], [""], scoring).shape[1]
        self.add_state("statistics", torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:
        """Add sentences, detokenised."""
        sums = self._of_sentences(hypotheses, references, self._scoring).sum(axis=0)
        self.statistics += torch.as_tensor(sums, dtype=torch.float64, device=self.statistics.device)

    def compute(self) -> Tensor:
        """The score, from 0 to 100."""
        return torch.tensor(self._score(self.statistics.cpu().numpy()), dtype=torch.float64)
