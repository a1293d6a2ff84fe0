"""What translates: one trained model with its tokenizers, or several models that share a target vocabulary.

B batch, S source.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rnnsearch.data.batching import pad
from rnnsearch.data.tokenizer import Tokenizer, TokenizerPair
from rnnsearch.model.transformer import TransformerDecoder
from rnnsearch.model.translator import Translator
from rnnsearch.model.weights_digest import weights_sha256
from rnnsearch.search.ensemble import Ensemble

Ids = Sequence[int]
Sources = tuple[list[int], ...]
"""A sentence's source ids for each member, without the end of sentence."""


@dataclass(frozen=True)
class Member:
    """A model and the tokenizer of what it reads."""

    translator: Translator
    source: Tokenizer

    @property
    def has_attention(self) -> bool:
        """Whether it weighs source positions."""
        return self.translator.decoder.weighs_source


@dataclass(frozen=True)
class System:
    """Members that write the same target vocabulary; more than one are an ensemble."""

    members: tuple[Member, ...]
    target: Tokenizer

    @classmethod
    def of(cls, translator: Translator, tokenizers: TokenizerPair) -> "System":
        """One trained model."""
        return cls((Member(translator, tokenizers.source),), tokenizers.target)

    @classmethod
    def joined(cls, systems: Sequence["System"], names: Sequence[str]) -> "System":
        """An ensemble of all members.

        Raises:
            ValueError: if their target vocabularies differ; it says which.
        """
        first = systems[0]
        for name, other in zip(names, systems, strict=True):
            if other.target.checksum != first.target.checksum:
                raise ValueError(
                    f"{names[0]} and {name} can't translate together: their target vocabularies differ "
                    f"({first.target.size} and {other.target.size} pieces, learnt from other text or settings); an "
                    "ensemble needs runs of one corpus and tokenizer, such as the seeds of one config"
                )
        return cls(tuple(member for system in systems for member in system.members), first.target)

    @property
    def has_attention(self) -> bool:
        """Whether every member weighs source positions."""
        return all(member.has_attention for member in self.members)

    @property
    def weights_sha256(self) -> str | list[str]:
        """SHA-256 of a run's weights, or of each run's in an ensemble."""
        digests = [weights_sha256(member.translator) for member in self.members]
        return digests[0] if len(digests) == 1 else digests

    def align_by(self, layer: int | None, head: int | None) -> None:
        """Take the weights of a layer and a head, counted from 1, wherever a decoder has several; None: its own choice.

        Raises:
            ValueError: if no member has several, or one has none of that number.
        """
        decoders = [member.translator.decoder for member in self.members]
        several = [decoder for decoder in decoders if isinstance(decoder, TransformerDecoder)]
        if not several and (layer is not None or head is not None):
            raise ValueError(
                "alignments.layer and alignments.head choose among the attentions of a Transformer's decoder, and this "
                "model has no such decoder; leave them out"
            )
        for decoder in several:
            decoder.align_by(layer, head)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.members[0].translator.parameters()).device

    @property
    def model(self) -> Any:
        """What search drives: the model itself, or the ensemble of all."""
        translators = [member.translator for member in self.members]
        return translators[0] if len(translators) == 1 else Ensemble(translators)

    def source_ids(self, text: str) -> Sources:
        """The ids of a line of text for each member."""
        return tuple(member.source.encode(text) for member in self.members)

    def batch(self, sources: Sequence[Sources]) -> tuple[tuple[Any, ...], Tensor]:
        """What ``model.encode`` takes for sentences, and their source tokens ``[B]``, ends of sentence not counted."""
        padded = [
            tuple(part.to(self.device) for part in pad([source[i] for source in sources]))
            for i in range(len(self.members))
        ]
        lengths_B = padded[0][1].sum(-1) - 1
        return (padded[0] if len(padded) == 1 else tuple(padded)), lengths_B

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """The models without dropout, afterwards as before."""
        translators = [member.translator for member in self.members]
        before = [translator.training for translator in translators]
        for translator in translators:
            translator.eval()
        try:
            yield
        finally:
            for translator, training in zip(translators, before, strict=True):
                translator.train(training)
