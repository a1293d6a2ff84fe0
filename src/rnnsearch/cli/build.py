"""From configs to objects: the only caller of Hydra's ``instantiate``."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from rnnsearch.cli.progress import bar
from rnnsearch.cli.trust import whitelist
from rnnsearch.training.budget import Budget

if TYPE_CHECKING:  # torch and Lightning take seconds to import, and much does without one or both
    from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
    from lightning.pytorch import Callback, Trainer
    from lightning.pytorch.loggers import Logger

    from rnnsearch.data.datamodule import ParallelDataModule
    from rnnsearch.search.hypotheses import Search


def make(config: DictConfig, **wired: Any) -> Any:
    """The object that ``config`` describes, with what other parts give (``wired``).

    Raises:
        HydraException: if its ``_target_`` is not trusted, or refuses its arguments.
    """
    return instantiate(config, _execution_whitelist_=whitelist(), **wired)


def build_data(config: DictConfig) -> "ParallelDataModule":
    """The data module of a whole config."""
    from rnnsearch.data.datamodule import ParallelDataModule

    return ParallelDataModule(
        corpus=make(config.data),
        tokenizer=make(config.tokenizer),
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


def build_search(config: DictConfig, **changes: Any) -> "Search":
    """The search of a ``search`` config, with some keys changed."""
    search: Search = make(config, **changes)
    return search


def build_greedy(config: DictConfig) -> "Search":
    """The greedy search within the bounds of a ``search`` config."""
    greedy = {"beam_size": 1, "coverage_penalty": 0.0} if "beam_size" in config else {"top_k": 1}
    return build_search(config, n_best=1, **greedy)


def build_budget(config: DictConfig, *, flops_per_token: float) -> Budget:
    """The budget of a whole config, for a model of so many operations a target token."""
    return Budget(
        updates=config.budget.updates,
        tokens=config.budget.tokens,
        seconds=config.budget.seconds,
        flops=config.budget.flops,
        flops_per_token=flops_per_token,
    )


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
