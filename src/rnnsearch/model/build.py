"""A translator from plain values: the ``model`` section of a resolved config, as checkpoints keep it.

A ``_target_`` names a class of `rnnsearch.model`, or of a package that the caller trusts, and nothing else is
constructed, so that a file from a stranger can't run code.
"""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from rnnsearch.model.cells import KERNELS, choose
from rnnsearch.model.translator import Translator

ROOM = "rnnsearch.model."


def build_translator(
    model: Mapping[str, Any],
    *,
    source_size: int,
    target_size: int,
    kernels: str = "fused",
    trust: Sequence[str] = (),
) -> Translator:
    """The model of a resolved ``model`` section, for vocabularies of the given sizes (specials included).

    Args:
        trust: packages whose modules it may be made of, too.

    Raises:
        ValueError: for a combination of options that makes no sense, or a ``_target_`` that is no model of ours.
        TypeError: for a key that a constructor lacks, or one that is missing.
    """
    choose(kernels, KERNELS, "kernels")
    encoder = _construct(model["encoder"], trust, vocabulary_size=source_size, kernels=kernels)
    sizes = {"vocabulary_size": target_size, "kernels": kernels}
    if _takes_context(model, trust):
        context = _construct(
            model["context"], trust, annotation_size=encoder.annotation_size, state_size=model["decoder"]["hidden_size"]
        )
        ends = {"ends_size": encoder.annotation_size, "bidirectional": encoder.bidirectional}
        decoder = _construct(model["decoder"], trust, context=context, **ends, **sizes)
    else:
        decoder = _construct(model["decoder"], trust, annotation_size=encoder.annotation_size, **sizes)
    return Translator(encoder=encoder, decoder=decoder, tied_embeddings=model["tied_embeddings"])


def _takes_context(model: Mapping[str, Any], trust: Sequence[str]) -> bool:
    """Whether the decoder looks at the source by a mechanism that the config chooses.

    Raises:
        ValueError: if it does not, and there is one, or if it does, and there is none.
    """
    decoder = _class(str(model["decoder"]["_target_"]), trust)
    takes, given = "context" in inspect.signature(decoder).parameters, bool(model.get("context"))
    if given and not takes:
        raise ValueError(
            f"model.context ({model['context']['_target_'].rpartition('.')[2]}) beside {decoder.__name__}: this "
            "decoder attends to the source by itself; leave model/context out"
        )
    if takes and not given:
        raise ValueError(
            f"{decoder.__name__} looks at the source by a mechanism of model/context, and none is chosen; set "
            "model/context=additive, say"
        )
    return takes


def is_ours(section: Any) -> bool:
    """Whether every ``_target_`` of a config is a class of `rnnsearch.model`."""
    if not isinstance(section, Mapping):
        return True
    return str(section.get("_target_", ROOM)).startswith(ROOM) and all(map(is_ours, section.values()))


def _construct(section: Mapping[str, Any], trust: Sequence[str], **wired: Any) -> Any:
    """The module that a section describes, with what other parts give."""
    settings = {key: value for key, value in section.items() if not key.startswith("_")}
    return _class(str(section["_target_"]), trust)(**settings, **wired)


def _class(target: str, trust: Sequence[str]) -> type[nn.Module]:
    """The module's class of that name; nothing is imported before it is known whose it is."""
    module, _, name = target.rpartition(".")
    if not any(target.startswith(room) for room in (ROOM, *(f"{package}." for package in trust))):
        raise ValueError(
            f"{target} may not be constructed: a model is made of the classes of {ROOM.rstrip('.')}, and of packages "
            f"that you trust, by trust=[mypackage] or in Python by load(..., trust=['mypackage'])"
        )
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise ValueError(f"{target} can't be imported ({error}); install it, or put its folder on PYTHONPATH") from None
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise ValueError(f"{target} is no torch module, so no model is made of it; name one")
    return found
