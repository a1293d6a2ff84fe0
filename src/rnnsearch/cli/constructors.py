"""What the constructors of a configuration take: its keys are their arguments, of the types that they annotate."""

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

from rnnsearch.cli import trust
from rnnsearch.cli.values import put, refusal
from rnnsearch.keys.kinds import (
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

WIRED: Mapping[str, tuple[str, ...]] = {  # what the code adds to the keys of a section when it makes the object
    "model.encoder": ("vocabulary_size", "kernels"),
    "model.context": ("annotation_size", "state_size"),
    "model.decoder": ("vocabulary_size", "context", "ends_size", "bidirectional", "kernels"),
    "optimizer": ("params",),
    "logger.*": ("save_dir",),
    "trainer": (
        *("max_epochs", "val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps", "logger", "callbacks"),
        *("plugins", "enable_progress_bar", "enable_model_summary", "use_distributed_sampler"),
    ),
}
REPLACED = ("trainer.max_steps",)  # null where budget.updates is; the code gives Lightning its own
SIMPLE: Mapping[Any, Kind] = {
    bool: Flag(),
    int: Whole(-(2**63), 2**63 - 1),
    float: Real(),
    str: Text(empty=True),
    Path: Text("a path"),
}


def check_constructors(config: DictConfig) -> None:
    """Refuse what the constructors that a training's configuration names can't be called with; imports them.

    Values for classes of a package that the command trusts get their one spelling, as `check_values` gives the others.

    Raises:
        ValueError: for a constructor that is not trusted or not there, a key that it lacks or misses, or a value of
            another type than it annotates.
    """
    values = OmegaConf.to_container(config, resolve=True)
    for place, node in list(_nodes(values, "")):
        target = str(node["_target_"])
        parameters = _parameters(target, place)
        given = [str(key) for key in node if not str(key).startswith("_")]
        _check_names(place, target, given, parameters)
        for key in given:
            dotted = f"{place}.{key}"
            is_annotated = key in parameters and dotted not in REPLACED
            kind = kind_of_annotation(parameters[key].annotation) if is_annotated else Anything()
            try:
                found = kind.canonical(node[key])
            except Wrong as error:
                raise ValueError(refusal(dotted, node[key], kind, str(error))) from None
            if not trust.is_known(target) and repr(found) != repr(node[key]):
                put(config, tuple(dotted.split(".")), found)


def _nodes(node: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield place, node
        for name, child in node.items():
            if name != "hydra":
                yield from _nodes(child, f"{place}.{name}".lstrip("."))


def _parameters(target: str, place: str) -> Mapping[str, inspect.Parameter]:
    """Those of a constructor that may be called, and that can be imported."""
    if not trust.may_construct(target):
        raise ValueError(trust.refusal(target))
    try:
        made = get_object(target)
        return _signature(made).parameters
    except Exception as error:
        raise ValueError(
            f"{place}._target_={target}: there is nothing of that name to be called ({type(error).__name__}); "
            "name a class or a function, and put its folder on PYTHONPATH"
        ) from error


def _signature(made: Any) -> inspect.Signature:
    try:
        return inspect.signature(made, eval_str=True)
    except (NameError, TypeError):  # an annotation for type checkers alone
        return inspect.signature(made)


def _check_names(place: str, target: str, given: Collection[str], parameters: Mapping[str, inspect.Parameter]) -> None:
    """Refuse keys that the constructor does not name, and the lack of one that it needs."""
    name = target.rpartition(".")[2]
    takes = [key for key, one in parameters.items() if one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values()) and not trust.is_known(target)
    wired = next((names for pattern, names in WIRED.items() if fnmatchcase(place, pattern)), ())
    for key in given:
        if key in wired:
            raise ValueError(f"{place}.{key}: {name} gets its {key} from elsewhere; leave this key out")
        if key not in takes and not takes_any:
            near = difflib.get_close_matches(key, takes, 1)
            guess = f"did you mean {place}.{near[0]}?" if near else f"it takes {', '.join(sorted({*takes} - {*wired}))}"
            raise ValueError(f"{place}.{key}: {name} takes no {key}; {guess}")
    for key in takes:
        if parameters[key].default is inspect.Parameter.empty and key not in given and key not in wired:
            raise ValueError(f"{place}.{key} is not there, which {name} needs; give it: {place}.{key}=VALUE")


def kind_of_annotation(annotation: Any) -> Kind:
    """What an annotated parameter takes from a configuration: plain values, lists and mappings of them."""
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return _literal(arguments)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is tuple and arguments[-1:] != (...,):
        kinds = {kind_of_annotation(one) for one in arguments}
        return Listed(kinds.pop() if len(kinds) == 1 else Anything(), least=len(arguments), most=len(arguments))
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return Named(kind_of_annotation(arguments[1]), "names and values")
    if inspect.isclass(origin) and issubclass(origin, Collection):
        return Listed(kind_of_annotation(arguments[0]))
    return Anything()


def _literal(values: tuple[Any, ...]) -> Kind:
    words = tuple(one for one in values if type(one) is str)
    numbers = [Whole(one, one) for one in values if type(one) is int]
    flags = [Flag() for one in values if type(one) is bool]
    return Either((*([Choice(words)] if words else ()), *numbers, *flags[:1])) if numbers or flags else Choice(words)


def _union(members: tuple[Any, ...]) -> Kind:
    """Of a number that may be a tensor, the number; of int and float, any."""
    plain = [one for one in members if one is not type(None)]
    if float in plain:
        plain = [one for one in plain if one is not int]
    kinds = [kind_of_annotation(one) for one in plain]
    known = [kind for kind in kinds if not isinstance(kind, Anything)]
    if not known:
        return Anything()
    others = () if len(known) == len(kinds) else (Made(),)
    kind = Either((*known, *others)) if len(known) + len(others) > 1 else known[0]
    return OrNull(kind) if type(None) in members else kind
