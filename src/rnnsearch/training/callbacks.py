"""Callbacks: the clock and the end of the budget, the curves, the progress bar, samples for the dashboard."""

import logging
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rnnsearch.evaluation.progress import can_show
from rnnsearch.evaluation.scoring import perplexity
from rnnsearch.records.metrics import TITLES
from rnnsearch.training.module import TranslationModule

logger = logging.getLogger(__name__)


def _module(pl_module: LightningModule) -> TranslationModule:
    assert isinstance(pl_module, TranslationModule)
    return pl_module


class Clock(Callback):
    """Counts updates, tokens and training seconds, and stops the run when its budget is used up.

    The seconds exclude validation. The stop makes Lightning validate once more, so that the last weights are always
    validated and saved.
    """

    def __init__(self) -> None:
        self._since = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._since = time.perf_counter()
        trainer.should_stop = _module(pl_module).progress() >= 1.0  # a resumed run may have no budget left

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        module = _module(pl_module)
        now = time.perf_counter()
        module.counters.seconds += self._agreed(trainer, module, now - self._since)
        self._since = now
        module.counters.updates = trainer.global_step
        module.counters.batches += 1
        module.counters.tokens += outputs["all_tokens"]
        module.mind_cap()
        if module.progress() >= 1.0:
            trainer.should_stop = True

    def _agreed(self, trainer: Trainer, module: TranslationModule, seconds: float) -> float:
        """The mean over processes if seconds end the run: all must end it, and lower its rate, at the same update."""
        if trainer.world_size == 1 or module.budget.seconds is None:
            return seconds
        own = torch.tensor(seconds, dtype=torch.float64, device=module.device)
        return float(trainer.strategy.reduce(own, reduce_op="mean"))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validation = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = time.perf_counter()
        _module(pl_module).counters.validation_seconds += now - self._validation
        self._since = now


class Curves(Callback):
    """Learning curves: the training loss every ``every`` updates, and each validation; checkpoints hold them too.

    ``publish`` is called with the curves after each validation. The loss is over all processes.
    """

    def __init__(self, *, every: int, publish: Callable[[dict[str, Any]], None]) -> None:
        self.every = every
        self.publish = publish
        self.curves: dict[str, list[dict[str, Any]]] = {"train": [], "validation": []}
        self._sums_2: torch.Tensor | float = 0.0  # of this process: loss, and its number of tokens

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._trainer = trainer

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["sum"].double()
        added_2 = torch.stack([loss, torch.full_like(loss, outputs["tokens"])])
        self._sums_2 = self._sums_2 + added_2.where(loss.isfinite(), 0.0)  # others are skipped
        counters = _module(pl_module).counters
        last = self.curves["train"][-1]["update"] if self.curves["train"] else 0
        ending = _module(pl_module).progress() >= 1.0  # the last interval may be shorter
        if (counters.updates % self.every and not ending) or counters.updates == last:
            return
        loss_sum, tokens = self._all_sums()
        if not tokens:
            return  # every batch since the last point was skipped
        mean, self._sums_2 = loss_sum / tokens, 0.0
        point = {"update": counters.updates, "tokens_seen": counters.tokens, "loss": mean}
        skipped = _module(pl_module).skipped.total
        self.curves["train"].append(point | ({"skipped": skipped} if skipped else {}))
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        speed = counters.tokens / max(counters.seconds, 1e-9)
        scalars = {"train/loss": mean, "train/learning_rate": rate, "train/tokens_per_second": speed}
        for log in trainer.loggers:
            log.log_metrics({**scalars, "train/tokens_seen": counters.tokens}, step=counters.updates)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        counters = _module(pl_module).counters
        scores = {k.split("/")[1]: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("validation/")}
        point = {"update": counters.updates, "tokens_seen": counters.tokens, **scores}
        self.curves["validation"].append(point)
        logger.info(
            "update %d: validation BLEU %.2f, chrF %.2f, perplexity %.3f (%.0f tokens/s)",
            counters.updates,
            scores["bleu"],
            scores["chrf"],
            perplexity(scores["nll"]),
            counters.tokens / max(counters.seconds, 1e-9),
        )
        self.publish(self.curves)

    def state_dict(self) -> dict[str, Any]:
        loss_sum, tokens = self._all_sums()
        return {"curves": self.curves, "sum": loss_sum, "tokens": tokens}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.curves = state_dict["curves"]
        if self._trainer.is_global_zero:
            sums = [state_dict["sum"], float(state_dict["tokens"])]
            self._sums_2 = torch.tensor(sums, dtype=torch.float64, device=self._trainer.strategy.root_device)

    def _all_sums(self) -> tuple[float, int]:
        """Loss and tokens of all processes since the last point; every process must call it."""
        sums_2 = self._sums_2 + torch.zeros(2, dtype=torch.float64, device=self._trainer.strategy.root_device)
        loss, tokens = self._trainer.strategy.reduce(sums_2, reduce_op="sum").tolist()
        return loss, int(tokens)


class BudgetBar(Callback):
    """A progress bar over the budget, on a terminal: loss, tokens a second, validation's primary measure, time left."""

    EVERY = 0.2  # seconds between updates of the bar

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._loss = float("nan")
        self._shown = 0.0
        self._sums: list[torch.Tensor] = []  # losses since then; a number would wait for the device
        self._tokens = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero or not can_show():
            return
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[figures]}"),
            console=Console(stderr=True),
        )  # fmt: skip
        self._task = self._bar.add_task("training", total=1.0, figures="")
        self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._bar is None:
            return
        module = _module(pl_module)
        self._sums.append(outputs["sum"])
        self._tokens += outputs["tokens"]
        now = time.perf_counter()
        if now - self._shown < self.EVERY and module.progress() < 1.0:
            return
        loss, kept = float(torch.stack(self._sums).sum()) / self._tokens, 0.98 ** len(self._sums)
        self._loss = loss if self._loss != self._loss else kept * self._loss + (1 - kept) * loss
        self._shown, self._sums, self._tokens = now, [], 0
        measure = module.scoring.primary
        score = trainer.callback_metrics.get(f"validation/{measure}")
        speed = module.counters.tokens / max(module.counters.seconds, 1e-9)
        figures = f"loss {self._loss:.3f} · {speed:,.0f} tokens/s · update {module.counters.updates}"
        figures += "" if score is None else f" · validation {TITLES[measure]} {float(score):.2f}"
        self._bar.update(self._task, completed=min(1.0, module.progress()), figures=figures)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
