"""Checkpoints as they come back: model and tokenizers from a run's folder; nothing that a file holds is executed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnnsearch.data.tokenizer import TokenizerPair
from rnnsearch.data.tokenizer_states import load_tokenizer
from rnnsearch.model import archive
from rnnsearch.model.build import build_translator, is_ours
from rnnsearch.model.checkpoint_checks import check_content, check_sizes, layers, missing_for_training
from rnnsearch.model.translator import Translator
from rnnsearch.model.without_memory import without_memory
from rnnsearch.records.run_record import read_record

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
AVERAGE = "average"
KEPT = "update-*.ckpt"  # what train's keep_best leaves
PREFIX = "translator."  # of the weights of Lightning's module


def load_translator(folder: Path, name: str, trust: Sequence[str] = ()) -> tuple[Translator, TokenizerPair]:
    """Model, in evaluation mode, and tokenizers of a run's checkpoint.

    Args:
        folder: a run's folder.
        name: ``best``, ``last``, another checkpoint kept there, or ``average``: the mean of the weights of those that
            train's ``keep_best`` kept.
        trust: packages whose modules the model may be made of, too.

    Raises:
        FileNotFoundError, ValueError: if the checkpoint is missing, damaged or foreign.
    """
    path = kept_checkpoints(folder)[0] if name == AVERAGE else checkpoint_path(folder, name)
    translator, tokenizers = restore(read_own(path), path, trust)
    if name == AVERAGE:
        translator.load_state_dict(mean_weights(kept_checkpoints(folder)))
    return translator, tokenizers


def checkpoint_path(folder: Path, name: str) -> Path:
    """The checkpoint ``name`` of a run, such as ``best`` or ``last``.

    Raises:
        FileNotFoundError: if the run has none.
    """
    path = folder / CHECKPOINTS / f"{Path(name).name}.ckpt"
    if not path.is_file():
        found = sorted(p.stem for p in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
        hint = f"it has {', '.join(found)}" if found else "the run has not validated yet, so it has none"
        raise FileNotFoundError(f"{folder} has no checkpoint {name!r}: {hint}; choose another or train on")
    return path


@dataclass(frozen=True, slots=True)
class Whole:
    """A checkpoint that was read whole, its vocabularies, and why newer ones can't serve."""

    path: Path
    vocabularies: TokenizerPair
    passed_over: tuple[str, ...]


def newest_whole(folder: Path, trust: Sequence[str] = ()) -> Whole | None:
    """The checkpoint from which a run's training goes on.

    That is ``last``, or else the most recently written of the others that can be read whole. None: there are none.

    Raises:
        ValueError: if there are checkpoints, but none is whole. To start over would put an end to what they hold.
    """
    paths = sorted(
        (folder / CHECKPOINTS).glob("*.ckpt"), key=lambda path: (path.stem != "last", -path.stat().st_mtime_ns)
    )
    damaged = []
    for path in paths:
        try:
            checkpoint = read_own(path)
            _, both = restore(checkpoint, path, trust)
        except ValueError as error:
            damaged.append(str(error))
            continue
        if not (lacking := missing_for_training(checkpoint)):
            return Whole(path, both, tuple(damaged))
        damaged.append(f"{path} holds a model, but no training to go on with: it lacks {', '.join(lacking)}")
    if damaged:
        raise ValueError(f"{damaged[0]}; no other checkpoint is whole; move {folder / CHECKPOINTS} away to start anew")
    return None


def kept_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints that ``keep_best`` kept, the earliest first.

    Raises:
        FileNotFoundError: if there are none.
    """
    found = sorted((folder / CHECKPOINTS).glob(KEPT), key=lambda path: (len(path.stem), path.stem))
    if not found:
        raise FileNotFoundError(
            f"{folder} kept no checkpoints to average; train with keep_best=5, say, or choose checkpoint=best or last"
        )
    return found


def mean_weights(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of the weights of checkpoints, taken in float64, one file in memory at a time."""
    sums: dict[str, Tensor] = {}
    kinds: dict[str, torch.dtype] = {}
    for path in paths:
        for key, weight in weights_of(read_own(path)).items():
            kinds[key] = weight.dtype
            sums[key] = weight.double() + sums[key] if key in sums else weight.double()
    return {key: (total / len(paths)).to(kinds[key]) for key, total in sums.items()}


