"""The LightningModule: loss, optimiser, validation, and the counters of a run.

B batch, T target, S source, R read-out, V vocabulary, N real target tokens of a batch.
"""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import FSDPStrategy
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.profiler import record_function

from rnnsearch.data.batching import Batch
from rnnsearch.data.tokenizer import Tokenizer
from rnnsearch.evaluation.scoring import Scoring, perplexity
from rnnsearch.kernels.cross_entropy import linear_cross_entropy
from rnnsearch.model.translator import Translator
from rnnsearch.search.hypotheses import Search
from rnnsearch.training.budget import Budget
from rnnsearch.training.convergence import Convergence, ConvergenceState
from rnnsearch.training.cuda_graphs import Readouts
from rnnsearch.training.faults import Diverged, Skipped, Watch, became
from rnnsearch.training.schedules import Plateau, PlateauState, Schedule
from rnnsearch.training.validation_metrics import CorpusScore, TokenLikelihood

logger = logging.getLogger(__name__)


@dataclass
class Counters:
    """What was done so far. Tokens are target tokens with ends of sentence, without padding; seconds are training's."""

    updates: int = 0
    batches: int = 0
    tokens: int = 0
    seconds: float = 0.0
    validation_seconds: float = 0.0


class References(Protocol):
    """Gives the raw reference text of rows of the validation split."""

    def __call__(self, rows: Sequence[int]) -> list[str]: ...


