"""One training: from the objects that its config describes, through the fit, to the results in its record."""

import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from rnnsearch.cli import build, provenance, runs, trial, trust
from rnnsearch.cli.matched import quantity
from rnnsearch.cli.plain import plain
from rnnsearch.cli.recording import ended
from rnnsearch.cli.secrets import hidden
from rnnsearch.cli.terminal import say
from rnnsearch.data import contradictions
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.evaluation.bleu import score
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.splits import NoNumbers, sample_translations
from rnnsearch.evaluation.system import System
from rnnsearch.model.build import build_translator
from rnnsearch.model.checkpoint import CHECKPOINTS, load_weights
from rnnsearch.model.translator import Translator
from rnnsearch.records import RunRecord
from rnnsearch.training.callbacks import BudgetBar, Clock, Curves
from rnnsearch.training.checkpoints import BEST, BestCheckpoint, EarlyStopping, KeptCheckpoints, best_or_last
from rnnsearch.training.dashboards import Samples, close_dashboards, open_dashboards, show_results
from rnnsearch.training.faults import Diverged, Watch
from rnnsearch.training.initialization import initialize
from rnnsearch.training.last_checkpoint import LastCheckpoint, Pause, Paused
from rnnsearch.training.metrics_csv import MetricsGoOn
from rnnsearch.training.module import TranslationModule
from rnnsearch.training.preemption import StopRequest
from rnnsearch.training.processes import Processes
from rnnsearch.training.profiling import StepProfile
from rnnsearch.training.pruning import Pruned

logger = logging.getLogger(__name__)


def fit(
    cfg: DictConfig,
    folder: Path,
    record: RunRecord,
    data: ParallelDataModule | None,
    environment: ClusterEnvironment,
    *,
    resume: Path | None,
    stop: StopRequest,
) -> None:
    """Fit, from the checkpoint ``resume`` on if there is one; then test the best. All found goes into ``record``.

    ``data`` are those of a resumed run, which were looked at already; ``environment`` is this process's place.
    """
    _quiet(profiling=cfg.trainer.profiler is not None)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = data or build.build_data(cfg)
    data.prepare_data()
    data.setup("fit")
    if record.writes:
        for sentence in contradictions.warnings(data.contradictions):
            logger.warning("%s", sentence)
        runs.save_config(cfg, folder, record)
        runs.save_texts(data, folder, record)
    scoring = Scoring.of_record(record.values) if resume else build.build_scoring(cfg, data)
    operations = _operations(cfg, data, record.values if resume else {})
    module = _module(cfg, data, scoring, record.values["id"], operations["flops_per_token"])
    sizes = {**_sizes(module.translator), **operations}
    record.write(hardware=provenance.hardware(), **sizes, **_data(data), scoring=scoring.as_record())
    logger.info("%s parameters, %s", f"{record.values['parameters']:,}", cfg.model.context._target_.rsplit(".", 1)[-1])
    _fit(cfg, folder, record, data, module, environment, resume=resume, stop=stop)


def _fit(
    cfg: DictConfig,
    folder: Path,
    record: RunRecord,
    data: ParallelDataModule,
    module: TranslationModule,
    environment: ClusterEnvironment,
    *,
    resume: Path | None,
    stop: StopRequest,
) -> None:
    curves = Curves(every=cfg.curve_every, publish=lambda curves: record.write(results={"curves": curves}))
    profiles = [] if cfg.profile is None else [StepProfile(folder=folder / "profile", updates=cfg.profile)]
    pruning = trial.pruning(folder)
    own = _callbacks(cfg, folder, data, module, stop)
    processes = Processes(folder=folder, failed=lambda story: ended(record, "failed", story), hidden=hidden)
    with _told_the_end(cfg, folder) as loggers:
        trainer = build.build_trainer(
            cfg.trainer,
            environment=environment,
            validate_every=cfg.validation.every,
            loggers=loggers,
            callbacks=[*profiles, Clock(), curves, MetricsGoOn(), *pruning, *own, BudgetBar()],
        )
        open_dashboards(loggers, plain(cfg))
        with processes.together(trainer):
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
        if any(one.pruned for one in pruning):
            record.write(**_counts(module))
            raise Pruned
        if any(isinstance(one, LastCheckpoint) and one.paused for one in own):
            place = {"update": module.counters.updates, "share": module.used()}
            record.write(**_counts(module), pauses=[*record.values.get("pauses", []), place])
            raise Paused
        if record.writes:
            results = _results(cfg, folder, data, module, curves, record)
            record.write(results=results, **_counts(module))
            show_results(loggers, record.values)
    for profile in profiles:
        say(profile.summary or "", end="", stderr=True)


