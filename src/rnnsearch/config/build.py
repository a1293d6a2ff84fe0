"""From configs to objects: the only caller of Hydra's ``instantiate``."""

import inspect
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig

from rnnsearch.config.keys.roles import CORRECTED
from rnnsearch.config.progress import bar
from rnnsearch.config.trust import whitelist
from rnnsearch.training.budget import Budget
from rnnsearch.training.convergence import Convergence, check_decays

logger = logging.getLogger(__name__)

EARLY_STOPPING = "rnnsearch.training.checkpoints.early_stopping"
KEPT_CHECKPOINTS = "rnnsearch.training.checkpoints.kept_checkpoints"

if TYPE_CHECKING:  # torch and Lightning take seconds to import, and much does without one or both
    from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
    from lightning.pytorch import Callback, Trainer
    from lightning.pytorch.loggers import Logger

    from rnnsearch.data.datamodule import ParallelDataModule
    from rnnsearch.data.tokenizer import TokenizerPair
    from rnnsearch.evaluation.scoring import Scoring
    from rnnsearch.search.hypotheses import Search


def make(config: DictConfig, **wired: Any) -> Any:
    """The object that ``config`` describes, with further arguments from the code (``wired``).

    Raises:
        HydraException: if its ``_target_`` is not trusted or refuses its arguments.
    """
    return instantiate(config, _execution_whitelist_=whitelist(), **wired)


def build_data(config: DictConfig, vocabularies: "TokenizerPair | None" = None) -> "ParallelDataModule":
    """The data module of a whole config; no vocabularies are learnt if those of a resumed run are given."""
    from rnnsearch.data.datamodule import ParallelDataModule
    from rnnsearch.data.tokenizer import GivenTokenizers

    known = GivenTokenizers(vocabularies, sampling=config.tokenizer.get("sampling")) if vocabularies else None
    return ParallelDataModule(
        corpus=make(config.data),
        tokenizer=known or make(config.tokenizer),
        filters=make(config.filters),
        batches=make(config.batches),
        cache=Path(config.paths.cache),
        seed=config.seed,
        validation_sentences=config.validation.sentences,
        evaluation_batch_size=config.validation.batch_size,
        workers=config.data_workers,
        encoding_processes=config.get("encoding_processes"),  # runs of earlier versions lack this and the next
        streaming=config.get("streaming"),
        progress=partial(bar, total=None),
    )


def build_scoring(config: DictConfig, data: "ParallelDataModule") -> "Scoring":
    """The scoring that suits the references of validation and test; logs what is unusual."""
    from rnnsearch.evaluation.corpus_scores import suitable_scoring

    texts = [list(data.rows("validation")["target_text"])[: config.validation.sentences]]
    if config.test and "test" in data.corpus.splits():
        texts.append(list(data.rows("test")["target_text"]))
    scoring = suitable_scoring(
        texts,
        language=data.corpus.target_language,
        normalization=data.tokenizers.target.normalization,
        tokenizer=config.validation.bleu_tokenizer,
    )
    if scoring.bleu_tokenizer != "13a":
        logger.info("BLEU is counted by sacreBLEU's tokenizer %s, which suits the references", scoring.bleu_tokenizer)
    if scoring.primary != "bleu":
        logger.warning(
            "BLEU is 0 even of the references against themselves, for they have no four words in a row: chrF is the "
            "measure of this run"
        )
    return scoring


def build_greedy(config: DictConfig, own: DictConfig | None = None) -> "Search":
    """The greedy search within the bounds of a ``search`` config, or of ``validation.search`` where that sets its own.

    Raises:
        ValueError: for a setting of validation's own that a greedy search does not read, or that no search has.
    """
    bounds = {str(key): value for key, value in (own or {}).items()}
    if unread := [key for key in bounds if f"search.{key}" in CORRECTED or key not in config]:
        raise ValueError(f"validation.search.{unread[0]}: validation's greedy search has no such setting; leave it out")
    changes = {"beam_size": 1, "coverage_penalty": 0.0} if "beam_size" in config else {"top_k": 1}
    exact = {"precision": "32-true"} if "precision" in config else {}  # as the likelihood beside it
    greedy: Search = make(config, n_best=1, **changes, **exact, **bounds)
    return greedy


def build_budget(config: DictConfig, *, flops_per_token: float | None) -> Budget:
    """The budget of a whole config, for a model with so many operations per target token (None: unknown)."""
    limits = {key: config.budget[key] for key in ("updates", "tokens", "seconds", "flops")}
    return Budget(**limits, flops_per_token=flops_per_token)


def build_convergence(config: DictConfig) -> Convergence | None:
    """The rule by which training ends before its budget (``budget.until``), or None.

    Raises:
        ValueError: if it conflicts with the decay of the rate or with early stopping.
    """
    if config.budget.get("until") is None:
        return None
    if config.early_stopping is not None or chosen_callbacks(config, EARLY_STOPPING):
        raise ValueError(
            "budget.until=converged ends training after a decay, which early stopping would cut off; set "
            "early_stopping=null, and leave it out of callbacks"
        )
    check_decays(make(config.scheduler))
    return Convergence(**config.convergence)


def build_loggers(config: DictConfig | None, folder: Path) -> "list[Logger]":
    """The loggers of a ``logger`` config, writing into the run's folder."""
    return [make(node, save_dir=folder) for node in (config or {}).values()]


def chosen_callbacks(config: DictConfig, constructor: str) -> list[str]:
    """The names, in the ``callbacks`` of a whole config, of those that a constructor makes."""
    return [str(name) for name, node in (config.get("callbacks") or {}).items() if node._target_ == constructor]


def build_callbacks(config: DictConfig | None, **wires: Any) -> "list[Callback]":
    """The callbacks of a ``callbacks`` config.

    Args:
        config: None for none.
        wires: arguments from the code, for constructors that take them: ``folder``, the run's, where alone a callback
            may write, and ``translate``, which gives samples of the validation set.
    """
    callbacks = []
    for node in (config or {}).values():
        takes = inspect.signature(get_object(node._target_)).parameters
        callbacks.append(make(node, **{name: value for name, value in wires.items() if name in takes}))
    return callbacks


def build_environment(config: DictConfig) -> "ClusterEnvironment":
    """This process's place among those that a ``trainer`` config asks for; see `joined`.

    Raises:
        ValueError: if the processes do not find each other.
    """
    import torch

    from rnnsearch.training.processes import joined

    cuda = torch.cuda.is_available()
    gpu = config.accelerator in ("gpu", "cuda") or (config.accelerator == "auto" and cuda)
    devices = config.devices
    if isinstance(devices, str):
        devices = devices.rstrip(",").split(",") if "," in devices else -1 if devices == "auto" else int(devices)
    count = devices if isinstance(devices, int) else len(devices)
    if count < 0:
        count = torch.cuda.device_count() if gpu else 1
    return joined(max(1, count), config.get("num_nodes", 1), gpu=gpu)


def build_trainer(
    config: DictConfig,
    *,
    environment: "ClusterEnvironment",
    validate_every: int,
    loggers: "list[Logger]",
    callbacks: "list[Callback]",
) -> "Trainer":
    """Lightning's trainer, without limits of its own, since the `Clock` decides when to stop."""
    from rnnsearch.training.checkpoints import AtomicCheckpoints

    trainer: Trainer = make(
        config,
        max_steps=-1,
        max_epochs=-1,
        val_check_interval=validate_every * config.accumulate_grad_batches,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        logger=loggers,
        callbacks=callbacks,
        plugins=[AtomicCheckpoints(), environment],
    )
    return trainer
