"""Dropout on sequences, fresh noise at every step or one mask a sentence for all its steps, and on whole words."""

import torch
from torch import Tensor, nn


class SequenceDropout(nn.Module):
    """Dropout on ``[B, T, X]``; ``variational`` keeps one mask for all T (Gal, Ghahramani 2016, arXiv 1512.05287)."""

    def __init__(self, rate: float, *, variational: bool) -> None:
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"a dropout rate is at least 0 and below 1, not {rate}")
        self.rate = rate
        self.variational = variational

    def forward(self, values_BTX: Tensor) -> Tensor:
        if not self.variational or not self.training or self.rate == 0.0:
            return nn.functional.dropout(values_BTX, self.rate, self.training)
        keep_B1X = torch.empty_like(values_BTX[:, :1]).bernoulli_(1.0 - self.rate) / (1.0 - self.rate)
        return values_BTX * keep_B1X


class WordEmbedding(nn.Embedding):
    """Embeddings of which training leaves out whole words (Sennrich and Zhang 2019, arXiv 1905.11901).

    At each position of each sentence the word's vector is zero with probability ``dropout``, p, whichever word it is
    (Sennrich et al. 2016, arXiv 1606.02891, section 2.4), and is scaled otherwise, so that its mean stays:

        e(x_t) = z_t / (1 - p) · E x_t,   z_t ~ Bernoulli(1 - p)

    A word is a token of the vocabulary: a piece, of a vocabulary of pieces. None: nothing is left out.
    """

    def __init__(self, vocabulary_size: int, embedding_size: int, *, dropout: float | None) -> None:
        super().__init__(vocabulary_size, embedding_size)
        if dropout is not None and not 0.0 <= dropout < 1.0:
            raise ValueError(f"a rate of word dropout is at least 0 and below 1, or null, not {dropout}")
        self.dropout = dropout or 0.0

    def forward(self, input: Tensor) -> Tensor:
        """Vectors ``[..., M]`` of ids ``[...]``."""
        vectors_M = super().forward(input)
        if not self.training or self.dropout == 0.0:
            return vectors_M
        keep_1 = torch.empty_like(vectors_M[..., :1]).bernoulli_(1.0 - self.dropout) / (1.0 - self.dropout)
        return vectors_M * keep_1
