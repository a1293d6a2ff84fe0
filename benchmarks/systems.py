"""The systems that are timed side by side: how each is built, its summed loss, and what a target token costs it.

This file and `worker` run under two interpreters, ours and the peers', so they need torch and the standard library
alone; a system's own package is imported when the system is built.

Operations follow one formula (that of `rnnsearch.training.cost`): a multiply-add of a matrix counts as 2, backward
takes twice the forward's products, and what is done to single elements is left out. Each system counts the products
that its own code performs.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.plain_loop import PlainLoop

OURS = ("ours", "ours_plain", "plain_loop")
PEERS = ("joeynmt_modules", "opennmt_modules")
SPECIALS = 4  # ids below are padding, begin, end and unknown in every system here; random words are above


@dataclass(frozen=True)
class Sizes:
    """What all systems share. A preset of the project (`model=NAME`), without dropout and with free embeddings."""

    model: str
    embedding: int
    hidden: int
    attention: int
    readout: int
    vocabulary: int


PRESETS = {
    "reference": Sizes("reference", embedding=256, hidden=512, attention=512, readout=512, vocabulary=8000),
    "small": Sizes("small", embedding=256, hidden=256, attention=256, readout=256, vocabulary=6000),
    "tiny": Sizes("tiny", embedding=96, hidden=96, attention=96, readout=96, vocabulary=2000),
}


@dataclass(frozen=True)
class Words:
    """A batch without padding: source and target ids, ends of sentence among them, and the target begun by BOS."""

    source_BS: Tensor
    target_in_BT: Tensor
    target_out_BT: Tensor

    @classmethod
    def random(cls, sizes: Sizes, *, batch: int, source: int, target: int, device: torch.device) -> "Words":
        """Random words, the same for every system."""
        generator = torch.Generator().manual_seed(batch * 1_000_003 + source * 1009 + target)
        source_BS, target_BT = (
            torch.randint(SPECIALS, sizes.vocabulary, (batch, length), generator=generator)
            for length in (source, target)
        )
        begun_BT = torch.cat([torch.ones_like(target_BT[:, :1]), target_BT[:, :-1]], dim=1)
        return cls(source_BS.to(device), begun_BT.to(device), target_BT.to(device))


class System(ABC):
    """Something to time: a model that can be trained on `Words`."""

    model: nn.Module

    @abstractmethod
    def loss(self, words: Words) -> Tensor:
        """Cross entropy summed over all target words."""

    @abstractmethod
    def operations(self, source: int, target: int) -> float:
        """Floating-point operations of training a target token, in pairs of these lengths."""

    def step(self, words: Words, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        """Forward and backward."""
        with autocast():
            loss = self.loss(words)
        loss.backward()  # type: ignore[no-untyped-call]

    def optimizer(self) -> torch.optim.Optimizer:
        """What updates the weights: Adam as torch has it by default."""
        return torch.optim.Adam(self.model.parameters(), lr=1e-3)


def build(name: str, sizes: Sizes, options: dict[str, Any]) -> System:
    """The system called ``name``."""
    return BUILDERS[name](sizes, options)


def training_operations(
    *, source: int, target: int, per_source: int, per_target: int, per_pair: int, once: int
) -> float:
    """Operations of a target token, from multiply-adds per source token, target token, pair of both, and sentence."""
    products = source * per_source + target * per_target + source * target * per_pair + once
    return 3 * 2 * products / target


class Ours(System):
    """The project's model, its loss computed by the code that `training_step` calls."""

    def __init__(self, sizes: Sizes, options: dict[str, Any], *, kernels: str | None) -> None:
        from rnnsearch.cli import build as make
        from rnnsearch.cli.compose import compose
        from rnnsearch.training.initialization import initialize
        from rnnsearch.training.module import TranslationModule

        overrides = ["model.dropout=0", "model.tied_embeddings=none", "label_smoothing=0"]
        self.config = compose("train", [f"model={sizes.model}", *overrides])
        translator = make.build_translator(
            self.config.model, source_size=sizes.vocabulary, target_size=sizes.vocabulary, **_kernels(make, kernels)
        )
        initialize(translator, scheme=self.config.model.initialization)
        self.model = TranslationModule(
            translator=translator,
            optimizer=make.make(self.config.optimizer),
            schedule=make.make(self.config.scheduler),
            budget=make.build_budget(self.config),
            label_smoothing=0.0,
            target=None,  # type: ignore[arg-type]  -- the tokenizer and the references serve validation alone
            references=lambda rows: [],
            search=make.build_search(self.config.search, beam_size=1),
            seed=1,
            checkpoint_content={},
        )

    def loss(self, words: Words) -> Tensor:
        from rnnsearch.data.batching import Batch

        real_BS, real_BT = (torch.ones_like(ids, dtype=torch.bool) for ids in (words.source_BS, words.target_out_BT))
        index_B = torch.arange(len(words.source_BS), device=words.source_BS.device)
        batch = Batch(words.source_BS, real_BS, words.target_in_BT, words.target_out_BT, real_BT, index_B)
        return self.model.log_likelihood_loss(batch, 0.0)

    def optimizer(self) -> torch.optim.Optimizer:
        """What the project's config makes."""
        return self.model.make_optimizer([p for p in self.model.parameters() if p.requires_grad])

    def operations(self, source: int, target: int) -> float:
        from rnnsearch.training.cost import operations_per_token

        return operations_per_token(self.model.translator, source_length=source, target_length=target).training


