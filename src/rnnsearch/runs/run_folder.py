"""A run's folder: what is written into it, and how a trained model is loaded from it."""

import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from rnnsearch.config.overrides import for_shell
from rnnsearch.config.plain_values import plain
from rnnsearch.config.trust import given
from rnnsearch.data.seen_words import SEEN_WORDS, count_words, write_words
from rnnsearch.data.tokenizer import TokenizerPair
from rnnsearch.evaluation.trained_model import TrainedModel, load
from rnnsearch.records import nested
from rnnsearch.records.json_files import write_lines, write_text
from rnnsearch.records.run_config import CONFIG, bounded_yaml
from rnnsearch.records.run_record import Record, RunRecord, check_file, read_record

if TYPE_CHECKING:
    from rnnsearch.data.datamodule import ParallelDataModule

TEXT_COLUMNS = ("source_text", "target_text", "links", "line")


@dataclass(frozen=True)
class LoadedRun:
    """A trained model with its folder, record and config."""

    folder: Path
    record: Record
    config: DictConfig
    model: TrainedModel


def save_config(config: DictConfig, folder: Path, record: RunRecord) -> None:
    """Write the resolved config, from which the run can be repeated."""
    values = {key: value for key, value in plain(config).items() if key != "trust"}  # no file can give trust
    write_text(folder / CONFIG, OmegaConf.to_yaml(values))
    record.write_digests(CONFIG)


def save_texts(data: "ParallelDataModule", folder: Path, record: RunRecord) -> None:
    """Keep the validation and test pairs in the run's folder, so that it can be evaluated without the corpus."""
    for split in ("validation", "test"):
        if split in data.corpus.splits():
            rows = data.rows(split).select_columns(list(TEXT_COLUMNS))
            write_lines(folder / "data" / f"{split}.jsonl", (dict(row) for row in rows))
            record.write_digests(f"data/{split}.jsonl")


def save_target_words(data: "ParallelDataModule", form: str, folder: Path, record: RunRecord) -> None:
    """Keep how often the training targets have each word, in a Unicode form; streamed pairs are not counted."""
    if record.writes and not data.streaming:
        texts = (target for _, target in data.texts("train"))
        write_words(folder / SEEN_WORDS, count_words(texts, form))
        record.write_digests(SEEN_WORDS)


def checkpoint_content(config: DictConfig, tokenizers: TokenizerPair, run: str) -> dict[str, Any]:
    """What completes a checkpoint: the run's id, the model's config and both tokenizers, as plain values."""
    return {
        "format": 1,
        "run": run,
        "model": OmegaConf.to_container(config.model, resolve=True),
        "tokenizers": {"source": tokenizers.source.state(), "target": tokenizers.target.state()},
    }


def next_command(folder: Path) -> str:
    """The shell command that scores a finished run."""
    split = "test" if (folder / "data" / "test.jsonl").is_file() else "validation"
    run = f"run={folder}" if re.fullmatch(r"[\w./-]+", str(folder)) else for_shell("run", str(folder))
    return f"rnnsearch evaluate {run} split={split}"


def load_run(folder: Path, *, checkpoint: str = "best", device: str = "auto") -> LoadedRun:
    """A run's model and tokenizers with its record and config, only from its folder.

    Args: as `rnnsearch.evaluation.trained_model.load`.

    Raises:
        FileNotFoundError, ValueError: if the folder is no run's, or its checkpoint is missing or damaged.
    """
    return _with_record(folder, load(folder, checkpoint=checkpoint, device=device, trust=given()))


def load_runs(cfg: DictConfig, key: str = "run") -> tuple[TrainedModel, LoadedRun]:
    """The model of ``run=RUN`` (or ``key``), or the ensemble of ``run=[A,B]``, and its first run with that model.

    Raises:
        FileNotFoundError, ValueError: as `load_run`, or if it has not the layer or head that ``alignments`` names.
    """
    folders = given_folders(cfg[key])
    model = load(folders, checkpoint=cfg.checkpoint, device=cfg.device, trust=given())
    settings = cfg.get("alignments") or {}
    if key == "run":
        model.system.align_by(settings.get("layer"), settings.get("head"))
    return model, _with_record(folders[0], model)


def _with_record(folder: Path, model: TrainedModel) -> LoadedRun:
    record = read_record(folder)
    check_file(folder, record, CONFIG)
    return LoadedRun(folder, record, read_config(folder), model)


def read_config(folder: Path) -> DictConfig:
    """The config of a run: plain values only.

    Raises:
        FileNotFoundError, ValueError: if it does not exist, can't be read, or has interpolations.
    """
    path = folder / CONFIG
    try:
        config = OmegaConf.load(StringIO(bounded_yaml(path)))
    except (YAMLError, RecursionError, OmegaConfBaseException):
        raise ValueError(f"{path} is no config of a run: it can't be read as one") from None
    if not isinstance(config, DictConfig):
        raise ValueError(f"{path} is no config of a run: it holds no keys")
    for key, value in nested.flat(OmegaConf.to_container(config, resolve=False)).items():
        if "${" in f"{key}{value}":  # such as ${oc.env:SECRET}
            raise ValueError(f"{path}: {key}={value}: a run's config is resolved, so somebody changed it; mend it")
    return config


def given_folders(run: str | ListConfig) -> list[Path]:
    """The folders that ``run`` names: one, or a list."""
    return [Path(str(folder)) for folder in run] if isinstance(run, ListConfig) else [Path(str(run))]


def languages(folder: Path) -> tuple[str, str]:
    """The languages that a run translates from and into."""
    data = read_record(folder, needs=("data.source_language", "data.target_language")).data
    return data.source_language, data.target_language
