"""From configs to objects: the only caller of Hydra's ``instantiate``."""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from rnnsearch.cli.progress import bar
from rnnsearch.cli.trust import whitelist
from rnnsearch.training.budget import Budget
from rnnsearch.training.convergence import Convergence, check_decays

logger = logging.getLogger(__name__)

if TYPE_CHECKING:  # torch and Lightning take seconds to import, and much does without one or both
    from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
    from lightning.pytorch import Callback, Trainer
    from lightning.pytorch.loggers import Logger

    from rnnsearch.data.datamodule import ParallelDataModule
    from rnnsearch.data.tokenizer import TokenizerPair
    from rnnsearch.evaluation.scoring import Scoring
    from rnnsearch.search.hypotheses import Search


def make(config: DictConfig, **wired: Any) -> Any:
    """The object that ``config`` describes, with what other parts give (``wired``).

    Raises:
        HydraException: if its ``_target_`` is not trusted, or refuses its arguments.
    """
    return instantiate(config, _execution_whitelist_=whitelist(), **wired)


def build_data(config: DictConfig, vocabularies: "TokenizerPair | None" = None) -> "ParallelDataModule":
    """The data module of a whole config; with the vocabularies of a run that goes on, none are learnt."""
    from rnnsearch.data.datamodule import ParallelDataModule
    from rnnsearch.data.tokenizer import GivenTokenizers

    return ParallelDataModule(
        corpus=make(config.data),
        tokenizer=make(config.tokenizer) if vocabularies is None else GivenTokenizers(vocabularies),
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
    """By the references of validation and, if there will be one, of the test; says what is not the usual."""
    from rnnsearch.evaluation.bleu import suitable_scoring

    texts = [list(data.rows("validation")["target_text"])[: config.validation.sentences]]
    if config.test and "test" in data.corpus.splits():
        texts.append(list(data.rows("test")["target_text"]))
    found = suitable_scoring(
        texts,
        language=data.corpus.target_language,
        normalization=data.tokenizers.target.normalization,
        tokenizer=config.validation.bleu_tokenizer,
    )
    if found.bleu_tokenizer != "13a":
        logger.info("BLEU is counted by sacreBLEU's tokenizer %s, which suits the references", found.bleu_tokenizer)
    if found.primary != "bleu":
        logger.warning(
            "BLEU is 0 even of the references against themselves, for they have no four words in a row: chrF is the "
            "measure of this run"
        )
    return found


def build_search(config: DictConfig, **changes: Any) -> "Search":
    """The search of a ``search`` config, with some keys changed."""
    search: Search = make(config, **changes)
    return search


def build_greedy(config: DictConfig) -> "Search":
    """The greedy search within the bounds of a ``search`` config."""
    greedy = {"beam_size": 1, "coverage_penalty": 0.0} if "beam_size" in config else {"top_k": 1}
    return build_search(config, n_best=1, **greedy)


def build_budget(config: DictConfig, *, flops_per_token: float | None) -> Budget:
    """The budget of a whole config, for a model of so many operations a target token (None: not known)."""
    return Budget(
        updates=config.budget.updates,
        tokens=config.budget.tokens,
        seconds=config.budget.seconds,
        flops=config.budget.flops,
        flops_per_token=flops_per_token,
    )


def build_convergence(config: DictConfig) -> Convergence | None:
    """The rule by which training ends before its budget (``budget.until``); None where there is none.

    Raises:
        ValueError: if it doesn't go together with how the rate falls, or with another end.
    """
    if config.budget.get("until") is None:
        return None
    if config.early_stopping is not None:
        raise ValueError(
            f"budget.until=converged ends training after a decay, which early_stopping={config.early_stopping} would "
            "cut off; set early_stopping=null"
        )
    check_decays(make(config.scheduler))
    return Convergence(**config.convergence)


def build_loggers(config: DictConfig | None, folder: Path) -> "list[Logger]":
    """The loggers of a ``logger`` config, writing into the run's folder."""
    return [make(one, save_dir=folder) for one in (config or {}).values()]


def build_environment(config: DictConfig) -> "ClusterEnvironment":
    """The place of this process among those that a ``trainer`` config asks for; see `joined`.

    Raises:
        ValueError: if they do not come together.
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
    """Lightning's trainer. When to stop is the `Clock`'s business, so Lightning is given no limit of its own."""
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