class TranslationModule(LightningModule):
    """Trains a translator by maximum likelihood.

    Args:
        translator: the model.
        optimizer: makes the optimiser for parameters.
        schedule: factors on its learning rate.
        budget: when training ends.
        convergence: ends it earlier, once validation gets no better; None: never.
        label_smoothing: share of probability spread over the vocabulary in the training loss; validation has none.
        target: tokenizer of the target language, for the text of validation's translations.
        references: raw text of validation's targets.
        scoring: how validation's translations are scored.
        search: validation's search, greedy.
        cuda_graphs: on one GPU, record the launches of each shape of batches and replay them.
        watch: skips updates that would spoil the weights.
        seed: of the dropout, a function of seed and batch alone, so that a resumed run goes on as if uninterrupted.
        checkpoint_content: plain values put into each checkpoint under ``rnnsearch``, so that it can be loaded alone.
    """

    def __init__(
        self,
        *,
        translator: Translator,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
        budget: Budget,
        convergence: Convergence | None,
        label_smoothing: float,
        target: Tokenizer,
        references: References,
        scoring: Scoring,
        search: Search,
        cuda_graphs: bool,
        watch: Watch,
        seed: int,
        checkpoint_content: dict[str, Any],
    ) -> None:
        super().__init__()
        self.translator = translator
        self.make_optimizer = optimizer
        self.schedule = schedule
        self.budget = budget
        self.convergence = convergence
        self.label_smoothing = label_smoothing
        self.target = target
        self.references = references
        self.scoring = scoring
        self.search = search
        self.cuda_graphs = cuda_graphs
        self.replayed: Readouts | None = None
        self.watch = watch
        self.seed = seed
        self.checkpoint_content = checkpoint_content
        self.counters = Counters()
        self.skipped = Skipped()
        self.plateau = PlateauState()
        self.converging = ConvergenceState()
        self.likelihood = TokenLikelihood()
        self.bleu = CorpusScore("bleu", scoring)
        self.chrf = CorpusScore("chrf", scoring)
        self.pending_tokens = 0  # target tokens whose gradients wait for the next update
        self.gradient_norm: Tensor | None = None  # of the last update's mean loss a token, before clipping

    # Training

    def progress(self) -> float:
        """The used share of the budget, or of what is left to do once training has converged."""
        rule, used = self.convergence, self.used()
        return rule.progress(self.converging, update=self.counters.updates, used=used) if rule else used

    def used(self) -> float:
        """The used share of the budget's limits."""
        done = self.counters
        return self.budget.progress(updates=done.updates, tokens=done.tokens, seconds=done.seconds)

    def mind_cap(self) -> None:
        """After an update: with ``budget.until``, the decay begins early enough to end with the budget."""
        if self.convergence:
            self.convergence.mind_cap(self.converging, update=self.counters.updates, used=self.used())

    def on_fit_start(self) -> None:
        """Replay graphs if they are asked for and there is one GPU."""
        if self.cuda_graphs and self.device.type == "cuda" and self.trainer.world_size == 1:
            self.replayed = Readouts(self.translator)
        elif self.cuda_graphs:
            logger.info("no CUDA graphs: they need one GPU")

    def log_likelihood_loss(self, batch: Batch, label_smoothing: float) -> Tensor:
        """Sum of -log p(y_i | ...) over the batch's real target tokens, in nats; logits are computed for them alone."""
        inputs = (batch.source_BS, batch.source_mask_BS, batch.target_in_BT)
        replayed = self.replayed if self.training else None
        readouts_BTR = self.translator(*inputs)[0] if replayed is None else replayed(*inputs)
        output = self.translator.decoder.output
        with record_function("vocabulary and loss"):
            readouts_NR = readouts_BTR.flatten(0, 1).index_select(0, batch.real_N)
            targets_N = batch.target_out_BT.take(batch.real_N)
            return linear_cross_entropy(
                readouts_NR, output.weight, output.bias, targets_N, label_smoothing=label_smoothing
            )

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the dropout of this batch."""
        words = np.random.SeedSequence((self.seed, self.counters.batches, self.global_rank)).generate_state(1)
        torch.manual_seed(int(words[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """The summed loss; `configure_gradient_clipping` divides its gradients by the tokens of the whole update."""
        loss = self.log_likelihood_loss(batch, self.label_smoothing)
        self.pending_tokens += batch.all_tokens
        self.watch.saw(batch.index_B, loss)
        # Lightning divides by the number of accumulated batches; the sum over all their tokens is wanted.
        scaled = loss * self.trainer.accumulate_grad_batches
        return {"loss": scaled, "sum": loss.detach(), "tokens": batch.target_tokens, "all_tokens": batch.all_tokens}

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Turn the gradients of the summed loss into those of the mean over all tokens of the update, clipped.

        Mean and clipping by norm are one multiplication, and nothing waits for a GPU. A gradient that is not finite is
        skipped.
        """
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None and optimizer.defaults.get("fused"):
            scaler.unscale_(optimizer)  # Lightning leaves this to a fused optimiser's step, too late for clipping
        parameters = [p for p in self.translator.parameters() if p.grad is not None]
        gradients = [p.grad for p in parameters if p.grad is not None]
        factor: Tensor | float = self._share_of_a_token()
        norm = self.gradient_norm = self._norm(gradients) * factor
        by_norm = gradient_clip_algorithm in (None, "norm")
        if gradient_clip_val and by_norm:
            factor = factor * (gradient_clip_val / (norm + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(gradients, factor)
        if gradient_clip_val and not by_norm:
            nn.utils.clip_grad_value_(parameters, gradient_clip_val)
        update = self.trainer.global_step + 1
        loss = self.watch.loss()
        if self.trainer.world_size > 1:
            loss = self.trainer.strategy.reduce(loss, reduce_op="sum")  # so that all skip alike
        self.watch.judge(loss, norm, parameters, optimizer, update=update, scaled=scaler is not None)
        self.watch.look(self.skipped, always=False)

    def _norm(self, gradients: list[Tensor]) -> Tensor:
        """The L2 norm of all gradients, also if each process has only a part of them."""
        norm = nn.utils.get_total_norm(gradients)
        if isinstance(self.trainer.strategy, FSDPStrategy):
            norm = self.trainer.strategy.reduce(norm.square(), reduce_op="sum").sqrt()
        return norm

    def _share_of_a_token(self) -> float:
        """The factor from gradients that are means over processes to those of the mean over the update's tokens."""
        tokens, self.pending_tokens = self.pending_tokens, 0
        return self.trainer.world_size / tokens

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimiser, its schedule by update, and the plateau rule by validation."""
        optimizer = self.make_optimizer([p for p in self.translator.parameters() if p.requires_grad])
        factors = LambdaLR(optimizer, self.learning_rate_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": factors, "interval": "step"}}

    def learning_rate_factor(self, update: int) -> float:
        """The factor on the optimiser's rate."""
        fallen = self.schedule.shrunk(self.plateau) if isinstance(self.schedule, Plateau) else 1.0
        return fallen * self.schedule.factor(update, self._decayed())

    def _decayed(self) -> float:
        """The used share of the budget as the schedule sees it: with a rule, the share of the decay, 0 before it."""
        rule, used = self.convergence, self.used()
        return rule.decayed(self.converging, update=self.counters.updates, used=used) if rule else used

    # Validation

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Unsmoothed likelihood of the references, and scores of greedy translations against them.

        On a CPU in single precision whatever training's is: a batch then changes nothing, as in `rnnsearch evaluate`.
        """
        with torch.autocast("cpu", enabled=False):
            self._validate(batch)

    def _validate(self, batch: Batch) -> None:
        nll = self.log_likelihood_loss(batch, 0.0)
        if not math.isfinite(float(nll)):
            raise self._diverged(float(nll))
        self.likelihood.update(nll, batch.target_tokens)
        if not len(batch):  # this process's share is empty: there are fewer sentences than processes
            return
        lengths_B = batch.source_mask_BS.sum(-1) - 1
        translations = self.search.search(self.translator, (batch.source_BS, batch.source_mask_BS), lengths_B)
        hypotheses = [self.target.decode(best.ids) for best, *_ in translations]
        references = self.references(batch.index_B.tolist())
        self.bleu.update(hypotheses, references)
        self.chrf.update(hypotheses, references)

    def has_finite_loss(self, batch: Batch) -> bool:
        """Whether the present weights give a batch a finite loss."""
        self.eval()
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            loss = self.log_likelihood_loss(batch, 0.0)
        self.train()
        return bool(loss.isfinite())

    def _diverged(self, nll: float) -> Diverged:
        self.watch.look(self.skipped, always=True)
        now, in_a_row = self.counters.updates, self.skipped.in_a_row
        if not in_a_row:
            return Diverged(f"the validation loss became {became(nll)} at update {now}", update=now)
        first = now - in_a_row + 1
        return Diverged(f"the loss became {became(nll)} at update {first}, validation's too at {now}", update=first)

    def on_validation_epoch_end(self) -> None:
        """Log the validation's metrics; the plateau rule looks at the likelihood."""
        nll = float(self.likelihood.compute())
        metrics = {
            "nll": nll,
            "perplexity": perplexity(nll),
            "bleu": float(self.bleu.compute()),
            "chrf": float(self.chrf.compute()),
        }
        for metric in (self.likelihood, self.bleu, self.chrf):
            metric.reset()
        if isinstance(self.schedule, Plateau) and not self.trainer.sanity_checking:
            self.schedule.watch(self.plateau, nll)
        if self.convergence and not self.trainer.sanity_checking:
            self._watch(self.convergence, nll)
        scalars = {f"validation/{name}": value for name, value in metrics.items()}
        self.log_dict({**scalars, "step": float(self.counters.updates)}, sync_dist=True)

    def _watch(self, rule: Convergence, nll: float) -> None:
        now = self.counters.updates
        if self.schedule.factor(max(0, now - 1), 0.0) >= 1.0:  # the warm-up is over
            rule.watch(self.converging, nll, update=now, used=self.used())

    # Checkpoints: plain values only, so that they load with weights_only=True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the model's config and tokenizers, and the counters."""
        self.watch.look(self.skipped, always=True)
        checkpoint["rnnsearch"] = self.checkpoint_content
        checkpoint["counters"] = asdict(self.counters)
        checkpoint["skipped"] = asdict(self.skipped)
        checkpoint["plateau"] = asdict(self.plateau)
        checkpoint["converging"] = asdict(self.converging)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on counting from the checkpoint's counters."""
        self.counters = Counters(**checkpoint["counters"])
        self.skipped = Skipped(**checkpoint.get("skipped", {}))
        self.plateau = PlateauState(**checkpoint.get("plateau", {}))
        self.converging = ConvergenceState(**checkpoint.get("converging", {}))
