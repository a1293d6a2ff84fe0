"""A run's folder: what is written into it, and how a trained model comes out of it again."""

import hashlib
import logging
import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli.build import build_translator
from rnnsearch.cli.errors import quoted
from rnnsearch.data.tokenizer import TokenizerPair, load_tokenizer
from rnnsearch.evaluation.translating import evaluate_split
from rnnsearch.model.translator import Translator
from rnnsearch.records import read_record, write_json, write_lines, write_text
from rnnsearch.search.hypotheses import Search

if TYPE_CHECKING:
    from rnnsearch.data.datamodule import ParallelDataModule

logger = logging.getLogger(__name__)

CONFIG = "config.yaml"
CHECKPOINTS = "checkpoints"
TEXT_COLUMNS = ("source_text", "target_text", "links", "line")


@dataclass(frozen=True)
class LoadedRun:
    """A trained model with what belongs to it."""

    folder: Path
    record: dict[str, Any]
    config: DictConfig
    translator: Translator
    tokenizers: TokenizerPair


def plain(config: DictConfig) -> dict[str, Any]:
    """A config, resolved, as plain values."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of a config under their dotted keys."""
    values = plain(node) if isinstance(node, DictConfig) else node
    if not isinstance(values, dict):
        return {prefix.rstrip("."): values}
    return {key: value for name, child in values.items() for key, value in flat(child, f"{prefix}{name}.").items()}


def save_config(config: DictConfig, folder: Path) -> None:
    """Write the resolved config, from which the run can be repeated."""
    write_text(folder / CONFIG, OmegaConf.to_yaml(config, resolve=True))


def save_texts(data: "ParallelDataModule", folder: Path) -> None:
    """Keep the validation and test pairs in the run's folder, so that it can be evaluated without the corpus."""
    for split in ("validation", "test"):
        if split in data.corpus.splits():
            rows = data.rows(split).select_columns(list(TEXT_COLUMNS))
            write_lines(folder / "data" / f"{split}.jsonl", (dict(row) for row in rows))


def evaluate_into(
    folder: Path,
    translator: Translator,
    tokenizers: TokenizerPair,
    rows: Iterable[Mapping[str, Any]],
    search: Search,
    split: str,
) -> dict[str, Any]:
    """Translate and score a split; sentences and alignments are written beside the record, the metrics returned."""
    evaluation = evaluate_split(translator, tokenizers, rows, search)
    write_lines(folder / f"translations.{split}.jsonl", evaluation.rows)
    write_json(folder / f"alignments.{split}.json", evaluation.samples)
    return evaluation.metrics


def checkpoint_content(config: DictConfig, tokenizers: TokenizerPair) -> dict[str, Any]:
    """What makes a checkpoint complete: the model's config and both tokenizers, as plain values."""
    return {
        "format": 1,
        "model": OmegaConf.to_container(config.model, resolve=True),
        "tokenizers": {"source": tokenizers.source.state(), "target": tokenizers.target.state()},
    }


def next_command(folder: Path) -> str:
    """The command that scores a finished run, as a shell takes it."""
    split = "test" if (folder / "data" / "test.jsonl").is_file() else "validation"
    run = f"run={folder}" if re.fullmatch(r"[\w./-]+", str(folder)) else quoted("run", str(folder))
    return f"rnnsearch evaluate {run} split={split}"


def checkpoint_path(folder: Path, name: str) -> Path:
    """The checkpoint ``best`` or ``last`` of a run.

    Raises:
        FileNotFoundError: if the run has none.
    """
    path = folder / CHECKPOINTS / f"{name}.ckpt"
    if not path.is_file():
        found = sorted(p.stem for p in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
        hint = f"it has {', '.join(found)}" if found else "the run has not validated yet, so it has none"
        raise FileNotFoundError(f"{folder} has no checkpoint {name!r}: {hint}; choose another or train on")
    return path


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's values, tensors and plain values only: nothing in it is executed.

    Raises:
        ValueError: if the file is truncated, holds more than values, or is not one of ours.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0][:150] if str(error) else type(error).__name__
        raise ValueError(f"{path} can't be read as a checkpoint; it is truncated or foreign ({reason})") from None
    if not isinstance(checkpoint, dict) or "rnnsearch" not in checkpoint:
        raise ValueError(
            f"{path} is a checkpoint, but not one that rnnsearch train made: it lacks model and tokenizers"
        )
    return checkpoint


def restore(checkpoint: dict[str, Any]) -> tuple[Translator, TokenizerPair]:
    """Model, in evaluation mode, and tokenizers of a checkpoint."""
    content = checkpoint["rnnsearch"]
    source, target = (load_tokenizer(content["tokenizers"][side]) for side in ("source", "target"))
    translator = build_translator(content["model"], source_size=source.size, target_size=target.size)
    load_weights(translator, checkpoint)
    return translator.eval(), TokenizerPair(source, target, {})


def load_weights(translator: Translator, checkpoint: dict[str, Any]) -> None:
    """Put a checkpoint's weights into a model of the same config."""
    prefix = "translator."
    states = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
    translator.load_state_dict(states)


def load_run(folder: Path, *, checkpoint: str = "best", device: str = "auto") -> LoadedRun:
    """A run's model and tokenizers, from its folder alone.

    Args:
        folder: a run's folder.
        checkpoint: ``best`` or ``last``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` ...

    Raises:
        FileNotFoundError, ValueError: if the folder is no run's, or its checkpoint is missing or damaged.
    """
    record = read_record(folder)
    translator, tokenizers = restore(read_checkpoint(checkpoint_path(folder, checkpoint)))
    config = OmegaConf.load(folder / CONFIG)
    assert isinstance(config, DictConfig)
    return LoadedRun(folder, record, config, translator.to(pick_device(device)), tokenizers)


def pick_device(device: str) -> torch.device:
    """The device called ``device``; ``auto`` is a GPU where there is one.

    Raises:
        ValueError: if it is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device={device}: no GPU is usable here; set device=cpu")
    return torch.device(device)


def weights_sha256(translator: Translator) -> str:
    """SHA-256 over names, shapes and values of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(translator.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
