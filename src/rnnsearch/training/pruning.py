"""Ends an unpromising trial of a search."""

import logging
from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer

from rnnsearch.training.checkpoints import VALIDATION, with_ties_broken
from rnnsearch.training.module import TranslationModule

logger = logging.getLogger(__name__)

Report = Callable[[int, float], bool]


class Pruned(Exception):
    """The training was ended because others are more promising; not a failure."""


class Pruning(Callback):
    """Tells a search each validation's metric and stops the training when the search says so.

    Args:
        metric: of validation: bleu, chrf or nll; ties are broken as in `monitored`.
        report: gets updates and metric, says whether to stop. An error in it (a missing disk, say) is warned of once
            and stops nothing.
    """

    def __init__(self, *, metric: str, report: Report) -> None:
        self.metric = metric
        self.report = report
        self.pruned = False
        self._warned = False

    def state_dict(self) -> dict[str, bool]:
        """Whether the training was stopped: one that is killed before it can say so still counts as pruned."""
        return {"pruned": self.pruned}

    def load_state_dict(self, state_dict: dict[str, bool]) -> None:
        """See `state_dict`."""
        self.pruned = state_dict["pruned"]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, and stop if that is the answer; the first of several processes asks for all."""
        assert isinstance(pl_module, TranslationModule)
        if trainer.sanity_checking:
            return
        should_stop = trainer.is_global_zero and self._should_stop(pl_module.counters.updates, self.value(trainer))
        if trainer.strategy.broadcast(should_stop) and pl_module.progress() < 1.0:
            self.pruned = trainer.should_stop = True

    def value(self, trainer: Trainer) -> float:
        """The metric at the last validation."""
        monitor = f"{VALIDATION}{self.metric}"
        return float(with_ties_broken(dict(trainer.callback_metrics), monitor)[monitor])

    def _should_stop(self, update: int, value: float) -> bool:
        try:
            return self.report(update, value)
        except Exception as error:  # the storage can be anything: the training is worth more than its report
            if not self._warned:
                logger.warning("the search can't be told: %s: %s", type(error).__name__, error)
            self._warned = True
            return False
