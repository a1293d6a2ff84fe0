"""The LightningModule: loss, optimiser, validation. What a run counts is counted here.

B batch, T target, S source, R read-out, V vocabulary, N real target tokens of a batch.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from rnnsearch.data.batching import Batch
from rnnsearch.data.tokenizer import Tokenizer
from rnnsearch.model.translator import Translator
from rnnsearch.search.beam import BeamSearch
from rnnsearch.training.budget import Budget
from rnnsearch.training.metrics import CorpusScore, TokenLikelihood, perplexity
from rnnsearch.training.schedules import Plateau, PlateauState, Schedule


@dataclass
class Counters:
    """What was done so far. Tokens are target tokens, end of sentence counted, padding not; seconds are training's."""

    updates: int = 0
    batches: int = 0
    tokens: int = 0
    seconds: float = 0.0
    validation_seconds: float = 0.0


class Diverged(ValueError):
    """A loss is no finite number any more."""


class References(Protocol):
    """Gives the raw reference text of rows of the validation split."""

    def __call__(self, rows: Sequence[int]) -> list[str]: ...


class TranslationModule(LightningModule):
    """Trains a translator by maximum likelihood.

    Args:
        translator: the model.
        optimizer: makes the optimiser of parameters.
        schedule: factors on its learning rate.
        budget: when training ends.
        label_smoothing: share of probability spread over the vocabulary in the training loss; validation has none.
        target: tokenizer of the target language, for the text of validation's translations.
        references: raw text of validation's targets.
        search: validation's search, greedy.
        seed: of the dropout, a function of seed and batch alone, so that a resumed run goes on as it would have.
        checkpoint_content: plain values put into each checkpoint under ``rnnsearch``, so that it loads by itself.
    """

    def __init__(
        self,
        *,
        translator: Translator,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
        budget: Budget,
        label_smoothing: float,
        target: Tokenizer,
        references: References,
        search: BeamSearch,
        seed: int,
        checkpoint_content: dict[str, Any],
    ) -> None:
        super().__init__()
        self.translator = translator
        self.make_optimizer = optimizer
        self.schedule = schedule
        self.budget = budget
        self.label_smoothing = label_smoothing
        self.target = target
        self.references = references
        self.search = search
        self.seed = seed
        self.checkpoint_content = checkpoint_content
        self.counters = Counters()
        self.plateau = PlateauState()
        self.likelihood = TokenLikelihood()
        self.bleu = CorpusScore("bleu")
        self.chrf = CorpusScore("chrf")
        self.pending_tokens = 0  # target tokens whose gradients wait for the next update

    # Training

    def progress(self) -> float:
        """The used share of the budget."""
        done = self.counters
        return self.budget.progress(updates=done.updates, tokens=done.tokens, seconds=done.seconds)

    def log_likelihood_loss(self, batch: Batch, label_smoothing: float) -> Tensor:
        """Sum of -log p(y_i | ...) over the batch's real target tokens, in nats; only they meet the vocabulary."""
        readouts_BTR, _ = self.translator(batch.source_BS, batch.source_mask_BS, batch.target_in_BT)
        logits_NV = self.translator.logits(readouts_BTR[batch.target_mask_BT])
        targets_N = batch.target_out_BT[batch.target_mask_BT]
        return nn.functional.cross_entropy(logits_NV, targets_N, reduction="sum", label_smoothing=label_smoothing)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the dropout of this batch."""
        words = np.random.SeedSequence((self.seed, self.counters.batches, self.global_rank)).generate_state(1)
        torch.manual_seed(int(words[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """The summed loss; `on_before_optimizer_step` divides its gradients by the tokens of the whole update."""
        loss = self.log_likelihood_loss(batch, self.label_smoothing)
        tokens = int(batch.target_tokens)
        self.pending_tokens += tokens
        # Lightning divides by the number of accumulated batches; the sum over all their tokens is wanted.
        return {"loss": loss * self.trainer.accumulate_grad_batches, "sum": loss.detach(), "tokens": tokens}

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Gradients of the summed loss become those of the mean over all tokens of the update, on all processes."""
        tokens = torch.tensor(float(self.pending_tokens), device=self.device)
        processes = self.trainer.world_size
        if processes > 1:
            tokens = self.trainer.strategy.reduce(tokens, reduce_op="sum")
        gradients = [p.grad for p in self.translator.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, processes / float(tokens))
        self.pending_tokens = 0

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimiser, its schedule by update, and the plateau rule by validation."""
        optimizer = self.make_optimizer([p for p in self.translator.parameters() if p.requires_grad])
        factors = LambdaLR(optimizer, self.learning_rate_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": factors, "interval": "step"}}

    def learning_rate_factor(self, update: int) -> float:
        """What the optimiser's rate is multiplied with."""
        fallen = self.schedule.shrunk(self.plateau) if isinstance(self.schedule, Plateau) else 1.0
        return fallen * self.schedule.factor(update, self.progress())

    # Validation

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Unsmoothed likelihood of the references, and greedy translations against them."""
        nll = self.log_likelihood_loss(batch, 0.0)
        self.require_finite(float(nll), "validation's likelihood")
        self.likelihood.update(nll, batch.target_tokens)
        found = self.search.search(self.translator, batch.source_BS, batch.source_mask_BS)
        hypotheses = [self.target.decode(hypothesis.ids) for hypothesis in found]
        references = self.references(batch.index_B.tolist())
        self.bleu.update(hypotheses, references)
        self.chrf.update(hypotheses, references)

    def require_finite(self, value: float, name: str) -> None:
        """Raises Diverged if a loss is not finite."""
        if not math.isfinite(value):
            raise Diverged(
                f"training diverged: {name} is {value} after update {self.counters.updates}; "
                "lower optimizer.lr, lengthen scheduler.warmup or clip at a lower trainer.gradient_clip_val"
            )

    def on_validation_epoch_end(self) -> None:
        """Log what validation found; the plateau rule looks at its likelihood."""
        nll = float(self.likelihood.compute())
        found = {
            "nll": nll,
            "perplexity": perplexity(nll),
            "bleu": float(self.bleu.compute()),
            "chrf": float(self.chrf.compute()),
        }
        for metric in (self.likelihood, self.bleu, self.chrf):
            metric.reset()
        if isinstance(self.schedule, Plateau) and not self.trainer.sanity_checking:
            self.schedule.watch(self.plateau, nll)
        scalars = {f"validation/{name}": value for name, value in found.items()}
        self.log_dict({**scalars, "step": float(self.counters.updates)}, sync_dist=True)

    # Checkpoints: plain values only, so that they load with weights_only=True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the model's config and tokenizers, and the counters."""
        checkpoint["rnnsearch"] = self.checkpoint_content
        checkpoint["counters"] = asdict(self.counters)
        checkpoint["plateau"] = asdict(self.plateau)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on counting where the checkpoint stands."""
        self.counters = Counters(**checkpoint["counters"])
        self.plateau = PlateauState(**checkpoint.get("plateau", {}))
