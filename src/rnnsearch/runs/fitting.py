"""One training: from the objects in its config, through the fit, to the results in its record."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.callbacks import Checkpoint
from omegaconf import DictConfig

from rnnsearch.config import build, trust
from rnnsearch.config.model_size import quantity
from rnnsearch.config.plain_values import plain
from rnnsearch.config.secrets import hidden
from rnnsearch.config.terminal import say
from rnnsearch.data import contradictions
from rnnsearch.data.corpus import SPLITS
from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.data.named_tests import NamedTest, read_tests
from rnnsearch.data.seen_words import kept_words
from rnnsearch.data.unknown_tokens import unknown_tokens
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.splits import evaluate_split, sample_translations
from rnnsearch.evaluation.system import System
from rnnsearch.kernels import libraries
from rnnsearch.model.build import build_translator
from rnnsearch.model.checkpoint import CHECKPOINTS
from rnnsearch.records.run_record import RunRecord
from rnnsearch.runs import run_folder
from rnnsearch.runs.ancestor import Beginning
from rnnsearch.runs.named_tests import keep
from rnnsearch.runs.recording import ended
from rnnsearch.training.callbacks import BudgetBar, Clock, Curves
from rnnsearch.training.checkpoints import best_checkpoint, early_stopping, kept_checkpoints
from rnnsearch.training.dashboards import Samples, open_dashboards, show_results
from rnnsearch.training.dependent_steps import dependent_steps
from rnnsearch.training.faults import Watch
from rnnsearch.training.fit import fit as train
from rnnsearch.training.fit import quiet, told_the_end
from rnnsearch.training.freezing import freeze, frozen_numbers
from rnnsearch.training.hardware import hardware
from rnnsearch.training.initialization import initialize
from rnnsearch.training.last_checkpoint import LastCheckpoint, Pause
from rnnsearch.training.metrics_csv import MetricsGoOn
from rnnsearch.training.module import TranslationModule
from rnnsearch.training.preemption import StopRequest
from rnnsearch.training.processes import Processes
from rnnsearch.training.profiling import StepProfile
from rnnsearch.training.pruning import Pruning
from rnnsearch.training.results import counts, results, sizes

logger = logging.getLogger(__name__)


def fit(
    cfg: DictConfig,
    folder: Path,
    record: RunRecord,
    data: ParallelDataModule | None,
    environment: ClusterEnvironment,
    *,
    beginning: Beginning | None,
    resume: Path | None,
    stop: StopRequest,
    pruning: Sequence[Pruning] = (),
) -> None:
    """Fit, from the checkpoint ``resume`` if given; then test the best model. All results go into ``record``.

    ``data`` are those of a resumed run, already checked, or those for the vocabularies of ``beginning``, another run
    whose weights are this one's first; ``environment`` is this process's place; ``pruning`` may end a search's trial.
    """
    quiet(profiling=cfg.trainer.profiler is not None)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    seed_everything(cfg.seed, workers=True, verbose=False)
    tests = read_tests(plain(cfg).get("tests") or {}) if cfg.test else []
    data = _ready(data or build.build_data(cfg), cfg, folder, record)
    if beginning:
        _tell_of(beginning, data)
    scoring = Scoring.of_record(record.values.get("scoring") or {}) if resume else build.build_scoring(cfg, data)
    run_folder.save_target_words(data, scoring.normalization, folder, record)
    operations = _operations(cfg, data, record.values if resume else {})
    module = _module(cfg, data, scoring, record.values["id"], operations["flops_per_token"], beginning)
    measured = {**sizes(module.translator), **operations, **_steps(module, operations)}
    machine = _hardware(cfg, record.values if resume else {})
    record.write(hardware=machine, **measured, **_data(data), scoring=scoring.as_record())
    looks = cfg.model.get("context") or cfg.model.decoder
    frozen = f" and {frozen_numbers(module.translator):,} frozen" if cfg.freeze else ""
    logger.info("%s parameters%s, %s", f"{record.values['parameters']:,}", frozen, looks._target_.rsplit(".", 1)[-1])
    curves = Curves(every=cfg.curve_every, publish=lambda curves: record.write(results={"curves": curves}))
    profiles = [] if cfg.profile is None else [StepProfile(folder=folder / "profile", updates=cfg.profile)]
    own = _callbacks(cfg, folder, data, module, stop)
    processes = Processes(folder=folder, failed=lambda story: ended(record, "failed", story), hidden=hidden)
    with told_the_end(lambda: build.build_loggers(cfg.get("logger"), folder)) as loggers:
        trainer = build.build_trainer(
            cfg.trainer,
            environment=environment,
            validate_every=cfg.validation.every,
            loggers=loggers,
            callbacks=[*profiles, Clock(), curves, MetricsGoOn(), *pruning, *own, BudgetBar()],
        )
        open_dashboards(loggers, plain(cfg))
        train(trainer, module, data, record, processes, resume=resume)
        if record.writes:
            test = build.make(cfg.search) if cfg.test else None
            figures = results(module, data, curves, folder=folder, record=record, test=test)
            record.write(results=figures, **counts(module))
            _test_named(tests, module, data, cfg, folder, record)
            show_results(loggers, record.values)
    for profile in profiles:
        say(profile.summary or "", end="", stderr=True)


def _test_named(
    tests: Sequence[NamedTest],
    module: TranslationModule,
    data: ParallelDataModule,
    cfg: DictConfig,
    folder: Path,
    record: RunRecord,
) -> None:
    """Test the module, which has its best weights, on the user's own test sets."""
    system, search = System.of(module.translator, data.tokenizers), build.make(cfg.search)
    for test in tests:
        evaluation = evaluate_split(system, test.rows, search, scoring=module.scoring, seen=kept_words(folder))
        sha256 = record.values["results"]["weights_sha256"]
        keep(
            folder, test, evaluation, module.scoring, record=record,
            checkpoint="best", weights_sha256=sha256, search=plain(cfg)["search"],
        )  # fmt: skip


