"""The Transformer's encoder and decoder: attention in the place of recurrence (Vaswani et al. 2017, arXiv 1706.03762).

Either stands beside a recurrent other half, too. Words are embeddings times √D plus sinusoids of their positions, and
``norm=pre`` has a last norm above all layers, with which it trains without a long warm-up (Xiong et al. 2020, arXiv
2002.04745).

B batch, S source, T target, D width of all layers, E annotation, P heads. N rows of a step: B, or B · K where search
follows K hypotheses of each sentence.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnnsearch.model.cells import choose
from rnnsearch.model.context import sinusoids
from rnnsearch.model.decoder import at
from rnnsearch.model.dropout import SequenceDropout, WordEmbedding
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.linear import Linear
from rnnsearch.model.transformer_layer import Layer, Looked

NORMS = ("pre", "post")


class Half(nn.Module):
    """What encoder and decoder have in common: words with their positions, and layers.

    ``source_size`` is the width of what its layers attend to besides, which a decoder gives.
    """

    side: str  # of the config, whose keys are named where they are wrong

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
        source_size: int | None = None,
        word_dropout: float | None = None,
    ) -> None:
        super().__init__()
        choose(norm, NORMS, f"model.{self.side}.norm")
        if embedding_size % 2:
            raise ValueError(
                f"model.{self.side}.embedding_size={embedding_size}: positions are sinusoids, which come in pairs, so "
                "it is even"
            )
        if embedding_size % heads:
            fitting = [count for count in range(1, embedding_size + 1) if embedding_size % count == 0]
            raise ValueError(
                f"model.{self.side}.heads={heads} do not divide model.{self.side}.embedding_size={embedding_size} "
                f"among them; take {' or '.join(map(str, _nearest(fitting, heads)))} heads, or another size"
            )
        if not 0.0 <= attention_dropout < 1.0:
            raise ValueError(f"a dropout rate is at least 0 and below 1, not {attention_dropout}")
        self.fused = kernels != "plain"
        self.hidden_size = embedding_size
        self.embedding = WordEmbedding(vocabulary_size, embedding_size, dropout=word_dropout)
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
        word_dropout: rate of whole words, as `WordEmbedding` leaves them out; None: none.
        variational_dropout: one mask a sentence instead of fresh noise at each position.
        kernels: ``plain`` attends by products and a softmax, the reference; else by torch's own attention.

    Raises:
        ValueError: for heads that don't divide the size, or an odd size.
    """

    side = "encoder"
    bidirectional = False
    has_ends = False

    @property
    def annotation_size(self) -> int:
        """E = D."""
        return self.hidden_size

    def forward(self, source_BS: Tensor, mask_BS: Tensor) -> Annotations:
        """Annotations of ``source_BS`` (ids), whose real tokens ``mask_BS`` marks."""
        states_BSD = self.words(source_BS, 0)
        for layer in self.layers:
            assert isinstance(layer, Layer)
            states_BSD, _ = layer.look(states_BSD, mask_BS[:, None, None], causal=False)
            states_BSD = layer.think(states_BSD)
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
            variational_dropout, word_dropout, kernels: as of `TransformerEncoder`.

    Weights are those of one layer, of one head or of all heads' mean, as `align_by` says; at first all heads' mean in
    the last layer but one, or the last of two. They are computed once more for that, so not in training mode, in which
    nobody reads them.

    Raises:
        ValueError: for heads that don't divide the size, or an odd size.
    """

    side = "decoder"
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
        word_dropout: float | None = None,
    ) -> None:
        super().__init__(
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
            word_dropout=word_dropout,
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
            values_BTD, _ = layer.look(values_BTD, None, causal=True)
            if depth == self.aligning_layer and not self.training:
                weights_BTS = self._chosen(layer.weights(values_BTD, source, mask_B11S))
            values_BTD = layer.think(layer.read(values_BTD, source, mask_B11S))
        return at(at_B, self.normed(values_BTD)), None if weights_BTS is None else at(at_B, weights_BTS)

    def step(self, token_N: Tensor, state: Past, memory: Sentences, step: int) -> tuple[Tensor, Past, Tensor | None]:
        """One step of search: what `output` reads ``[N, D]``, the next state, weights ``[N, S]``."""
        values_N1D, weights_BKS = self.words(token_N.unsqueeze(1), step), None
        sentences = len(memory.mask_BS)
        mask_B11S, past = memory.mask_BS[:, None, None], []
        for depth, (layer, own, source) in enumerate(zip(self.layers, state.layers, memory.layers, strict=True)):
            assert isinstance(layer, Layer)
            values_N1D, looked = layer.look(values_N1D, None, causal=False, past=own)
            past.append(looked)
            values_BKD = values_N1D.view(sentences, -1, values_N1D.shape[-1])  # hypotheses of a sentence share its keys
            if depth == self.aligning_layer:
                weights_BKS = self._chosen(layer.weights(values_BKD, source, mask_B11S))
            values_N1D = layer.think(layer.read(values_BKD, source, mask_B11S).view_as(values_N1D))
        assert weights_BKS is not None
        return self.normed(values_N1D).squeeze(1), Past(tuple(past)), weights_BKS.flatten(0, 1)

    def _chosen(self, weights_BPTS: Tensor) -> Tensor:
        return weights_BPTS.mean(1) if self.aligning_head is None else weights_BPTS[:, self.aligning_head]
