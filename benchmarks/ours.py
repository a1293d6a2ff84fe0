"""Our model as systems to time: the default path, the plain path, and the plain loop with the same equations."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from benchmarks.plain_loop import PlainLoop
from benchmarks.systems import Sizes, System, Words, training_operations

if TYPE_CHECKING:  # the peers' interpreter reads this file too
    from rnnsearch.data.batching import Batch


class Ours(System):
    """The project's model, its loss computed by the code that `training_step` calls."""

    def __init__(
        self, sizes: Sizes, options: dict[str, Any], *, kernels: str | None, member: Sequence[str] = ()
    ) -> None:
        from rnnsearch.config import build as make
        from rnnsearch.evaluation.scoring import EARLIER
        from rnnsearch.model.build import build_translator
        from rnnsearch.training.faults import Watch
        from rnnsearch.training.initialization import initialize
        from rnnsearch.training.module import TranslationModule

        self.config = config_of(sizes, options, member)
        self.translator = build_translator(
            self.config.model,
            source_size=sizes.vocabulary,
            target_size=sizes.vocabulary,
            kernels=kernels or self.config.kernels,
        )
        initialize(self.translator, scheme=self.config.model.initialization)
        self.module = TranslationModule(
            translator=self.translator,
            optimizer=make.make(self.config.optimizer),
            schedule=make.make(self.config.scheduler),
            budget=make.build_budget(self.config, flops_per_token=0.0),
            convergence=None,
            label_smoothing=0.0,
            target=None,  # type: ignore[arg-type]  # tokenizer and references serve validation alone
            references=lambda rows: [],
            scoring=EARLIER,
            search=make.build_greedy(self.config.search),
            cuda_graphs=False,
            watch=Watch(limit=1, above=None, lines=lambda rows: []),
            seed=1,
            checkpoint_content={},
        )
        self.model = self.module
        self.made: tuple[Words, Batch] | None = None

    def loss(self, words: Words) -> Tensor:
        if self.made is None or self.made[0] is not words:  # a loader would have made the batch, not the step
            self.made = words, _batch(words)
        return self.module.log_likelihood_loss(self.made[1], 0.0)

    def optimizer(self) -> torch.optim.Optimizer:
        """What the project's config makes."""
        return self.module.make_optimizer([p for p in self.translator.parameters() if p.requires_grad])

    def operations(self, source: int, target: int) -> float:
        from rnnsearch.training.cost import operations_per_token

        return operations_per_token(self.translator, source_length=source, target_length=target).training


def _batch(words: Words) -> "Batch":
    from rnnsearch.data.batching import Batch

    real_BS, real_BT = (torch.ones_like(ids, dtype=torch.bool) for ids in (words.source_BS, words.target_out_BT))
    return Batch(
        source_BS=words.source_BS,
        source_mask_BS=real_BS,
        target_in_BT=words.target_in_BT,
        target_out_BT=words.target_out_BT,
        target_mask_BT=real_BT,
        real_N=real_BT.flatten().nonzero().squeeze(1),
        index_B=torch.arange(len(real_BS), device=real_BS.device),
        all_tokens=real_BT.numel(),
    )


def config_of(sizes: Sizes, options: dict[str, Any], member: Sequence[str]) -> Any:
    """The config of our model at the sizes, or of a member of a protocol, by its overrides."""
    from rnnsearch.config.compose import compose

    words = ["model.dropout=0", "model.tied_embeddings=none", "label_smoothing=0", f"sizes.units={sizes.embedding}"]
    if not member:
        words.append(f"model.decoder.query_state={options.get('query_state', 'previous')}")
    if not any(word.startswith("model=") for word in member):
        words.append(f"model={sizes.model}")
    return compose("train", [*words, *member])


def rung(name: str, sizes: Sizes, options: dict[str, Any]) -> Ours:
    """A member of protocol=price_of_recurrence, with as many parameters as the one that others are matched to."""
    from rnnsearch.config.compose import compose
    from rnnsearch.config.model_size import matched_overrides, quantity

    protocol = compose("train", ["protocol=price_of_recurrence"])
    first, own = (config_of(sizes, options, protocol.members[one]) for one in (protocol.match_to, name))
    vocabularies = {"source_size": sizes.vocabulary, "target_size": sizes.vocabulary}
    more = matched_overrides(own, quantity(first, vocabularies, "parameters"), vocabularies, "parameters")
    return Ours(sizes, options, kernels=None, member=[*protocol.members[name], *more])


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
