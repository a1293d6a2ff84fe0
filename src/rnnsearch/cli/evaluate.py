"""``rnnsearch evaluate``: scores of a trained run on a split, as one JSON object."""

import json
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli import build, runs
from rnnsearch.cli.translate import chosen_search
from rnnsearch.data.corpus import SPLITS
from rnnsearch.evaluation.splits import evaluate_split
from rnnsearch.records import append_line, read_lines, write_lines

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> None:
    """Evaluate, append the result to the run's evaluations.jsonl, print it."""
    if cfg.split not in SPLITS:
        raise ValueError(f"split={cfg.split}: choose one of {', '.join(SPLITS)}")
    folder = Path(cfg.run)
    loaded = runs.load_run(folder, checkpoint=cfg.checkpoint, device=cfg.device)
    rows = split_rows(loaded, cfg.split)
    started = time.perf_counter()
    search = chosen_search(loaded.config.search, cfg.search, HydraConfig.get().overrides.task)
    evaluation = evaluate_split(loaded.model.system, rows, build.build_search(search))
    result = {
        "split": cfg.split,
        "checkpoint": cfg.checkpoint,
        "search": OmegaConf.to_container(search, resolve=True),
        "seconds": round(time.perf_counter() - started, 3),
        "weights_sha256": runs.weights_sha256(loaded.model.system.members[0].translator),
        **evaluation.metrics,
    }
    if cfg.translations:
        write_lines(Path(cfg.translations), evaluation.rows)
    append_line(folder / "evaluations.jsonl", result)
    print(json.dumps(result, ensure_ascii=False, indent=1))


def split_rows(loaded: runs.LoadedRun, split: str) -> Iterable[Mapping[str, Any]]:
    """The pairs of a split: those kept in the run's folder, or the corpus's own.

    Raises:
        ValueError: if the corpus has no such split.
    """
    kept = loaded.folder / "data" / f"{split}.jsonl"
    if kept.is_file():
        return read_lines(kept)
    have = loaded.record["data"]["pairs"]
    if split not in have:
        raise ValueError(f"the corpus of {loaded.folder} has no {split} split; it has {', '.join(have)}")
    rows: Iterable[Mapping[str, Any]] = build.build_data(loaded.config).rows(split)
    return rows
