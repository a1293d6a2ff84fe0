"""``last.ckpt``: when it is written, and what a resumed run needs beside what Lightning keeps."""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.strategies import FSDPStrategy

from rnnsearch.training.module import TranslationModule
from rnnsearch.training.preemption import StopRequest

AGREE_EVERY = 8  # updates between times that processes ask each other whether to save, each a message and a wait


class Paused(Exception):
    """The training was left where it was asked to pause, to go on later; not a failure."""


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Where a run is left: at the first validation by which both are reached; None always counts as reached.

    Attributes:
        share: of the budget.
        updates: done.
    """

    share: float | None
    updates: int | None

    def is_reached(self, module: TranslationModule) -> bool:
        """Whether it is reached now; never at the end of the budget, which ends the run, nor if no pause is set."""
        if (self.share, self.updates) == (None, None) or module.progress() >= 1.0:
            return False
        return module.used() >= (self.share or 0.0) and module.counters.updates >= (self.updates or 0)


class LastCheckpoint(Checkpoint):
    """Writes ``last.ckpt``: after each validation, every so many updates or minutes, and before a signal ends the run.

    A checkpoint written when a validation is due, or during one, says so, and the resumed run begins with that
    validation. Of several processes the first one writes; all agree when. Random states are the first process's;
    dropout is a function of seed, batch and process anyway.

    Args:
        path: the file.
        every: updates, or None.
        minutes: since the last one was written, or None.
        stop: whether a signal asks to save and leave.
        pause: at which validation the run is left; `paused` is true then.
    """

    def __init__(
        self, *, path: Path, every: int | None, minutes: float | None, stop: StopRequest, pause: Pause
    ) -> None:
        super().__init__()
        self.path = path
        self.every = every
        self.minutes = minutes
        self.stop = stop
        self.pause = pause
        self.paused = False
        self._due = False  # whether a validation is, in a checkpoint that is being written or was read
        self._stopped = False  # by another callback that does not remember it (EarlyStopping)
        self._random: dict[str, Any] | None = None
        self._written = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """In a resumed run restore the random states and run the validation that was due, heeding signals in it."""
        self._written = time.monotonic()
        if self._random is not None:
            _set_random_states(self._random)
        self.stop.heeded = True
        self.stop.install()  # Lightning's handler, set since, sends messages to other processes amid theirs
        trainer.should_stop |= self._stopped
        if self._due:
            self._due = False
            _validate(trainer)
        self.stop.heeded = False  # nothing is unsaved before the first batch, which a stream may take minutes to give

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Heed signals."""
        self.stop.heeded = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """At the end of an update, save if it is time to, and leave if asked to."""
        assert isinstance(pl_module, TranslationModule)
        if pl_module.pending_tokens:
            return
        leaves = self._agreed(trainer, self.stop.asked)
        if (leaves or self._is_time(trainer)) and _is_sound(trainer, pl_module, batch):
            self._save(trainer, due=_validation_is_due(trainer))
        if leaves:
            raise KeyboardInterrupt

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the random states from before the validation."""
        self._random = random_states()

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Leave if asked to: a single process saves; several leave each by itself, and the last checkpoint counts."""
        if not self.stop.asked:
            return
        if trainer.world_size == 1:
            self._save(trainer, due=True)
        raise KeyboardInterrupt

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the validation; leave if the run is to pause here."""
        assert isinstance(pl_module, TranslationModule)
        self._random = None
        self._save(trainer, due=False)
        if self.pause.is_reached(pl_module) and not trainer.should_stop:
            self.paused = trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What follows is not training: signals interrupt it."""
        self.stop.heeded = False

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """The same."""
        self.stop.heeded = False

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add whether a validation is due, whether training was stopped, and the states of all random generators."""
        assert isinstance(pl_module, TranslationModule)
        within = self._due and self._random is not None
        checkpoint["resume"] = {
            "validation_due": self._due,
            "stopped": trainer.should_stop and pl_module.progress() < 1.0,  # not by the budget, which may grow
            "random": self._random if within else random_states(),
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """See `on_save_checkpoint`; earlier versions saved only after validations, and without this."""
        state = checkpoint.get("resume", {})
        self._due, self._stopped = state.get("validation_due", False), state.get("stopped", False)
        self._random = state.get("random")

    def _save(self, trainer: Trainer, *, due: bool) -> None:
        self._due = due
        try:
            trainer.save_checkpoint(self.path, weights_only=False)
        finally:
            self._due = False
        self._written = time.monotonic()

    def _is_time(self, trainer: Trainer) -> bool:
        if self.every is not None and trainer.global_step % self.every == 0:
            return True
        waited = time.monotonic() - self._written
        return self.minutes is not None and self._agreed(trainer, waited >= 60 * self.minutes)

    def _agreed(self, trainer: Trainer, wish: bool) -> bool:
        """Whether any process has the wish; several processes ask each other only now and then."""
        if trainer.world_size > 1 and trainer.global_step % AGREE_EVERY:
            return False
        return trainer.strategy.reduce_boolean_decision(wish, all=False)


def _is_sound(trainer: Trainer, module: TranslationModule, batch: Any) -> bool:
    """Whether the weights give a finite loss on all processes: if not, they must not replace the last good checkpoint.

    Under FSDP this can't be asked: outside a step each process holds only a part of the weights.
    """
    if isinstance(trainer.strategy, FSDPStrategy):
        return True
    return trainer.strategy.reduce_boolean_decision(module.has_finite_loss(batch), all=True)


def _validation_is_due(trainer: Trainer) -> bool:
    """Whether Lightning's loop validates after this batch."""
    return trainer.should_stop or (trainer.fit_loop.total_batch_idx + 1) % int(trainer.val_check_batch or 1) == 0


def _validate(trainer: Trainer) -> None:
    """Run the validation that Lightning's loop takes as done after a restart at the end of a batch."""
    loop = trainer.fit_loop.epoch_loop.val_loop
    loop.restarting = False
    trainer.validating = True
    loop.run()
    trainer.training = True


def random_states() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's generators, as values that load with ``weights_only=True``."""
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def _set_random_states(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
