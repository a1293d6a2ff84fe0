"""A trained model with other attention weights than the learnt ones, at every step of search or of given words.

The model itself, its parameters and whatever else there is stay as they are: one wrapper stands around what weighs the
source, a context mechanism or the heads of a Transformer's layers, and hands on what a condition makes of the learnt
weights. These are still computed, for the state that the replaced ones have led to. Kernels compute weights and their
use at once, so that a decoder with replaced weights takes the plain path.

B sentences, S source, T target, N rows of a step: B, or B · K of K hypotheses of each sentence; P heads, V values of a
sentence, P · S; Q queries.
"""

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from rnnsearch.data.tokenizer import PAD
from rnnsearch.model.decoder import Decoder, at
from rnnsearch.model.encoder import Annotations
from rnnsearch.model.mechanism import Context
from rnnsearch.model.memory import Memory
from rnnsearch.model.transformer import Sentences, TransformerDecoder
from rnnsearch.model.transformer_layer import Layer, Looked, MultiHeadAttention
from rnnsearch.model.translator import Translator
from rnnsearch.search.attention_conditions import Condition, Known


@dataclass(frozen=True)
class KnownMemory(Memory):
    """The memory of a context mechanism, with what conditions know."""

    known: Known | None = None

    def select(self, index_N: Tensor) -> "KnownMemory":
        """The rows ``index_N`` of the batch."""
        assert self.known is not None
        return KnownMemory(**vars(super().select(index_N)), known=self.known.select(index_N))


@dataclass(frozen=True)
class KnownLooked(Looked):
    """The source for a layer's heads, with what conditions know; ``step`` is None where queries are all steps."""

    known: Known
    step: int | None = None

    def select(self, index_N: Tensor) -> "KnownLooked":
        """The rows ``index_N`` of the batch."""
        return KnownLooked(self.keys[index_N], self.values[index_N], self.known.select(index_N), self.step)


