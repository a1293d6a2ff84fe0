"""The Transformer's encoder and decoder: attention in the place of recurrence (Vaswani et al. 2017, arXiv 1706.03762).

Either stands beside a recurrent other half, too. A layer's parts are wrapped alike: ``post`` norm(x + f(x)), as in the
paper, or ``pre`` x + f(norm(x)) with a last norm above all layers, which trains without care (Xiong et al. 2020, arXiv
2002.04745). Words are embeddings times √D plus sinusoids of their positions.

B batch, S source, T target, D width of all layers, E annotation, P heads, W = D / P width of a head, Q queries and X
keys of an attention. N rows of a step: B, or B · K where search follows K hypotheses of each sentence.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, scaled_dot_product_attention

from rnnsearch.model.cells import choose
from rnnsearch.model.context import sinusoids
from rnnsearch.model.decoder import at
from rnnsearch.model.dropout import SequenceDropout
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.linear import Linear

NORMS = ("pre", "post")


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
            seen_BPQW = scaled_dot_product_attention(
                self._by_head(self.query(query_BQD)), looked.keys, looked.values, mask_B11X, rate, is_causal=causal
            )
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
    """A part of a layer with its residual, norm and dropout."""

    def __init__(self, *, width: int, norm: str, dropout: SequenceDropout) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.pre = norm == "pre"
        self.dropout = dropout

    def forward(self, values_BTD: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        found_BTD: Tensor = values_BTD + self.dropout(part(self.read(values_BTD)))
        return found_BTD if self.pre else self.norm(found_BTD)

    def read(self, values_BTD: Tensor) -> Tensor:
        """What the part is given."""
        read_BTD: Tensor = self.norm(values_BTD) if self.pre else values_BTD
        return read_BTD


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
        self.reads_source = source_size is not None
        if source_size is not None:
            self.source, self.around_source = attention(source_size), around()
        self.feed_forward, self.around_feed_forward = FeedForward(width=width, size=feed_forward_size), around()

    def look(self, values_BTD: Tensor, looked: Looked | None, mask_B11X: Tensor | None, *, causal: bool) -> Tensor:
        """With what is seen of the own sentence; ``looked`` are its keys and values where they are known."""

        def part(read_BTD: Tensor) -> Tensor:
            seen = self.own.look(read_BTD) if looked is None else looked
            found_BTD: Tensor = self.own(read_BTD, seen, mask_B11X=mask_B11X, causal=causal)
            return found_BTD

        found_BTD: Tensor = self.around_own(values_BTD, part)
        return found_BTD

    def read(self, values_BTD: Tensor, source: Looked, mask_B11S: Tensor) -> Tensor:
        """With what is seen of the source."""
        found_BTD: Tensor = self.around_source(
            values_BTD, lambda read_BTD: self.source(read_BTD, source, mask_B11X=mask_B11S, causal=False)
        )
        return found_BTD

    def think(self, values_BTD: Tensor) -> Tensor:
        """With what the feed-forward net makes of it."""
        found_BTD: Tensor = self.around_feed_forward(values_BTD, self.feed_forward)
        return found_BTD


class Half(nn.Module):
    """What encoder and decoder have in common: words with their positions, and layers."""

    def __init__(
        self,
        *,
        name: str,
        vocabulary_size: int,
        embedding_size: int,
        layers: int,
        heads: int,
        feed_forward_size: int,
        norm: str,
        embedding_dropout: float,
        residual_dropout: float,
        attention_dropout: float,
        variational_dropout: bool,
        source_size: int | None,
        kernels: str,
    ) -> None:
        super().__init__()
        choose(norm, NORMS, f"model.{name}.norm")
        if embedding_size % 2:
            raise ValueError(
                f"model.{name}.embedding_size={embedding_size}: positions are sinusoids, which come in pairs, so it "
                "is even"
            )
        if embedding_size % heads:
            fitting = [count for count in range(1, embedding_size + 1) if embedding_size % count == 0]
            raise ValueError(
                f"model.{name}.heads={heads} do not divide model.{name}.embedding_size={embedding_size} among them; "
                f"take {' or '.join(map(str, _nearest(fitting, heads)))} heads, or another size"
            )
        if not 0.0 <= attention_dropout < 1.0:
            raise ValueError(f"a dropout rate is at least 0 and below 1, not {attention_dropout}")
        self.fused = kernels != "plain"
        self.hidden_size = embedding_size
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.embedding_dropout = SequenceDropout(embedding_dropout, variational=variational_dropout)
        self.layers = nn.ModuleList(
            Layer(
                width=embedding_size,
                heads=heads,
                feed_forward_size=feed_forward_size,
                source_size=source_size,
                norm=norm,
                residual_dropout=SequenceDropout(residual_dropout, variational=variational_dropout),
                attention_dropout=attention_dropout,
                plain=not self.fused,
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(embedding_size) if norm == "pre" else None

    def words(self, ids_BT: Tensor, first: int) -> Tensor:
        """What enters the first layer: words at the positions from ``first`` on."""
        embedded_BTD: Tensor = self.embedding(ids_BT) * math.sqrt(self.hidden_size)
        positions_T = torch.arange(first, first + ids_BT.shape[1], device=ids_BT.device)
        placed_BTD = embedded_BTD + sinusoids(positions_T, self.hidden_size, embedded_BTD.dtype)
        found_BTD: Tensor = self.embedding_dropout(placed_BTD)
        return found_BTD

    def normed(self, values_BTD: Tensor) -> Tensor:
        """What leaves the last layer."""
        return values_BTD if self.norm is None else self.norm(values_BTD)


def _nearest(fitting: list[int], heads: int) -> list[int]:
    below, above = [c for c in fitting if c < heads], [c for c in fitting if c > heads]
    return [*below[-1:], *above[:1]]


class TransformerEncoder(Half):
    """Annotations by self-attention. They have no end states, so a recurrent decoder begins with their mean.

    Args:
        vocabulary_size: source vocabulary, specials included.
        embedding_size: D, of embeddings, layers and annotations; even.
        layers: how many.
        heads: P, of each attention; they divide D.
        feed_forward_size: units between W_1 and W_2.
        norm: ``pre`` or ``post``.
        embedding_dropout, residual_dropout, attention_dropout: rates after the embedding, on what each part adds, and
            on weights.
        variational_dropout: one mask a sentence instead of fresh noise at each position.
        kernels: ``plain`` attends by products and a softmax, the reference; else by torch's own attention.

    Raises:
        ValueError: for heads that don't divide the size, or an odd size.
    """

    bidirectional = False
    has_ends = False

    def __init__(
        self,
        *,
        vocabulary_size: int,
        embedding_size: int,
        layers: int,
        heads: int,
        feed_forward_size: int,
        norm: str,
        embedding_dropout: float,
        residual_dropout: float,
        attention_dropout: float,
        variational_dropout: bool,
        kernels: str,
    ) -> None:
        super().__init__(
            name="encoder",
            vocabulary_size=vocabulary_size,
            embedding_size=embedding_size,
            layers=layers,
            heads=heads,
            feed_forward_size=feed_forward_size,
            norm=norm,
            embedding_dropout=embedding_dropout,
            residual_dropout=residual_dropout,
            attention_dropout=attention_dropout,
            variational_dropout=variational_dropout,
            source_size=None,
            kernels=kernels,
        )
        self.annotation_size = embedding_size

    def forward(self, source_BS: Tensor, mask_BS: Tensor) -> Annotations:
        """Annotations of ``source_BS`` (ids), whose real tokens ``mask_BS`` marks."""
        states_BSD = self.words(source_BS, 0)
        for layer in self.layers:
            assert isinstance(layer, Layer)
            states_BSD = layer.think(layer.look(states_BSD, None, mask_BS[:, None, None], causal=False))
        return Annotations(self.normed(states_BSD) * mask_BS.unsqueeze(-1), mask_BS, None, None)


@dataclass(frozen=True)
class Sentences:
    """The source for a Transformer decoder: keys and values of its annotations for each layer."""

    mask_BS: Tensor
    layers: tuple[Looked, ...]

    def select(self, index_N: Tensor) -> "Sentences":
        """The rows ``index_N`` of the batch."""
        return Sentences(self.mask_BS[index_N], tuple(layer.select(index_N) for layer in self.layers))


@dataclass(frozen=True)
class Past:
    """The words so far, for N hypotheses: their keys and values in each layer."""

    layers: tuple[Looked, ...]

    def select(self, index_N: Tensor) -> "Past":
        """The rows ``index_N`` of the batch."""
        return Past(tuple(layer.select(index_N) for layer in self.layers))


class TransformerDecoder(Half):
    """Target words so far and the source to the next word, by attention to both; the context is its own.

    Args:
        vocabulary_size: target vocabulary, specials included.
        annotation_size: E, of the encoder's annotations.
        embedding_size, layers, heads, feed_forward_size, norm, embedding_dropout, residual_dropout, attention_dropout,
            variational_dropout, kernels: as of `TransformerEncoder`.

    Weights are those of one layer, of one head or of all heads' mean, as `align_by` says; at first all heads' mean in
    the last layer but one, or the last of two. They are computed once more for that, so not in training mode, in which
    nobody reads them.

    Raises:
        ValueError: for heads that don't divide the size, or an odd size.
    """

    weighs_source = True
    reads_ends = None

    def __init__(
        self,
        *,
        vocabulary_size: int,
        annotation_size: int,
        embedding_size: int,
        layers: int,
        heads: int,
        feed_forward_size: int,
        norm: str,
        embedding_dropout: float,
        residual_dropout: float,
        attention_dropout: float,
        variational_dropout: bool,
        kernels: str,
    ) -> None:
        super().__init__(
            name="decoder",
            vocabulary_size=vocabulary_size,
            embedding_size=embedding_size,
            layers=layers,
            heads=heads,
            feed_forward_size=feed_forward_size,
            norm=norm,
            embedding_dropout=embedding_dropout,
            residual_dropout=residual_dropout,
            attention_dropout=attention_dropout,
            variational_dropout=variational_dropout,
            source_size=annotation_size,
            kernels=kernels,
        )
        self.output = Linear(embedding_size, vocabulary_size)
        self.heads = heads
        self.align_by(None, None)

    def align_by(self, layer: int | None, head: int | None) -> None:
        """Take the weights of a layer and a head, counted from 1; None: a layer that aligns well, all heads' mean.

        Of six layers the last but one aligns best (Garg et al. 2019, arXiv 1909.02074), of two, on the gold links of
        the built-in corpus, the second.


        Raises:
            ValueError: if there is none of that number.
        """
        for name, number, count in (("layer", layer, len(self.layers)), ("head", head, self.heads)):
            if number is not None and not 1 <= number <= count:
                raise ValueError(f"alignments.{name}={number}: this decoder has {count}, counted from 1")
        count = len(self.layers)
        self.aligning_layer = (count - 2 if count > 2 else count - 1) if layer is None else layer - 1
        self.aligning_head = None if head is None else head - 1

    def start(self, annotations: Annotations) -> tuple[Past, Sentences]:
        """No words yet, and what is computed once a sentence."""
        layers = [layer.source.look(annotations.states_BSE) for layer in self.layers if isinstance(layer, Layer)]
        empty = tuple(Looked(looked.keys[:, :, :0], looked.values[:, :, :0]) for looked in layers)
        return Past(empty), Sentences(annotations.mask_BS, tuple(layers))

    def settle(self, memory: Sentences) -> Sentences:
        """The memory for many steps, which is as it was."""
        return memory

    def forward(
        self, target_in_BT: Tensor, state: Past, memory: Sentences, at_B: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """What `output` reads ``[B, T, D]`` and weights ``[B, T, S]`` (None in training) for known previous words.

        With ``at_B`` those of one step of each sentence alone, T = 1.
        """
        values_BTD, weights_BTS = self.words(target_in_BT, 0), None
        mask_B11S = memory.mask_BS[:, None, None]
        for depth, (layer, source) in enumerate(zip(self.layers, memory.layers, strict=True)):
            assert isinstance(layer, Layer)
            values_BTD = layer.look(values_BTD, None, None, causal=True)
            if depth == self.aligning_layer and not self.training:
                weights_BTS = self._weights(layer, values_BTD, source, mask_B11S)
            values_BTD = layer.think(layer.read(values_BTD, source, mask_B11S))
        return at(at_B, self.normed(values_BTD)), None if weights_BTS is None else at(at_B, weights_BTS)

    def step(self, token_N: Tensor, state: Past, memory: Sentences, step: int) -> tuple[Tensor, Past, Tensor | None]:
        """One step of search: what `output` reads ``[N, D]``, the next state, weights ``[N, S]``."""
        values_N1D, weights_BKS = self.words(token_N.unsqueeze(1), step), None
        sentences = len(memory.mask_BS)
        mask_B11S, past = memory.mask_BS[:, None, None], []
        for depth, (layer, own, source) in enumerate(zip(self.layers, state.layers, memory.layers, strict=True)):
            assert isinstance(layer, Layer)
            past.append(own.extended(layer.own.look(layer.around_own.read(values_N1D))))
            values_N1D = layer.look(values_N1D, past[-1], None, causal=False)
            values_BKD = values_N1D.view(sentences, -1, values_N1D.shape[-1])  # hypotheses of a sentence share its keys
            if depth == self.aligning_layer:
                weights_BKS = self._weights(layer, values_BKD, source, mask_B11S)
            values_N1D = layer.think(layer.read(values_BKD, source, mask_B11S).view_as(values_N1D))
        assert weights_BKS is not None
        return self.normed(values_N1D).squeeze(1), Past(tuple(past)), weights_BKS.flatten(0, 1)

    def _weights(self, layer: Layer, values_BTD: Tensor, source: Looked, mask_B11S: Tensor) -> Tensor:
        read_BTD = layer.around_source.read(values_BTD)
        weights_BPTS = layer.source.weights(read_BTD, source, mask_B11X=mask_B11S, causal=False)
        return weights_BPTS.mean(1) if self.aligning_head is None else weights_BPTS[:, self.aligning_head]
