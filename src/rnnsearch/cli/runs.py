"""A run's folder: what is written into it, and how a trained model comes out of it again."""

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from rnnsearch.api import TrainedModel, load
from rnnsearch.cli.errors import quoted
from rnnsearch.cli.plain import flat, plain
from rnnsearch.cli.trust import given
from rnnsearch.data.tokenizer import TokenizerPair
from rnnsearch.evaluation.scoring import Scoring
from rnnsearch.evaluation.splits import evaluate_split
from rnnsearch.evaluation.system import System
from rnnsearch.model.translator import Translator
from rnnsearch.records import RunRecord, check_file, read_record, write_json, write_lines, write_text
from rnnsearch.run_config import CONFIG, bounded_yaml
from rnnsearch.search.hypotheses import Search

if TYPE_CHECKING:
    from rnnsearch.data.datamodule import ParallelDataModule

logger = logging.getLogger(__name__)

TEXT_COLUMNS = ("source_text", "target_text", "links", "line")


@dataclass(frozen=True)
class LoadedRun:
    """A trained model with what belongs to it."""

    folder: Path
    record: dict[str, Any]
    config: DictConfig
    model: TrainedModel


def save_config(config: DictConfig, folder: Path, record: RunRecord) -> None:
    """Write the resolved config, from which the run can be repeated."""
    values = {key: value for key, value in plain(config).items() if key != "trust"}  # which no file can give
    write_text(folder / CONFIG, OmegaConf.to_yaml(values))
    record.write_digests(CONFIG)


def save_texts(data: "ParallelDataModule", folder: Path, record: RunRecord) -> None:
    """Keep the validation and test pairs in the run's folder, so that it can be evaluated without the corpus."""
    for split in ("validation", "test"):
        if split in data.corpus.splits():
            rows = data.rows(split).select_columns(list(TEXT_COLUMNS))
            write_lines(folder / "data" / f"{split}.jsonl", (dict(row) for row in rows))
            record.write_digests(f"data/{split}.jsonl")


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
    evaluation = evaluate_split(system, rows, search, scoring=scoring)
    write_lines(folder / f"translations.{split}.jsonl", evaluation.rows)
    write_json(folder / f"alignments.{split}.json", evaluation.samples)
    record.write_digests(f"translations.{split}.jsonl", f"alignments.{split}.json")
    return evaluation.metrics


def checkpoint_content(config: DictConfig, tokenizers: TokenizerPair, run: str) -> dict[str, Any]:
    """What makes a checkpoint complete: the run's id, the model's config and both tokenizers, as plain values."""
    return {
        "format": 1,
        "run": run,
        "model": OmegaConf.to_container(config.model, resolve=True),
        "tokenizers": {"source": tokenizers.source.state(), "target": tokenizers.target.state()},
    }


def next_command(folder: Path) -> str:
    """The command that scores a finished run, as a shell takes it."""
    split = "test" if (folder / "data" / "test.jsonl").is_file() else "validation"
    run = f"run={folder}" if re.fullmatch(r"[\w./-]+", str(folder)) else quoted("run", str(folder))
    return f"rnnsearch evaluate {run} split={split}"


def load_run(folder: Path, *, checkpoint: str = "best", device: str = "auto") -> LoadedRun:
    """A run's model and tokenizers with its record and config, from its folder alone.

    Args: as `rnnsearch.api.load`.

    Raises:
        FileNotFoundError, ValueError: if the folder is no run's, or its checkpoint is missing or damaged.
    """
    return _with_record(folder, load(folder, checkpoint=checkpoint, device=device, trust=given()))


def load_runs(cfg: DictConfig, key: str = "run") -> tuple[TrainedModel, LoadedRun]:
    """The model of ``run=RUN``, or the ensemble of ``run=[A,B]``, and its first run, with that model; or of ``key``."""
    folders = given_folders(cfg[key])
    model = load(folders, checkpoint=cfg.checkpoint, device=cfg.device, trust=given())
    return model, _with_record(folders[0], model)


def _with_record(folder: Path, model: TrainedModel) -> LoadedRun:
    record = read_record(folder)
    check_file(folder, record, CONFIG)
    return LoadedRun(folder, record, read_config(folder), model)


def read_config(folder: Path) -> DictConfig:
    """The config that a run left behind: plain values, whatever else stands there.

    Raises:
        FileNotFoundError, ValueError: if it is not there, can't be read, or asks for something to be looked up.
    """
    path = folder / CONFIG
    try:
        config = OmegaConf.load(StringIO(bounded_yaml(path)))
    except (YAMLError, RecursionError, OmegaConfBaseException):
        raise ValueError(f"{path} is no config of a run: it can't be read as one") from None
    if not isinstance(config, DictConfig):
        raise ValueError(f"{path} is no config of a run: it holds no keys")
    for key, value in flat(OmegaConf.to_container(config, resolve=False)).items():
        if "${" in f"{key}{value}":  # such as ${oc.env:SECRET}
            raise ValueError(f"{path}: {key}={value}: a run's config is resolved, so somebody changed it; mend it")
    return config


def given_folders(run: str | ListConfig) -> list[Path]:
    """The folders that ``run`` names: one, or a list."""
    return [Path(str(one)) for one in run] if isinstance(run, ListConfig) else [Path(str(run))]


def weights_sha256(translator: Translator) -> str:
    """SHA-256 over names, shapes and values of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(translator.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