def _kernels(make: Any, kernels: str | None) -> dict[str, str]:
    """The key that chooses the plain path, where the project has it."""
    known = "kernels" in inspect.signature(make.build_translator).parameters
    return {"kernels": kernels} if kernels and known else {}


class Loop(System):
    """`PlainLoop`."""

    def __init__(self, sizes: Sizes, options: dict[str, Any]) -> None:
        self.sizes = sizes
        self.model = PlainLoop(
            vocabulary=sizes.vocabulary,
            embedding=sizes.embedding,
            hidden=sizes.hidden,
            attention=sizes.attention,
            readout=sizes.readout,
        )

    def loss(self, words: Words) -> Tensor:
        mask_BS = torch.ones_like(words.source_BS, dtype=torch.bool)
        logits_BTV = self.model(words.source_BS, mask_BS, words.target_in_BT)
        return nn.functional.cross_entropy(logits_BTV.flatten(0, 1), words.target_out_BT.flatten(), reduction="sum")

    def operations(self, source: int, target: int) -> float:
        m, h, a, r, v = (
            getattr(self.sizes, name) for name in ("embedding", "hidden", "attention", "readout", "vocabulary")
        )
        e = 2 * h
        return training_operations(
            source=source,
            target=target,
            per_source=2 * (m + h) * 3 * h + e * a,
            per_target=h * a + (m + e + h) * 3 * h + (h + m + e) * r + r * v,
            per_pair=a + e,
            once=e * h,
        )


class JoeyNMT(System):
    """JoeyNMT's embeddings, recurrent encoder, decoder (additive attention, input feeding: its defaults) and loss."""

    def __init__(self, sizes: Sizes, options: dict[str, Any]) -> None:
        from joeynmt.decoders import RecurrentDecoder
        from joeynmt.embeddings import Embeddings
        from joeynmt.encoders import RecurrentEncoder
        from joeynmt.loss import XentLoss

        self.sizes = sizes
        embeddings = [
            Embeddings(embedding_dim=sizes.embedding, vocab_size=sizes.vocabulary, padding_idx=0) for _ in range(2)
        ]
        encoder = RecurrentEncoder(hidden_size=sizes.hidden, emb_size=sizes.embedding)
        decoder = RecurrentDecoder(
            emb_size=sizes.embedding, hidden_size=sizes.hidden, encoder=encoder, vocab_size=sizes.vocabulary
        )
        self.model = nn.ModuleList([*embeddings, encoder, decoder])
        self.cross_entropy = XentLoss(pad_index=0, smoothing=0.0)

    def loss(self, words: Words) -> Tensor:
        source_embedding, target_embedding, encoder, decoder = self.model
        mask_B1S = torch.ones_like(words.source_BS, dtype=torch.bool).unsqueeze(1)
        states, last = encoder(source_embedding(words.source_BS), mask_B1S.sum(-1).squeeze(1), mask_B1S)
        logits_BTV, *_ = decoder(
            trg_embed=target_embedding(words.target_in_BT),
            encoder_output=states,
            encoder_hidden=last,
            src_mask=mask_B1S,
            unroll_steps=words.target_in_BT.shape[1],
        )
        return self.cross_entropy(torch.log_softmax(logits_BTV, dim=-1), trg=words.target_out_BT)

    def operations(self, source: int, target: int) -> float:
        m, h, v = self.sizes.embedding, self.sizes.hidden, self.sizes.vocabulary
        e = 2 * h
        return training_operations(
            source=source,
            target=target,
            per_source=2 * (m + h) * 3 * h + e * h,
            per_target=(m + h + h) * 3 * h + h * h + (h + e) * h + h * v,
            per_pair=h + e,
            once=e * h,
        )


