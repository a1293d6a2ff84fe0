"""A layer of the Transformer: attention in heads, a feed-forward net, and what is around each (Vaswani et al. 2017).

A layer's parts are wrapped alike: ``post`` norm(x + f(x)), as in the paper, or ``pre`` x + f(norm(x)).

B batch, T positions, D width of all layers, E width of what is attended to, P heads, W = D / P width of a head, Q
queries and X keys of an attention, S source.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, scaled_dot_product_attention

from rnnsearch.model.dropout import SequenceDropout
from rnnsearch.model.linear import Linear


@dataclass(frozen=True)
class Looked:
    """Keys and values of what is attended to, ``[B, P, X, W]``."""

    keys: Tensor
    values: Tensor

    def select(self, index_N: Tensor) -> "Looked":
        """The rows ``index_N`` of the batch."""
        return Looked(self.keys[index_N], self.values[index_N])

    def extended(self, more: "Looked") -> "Looked":
        """With more positions behind these."""
        return Looked(torch.cat([self.keys, more.keys], dim=2), torch.cat([self.values, more.values], dim=2))


class MultiHeadAttention(nn.Module):
    """softmax(Q K^T / √W) V in P heads, joined by a matrix (section 3.2.2).

    Args:
        width: D, of queries and of what comes out.
        heads: P; they divide D.
        looked_size: width of what is attended to.
        rate: dropout of the weights.
        plain: by products and a softmax, the reference, in the place of torch's own attention.
    """

    def __init__(self, *, width: int, heads: int, looked_size: int, rate: float, plain: bool) -> None:
        super().__init__()
        self.heads, self.rate, self.plain = heads, rate, plain
        self.query = Linear(width, width, bias=False)
        self.key = Linear(looked_size, width, bias=False)
        self.value = Linear(looked_size, width, bias=False)
        self.output = Linear(width, width, bias=False)

    def look(self, values_BXE: Tensor) -> Looked:
        """Keys and values of positions."""
        return Looked(self._by_head(self.key(values_BXE)), self._by_head(self.value(values_BXE)))

    def forward(self, query_BQD: Tensor, looked: Looked, *, mask_B11X: Tensor | None, causal: bool) -> Tensor:
        """What is seen, ``[B, Q, D]``: where the mask says so (True is seen), and if ``causal`` no later position."""
        rate = self.rate if self.training else 0.0
        if self.plain:
            weights_BPQX = dropout(self.weights(query_BQD, looked, mask_B11X=mask_B11X, causal=causal), rate)
            seen_BPQW = weights_BPQX @ looked.values
        else:
            seen_BPQW = attend(self._by_head(self.query(query_BQD)), looked, mask_B11X, rate=rate, causal=causal)
        joined_BQD: Tensor = self.output(seen_BPQW.transpose(1, 2).flatten(2))
        return joined_BQD

    def weights(self, query_BQD: Tensor, looked: Looked, *, mask_B11X: Tensor | None, causal: bool) -> Tensor:
        """The weights of each head, ``[B, P, Q, X]``."""
        query_BPQW = self._by_head(self.query(query_BQD))
        energies_BPQX = query_BPQW @ looked.keys.mT / math.sqrt(query_BPQW.shape[-1])
        if mask_B11X is not None:
            energies_BPQX = energies_BPQX.masked_fill(~mask_B11X, -torch.inf)
        if causal:
            later_QX = torch.ones(energies_BPQX.shape[-2:], dtype=torch.bool, device=query_BQD.device).triu(1)
            energies_BPQX = energies_BPQX.masked_fill(later_QX, -torch.inf)
        weights_BPQX: Tensor = energies_BPQX.softmax(-1)
        return weights_BPQX

    def _by_head(self, values_BXD: Tensor) -> Tensor:
        by_head_BPXW: Tensor = values_BXD.view(*values_BXD.shape[:2], self.heads, -1).transpose(1, 2)
        return by_head_BPXW


def attend(query_BPQW: Tensor, looked: Looked, mask_B11X: Tensor | None, *, rate: float, causal: bool) -> Tensor:
    """torch's attention, ``[B, P, Q, W]``; on a CPU in float32, for its bfloat16 is several times slower there."""
    keys, values = looked.keys, looked.values
    if not (query_BPQW.is_cpu and query_BPQW.dtype == torch.bfloat16):
        return scaled_dot_product_attention(query_BPQW, keys, values, mask_B11X, rate, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        wide = (query_BPQW.float(), keys.float(), values.float())
        return scaled_dot_product_attention(*wide, mask_B11X, rate, is_causal=causal).to(torch.bfloat16)


class FeedForward(nn.Module):
    """ReLU(x W_1 + b_1) W_2 + b_2 (section 3.3)."""

    def __init__(self, *, width: int, size: int) -> None:
        super().__init__()
        self.inner = Linear(width, size)
        self.outer = Linear(size, width)

    def forward(self, values_BTD: Tensor) -> Tensor:
        found_BTD: Tensor = self.outer(torch.relu(self.inner(values_BTD)))
        return found_BTD


class Residual(nn.Module):
    """What is around a part of a layer: its residual, norm and dropout."""

    def __init__(self, *, width: int, norm: str, dropout: SequenceDropout) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.pre = norm == "pre"
        self.dropout = dropout

    def read(self, values_BTD: Tensor) -> Tensor:
        """What the part is given."""
        read_BTD: Tensor = self.norm(values_BTD) if self.pre else values_BTD
        return read_BTD

    def forward(self, values_BTD: Tensor, found_BTD: Tensor) -> Tensor:
        """The values with what the part found."""
        sums_BTD: Tensor = values_BTD + self.dropout(found_BTD)
        return sums_BTD if self.pre else self.norm(sums_BTD)


class Layer(nn.Module):
    """Attention to the own sentence, to the source if ``source_size`` is given, and a feed-forward net."""

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        feed_forward_size: int,
        source_size: int | None,
        norm: str,
        residual_dropout: SequenceDropout,
        attention_dropout: float,
        plain: bool,
    ) -> None:
        super().__init__()

        def attention(looked_size: int) -> MultiHeadAttention:
            return MultiHeadAttention(
                width=width, heads=heads, looked_size=looked_size, rate=attention_dropout, plain=plain
            )

        def around() -> Residual:
            return Residual(width=width, norm=norm, dropout=residual_dropout)

        self.own, self.around_own = attention(width), around()
        if source_size is not None:
            self.source, self.around_source = attention(source_size), around()
        self.feed_forward, self.around_feed_forward = FeedForward(width=width, size=feed_forward_size), around()

    def look(
        self, values_BTD: Tensor, mask_B11X: Tensor | None, *, causal: bool, past: Looked | None = None
    ) -> tuple[Tensor, Looked]:
        """With what is seen of the own sentence, of which ``past`` comes before; and all that was looked at."""
        read_BTD = self.around_own.read(values_BTD)
        looked = self.own.look(read_BTD)
        if past is not None:
            looked = past.extended(looked)
        return self.around_own(values_BTD, self.own(read_BTD, looked, mask_B11X=mask_B11X, causal=causal)), looked

    def read(self, values_BTD: Tensor, source: Looked, mask_B11S: Tensor) -> Tensor:
        """With what is seen of the source."""
        read_BTD = self.around_source.read(values_BTD)
        seen_BTD = self.source(read_BTD, source, mask_B11X=mask_B11S, causal=False)
        found_BTD: Tensor = self.around_source(values_BTD, seen_BTD)
        return found_BTD

    def weights(self, values_BTD: Tensor, source: Looked, mask_B11S: Tensor) -> Tensor:
        """Those of each head with which `read` sees the source, ``[B, P, T, S]``."""
        read_BTD = self.around_source.read(values_BTD)
        return self.source.weights(read_BTD, source, mask_B11X=mask_B11S, causal=False)

    def think(self, values_BTD: Tensor) -> Tensor:
        """With what the feed-forward net makes of it."""
        thought_BTD = self.feed_forward(self.around_feed_forward.read(values_BTD))
        found_BTD: Tensor = self.around_feed_forward(values_BTD, thought_BTD)
        return found_BTD