@contextmanager
def _told_the_end(cfg: DictConfig, folder: Path) -> Iterator[list[Logger]]:
    """The loggers of a training, which are told how it ended."""
    loggers: list[Logger] = []
    status = "failed"
    try:
        loggers = build.build_loggers(cfg.get("logger"), folder)
        yield loggers
        status = "finished"
    except Pruned:
        status = "pruned"
        raise
    except Paused:
        status = "paused"
        raise
    except (KeyboardInterrupt, SystemExit):
        status = "interrupted"
        raise
    finally:
        close_dashboards(loggers, status=status)


def _quiet(*, profiling: bool) -> None:
    """Leave out Lightning's hints, which are about choices that are made here; its profiler reports as a hint."""
    hints = ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero", "lightning.fabric")
    for name in hints:
        logging.getLogger(name).setLevel(logging.INFO if profiling else logging.WARNING)
    warnings.filterwarnings("ignore", r".*exists and is not empty", module="lightning.*")
    warnings.filterwarnings("ignore", r".*isinstance\(treespec", module="lightning.*")
    warnings.filterwarnings("ignore", r".*smaller than the logging interval", module="lightning.*")
    warnings.filterwarnings("ignore", r".*does not have many workers", module="lightning.*")


def _module(
    cfg: DictConfig, data: ParallelDataModule, scoring: Scoring, run: str, flops_per_token: float | None
) -> TranslationModule:
    target = data.tokenizers.target
    translator = build_translator(cfg.model, **data.tokenizers.sizes, kernels=cfg.kernels, trust=trust.given())
    plain = [name for name, half in translator.named_children() if not half.fused]
    if plain and cfg.kernels != "plain":
        logger.info("no kernel for this %s: it takes the plain path, step by step", " and ".join(plain))
    initialize(translator, scheme=cfg.model.initialization)
    texts = data.rows("validation")
    return TranslationModule(
        translator=translator,
        optimizer=build.make(cfg.optimizer),
        schedule=build.make(cfg.scheduler),
        budget=build.build_budget(cfg, flops_per_token=flops_per_token),
        convergence=build.build_convergence(cfg),
        label_smoothing=cfg.label_smoothing,
        target=target,
        references=lambda rows: list(texts[list(rows)]["target_text"]),
        scoring=scoring,
        search=build.build_greedy(cfg.search),
        cuda_graphs=cfg.cuda_graphs,
        watch=Watch(
            limit=cfg.skip_limit,
            above=cfg.skip_above,
            lines=lambda rows: data.training_lines(rows),  # no method: averaging would copy the data with the module
        ),
        seed=cfg.seed,
        checkpoint_content=runs.checkpoint_content(cfg, data.tokenizers, run),
    )


def _callbacks(
    cfg: DictConfig, folder: Path, data: ParallelDataModule, module: TranslationModule, stop: StopRequest
) -> list[Callback]:
    monitor, mode = f"validation/{cfg.validation.monitor}", "min" if cfg.validation.monitor == "nll" else "max"
    checkpoints = folder / CHECKPOINTS
    kept: list[Callback] = []  # the last one after the others, whose states it holds
    if cfg.keep_best:
        kept.append(
            KeptCheckpoints(
                checkpoints, "update-{step}", monitor=monitor, mode=mode, save_top_k=cfg.keep_best,
                enable_version_counter=False, auto_insert_metric_name=False,
            )
        )  # fmt: skip
    kept += [
        BestCheckpoint(
            checkpoints, BEST, monitor=monitor, mode=mode, save_top_k=1, enable_version_counter=False,
            auto_insert_metric_name=False,
        ),
        LastCheckpoint(
            path=checkpoints / "last.ckpt", every=cfg.checkpoints.every, minutes=cfg.checkpoints.minutes, stop=stop,
            pause=Pause(share=cfg.pause.share, updates=cfg.pause.updates),
        ),
    ]  # fmt: skip
    patience = cfg.early_stopping
    stopping = [] if patience is None else [EarlyStopping(monitor, patience=patience, mode=mode, verbose=False)]
    rows = data.rows("validation").select(range(min(cfg.samples, len(data.rows("validation")))))
    system = System.of(module.translator, data.tokenizers)
    samples = Samples(translate=lambda: sample_translations(system, rows, module.search))
    return [*([samples] if cfg.samples else []), *build.make(cfg.averaging), *stopping, *kept]