def read_own(path: Path) -> dict[str, Any]:
    """The values of a checkpoint that lies in its run's folder.

    Raises:
        ValueError: as `read_checkpoint`, and if it is another run's.
    """
    checkpoint, folder = read_checkpoint(path), path.parent.parent
    own, saved = read_record(folder).id or None, checkpoint["rnnsearch"].get("run")  # earlier versions saved none
    if None not in (own, saved) and own != saved:
        raise ValueError(f"{path} was saved by the run {saved}, not by {own}, whose folder it lies in; put it back")
    return checkpoint


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's values, tensors and plain values only: nothing in it is executed, and all is as it was saved.

    Raises:
        ValueError: if the file is truncated or changed, holds more than values, or is not one of ours.
    """
    if not archive.check(path):
        _note_unsigned()
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)  # sizes are compared with the entries
    except Exception as error:  # whatever a stranger's file leads torch to
        logger.debug("why %s can't be read", path, exc_info=error)
        raise ValueError(
            f"{path} can't be read as a checkpoint: it holds more than tensors and plain values; take another"
        ) from None
    check_content(checkpoint, path)
    return checkpoint  # type: ignore[no-any-return]  # just checked


@cache
def _note_unsigned() -> None:
    """Said once."""
    logger.info("a checkpoint of an earlier version: it has no digest of its own, only checksums of its parts")


def restore(checkpoint: dict[str, Any], place: object, trust: Sequence[str] = ()) -> tuple[Translator, TokenizerPair]:
    """Model, in evaluation mode, and tokenizers of a checkpoint.

    Raises:
        ValueError: if the weights are not those of the model that is described beside them; ``place`` says where.
    """
    content, weights = checkpoint["rnnsearch"], weights_of(checkpoint)
    try:
        both = vocabularies(checkpoint)
        build = partial(build_translator, source_size=both.source.size, target_size=both.target.size)
        if is_ours(content["model"]):  # a model of a trusted package may need memory for its making
            if max(layers(content["model"]), default=1) > len(weights):
                raise ValueError("its model has more layers than weights")
            with without_memory():
                check_sizes(build(content["model"]), weights)
        translator = build(content["model"], trust=trust)
        check_sizes(translator, weights)
    except ValueError as error:
        raise ValueError(f"{place} holds no model that can be used: {error}") from None
    except (KeyError, TypeError, AttributeError, RuntimeError, AssertionError) as error:
        logger.debug("why %s holds no model", place, exc_info=error)
        raise ValueError(
            f"{place} holds no model that can be used: what describes it is incomplete or wrong; take another"
        ) from None
    load_weights(translator, checkpoint)
    return translator.eval(), both


def vocabularies(checkpoint: dict[str, Any]) -> TokenizerPair:
    """Both tokenizers of a checkpoint, one object where they are equal."""
    states = checkpoint["rnnsearch"]["tokenizers"]
    source = load_tokenizer(states["source"])
    target = source if states["target"] == states["source"] else load_tokenizer(states["target"])
    return TokenizerPair(source, target, {})


def load_weights(translator: Translator, checkpoint: dict[str, Any]) -> None:
    """Put a checkpoint's weights into a model of the same config."""
    translator.load_state_dict(weights_of(checkpoint))


def weights_of(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights of the translator in a checkpoint of Lightning's module."""
    return {k.removeprefix(PREFIX): v for k, v in checkpoint["state_dict"].items() if k.startswith(PREFIX)}


def pick_device(device: str) -> torch.device:
    """The device called ``device``; ``auto`` is a GPU where there is one.

    Raises:
        ValueError: if it is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        chosen = None
    if chosen is None or chosen.type not in ("cpu", "cuda"):
        raise ValueError(f"device={device}: choose auto, cpu, cuda, or one GPU of several, such as cuda:1")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device={device}: no such GPU is usable here; set device=cpu")
    return chosen
