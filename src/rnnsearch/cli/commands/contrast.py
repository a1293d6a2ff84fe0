"""``rnnsearch contrast``: accuracy of a trained run on minimal pairs, by phenomenon, as one JSON object."""

import json
import time
from pathlib import Path

from omegaconf import DictConfig

from rnnsearch.cli.text.pairs import line_blocks
from rnnsearch.config.plain_values import plain
from rnnsearch.config.progress import bar
from rnnsearch.config.terminal import say
from rnnsearch.evaluation.contrast import MinimalPair, accuracy, contrasted, digest, summary
from rnnsearch.records.contrasts import CONTRASTS
from rnnsearch.records.json_files import append_line
from rnnsearch.runs import run_folder
from rnnsearch.runs.minimal_pairs import MEND, of_own_sentences, of_texts

FILES = ("source", "right", "wrong")
OWN = "built-in mistakes"  # the name of pairs that are made of a run's own sentences


def run(cfg: DictConfig) -> None:
    """Score all pairs, append the outcomes to the first run's contrasts.jsonl, print the accuracy."""
    files = _given_pairs(cfg)
    model, first = run_folder.load_runs(cfg)
    pairs = files or of_own_sentences(first)
    started = time.perf_counter()
    outcomes = contrasted(model, pairs, normalization=cfg.normalization, progress=bar)
    name = cfg.name or (Path(cfg.wrong).name if files else OWN)
    result = {
        "run": plain(cfg)["run"],
        "name": name,
        "of": digest(pairs),
        "checkpoint": cfg.checkpoint,
        "normalization": cfg.normalization,
        "seconds": round(time.perf_counter() - started, 3),
        "weights_sha256": model.system.weights_sha256,
        **accuracy("".join(outcomes.values())),
        "phenomena": {phenomenon: accuracy(of_pairs) for phenomenon, of_pairs in outcomes.items()},
    }
    append_line(first.folder / CONTRASTS, {**result, "outcomes": outcomes})
    say("\n".join(summary(outcomes, name)), stderr=True)
    say(json.dumps(result, ensure_ascii=False, indent=1))


def _given_pairs(cfg: DictConfig) -> list[MinimalPair] | None:
    """The pairs of the files; None if there are none.

    Raises:
        FileNotFoundError, ValueError: if only some are there, or they can't be read or do not go together.
    """
    paths = {key: Path(cfg[key]) for key in (*FILES, "phenomenon") if cfg[key] is not None}
    if not paths:
        return None
    if missing := [key for key in FILES if key not in paths]:
        raise ValueError(f"contrast got {' and '.join(paths)} without {' and '.join(missing)}; {MEND}")
    texts = {key: _lines(path, strict=cfg.strict) for key, path in paths.items()}
    return of_texts(texts, paths)


def _lines(path: Path, *, strict: bool) -> list[str]:
    blocks = line_blocks(path, lambda line, number: line, lambda line: [line], strict=strict)
    return [line for block in blocks for line in block]
