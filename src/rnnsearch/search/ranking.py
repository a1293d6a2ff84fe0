"""The best continuations of each sentence, exactly, without putting a whole vocabulary in order.

A sentences, K hypotheses of each, V vocabulary, C continuations wanted, D ⌈V / BLOCK⌉ blocks, X any.
"""

import torch
from torch import Tensor

BLOCK = 64  # words; blocks of a power of two are the quickest to take maxima of


def best_continuations(score_AK: Tensor, log_probs_AKV: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Score, word and slot continued of up to ``count`` continuations, ``[A, C]`` each, best first.

    Equals are ranked by lower slot, then lower word. They are sought in the ``count`` blocks with the best maxima,
    equals again by place: a word elsewhere has as many before it, the maxima of those blocks.
    """
    words = log_probs_AKV.shape[-1]
    maxima_AKD = _maxima(log_probs_AKV)
    _, block_AC = likeliest((score_AK.unsqueeze(-1) + maxima_AKD).flatten(1), count)
    block_AC1 = block_AC.sort(dim=-1).values.unsqueeze(-1)  # so that places, too, are in order
    slot_AC1, first_AC1 = block_AC1 // maxima_AKD.shape[-1], block_AC1 % maxima_AKD.shape[-1] * BLOCK
    word_ACX = first_AC1 + torch.arange(BLOCK, device=block_AC.device)
    place_AX = (slot_AC1 * words + word_ACX.clamp(max=words - 1)).flatten(1)
    score_AX = log_probs_AKV.flatten(1).gather(1, place_AX) + score_AK.gather(1, place_AX // words)
    score_AC, chosen_AC = likeliest(score_AX.masked_fill((word_ACX >= words).flatten(1), -torch.inf), count)
    place_AC = place_AX.gather(1, chosen_AC)
    return score_AC, place_AC % words, place_AC // words


def _maxima(log_probs_AKV: Tensor) -> Tensor:
    """The highest of each block, ``[A, K, D]``; the last block may be shorter."""
    whole = log_probs_AKV.shape[-1] // BLOCK
    blocks_AKDX = log_probs_AKV[..., : whole * BLOCK].reshape(*log_probs_AKV.shape[:2], whole, BLOCK)
    rest_AKX = log_probs_AKV[..., whole * BLOCK :]
    maxima_AKD = blocks_AKDX.amax(-1)
    return torch.cat([maxima_AKD, rest_AKX.amax(-1, keepdim=True)], -1) if rest_AKX.shape[-1] else maxima_AKD


def likeliest(scores_AX: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The up to ``count`` highest of each row and their places, best first, equals by lower place.

    `torch.topk` leaves the order of equals open.
    """
    count = min(count, scores_AX.shape[1])
    if not scores_AX.is_cpu:  # to ask whether there are equals would wait for the device
        ordered_AX, places_AX = scores_AX.sort(dim=-1, descending=True, stable=True)
        return ordered_AX[:, :count], places_AX[:, :count]
    values_AC, places_AC = scores_AX.topk(min(count + 1, scores_AX.shape[1]))
    last_A1 = values_AC[:, count - 1 : count]
    if bool(((values_AC[:, count:] == last_A1) & (last_A1 > -torch.inf)).any()):  # equals on both sides of the cut
        room_A1 = count - (scores_AX > last_A1).sum(dim=-1, keepdim=True)
        equal_AX = scores_AX == last_A1
        surplus_AX = equal_AX & (equal_AX.cumsum(dim=-1) > room_A1)
        values_AC, places_AC = scores_AX.masked_fill(surplus_AX, -torch.inf).topk(count)
    places_AC, order_AC = places_AC[:, :count].sort(dim=-1)
    values_AC, place_AC = values_AC.gather(1, order_AC).sort(dim=-1, descending=True, stable=True)
    return values_AC, places_AC.gather(1, place_AC)
