"""``rnnsearch train``: one model, from config to record."""

import logging
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli import build, provenance, runs
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.evaluation.translating import sample_translations
from rnnsearch.model.translator import Translator
from rnnsearch.records import RECORD, RunRecord, config_hash, read_record
from rnnsearch.training.callbacks import BudgetBar, Clock, Curves
from rnnsearch.training.cost import operations_per_token
from rnnsearch.training.dashboards import Samples
from rnnsearch.training.initialization import initialize
from rnnsearch.training.module import TranslationModule

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> None:
    """Train, validate and test one model; its folder is Hydra's output folder."""
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    resuming = check_folder(folder, cfg.ckpt)
    settle_budget(cfg, list(hydra.overrides.task))
    OmegaConf.resolve(cfg)
    record = RunRecord(folder, {**_beginnings(cfg, folder), **(read_record(folder) if resuming else {})})
    runs.save_config(cfg, folder)
    with recording(record, folder):
        train(cfg, folder, record, resume=resuming)
    logger.info("the run is in %s; next: rnnsearch evaluate run=%s split=test", folder, folder)


def check_folder(folder: Path, ckpt: str | None) -> bool:
    """Whether an earlier run goes on in ``folder``.

    Raises:
        ValueError: if the folder holds a record and ``ckpt`` is not ``last``, or ``ckpt`` is something else.
        FileNotFoundError: if there is no run to go on with.
    """
    if ckpt not in (None, "last"):
        raise ValueError(f"ckpt={ckpt}: allowed is last, to go on with the run in hydra.run.dir")
    if (folder / RECORD).exists() and ckpt is None:
        raise ValueError(
            f"{folder} holds a run already; give another hydra.run.dir, or ckpt=last to go on with that run"
        )
    if ckpt == "last":
        runs.checkpoint_path(folder, "last")
    return ckpt == "last"


def settle_budget(cfg: DictConfig, overrides: list[str]) -> None:
    """Make ``trainer.max_steps`` and ``budget.updates``, two names of one limit, agree.

    Raises:
        ValueError: if both were given and differ.
    """
    steps, updates = cfg.trainer.max_steps, cfg.budget.updates
    if steps == updates:
        return
    if any(override.lstrip("+").startswith("budget.updates=") for override in overrides):
        raise ValueError(
            f"trainer.max_steps={steps} and budget.updates={updates} are two names of one limit; give one of them"
        )
    cfg.budget.updates = cfg.trainer.max_steps = None if steps == -1 else steps


