"""A translator from plain values: the ``model`` section of a resolved config, as checkpoints keep it.

A ``_target_`` names a class of `rnnsearch.model`, and nothing else is constructed, so that a file from a stranger can't
run code.
"""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from rnnsearch.model.cells import KERNELS, choose
from rnnsearch.model.translator import Translator

ROOM = "rnnsearch.model."


def build_translator(
    model: Mapping[str, Any], *, source_size: int, target_size: int, kernels: str = "fused"
) -> Translator:
    """The model of a resolved ``model`` section, for vocabularies of the given sizes (specials included).

    Raises:
        ValueError: for a combination of options that makes no sense, or a ``_target_`` that is no model of ours.
        TypeError: for a key that a constructor lacks, or one that is missing.
    """
    choose(kernels, KERNELS, "kernels")
    encoder = _construct(model["encoder"], vocabulary_size=source_size, kernels=kernels)
    context = _construct(
        model["context"], annotation_size=encoder.annotation_size, state_size=model["decoder"]["hidden_size"]
    )
    decoder = _construct(
        model["decoder"],
        vocabulary_size=target_size,
        context=context,
        ends_size=encoder.annotation_size,
        bidirectional=encoder.bidirectional,
        kernels=kernels,
    )
    return Translator(encoder=encoder, decoder=decoder, tied_embeddings=model["tied_embeddings"])


def _construct(section: Mapping[str, Any], **wired: Any) -> Any:
    """The module that a section describes, with what other parts give."""
    target = str(section["_target_"])
    module, _, name = target.rpartition(".")
    found = getattr(importlib.import_module(module), name, None) if module.startswith(ROOM) else None
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise ValueError(f"{target} may not be constructed: a model is made of the classes of {ROOM.rstrip('.')} alone")
    settings = {key: value for key, value in section.items() if not key.startswith("_")}
    return found(**settings, **wired)
