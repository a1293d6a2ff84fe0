"""Checks the arguments that a configuration gives its constructors, by their names and annotated types."""

import difflib
import inspect
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from rnnsearch.config import trust
from rnnsearch.config.keys.kinds import (
    Anything,
    Choice,
    Either,
    Flag,
    Kind,
    Listed,
    Made,
    Named,
    OrNull,
    Real,
    Text,
    Whole,
    Wrong,
)
from rnnsearch.config.value_checks import put, refusal

WIRED: Mapping[str, tuple[str, ...]] = {  # arguments that the code adds when it makes a section's object
    "model.encoder": ("vocabulary_size", "kernels", "source_size"),
    "model.context": ("annotation_size", "state_size"),
    "model.decoder": ("vocabulary_size", "context", "ends_size", "annotation_size", "bidirectional", "kernels"),
    "optimizer": ("params",),
    "logger.*": ("save_dir",),
    "callbacks.*": ("folder", "translate"),
    "trainer": (
        *("max_epochs", "val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps", "logger", "callbacks"),
        *("plugins", "enable_progress_bar", "enable_model_summary", "use_distributed_sampler"),
    ),
}
REPLACED = ("trainer.max_steps",)  # null if budget.updates is; the code gives Lightning its own
SIMPLE: Mapping[Any, Kind] = {
    bool: Flag(),
    int: Whole(-(2**63), 2**63 - 1),
    float: Real(),
    str: Text(empty=True),
    Path: Text("a path"),
}


def check_constructors(config: DictConfig | dict[str, Any]) -> None:
    """Refuse arguments that the constructors in a training's configuration don't take; imports them.

    Values for classes of trusted packages are normalised in place, as `check_values` does for the others.

    Args:
        config: or its resolved values.

    Raises:
        ValueError: for a constructor that is not trusted or does not exist, an unknown or missing argument, or a value
            of another type than annotated.
    """
    values = OmegaConf.to_container(config, resolve=True) if isinstance(config, DictConfig) else config
    for place, node in list(_nodes(values, "")):
        target = str(node["_target_"])
        parameters = _parameters(target, place)
        if trust.is_logger(target) and not place.startswith("logger."):
            raise ValueError(f"{place}._target_={target} is a logger, which stands under logger alone: logger=csv, say")
        keys = [str(key) for key in node if not str(key).startswith("_")]
        _check_names(place, target, keys, parameters)
        for key in keys:
            dotted = f"{place}.{key}"
            is_annotated = key in parameters and dotted not in REPLACED
            kind = kind_of_annotation(parameters[key].annotation) if is_annotated else Anything()
            try:
                value = kind.canonical(node[key])
            except Wrong as error:
                raise ValueError(refusal(dotted, node[key], kind, str(error))) from None
            if not trust.is_known(target) and repr(value) != repr(node[key]):
                put(config, tuple(dotted.split(".")), value)


def _nodes(node: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield place, node
        for name, child in node.items():
            if name != "hydra":
                yield from _nodes(child, f"{place}.{name}".lstrip("."))


def _parameters(target: str, place: str) -> Mapping[str, inspect.Parameter]:
    """The parameters of a constructor, if it is trusted and can be imported."""
    if not trust.may_construct(target):
        raise ValueError(trust.refusal(target))
    try:
        constructor = get_object(target)
        return _signature(constructor).parameters
    except Exception as error:
        raise ValueError(
            f"{place}._target_={target}: there is nothing of that name to be called ({type(error).__name__}); "
            "name a class or a function, and put its folder on PYTHONPATH"
        ) from error


def _signature(constructor: Any) -> inspect.Signature:
    try:
        return inspect.signature(constructor, eval_str=True)
    except (NameError, TypeError):  # an annotation only for type checkers
        return inspect.signature(constructor)


def _check_names(place: str, target: str, keys: Collection[str], parameters: Mapping[str, inspect.Parameter]) -> None:
    """Refuse unknown and missing arguments of a constructor."""
    name = target.rpartition(".")[2]
    kinds = {key: parameter.kind for key, parameter in parameters.items()}
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    takes = [key for key, kind in kinds.items() if kind in by_name]
    takes_any = inspect.Parameter.VAR_KEYWORD in kinds.values() and not trust.is_known(target)
    wired = next((names for pattern, names in WIRED.items() if fnmatchcase(place, pattern)), ())
    for key in keys:
        if key in wired:
            raise ValueError(f"{place}.{key}: {name} gets its {key} from elsewhere; leave this key out")
        if key not in takes and not takes_any:
            near = difflib.get_close_matches(key, takes, 1)
            guess = f"did you mean {place}.{near[0]}?" if near else f"it takes {', '.join(sorted({*takes} - {*wired}))}"
            raise ValueError(f"{place}.{key}: {name} takes no {key}; {guess}")
    for key in takes:
        if parameters[key].default is inspect.Parameter.empty and key not in keys and key not in wired:
            raise ValueError(f"{place}.{key} is not there, which {name} needs; give it: {place}.{key}=VALUE")


def kind_of_annotation(annotation: Any) -> Kind:
    """The kind of values that an annotated parameter takes: plain values, lists and mappings of them."""
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return _literal(arguments)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is tuple and arguments[-1:] != (...,):
        kinds = {kind_of_annotation(argument) for argument in arguments}
        return Listed(kinds.pop() if len(kinds) == 1 else Anything(), least=len(arguments), most=len(arguments))
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return Named(kind_of_annotation(arguments[1]), "names and values")
    if inspect.isclass(origin) and issubclass(origin, Collection):
        return Listed(kind_of_annotation(arguments[0]))
    return Anything()


def _literal(values: tuple[Any, ...]) -> Kind:
    words = tuple(value for value in values if type(value) is str)
    numbers = [Whole(value, value) for value in values if type(value) is int]
    flags = [Flag() for value in values if type(value) is bool]
    return Either((*([Choice(words)] if words else ()), *numbers, *flags[:1])) if numbers or flags else Choice(words)


def _union(members: tuple[Any, ...]) -> Kind:
    """The kind of a union: for a number or a tensor, the number; for int and float, any number."""
    plain = [member for member in members if member is not type(None)]
    if float in plain:
        plain = [member for member in plain if member is not int]
    kinds = [kind_of_annotation(member) for member in plain]
    known = [kind for kind in kinds if not isinstance(kind, Anything)]
    if not known:
        return Anything()
    others = () if len(known) == len(kinds) else (Made(),)
    kind = Either((*known, *others)) if len(known) + len(others) > 1 else known[0]
    return OrNull(kind) if type(None) in members else kind