def _beginnings(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return {
        "id": folder.name,
        "name": folder.name,
        "study": cfg.study,
        "member": cfg.member,
        "status": "running",
        "error": None,
        "started": _now(),
        "ended": None,
        "command": ["rnnsearch", *sys.argv[1:]],
        "config_hash": config_hash({str(k): v for k, v in plain.items()}),
        "seed": cfg.seed,
        "git": provenance.git(),
        "versions": provenance.versions(),
        "results": {},
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextmanager
def recording(record: RunRecord, folder: Path) -> Iterator[None]:
    """Write the record now and at the end, however it ends; the log goes into the folder too."""
    handler = logging.FileHandler(folder / "train.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    record.write(status="running", error=None)
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        story = {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
        record.write(status="interrupted" if interrupted else "failed", error=story, ended=_now())
        raise
    else:
        record.write(status="finished", ended=_now())
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def train(cfg: DictConfig, folder: Path, record: RunRecord, *, resume: bool) -> None:
    """Fit, then test the best checkpoint; everything found goes into ``record``."""
    _quiet()
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = build.build_data(cfg)
    data.prepare_data()
    data.setup("fit")
    runs.save_texts(data, folder)
    module = _module(cfg, data)
    translator = module.translator
    record.write(hardware=provenance.hardware(), **_sizes(translator), **_data(data))
    logger.info("%s parameters, %s", f"{record.values['parameters']:,}", cfg.model.context._target_.rsplit(".", 1)[-1])
    curves = Curves(every=cfg.curve_every, publish=lambda curves: record.write(results={"curves": curves}))
    loggers = build.build_loggers(cfg.logger, folder)
    trainer = build.build_trainer(
        cfg.trainer,
        validate_every=cfg.validation.every,
        loggers=loggers,
        callbacks=[Clock(), curves, *_callbacks(cfg, folder, data, module), BudgetBar()],
    )
    last = str(runs.checkpoint_path(folder, "last")) if resume else None
    try:
        trainer.fit(module, datamodule=data, ckpt_path=last, weights_only=True)
        _stop_if_interrupted(trainer.interrupted)
        record.write(results=_results(cfg, folder, record, data, module, curves), **_counts(module))
    finally:
        for log in loggers:
            log.finalize(record.values["status"])


def _quiet() -> None:
    """Leave out Lightning's hints, which are about choices that are made here."""
    for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", r".*exists and is not empty", module="lightning.*")
    warnings.filterwarnings("ignore", r".*isinstance\(treespec", module="lightning.*")
    warnings.filterwarnings("ignore", r".*smaller than the logging interval", module="lightning.*")
    warnings.filterwarnings("ignore", r".*does not have many workers", module="lightning.*")


def _stop_if_interrupted(interrupted: bool) -> None:
    if interrupted:
        raise KeyboardInterrupt


def _module(cfg: DictConfig, data: ParallelDataModule) -> TranslationModule:
    source, target = data.tokenizers.source, data.tokenizers.target
    translator = build.build_translator(cfg.model, source_size=source.size, target_size=target.size)
    initialize(translator, scheme=cfg.model.initialization)
    texts = data.rows("validation")
    return TranslationModule(
        translator=translator,
        optimizer=build.make(cfg.optimizer),
        schedule=build.make(cfg.scheduler),
        budget=build.build_budget(cfg),
        label_smoothing=cfg.label_smoothing,
        target=target,
        references=lambda rows: list(texts[list(rows)]["target_text"]),
        search=build.build_search(cfg.search, beam_size=1),
        checkpoint_content=runs.checkpoint_content(cfg, data.tokenizers),
    )


def _callbacks(cfg: DictConfig, folder: Path, data: ParallelDataModule, module: TranslationModule) -> list[Callback]:
    monitor, mode = f"validation/{cfg.validation.monitor}", "min" if cfg.validation.monitor == "nll" else "max"
    if cfg.validation.monitor not in ("bleu", "chrf", "nll"):
        raise ValueError(f"validation.monitor={cfg.validation.monitor}: choose one of bleu, chrf, nll")
    checkpoints = folder / runs.CHECKPOINTS
    kept = [
        ModelCheckpoint(
            checkpoints, "best", monitor=monitor, mode=mode, save_top_k=1, enable_version_counter=False,
            auto_insert_metric_name=False,
        ),
        ModelCheckpoint(checkpoints, "last", save_top_k=1, enable_version_counter=False),
    ]  # fmt: skip
    patience = cfg.early_stopping
    stopping = [] if patience is None else [EarlyStopping(monitor, patience=patience, mode=mode, verbose=False)]
    rows = data.rows("validation").select(range(min(cfg.samples, len(data.rows("validation")))))
    samples = Samples(translate=lambda: sample_translations(module.translator, data.tokenizers, rows, module.search))
    return [*build.make(cfg.averaging), *stopping, *([samples] if cfg.samples else []), *kept]


def _sizes(translator: Translator) -> dict[str, Any]:
    parameters = {id(p): p.numel() for p in translator.parameters() if p.requires_grad}
    embeddings = {id(e.weight) for e in (translator.encoder.embedding, translator.decoder.embedding)}
    return {
        "parameters": sum(parameters.values()),
        "parameters_without_embeddings": sum(n for key, n in parameters.items() if key not in embeddings),
        "flops_per_token": operations_per_token(translator, source_length=20, target_length=20).training,
    }


def _data(data: ParallelDataModule) -> dict[str, Any]:
    described = data.description()
    return {"data": described, "filters": described["filters"], "tokenizer": described["tokenizer"]}


def _counts(module: TranslationModule) -> dict[str, Any]:
    counters = module.counters
    return {
        "updates": counters.updates,
        "tokens_seen": counters.tokens,
        "seconds": round(counters.seconds + counters.validation_seconds, 3),
        "tokens_per_second": round(counters.tokens / max(counters.seconds, 1e-9), 1),
        "peak_memory_bytes": provenance.peak_memory_bytes(),
    }


def _results(
    cfg: DictConfig,
    folder: Path,
    record: RunRecord,
    data: ParallelDataModule,
    module: TranslationModule,
    curves: Curves,
) -> dict[str, Any]:
    """Everything that the same seed gives again on the same machine: no times in here."""
    runs.load_weights(module.translator, runs.read_checkpoint(runs.checkpoint_path(folder, "best")))
    module.translator.eval()
    points = curves.curves["validation"]
    pick = min if cfg.validation.monitor == "nll" else max
    metrics = {"validation": pick(points, key=lambda point: point[cfg.validation.monitor])}
    if "test" in data.corpus.splits():
        metrics["test"] = runs.evaluate_into(
            folder, module.translator, data.tokenizers, data.rows("test"), build.build_search(cfg.search), "test"
        )
        logger.info("test: BLEU %.2f, chrF %.2f", metrics["test"]["bleu"], metrics["test"]["chrf"])
    return {"curves": curves.curves, "metrics": metrics, "weights_sha256": runs.weights_sha256(module.translator)}