def _ready(data: ParallelDataModule, cfg: DictConfig, folder: Path, record: RunRecord) -> ParallelDataModule:
    """The data, prepared and looked at, kept in the folder with the config."""
    data.prepare_data()
    data.setup("fit")
    if record.writes:
        for sentence in contradictions.warnings(data.contradictions):
            logger.warning("%s", sentence)
        run_folder.save_config(cfg, folder, record)
        run_folder.save_texts(data, folder, record)
    return data


def _tell_of(beginning: Beginning, data: ParallelDataModule) -> None:
    """Log where training begins, and how well the vocabularies of there know these data."""
    ancestor = beginning.ancestor
    logger.info("begins from %s, checkpoint %s: its model and vocabularies", ancestor.folder, ancestor.checkpoint)
    for split in SPLITS[:2] if data.streaming is None else SPLITS[1:2]:
        told = (
            f"{unknown:,} of {tokens:,} {side} tokens"
            for side, (unknown, tokens) in unknown_tokens(data.rows(split), data.tokenizers).items()
        )
        logger.info("unknown to them, or spelt in bytes, in the %s split: %s", split, " and ".join(told))


def _hardware(cfg: DictConfig, earlier: Mapping[str, Any]) -> dict[str, Any]:
    """This machine, and the libraries of its products, which a resumed run keeps."""
    machine = hardware()
    kept = (earlier.get("hardware") or {}).get("products")
    if kept and cfg.products == "auto":
        libraries.use(kept)
        return machine | {"products": kept}
    processor = " ".join([machine["cpu"], *map(str, machine["cpu_family"])])
    return machine | {"products": libraries.choose(cfg.products, Path(cfg.paths.cache), processor)}


