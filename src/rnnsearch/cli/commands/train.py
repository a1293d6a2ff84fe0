"""``rnnsearch train``: one model, from config to record."""

import logging
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from omegaconf import DictConfig, OmegaConf, open_dict

from rnnsearch.config import build
from rnnsearch.config.combination_checks import check_combinations
from rnnsearch.config.compose import settle_budget
from rnnsearch.config.constructor_checks import check_constructors
from rnnsearch.config.devices import check_devices
from rnnsearch.config.plain_values import flat
from rnnsearch.config.secrets import hidden, refuse_secrets
from rnnsearch.config.value_checks import check_values
from rnnsearch.records.folders import refuse_links
from rnnsearch.records.run_record import RECORD, RunRecord
from rnnsearch.runs import run_folder
from rnnsearch.runs.ancestor import Beginning, begin
from rnnsearch.runs.divergence_advice import advised
from rnnsearch.runs.fitting import fit
from rnnsearch.runs.recording import beginnings, claimed, interruptible, recording
from rnnsearch.runs.resume import check_data, check_named, clean, is_done, record_going_on, starting_point
from rnnsearch.sweeps.search_trial import pruning
from rnnsearch.training.faults import Diverged

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> None:
    """Train, validate and test one model; its folder is Hydra's output folder."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    unresolved: Any = OmegaConf.to_container(HydraConfig.get().run, resolve=False)
    check_named(cfg.ckpt, unresolved["dir"])
    beginning = begin(cfg, list(HydraConfig.get().overrides.task), folder)
    if cfg.get("init") is not None:
        check_values(cfg)  # of the ancestor, too
    check_constructors(cfg)
    check_devices(cfg.trainer)
    check_combinations(cfg)
    environment = build.build_environment(cfg.trainer)
    main = environment.global_rank() == 0  # other processes of one run share the first one's folder
    if not main:
        for name, level in (("rnnsearch", logging.WARNING), ("sacrebleu", logging.ERROR)):
            logging.getLogger(name).setLevel(level)  # the first one tells how it goes
    else:
        refuse_links(folder)
    with claimed(folder) if main else nullcontext():
        _run(cfg, folder, environment, beginning, main=main)


def _run(
    cfg: DictConfig, folder: Path, environment: ClusterEnvironment, beginning: Beginning | None, *, main: bool
) -> None:
    resume = starting_point(folder, cfg.ckpt, main=main)
    if main:
        clean(folder)
    settle_budget(cfg, list(HydraConfig.get().overrides.task))
    OmegaConf.resolve(cfg)
    refuse_secrets(f"{key}={value}" for key, value in flat(cfg).items())
    values = now = beginnings(cfg, folder)
    data = None
    if resume:
        beginning = None
        values = record_going_on(cfg, folder, now["config_hash"])
        data = build.build_data(cfg, replace(resume.vocabularies, notes=values["tokenizer"]["notes"]))
        check_data(folder, values, data, code=now["code"])
    elif beginning:
        values = {**values, "ancestors": beginning.descent}
        data = build.build_data(cfg, beginning.tokenizers)
    if is_done(cfg, folder, values["config_hash"], resume):
        return
    if resume and resume.vocabularies.source.normalization != cfg.tokenizer.normalization:
        with open_dict(cfg):
            del cfg.tokenizer.normalization  # an older run has no such key, and is found again without it
    if main and cfg.ckpt and resume is None and (folder / RECORD).exists():
        logger.warning("%s has no checkpoint yet, for its run ended before the first one: it starts anew", folder)
    record = RunRecord(folder, values, writes=main)
    with recording(record, folder), interruptible() as stop:
        try:
            fit(
                cfg, folder, record, data, environment, beginning=beginning, resume=resume.path if resume else None,
                stop=stop, pruning=pruning(folder),
            )  # fmt: skip
        except Diverged as error:
            advice = advised(error, sys.argv[1:], cfg, folder)
            if advice.retry:
                logger.info("with half the rate: %s", hidden(advice.retry))
            raise advice from error
    if record.values["status"] == "pruned":
        logger.info("pruned: other trials of the search promise more")
        return
    if record.values["status"] == "paused":
        logger.info("paused after %d updates; ckpt=last goes on", record.values["updates"])
        return
    logger.info("the run is in %s; next: %s", folder, run_folder.next_command(folder))
