"""``rnnsearch evaluate``: scores of a trained run on a split, and against a baseline, as one JSON object."""

import json
import logging
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli.commands.align import check_symmetrization
from rnnsearch.config import build, trust
from rnnsearch.config.chosen_search import chosen_search
from rnnsearch.config.plain_values import plain
from rnnsearch.config.progress import bar
from rnnsearch.config.terminal import say
from rnnsearch.data.named_tests import NamedTest, read_test
from rnnsearch.evaluation.comparison import Chance, compare
from rnnsearch.evaluation.references import DEFAULT, Aligning
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.splits import evaluate_split
from rnnsearch.evaluation.trained_model import load
from rnnsearch.records.json_files import append_line, write_lines
from rnnsearch.records.run_record import RunRecord
from rnnsearch.records.test_sets import OWN, check_name
from rnnsearch.runs import run_folder
from rnnsearch.runs.asked_comet import compared_by_comet, given_comet, with_comet
from rnnsearch.runs.attention_agreement import agreement, asked_agreement
from rnnsearch.runs.attention_at_test_time import asked_replacements, under_conditions
from rnnsearch.runs.baseline import given_baseline, result_of, summary
from rnnsearch.runs.evaluation_folder import Tested, evaluation_record, keep_evaluation
from rnnsearch.runs.kept_pairs import gold_rows, split_rows
from rnnsearch.runs.named_tests import check_new, keep_later
from rnnsearch.runs.training_words import training_words

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> None:
    """Evaluate, keep the result in the first run's folder, or in one of its own, and print it."""
    chance = Chance(**cfg.significance)
    model, first = run_folder.load_runs(cfg)
    replacements, agreeing = asked_replacements(cfg, model, first), asked_agreement(cfg, model, first)
    test = given_test(cfg, first)
    rows = gold_rows(split_rows(first, cfg.split) if test is None else list(test.rows), cfg.alignments)
    aligning, comet = given_aligning(cfg, first), given_comet(cfg)
    baseline = None if cfg.baseline is None else given_baseline(cfg, None if test else rows, aligning)
    search = chosen_search(first.config.search, cfg.search, HydraConfig.get().overrides.task)
    scoring = Scoring.of_record(first.record.scoring)
    evaluate = partial(
        evaluate_split,
        rows=rows,
        search=build.make(search),
        scoring=scoring,
        aligning=aligning,
        resamples=chance.resamples,
        seed=chance.seed,
        seen=training_words(first),
        progress=bar,
    )
    logging.getLogger("sacrebleu").setLevel(logging.WARNING)  # it tells each step
    started = time.perf_counter()
    with _own_folder(cfg, first, test, search) as record:
        evaluation = evaluate(model.system)
        seconds = round(time.perf_counter() - started, 3)
        evaluation = with_comet(comet, evaluation, chance)
        if record is not None:
            validation = first.record.results.metrics.validation
            sha256 = str(model.system.weights_sha256)
            keep_evaluation(
                Path(cfg.folder), record, evaluation, scoring,
                weights_sha256=sha256, seconds=seconds, validation=validation,
            )  # fmt: skip
    result = {
        "run": plain(cfg)["run"],
        **({"split": cfg.split} if test is None else {"name": cfg.name, "checksums": dict(test.checksums)}),
        "checkpoint": cfg.checkpoint,
        "search": OmegaConf.to_container(search, resolve=True),
        "seconds": seconds,
        "weights_sha256": model.system.weights_sha256,
        "scoring": scoring.as_record(),
        **evaluation.metrics,
    }
    if baseline is not None:
        logger.info("the baseline, %s", baseline.name)
        other = with_comet(comet, evaluate(baseline.system), chance)
        compared = compare(evaluation.rows, other.rows, chance=chance, scoring=scoring)
        compared |= compared_by_comet(evaluation, other, chance)
        names = {"run": plain(cfg)["baseline"], "weights_sha256": baseline.system.weights_sha256}
        result["baseline"] = names | result_of(compared, other.metrics)
        say(summary(compared, names=(model.name, baseline.name), sentences=len(rows)), stderr=True)
    if replacements:
        how = {"search": build.make(search), "chance": chance, "scoring": scoring}
        result["attention_at_test_time"] = under_conditions(cfg, first, replacements, evaluation, **how)
    if agreeing:
        result["agreement"] = agreement(cfg, agreeing, rows, chance)
    if cfg.translations:
        write_lines(Path(cfg.translations), evaluation.rows)
    if test is not None and cfg.name is not None:
        keep_later(
            first.folder, test, evaluation, scoring,
            checkpoint=cfg.checkpoint, weights_sha256=str(result["weights_sha256"]), search=result["search"],
        )  # fmt: skip
    if cfg.folder is None:
        append_line(first.folder / "evaluations.jsonl", result)
    say(json.dumps(result, ensure_ascii=False, indent=1))