class ReplacedContext(Context):
    """A mechanism whose weights over the source a condition replaces.

    Args:
        learned: the mechanism.
        condition: what is put in the place of its weights.
        head: of whose weights, from 0; None: of all.
    """

    constant = False

    def __init__(self, *, learned: Context, condition: Condition, head: int | None) -> None:
        super().__init__()
        self.learned, self.condition, self.head = learned, condition, head
        self.size, self.covers = learned.size, learned.covers
        self.reads_ends, self.sums_to_one = learned.reads_ends, learned.sums_to_one

    def remember(self, annotations: Annotations) -> Memory:
        return self.learned.remember(annotations)

    def settle(self, memory: Memory) -> Memory:
        return self.learned.settle(memory)

    def weigh(self, query_NH: Tensor, memory: Memory, step: int) -> Tensor | None:
        learned_NV = self.learned.weigh(query_NH, memory, step)
        assert learned_NV is not None
        assert isinstance(memory, KnownMemory)
        assert memory.known is not None
        sentences, length = memory.mask_BS.shape
        if learned_NV.shape[1] % length:
            raise ValueError(
                f"the weights of {type(self.learned).__name__} are not over the source's tokens but over "
                f"{learned_NV.shape[1]} values of a sentence of {length}, so there is no replacing them: leave "
                "attention=learned"
            )
        learned_BKPS = learned_NV.view(sentences, -1, learned_NV.shape[1] // length, length)
        weights_BPKS = _replaced(self.condition, learned_BKPS.transpose(1, 2), memory.known, step, self.head)
        return weights_BPKS.transpose(1, 2).reshape(learned_NV.shape)

    def over_source(self, weights_XV: Tensor | None) -> Tensor | None:
        return self.learned.over_source(weights_XV)


class ReplacedHeads(MultiHeadAttention):
    """A Transformer layer's attention to the source, whose weights a condition replaces; see `ReplacedContext`."""

    def __init__(self, *, learned: MultiHeadAttention, condition: Condition, head: int | None) -> None:
        nn.Module.__init__(self)
        self.heads, self.rate, self.plain = learned.heads, learned.rate, True
        self.query, self.key, self.value, self.output = learned.query, learned.key, learned.value, learned.output
        self.condition, self.head = condition, head

    def weights(self, query_BQD: Tensor, looked: Looked, *, mask_B11X: Tensor | None, causal: bool) -> Tensor:
        learned_BPQS = super().weights(query_BQD, looked, mask_B11X=mask_B11X, causal=causal)
        assert isinstance(looked, KnownLooked)
        if looked.step is not None:
            return _replaced(self.condition, learned_BPQS, looked.known, looked.step, self.head)
        by_step = [
            _replaced(self.condition, learned_BPS.unsqueeze(2), looked.known, step, self.head)
            for step, learned_BPS in enumerate(learned_BPQS.unbind(2))
        ]
        return torch.cat(by_step, dim=2)


def _replaced(condition: Condition, learned_BPQS: Tensor, known: Known, step: int, head: int | None) -> Tensor:
    """The weights of the queries of one step."""
    if head is None:
        return condition(learned_BPQS.flatten(1, 2), known, step).view(learned_BPQS.shape)
    weights_BPQS = learned_BPQS.clone()
    weights_BPQS[:, head] = condition(learned_BPQS[:, head], known, step)
    return weights_BPQS


class ReplacedTranslator(Translator):
    """A translator whose attention weights a condition replaces; it shares all parameters with the learnt one.

    Args:
        learned: the translator.
        condition: what is put in the place of its weights.
        layer, head: of a Transformer's decoder, or of a mechanism with heads, from 1; None: all.
        other: a translator that reads and writes the same ids, for a condition that takes its weights.

    Raises:
        ValueError: if it has no weights over the source, or no such layer or head.
    """

    def __init__(
        self,
        *,
        learned: Translator,
        condition: Condition,
        layer: int | None = None,
        head: int | None = None,
        other: Translator | None = None,
    ) -> None:
        nn.Module.__init__(self)
        check_replaceable(learned, layer, head)
        self.encoder = learned.encoder
        shared: dict[int, Any] = {id(tensor): tensor for tensor in [*learned.parameters(), *learned.buffers()]}
        self.decoder = copy.deepcopy(learned.decoder, shared)
        self.other = other
        which = None if head is None else head - 1
        if isinstance(self.decoder, Decoder):
            self.decoder.context = ReplacedContext(learned=self.decoder.context, condition=condition, head=which)
            self.decoder.fused = False
            return
        for number, each in enumerate(self.decoder.layers, 1):
            assert isinstance(each, Layer)
            if layer in (None, number):
                each.source = ReplacedHeads(learned=each.source, condition=condition, head=which)

    def forward(
        self, source_BS: Tensor, mask_BS: Tensor, target_in_BT: Tensor, at_B: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """As of any translator; how long a target is, its padding says."""
        others_BTS = None if self.other is None else self.other(source_BS, mask_BS, target_in_BT)[1]
        known = Known(mask_BS, _ids(source_BS, mask_BS), (target_in_BT != PAD).sum(-1), others_BTS)
        state, memory = self._begin(source_BS, mask_BS)
        readouts_BTR, weights_BTS = self.decoder(target_in_BT, state, _informed(memory, known))
        return at(at_B, readouts_BTR), None if weights_BTS is None else at(at_B, weights_BTS)

    def encode(self, source_BS: Tensor, mask_BS: Tensor) -> tuple[Any, Any]:
        state, memory = self._begin(source_BS, mask_BS)
        return state, self.decoder.settle(_informed(memory, Known(mask_BS, _ids(source_BS, mask_BS))))

    def step(self, token_N: Tensor, state: Any, memory: Any, step: int) -> tuple[Tensor, Any, Tensor | None]:
        if isinstance(memory, Sentences):
            layers = [replace(layer, step=step) for layer in memory.layers if isinstance(layer, KnownLooked)]
            memory = replace(memory, layers=tuple(layers))
        return super().step(token_N, state, memory, step)


def check_replaceable(translator: Translator, layer: int | None, head: int | None) -> None:
    """Raises ValueError for a translator without weights over the source, or without such a layer or head."""
    decoder = translator.decoder
    if not getattr(decoder, "weighs_source", False):
        raise ValueError(
            "attention replaces weights over the source, and this model has none: its context is the same at every "
            "step; give a run with attention, or leave attention=learned"
        )
    if not isinstance(decoder, Decoder | TransformerDecoder):
        raise ValueError(f"attention can't be replaced in {type(decoder).__qualname__}, a decoder of another package")
    if layer is not None and isinstance(decoder, Decoder):
        raise ValueError("attention_layer chooses among the layers of a Transformer's decoder; leave it out here")
    heads = decoder.heads if isinstance(decoder, TransformerDecoder) else getattr(decoder.context, "heads", 1)
    layers = len(decoder.layers) if isinstance(decoder, TransformerDecoder) else 1
    for name, number, count in (("layer", layer, layers), ("head", head, heads)):
        if number is not None and not 1 <= number <= count:
            raise ValueError(f"attention_{name}={number}: this decoder has {count}, counted from 1")


def _ids(source_BS: Tensor, mask_BS: Tensor) -> tuple[tuple[int, ...], ...]:
    """The real ids of each sentence."""
    lengths = mask_BS.sum(-1).tolist()
    return tuple(tuple(ids[:length]) for ids, length in zip(source_BS.tolist(), lengths, strict=True))


def _informed(memory: Any, known: Known) -> Any:
    """A decoder's memory with what conditions know."""
    if isinstance(memory, Sentences):
        layers = [KnownLooked(layer.keys, layer.values, known) for layer in memory.layers]
        return replace(memory, layers=tuple(layers))
    if type(memory) is not Memory:
        raise ValueError(
            f"attention can't be replaced where what is remembered of sentences is {type(memory).__name__}, of another "
            "package; leave attention=learned"
        )
    return KnownMemory(**vars(memory), known=known)
