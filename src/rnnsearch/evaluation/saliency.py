"""Gradient saliency: word alignments from any model, with or without attention.

How much more likely would y_i be if source word x_j were slightly stronger? With e_j the embedding of x_j, the
saliency of x_j for y_i is the derivative of log p(y_i | y_<i, x) with respect to a factor on e_j, at 1:

    ψ_ij = Σ_m (∂ log p(y_i | y_<i, x) / ∂ e_jm) e_jm

(Ding, Xu and Koehn 2019, "Saliency-driven word alignment interpretation for neural machine translation"; the gradient
of p instead of log p differs only by a factor for each row). What speaks against y_i is no link: negative values count
as 0. Each row is divided by its sum over the source, end of sentence included, which puts rows on the same scale as
attention weights; a row without positive values stays 0.

B target positions, each with the prefix before it; S source, T target, M embedding, R read-out, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnnsearch.data.batching import pad
from rnnsearch.data.tokenizer import BOS, EOS
from rnnsearch.model.translator import Translator

Ids = Sequence[int]
Weights = NDArray[np.float64]

POSITIONS = 8192  # source and target positions of a batch, padding counted: bounds what a backward pass keeps


def saliency(translator: Translator, pairs: Sequence[tuple[Ids, Ids]]) -> list[Weights]:
    """Saliencies of (source, target) ids without ends of sentence, an array [T, S] a pair, in order.

    The last row and column are the ends of sentence; a row sums to 1, or is 0. Each target position is treated as a
    sentence of its own, with the words before it as the target, so that one pass serves positions of many pairs and its
    memory is bounded. The cost grows with the square of the target's length.
    """
    saliencies = [np.zeros((len(target) + 1, len(source) + 1)) for source, target in pairs]
    with _differentiating(translator):
        for positions in _batches(pairs):
            weights_BS = _saliency(translator, [(*pairs[pair], place) for pair, place in positions])
            for (pair, place), weights_S in zip(positions, weights_BS, strict=True):
                saliencies[pair][place] = weights_S[: len(pairs[pair][0]) + 1]
    return saliencies


def _batches(pairs: Sequence[tuple[Ids, Ids]]) -> Iterator[list[tuple[int, int]]]:
    """All positions (pair, place in its target), similar lengths together, the longest first.

    A batch has up to `POSITIONS` with padding.
    """
    positions = [(pair, place) for pair, (_, target) in enumerate(pairs) for place in range(len(target) + 1)]
    positions.sort(key=lambda each: (-len(pairs[each[0]][0]), -each[1]))
    batch: list[tuple[int, int]] = []
    longest = 0
    for pair, place in positions:
        longest = max(longest if batch else 0, place + 1)
        if batch and (len(batch) + 1) * (len(pairs[batch[0][0]][0]) + 1 + longest) > POSITIONS:
            yield batch
            batch, longest = [], place + 1
        batch.append((pair, place))
    if batch:
        yield batch


def _saliency(translator: Translator, positions: Sequence[tuple[Ids, Ids, int]]) -> Weights:
    """The saliency [B, S] of each source position for the word at a place of the target: (source, target, place)."""
    device = next(translator.parameters()).device
    source_BS, mask_BS = (part.to(device) for part in pad([source for source, _, _ in positions]))
    before = [[BOS, *target[:place]] for _, target, place in positions]
    before_BT, real_BT = (part.to(device) for part in pad(before, ends=0))
    with _embedded_source(translator) as embedded:
        readouts_B1R, _ = translator(source_BS, mask_BS, before_BT, real_BT.sum(1) - 1)
    rows_B = torch.arange(len(positions), device=device)
    log_probs_BV = torch.log_softmax(translator.logits(readouts_B1R.squeeze(1)), dim=-1)
    words_B = torch.tensor([[*target, EOS][place] for _, target, place in positions], device=device)
    [embedded_BSM] = embedded
    log_prob = log_probs_BV[rows_B, words_B].sum()
    if not log_prob.requires_grad:  # the source is not read
        return np.zeros(mask_BS.shape)
    [gradient_BSM] = torch.autograd.grad(log_prob, embedded_BSM)
    return _normalised((gradient_BSM * embedded_BSM).detach().double().sum(-1).masked_fill(~mask_BS, 0.0))


def _normalised(saliency_BS: Tensor) -> Weights:
    weights_BS = saliency_BS.clamp(min=0.0)
    total_B1 = weights_BS.sum(-1, keepdim=True)
    return (weights_BS / torch.where(total_B1 > 0, total_B1, 1.0)).cpu().numpy()


@contextmanager
def _embedded_source(translator: Translator) -> Iterator[list[Tensor]]:
    """The embeddings of the source, `[B, S, M]`, in each pass of the block: leaves of the gradient's graph."""
    embedded: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    handle = translator.encoder.embedding.register_forward_hook(keep)
    try:
        yield embedded
    finally:
        handle.remove()


@contextmanager
def _differentiating(translator: Translator) -> Iterator[None]:
    """Gradients, even if the caller has switched them off, but of no parameter; no dropout; then all is as before."""
    training, learnt = translator.training, [each for each in translator.parameters() if each.requires_grad]
    translator.eval()
    for parameter in learnt:
        parameter.requires_grad_(False)
    try:
        # cuDNN's recurrences have no backward pass in evaluation mode; torch's own do
        with torch.inference_mode(False), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        for parameter in learnt:
            parameter.requires_grad_(True)
        translator.train(training)