def _own_folder(
    cfg: DictConfig, first: run_folder.LoadedRun, test: NamedTest | None, search: DictConfig
) -> AbstractContextManager[RunRecord | None]:
    """The record in ``folder`` while the evaluation is made; None where it is not asked for."""
    if cfg.folder is None:
        return nullcontext()
    besides = cfg.name or cfg.baseline or cfg.attention != "learned" or cfg.agreement.saliency or cfg.agreement.runs
    if len(run_folder.given_folders(cfg.run)) > 1 or besides:
        raise ValueError(
            f"folder={cfg.folder} gets the evaluation of one run; leave out name, baseline, attention and agreement"
        )
    tested = Tested(
        split=cfg.split if test is None else test.name,
        checksums=None if test is None else test.checksums,
        checkpoint=cfg.checkpoint,
        search=plain(search),
    )
    return evaluation_record(Path(cfg.folder), first, tested, study=cfg.study, member=cfg.member)


def given_test(cfg: DictConfig, first: run_folder.LoadedRun) -> NamedTest | None:
    """The pairs of ``source`` and ``target``; None where a split is evaluated.

    Raises:
        FileNotFoundError, ValueError: if they can't be read, or the result can't be kept under ``name``.
    """
    files = {key: cfg[key] for key in ("source", "target") if cfg[key] is not None}
    if not files:
        if cfg.name is not None:
            raise ValueError(f"name={cfg.name} names the result on source=FILE and target=FILE; give these, or no name")
        return None
    if len(files) < 2:
        raise ValueError(f"{'='.join(*files.items())}: evaluate needs both source=FILE and target=FILE")
    if cfg.split != OWN:
        raise ValueError(f"split={cfg.split}: source and target take the place of a split; leave one of them out")
    if cfg.name is not None:
        check_name(cfg.name, "name")
        if len(run_folder.given_folders(cfg.run)) > 1:
            raise ValueError(f"name={cfg.name}: a run keeps results of its own, and this is an ensemble; give no name")
    test = read_test(cfg.name or Path(cfg.source).stem, Path(cfg.source), Path(cfg.target))
    if cfg.name is not None:
        check_new(first.folder, test)
    return test


def given_aligning(cfg: DictConfig, first: run_folder.LoadedRun) -> Aligning:
    """How ``alignments`` wants references to be aligned.

    Raises:
        ValueError: if one of reverse_run and symmetrize is there without the other, or the reverse run does not
            translate in the other direction.
    """
    settings = cfg.alignments
    check_symmetrization(settings, below="alignments.")
    reverse = None
    if settings.reverse_run is not None:
        folders = run_folder.given_folders(settings.reverse_run)
        source, target = run_folder.languages(first.folder)
        for folder in folders:
            if (back := run_folder.languages(folder)) != (target, source):
                raise ValueError(
                    f"{folder} translates {' to '.join(back)}; alignments.reverse_run needs {target} to {source}"
                )
        reverse = load(folders, checkpoint=cfg.checkpoint, device=cfg.device, trust=trust.given()).system
    return Aligning(
        method=settings.method,
        threshold=settings.threshold,
        max_length=settings.max_length,
        reverse=reverse,
        how=settings.symmetrize or DEFAULT.how,
    )