def _measured(points: Sequence[dict[str, Any]], update: int) -> dict[str, Any]:
    """What validation found of the checkpoint after an update."""
    return next(point for point in reversed(points) if point["update"] == update)


def _sizes(translator: Translator) -> dict[str, Any]:
    parameters = {id(p): p.numel() for p in translator.parameters() if p.requires_grad}
    embeddings = {id(e.weight) for e in (translator.encoder.embedding, translator.decoder.embedding)}
    return {
        "parameters": sum(parameters.values()),
        "parameters_without_embeddings": sum(n for key, n in parameters.items() if key not in embeddings),
    }


def _operations(cfg: DictConfig, data: ParallelDataModule, before: Mapping[str, Any]) -> dict[str, Any]:
    """Operations a target token, at the corpus's mean lengths; a resumed run's stay as they were counted before.

    They are None where they can't be counted and no budget asks for them.
    """
    if before.get("flops_per_token") is not None:
        return {key: before[key] for key in ("flops_per_token", "flops_lengths") if key in before}
    source, target = data.mean_lengths
    each = None
    try:
        each = quantity(cfg, data.tokenizers.sizes, "flops", (source, target))
    except ValueError as error:
        if cfg.budget.flops is not None:
            raise
        logger.warning("%s", error)
    return {"flops_per_token": each, "flops_lengths": {"source": source, "target": target}}


def _data(data: ParallelDataModule) -> dict[str, Any]:
    longest = data.longest_source()
    described = {**data.description(), **({} if longest is None else {"longest_source": longest})}
    return {"filters": described.pop("filters"), "tokenizer": described.pop("tokenizer"), "data": described}


def _counts(module: TranslationModule) -> dict[str, Any]:
    counters = module.counters
    return {
        "updates": counters.updates,
        **_convergence(module),
        "skipped_updates": module.skipped.total,
        "tokens_seen": counters.tokens,
        "seconds": round(counters.seconds + counters.validation_seconds, 3),
        "training_seconds": round(counters.seconds, 3),
        "tokens_per_second": round(counters.tokens / max(counters.seconds, 1e-9), 1),
        "peak_memory_bytes": provenance.peak_memory_bytes(),
    }


def _convergence(module: TranslationModule) -> dict[str, Any]:
    """Of a run with ``budget.until``: whether it converged, and the updates done when the rate began to fall."""
    if module.convergence is None:
        return {}
    state, updates = module.converging, module.counters.updates
    ended = module.convergence.is_converged(state, update=updates)
    return {"converged": ended, "decay_from": state.decay_from}


def _results(
    cfg: DictConfig,
    folder: Path,
    data: ParallelDataModule,
    module: TranslationModule,
    curves: Curves,
    record: RunRecord,
) -> dict[str, Any]:
    """Everything that the same seed gives again on the same machine: no times in here."""
    checkpoint = best_or_last(folder / CHECKPOINTS)
    load_weights(module.translator, checkpoint)
    module.translator.eval()
    best = _measured(curves.curves["validation"], checkpoint["counters"]["updates"])
    if best["nll"] > (chance := math.log(data.tokenizers.target.size)) + 1:
        logger.warning(
            "the model is worse than chance: validation's negative log-likelihood is %.4g nats a token, where equally "
            "likely tokens have %.3g; lower optimizer.lr, or look at the data",
            best["nll"],
            chance,
        )
    signature = score(["a"], ["a"], module.scoring)["bleu_signature"]
    metrics = {"validation": {**best, "bleu_signature": signature}}
    system = System.of(module.translator, data.tokenizers)
    if cfg.test and "test" in data.corpus.splits():
        try:
            search, scoring = build.build_search(cfg.search), module.scoring
            metrics["test"] = runs.evaluate_into(folder, system, data.rows("test"), search, "test", scoring, record)
        except NoNumbers as error:
            raise Diverged(f"in the test split {error} by update {best['update']}", update=best["update"]) from error
        logger.info("test: BLEU %.2f, chrF %.2f", metrics["test"]["bleu"], metrics["test"]["chrf"])
    return {"curves": curves.curves, "metrics": metrics, "weights_sha256": runs.weights_sha256(module.translator)}
