"""Attention to a few source words around a place that the decoder predicts (Luong et al. 2015, section 3.2, local-p).

N = B · K queries of B sentences, S source, H query (decoder state).
"""

import torch
from torch import Tensor, nn

from rnnsearch.model.linear import Linear


class Window(nn.Module):
    """p_i = S σ(v^T tanh(W s)), and e_ij gets -(j - p_i)² / 2σ² where |j - p_i| ≤ D, σ = D / 2; elsewhere no weight.

    Positions count from 0, S is the sentence's own length. Weights are those of the energies in the window, so that
    they sum to 1 there, unlike the paper's, whose product with the bell curve is left as it is.

    Args:
        state_size: H.
        reach: D.

    Raises:
        ValueError: if D is under 1, for then no position may be near.
    """

    def __init__(self, *, state_size: int, reach: int) -> None:
        super().__init__()
        if reach < 1:
            raise ValueError(f"model.context.window={reach}: it reaches at least 1 word to each side; null: all words")
        self.reach = reach
        self.query = Linear(state_size, state_size, bias=False)  # W
        self.v = nn.Parameter(torch.empty(state_size))
        nn.init.normal_(self.v, std=state_size**-0.5)

    def forward(self, query_BKH: Tensor, mask_BS: Tensor) -> tuple[Tensor, Tensor]:
        """What energies get ``[B, K, S]``, and where a position is in the window and real, True."""
        share_BK1 = torch.sigmoid(torch.tanh(self.query(query_BKH)) @ self.v).unsqueeze(-1)
        places_S = torch.arange(mask_BS.shape[1], device=mask_BS.device)
        away_BKS = places_S - mask_BS.sum(1)[:, None, None] * share_BK1
        inside_BKS = (away_BKS.abs() <= self.reach) & mask_BS.unsqueeze(1)
        return -(away_BKS**2) * (2 / self.reach**2), inside_BKS
