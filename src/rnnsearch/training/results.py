"""The results of a training: its best checkpoint's scores, its size, its cost."""

import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rnnsearch.data.datamodule import ParallelDataModule
from rnnsearch.data.seen_words import kept_words
from rnnsearch.evaluation.corpus_scores import score
from rnnsearch.evaluation.kept_counts import keep_counts
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.splits import NoNumbers, evaluate_split
from rnnsearch.evaluation.system import System
from rnnsearch.model.checkpoint import CHECKPOINTS, load_weights
from rnnsearch.model.translator import Translator
from rnnsearch.model.weights_digest import weights_sha256
from rnnsearch.records.json_files import write_json, write_lines
from rnnsearch.records.run_record import RunRecord
from rnnsearch.search.hypotheses import Search
from rnnsearch.training.callbacks import Curves
from rnnsearch.training.checkpoints import best_or_last
from rnnsearch.training.faults import Diverged
from rnnsearch.training.hardware import peak_memory_bytes
from rnnsearch.training.module import TranslationModule

logger = logging.getLogger(__name__)


def evaluate_into(
    folder: Path,
    system: System,
    rows: Iterable[Mapping[str, Any]],
    search: Search,
    split: str,
    scoring: Scoring,
    record: RunRecord,
) -> dict[str, Any]:
    """Translate and score a split; sentences and alignments are written beside the record, the metrics returned."""
    evaluation = evaluate_split(system, rows, search, scoring=scoring, seen=kept_words(folder))
    write_lines(folder / f"translations.{split}.jsonl", evaluation.rows)
    write_json(folder / f"alignments.{split}.json", evaluation.samples)
    keep_counts(folder, split, evaluation.rows, scoring, evaluation.counts)
    record.write_digests(f"translations.{split}.jsonl", f"alignments.{split}.json")
    return evaluation.metrics


def sizes(translator: Translator) -> dict[str, Any]:
    parameters = {id(p): p.numel() for p in translator.parameters() if p.requires_grad}
    embeddings = {id(e.weight) for e in (translator.encoder.embedding, translator.decoder.embedding)}
    return {
        "parameters": sum(parameters.values()),
        "parameters_without_embeddings": sum(n for key, n in parameters.items() if key not in embeddings),
    }


def counts(module: TranslationModule) -> dict[str, Any]:
    counters = module.counters
    return {
        "updates": counters.updates,
        **_convergence(module),
        "skipped_updates": module.skipped.total,
        "tokens_seen": counters.tokens,
        "seconds": round(counters.seconds + counters.validation_seconds, 3),
        "training_seconds": round(counters.seconds, 3),
        "tokens_per_second": round(counters.tokens / max(counters.seconds, 1e-9), 1),
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _convergence(module: TranslationModule) -> dict[str, Any]:
    """For a run with ``budget.until``: whether it converged, and the updates done when the rate began to fall."""
    if module.convergence is None:
        return {}
    state, updates = module.converging, module.counters.updates
    ended = module.convergence.is_converged(state, update=updates)
    return {"converged": ended, "decay_from": state.decay_from}


def results(
    module: TranslationModule,
    data: ParallelDataModule,
    curves: Curves,
    *,
    folder: Path,
    record: RunRecord,
    test: Search | None,
) -> dict[str, Any]:
    """Everything that the same seed reproduces on the same machine, so no times.

    Args:
        module: trained; afterwards it has the weights of the best checkpoint.
        data: that it was trained on.
        curves: of the training.
        folder: of the run, where translations and alignments are written.
        record: of the run, which keeps their digests.
        test: the search for the test split; None: it is not tested.

    Raises:
        Diverged: if the test split has losses that are not finite.
    """
    checkpoint = best_or_last(folder / CHECKPOINTS)
    load_weights(module.translator, checkpoint)
    module.translator.eval()
    update = checkpoint["counters"]["updates"]
    best = next(point for point in reversed(curves.curves["validation"]) if point["update"] == update)
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
    if test is not None and "test" in data.corpus.splits():
        try:
            metrics["test"] = evaluate_into(folder, system, data.rows("test"), test, "test", module.scoring, record)
        except NoNumbers as error:
            raise Diverged(f"in the test split {error} by update {update}", update=update) from error
        logger.info("test: BLEU %.2f, chrF %.2f", metrics["test"]["bleu"], metrics["test"]["chrf"])
    return {"curves": curves.curves, "metrics": metrics, "weights_sha256": weights_sha256(module.translator)}