class OpenNMT(System):
    """OpenNMT-py's embeddings, encoder, input-feeding decoder and generator.

    Its bidirectional encoder has half the units a direction, and its default attention is ``general``; ``mlp`` is the
    additive one, which computes the keys anew at each step.
    """

    def __init__(self, sizes: Sizes, options: dict[str, Any]) -> None:
        from onmt.decoders.decoder import InputFeedRNNDecoder
        from onmt.encoders.rnn_encoder import RNNEncoder
        from onmt.models import NMTModel
        from onmt.modules import Embeddings

        self.sizes, self.attention = sizes, options.get("opennmt_attention", "general")
        embeddings = [Embeddings(sizes.embedding, sizes.vocabulary, word_padding_idx=0) for _ in range(2)]
        encoder = RNNEncoder("GRU", True, 1, sizes.hidden, embeddings=embeddings[0])
        decoder = InputFeedRNNDecoder("GRU", True, 1, sizes.hidden, attn_type=self.attention, embeddings=embeddings[1])
        self.model = NMTModel(encoder, decoder)
        self.model.generator = nn.Linear(sizes.hidden, sizes.vocabulary)
        for parameter in self.model.parameters():  # its embeddings come uninitialised
            nn.init.uniform_(parameter, -0.1, 0.1)

    def loss(self, words: Words) -> Tensor:
        lengths_B = torch.full(words.source_BS.shape[:1], words.source_BS.shape[1], device=words.source_BS.device)
        begun_BT = torch.cat([words.target_in_BT, words.target_out_BT[:, -1:]], dim=1)  # the model drops the last
        outputs_BTH, _ = self.model(words.source_BS.unsqueeze(-1), begun_BT.unsqueeze(-1), lengths_B)
        logits_NV = self.model.generator(outputs_BTH.flatten(0, 1))
        return nn.functional.cross_entropy(logits_NV, words.target_out_BT.flatten(), ignore_index=0, reduction="sum")

    def operations(self, source: int, target: int) -> float:
        m, h, v = self.sizes.embedding, self.sizes.hidden, self.sizes.vocabulary
        additive = self.attention == "mlp"
        return training_operations(
            source=source,
            target=target,
            per_source=2 * (m + h // 2) * 3 * (h // 2),
            per_target=(m + h + h) * 3 * h + (0 if self.attention == "dot" else h * h) + 2 * h * h + h * v,
            per_pair=2 * h + (h * h if additive else 0),
            once=0,
        )


class Product(System):
    """A square matrix product: what the machine can do."""

    SIZE = 2048

    def __init__(self, sizes: Sizes, options: dict[str, Any]) -> None:
        self.model = nn.Linear(self.SIZE, self.SIZE, bias=False)

    @torch.no_grad()
    def step(self, words: Words, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        with autocast():
            torch.matmul(self.model.weight, self.model.weight)

    def loss(self, words: Words) -> Tensor:
        raise NotImplementedError("a product has no loss")

    def operations(self, source: int, target: int) -> float:
        """Of one product."""
        return 2.0 * self.SIZE**3


class Unrolled(System):
    """The matrix products of our model's step, forward and backward, as if no step waited for another.

    Each weight meets all its positions in one product, and nothing else is done: what remains between this and ours is
    the price of the recurrence, of the attention's own products and of all that is done to single elements.
    """

    def __init__(self, sizes: Sizes, options: dict[str, Any]) -> None:
        m, h, a, r, v = astuple(sizes)[1:]
        e, g = 2 * h, 3 * h
        shapes = {
            "source": [(m, 2 * g), (h, g), (h, g), (e, a), (e, g)],
            "target": [(m, g), (h, g), (h, a), (h + m + e, r), (r, v)],
        }
        self.model = nn.ModuleDict(
            {
                side: nn.ModuleList(nn.Linear(*shape, bias=False) for shape in of_side)
                for side, of_side in shapes.items()
            }
        )

    @torch.no_grad()
    def step(self, words: Words, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        with autocast():
            for side, ids in (("source", words.source_BS), ("target", words.target_out_BT)):
                for linear in self.model[side]:
                    inputs_NI = linear.weight.new_ones(ids.numel(), linear.in_features)
                    outputs_NO = inputs_NI @ linear.weight.T
                    outputs_NO @ linear.weight, outputs_NO.T @ inputs_NI

    def loss(self, words: Words) -> Tensor:
        raise NotImplementedError("products alone have no loss")

    def operations(self, source: int, target: int) -> float:
        per_source, per_target = (sum(one.weight.numel() for one in self.model[side]) for side in ("source", "target"))
        return training_operations(
            source=source, target=target, per_source=per_source, per_target=per_target, per_pair=0, once=0
        )


BUILDERS: dict[str, Callable[[Sizes, dict[str, Any]], System]] = {
    "ours": lambda sizes, options: Ours(sizes, options, kernels=None),
    "ours_plain": lambda sizes, options: Ours(sizes, options, kernels="plain"),
    "plain_loop": Loop,
    "joeynmt_modules": JoeyNMT,
    "opennmt_modules": OpenNMT,
    "products_at_once": Unrolled,
    "product": Product,
}
