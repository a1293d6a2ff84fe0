"""Forced decoding: the probability of given translations, and the attention weights along the way.

B batch, S source, T target, R read-out, V vocabulary, N real target tokens of a batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnnsearch.data.batching import Batch, Row, collate
from rnnsearch.evaluation.system import Ids, Sources, System
from rnnsearch.model.translator import Translator

Floats = NDArray[np.float64]

POSITIONS = 8192  # target positions of a forced batch, padding counted: bounds the logits


@dataclass(frozen=True, slots=True)
class Forced:
    """Forced decoding of one pair.

    ``log_probs_T`` is log p of each target token, the end of sentence last, in nats; for an ensemble, log of the mean
    probability. ``weights`` are each member's ``[T, S]``, None for one without; their last row and column are the ends
    of sentence.
    """

    log_probs_T: Floats
    weights: tuple[Floats | None, ...]

    @property
    def log_prob(self) -> float:
        """log p of the whole target, in nats."""
        return float(self.log_probs_T.sum())

    @property
    def tokens(self) -> int:
        """Target tokens, the end of sentence counted."""
        return len(self.log_probs_T)


def force(
    system: System, pairs: Sequence[tuple[Sources, Ids]], *, weights: bool = True
) -> Iterator[tuple[int, Forced]]:
    """Forced decoding of (sources, target) ids without ends of sentence: each pair's place and result, out of order.

    Without ``weights`` none are kept: they are most of the memory that a long pair takes.
    """
    order = sorted(range(len(pairs)), key=lambda place: -_longest(*pairs[place]))
    while order:
        size = max(1, POSITIONS // (_longest(*pairs[order[0]]) + 1))
        rows, order = order[:size], order[size:]
        yield from zip(rows, _force_batch(system, [pairs[row] for row in rows], weights), strict=True)


def _longest(sources: Sources, target: Ids) -> int:
    return max(len(target), *map(len, sources))


def _force_batch(system: System, pairs: Sequence[tuple[Sources, Ids]], weights: bool) -> list[Forced]:
    with system.evaluating():
        by_member = [
            _force_member(
                member.translator, [(sources[i], target) for sources, target in pairs], system.device, weights
            )
            for i, member in enumerate(system.members)
        ]
    return [_joined(of_pair) for of_pair in zip(*by_member, strict=True)]


def _joined(members: Sequence[tuple[Floats, Floats | None]]) -> Forced:
    """log of the mean of the members' probabilities, token by token."""
    log_probs_T = np.logaddexp.reduce([log_probs_T for log_probs_T, _ in members], axis=0) - np.log(len(members))
    return Forced(log_probs_T, tuple(weights_TS for _, weights_TS in members))


@torch.inference_mode()
def _force_member(
    translator: Translator, pairs: Sequence[tuple[Ids, Ids]], device: torch.device, weights: bool
) -> list[tuple[Floats, Floats | None]]:
    rows = [Row(index=i, source=source, target=target) for i, (source, target) in enumerate(pairs)]
    batch = collate(rows).to(device)
    readouts_BTR, weights_BTS = translator(batch.source_BS, batch.source_mask_BS, batch.target_in_BT)
    logits_NV = translator.logits(readouts_BTR[batch.target_mask_BT])
    nll_N = nn.functional.cross_entropy(logits_NV, batch.target_out_BT[batch.target_mask_BT], reduction="none")
    tokens = batch.target_mask_BT.sum(-1).tolist()
    log_probs = np.split(-nll_N.double().cpu().numpy(), np.cumsum(tokens)[:-1])
    return list(zip(log_probs, _unpadded(weights_BTS if weights else None, batch), strict=True))


def _unpadded(weights_BTS: Tensor | None, batch: Batch) -> Sequence[Floats | None]:
    targets, sources = (mask.sum(-1).tolist() for mask in (batch.target_mask_BT, batch.source_mask_BS))
    if weights_BTS is None:
        return [None] * len(targets)
    weights = weights_BTS.double().cpu().numpy()
    return [
        weights[i, :target, :source].copy() for i, (target, source) in enumerate(zip(targets, sources, strict=True))
    ]