def _module(
    cfg: DictConfig,
    data: ParallelDataModule,
    scoring: Scoring,
    run: str,
    flops_per_token: float | None,
    beginning: Beginning | None,
) -> TranslationModule:
    target = data.tokenizers.target
    translator = build_translator(cfg.model, **data.tokenizers.sizes, kernels=cfg.kernels, trust=trust.given())
    slow = [name for name, half in translator.named_children() if not half.fused]
    if slow and cfg.kernels != "plain":
        logger.info("no kernel for this %s: it takes the plain path, step by step", " and ".join(slow))
    if beginning:
        translator.load_state_dict(beginning.weights)
    else:
        initialize(translator, scheme=cfg.model.initialization)
    freeze(translator, cfg.freeze or ())
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
        search=build.build_greedy(cfg.search, cfg.validation.get("search")),
        cuda_graphs=cfg.cuda_graphs,
        watch=Watch(
            limit=cfg.skip_limit,
            above=cfg.skip_above,
            lines=lambda rows: data.training_lines(rows),  # no method: averaging would copy the data with the module
        ),
        seed=cfg.seed,
        checkpoint_content=run_folder.checkpoint_content(cfg, data.tokenizers, run),
    )


def _callbacks(
    cfg: DictConfig, folder: Path, data: ParallelDataModule, module: TranslationModule, stop: StopRequest
) -> list[Callback]:
    """The callbacks of a config in the order they need: samples first, `LastCheckpoint` last."""
    system, rows = System.of(module.translator, data.tokenizers), data.rows("validation")

    def translate(count: int) -> list[dict[str, Any]]:
        return sample_translations(system, rows.select(range(min(count, len(rows)))), module.search)

    monitor = cfg.validation.monitor
    chosen = build.build_callbacks(cfg.get("callbacks"), folder=folder, translate=translate)
    if cfg.samples and not any(isinstance(callback, Samples) for callback in chosen):  # an option is in its place
        chosen.append(Samples(count=cfg.samples, translate=translate))
    if cfg.early_stopping is not None:
        chosen.append(early_stopping(patience=cfg.early_stopping, monitor=monitor))
    if cfg.keep_best:
        chosen.append(kept_checkpoints(count=cfg.keep_best, monitor=monitor, folder=folder))
    samples = [callback for callback in chosen if isinstance(callback, Samples)]
    checkpoints = [callback for callback in chosen if isinstance(callback, Checkpoint)]
    others = [callback for callback in chosen if callback not in samples and callback not in checkpoints]
    best = best_checkpoint(monitor=monitor, folder=folder)
    last = LastCheckpoint(  # last, since it saves the others' states
        path=folder / CHECKPOINTS / "last.ckpt", every=cfg.checkpoints.every, minutes=cfg.checkpoints.minutes,
        stop=stop, pause=Pause(share=cfg.pause.share, updates=cfg.pause.updates),
    )  # fmt: skip
    return [*samples, *build.make(cfg.averaging), *others, *checkpoints, best, last]


def _operations(cfg: DictConfig, data: ParallelDataModule, before: Mapping[str, Any]) -> dict[str, Any]:
    """Operations per target token, at the corpus's mean lengths; a resumed run keeps its earlier count.

    None if they can't be counted and no budget needs them.
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


def _steps(module: TranslationModule, operations: Mapping[str, Any]) -> dict[str, Any]:
    """The chain of a pair of the mean lengths; nothing where it isn't known."""
    lengths = operations.get("flops_lengths")
    if lengths is None:
        return {}
    steps = dependent_steps(module.translator, source_length=lengths["source"], target_length=lengths["target"])
    return {} if steps is None else {"dependent_steps": asdict(steps)}


def _data(data: ParallelDataModule) -> dict[str, Any]:
    longest = data.longest_source()
    described = {**data.description(), **({} if longest is None else {"longest_source": longest})}
    return {"filters": described.pop("filters"), "tokenizer": described.pop("tokenizer"), "data": described}
