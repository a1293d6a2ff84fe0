"""Our model as systems to time: the default path, the plain path, and the plain loop with the same equations."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.plain_loop import PlainLoop
from benchmarks.systems import Sizes, System, Words, training_operations


class Ours(System):
    """The project's model, its loss computed by the code that `training_step` calls."""

    def __init__(self, sizes: Sizes, options: dict[str, Any], *, kernels: str | None) -> None:
        from rnnsearch.cli import build as make
        from rnnsearch.cli.compose import compose
        from rnnsearch.training.initialization import initialize
        from rnnsearch.training.module import TranslationModule

        overrides = ["model.dropout=0", "model.tied_embeddings=none", "label_smoothing=0"]
        self.config = compose("train", [f"model={sizes.model}", *overrides])
        self.translator = make.build_translator(
            self.config.model, source_size=sizes.vocabulary, target_size=sizes.vocabulary, **_kernels(make, kernels)
        )
        initialize(self.translator, scheme=self.config.model.initialization)
        self.module = TranslationModule(
            translator=self.translator,
            optimizer=make.make(self.config.optimizer),
            schedule=make.make(self.config.scheduler),
            budget=make.build_budget(self.config),
            label_smoothing=0.0,
            target=None,  # type: ignore[arg-type]  # tokenizer and references serve validation alone
            references=lambda rows: [],
            search=make.build_search(self.config.search, beam_size=1),
            seed=1,
            checkpoint_content={},
        )
        self.model = self.module

    def loss(self, words: Words) -> Tensor:
        from rnnsearch.data.batching import Batch

        real_BS, real_BT = (torch.ones_like(ids, dtype=torch.bool) for ids in (words.source_BS, words.target_out_BT))
        index_B = torch.arange(len(words.source_BS), device=words.source_BS.device)
        batch = Batch(words.source_BS, real_BS, words.target_in_BT, words.target_out_BT, real_BT, index_B)
        return self.module.log_likelihood_loss(batch, 0.0)

    def optimizer(self) -> torch.optim.Optimizer:
        """What the project's config makes."""
        return self.module.make_optimizer([p for p in self.translator.parameters() if p.requires_grad])

    def operations(self, source: int, target: int) -> float:
        from rnnsearch.training.cost import operations_per_token

        return operations_per_token(self.translator, source_length=source, target_length=target).training


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
