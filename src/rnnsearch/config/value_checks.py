"""Checks every value of a composed configuration by the table of keys, before anything is read or begun."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from rnnsearch.config import trust
from rnnsearch.config.config_dir import config_dir, groups
from rnnsearch.config.keys.kinds import Kind, Named, OrNull, Wrong
from rnnsearch.config.keys.roles import within
from rnnsearch.config.keys.table import holds_keys, kind_of, required_keys, takes_text
from rnnsearch.config.overrides import spelt

OPTIONAL = ("model.context",)  # a group that a decoder may need, or refuse
LONGEST = 80  # characters of a value in a sentence
LOOKS_OTHERWISE = re.compile(
    r"|[\[{].*|[+-]?[\d.][\d._e+-]*|\.?nan|[+-]?\.?inf|true|false|yes|no|on|off|null|~", re.IGNORECASE | re.DOTALL
)

Path = tuple[str, ...]


def check_values(config: DictConfig, command: str = "train") -> None:
    """Refuse values that a key can't have, and normalise all others in place: the dropout 0 becomes 0.0.

    Args:
        config: of a command, composed; objects from the user's own packages are not checked here.
        command: the command.

    Raises:
        ValueError: naming each wrong key, its value and what is allowed.
    """
    for resolve in (False, True):  # interpolated values are checked once the others are right
        values = _plain(config, resolve=resolve)
        wrong = [*missing(values, command), *wrong_values(values, command, normalised=config)]
        if wrong:
            raise ValueError("; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if wrong[3:] else ""))


def wrong_values(
    values: Mapping[str, Any], command: str = "train", *, normalised: DictConfig | None = None
) -> list[str]:
    """A sentence for each key that has a value that it can't have; open ones are not looked at.

    Args:
        values: of a configuration.
        normalised: where the other values are put, as they are meant.
    """
    wrong = []
    for path, value, kind in _leaves(values, command):
        if is_open(value):
            continue
        try:
            allowed = _canonical(path, value, kind, command)
        except Wrong as error:
            wrong.append(str(error))
        else:
            if normalised is not None and repr(allowed) != repr(value):
                put(normalised, path, allowed)
    return wrong


def canonical(values: Mapping[str, Any], command: str = "train") -> dict[str, Any]:
    """A copy of a configuration's plain values, normalised; wrong ones stay as they are."""
    copied: dict[str, Any] = copy.deepcopy(dict(values))
    for path, value, kind in _leaves(copied, command):
        try:
            put(copied, path, _canonical(path, value, kind, command))
        except Wrong:
            continue
    return copied


def _plain(config: DictConfig, *, resolve: bool) -> dict[str, Any]:
    """A config as plain values, without Hydra's own node."""
    if "hydra" in config:
        config = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    values = OmegaConf.to_container(config, resolve=resolve, throw_on_missing=resolve)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def is_open(value: Any) -> bool:
    """Whether a value is an interpolation or missing (???)."""
    if isinstance(value, list | dict):
        return any(map(is_open, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and ("${" in value or value == "???")


def _leaves(node: Mapping[str, Any], command: str, before: Path = ()) -> Iterator[tuple[Path, Any, Kind | None]]:
    """Path, value and kind of everything to check; the kind is None for a section that has a plain value."""
    if "_target_" in node and not trust.is_known(node["_target_"]):
        return  # a class of the user's, whose signature says what it takes
    for name, value in node.items():
        path = (*before, str(name))
        kind, is_section = kind_of(".".join(path), command), holds_keys(".".join(path), command)
        named = kind.kind if isinstance(kind, OrNull) else kind
        if isinstance(value, dict) and (is_section or kind is None or isinstance(named, Named) or "_target_" in value):
            if isinstance(named, Named):
                yield from (((*path, str(name)), item, named.of) for name, item in value.items())
            yield from _leaves(value, command, path)
        elif kind is not None or is_section:
            yield path, value, kind


def _canonical(path: Path, value: Any, kind: Kind | None, command: str) -> Any:
    key = ".".join(path)
    if kind is None:
        raise Wrong(f"{key}={_shown(value)}: {_section(key, command)}")
    try:
        return kind.canonical(value)
    except Wrong as error:
        raise Wrong(refusal(key, value, kind, str(error))) from None


def refusal(key: str, value: Any, kind: Kind, wrong: str) -> str:
    """The sentence for a value that a key can't have."""
    quotes = "; in quotes a value is text" if takes_text(kind) and isinstance(value, bool | int | float) else ""
    return f"{key}={_shown(value)}: {wrong}{quotes}"


def _section(key: str, command: str) -> str:
    """How to set a group of options, or a section with keys of its own."""
    group = key.replace(".", "/")
    if options := groups(config_dir()).get(group):
        return f"{key} has keys of its own; choose an option with {group}=OPTION: {', '.join(options)}"
    return f"{key} has keys of its own; set them, such as {key}.KEY=VALUE (rnnsearch {command} --help names them)"


def missing(values: Mapping[str, Any], command: str = "train") -> Iterator[str]:
    """A sentence for each group or key that a configuration lacks."""
    model = values.get("model")
    left_out = OPTIONAL if isinstance(model, Mapping) and not model.get("context") else ()
    absent = (_absent(values, key) for key in required_keys(command) if not within(key, left_out))
    for key in dict.fromkeys(key.removesuffix("._target_") for key in absent if key is not None):
        kind = kind_of(key, command)
        if options := groups(config_dir()).get(key.replace(".", "/")):
            yield f"no {key} is chosen; choose one with {key.replace('.', '/')}=OPTION: {', '.join(options)}"
        elif key.startswith("sweep.search."):
            yield f"{key} is not there, which a search needs; sweep=optuna_tpe has all of it"
        elif isinstance(kind, OrNull):
            yield f"{key} is not there, which {command} needs; for none give {key}=null"
        else:
            yield f"{key} is not there, which {command} needs; leave it where it is"


def _absent(values: Mapping[str, Any], key: str) -> str | None:
    """The missing key, or its missing section; a section with a plain value is refused elsewhere."""
    node: Any = values
    names = key.split(".")
    for count, name in enumerate(names, 1):
        if not isinstance(node, dict) or ("_target_" in node and not trust.is_known(node["_target_"])):
            return None
        if name not in node:
            return ".".join(names[:count])
        node = node[name]
    return None


def put(node: Any, path: Path, value: Any) -> None:
    """Set the value at a path."""
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value


def _shown(value: Any) -> str:
    """A value as YAML writes it; text is quoted where YAML would otherwise read something else."""
    if isinstance(value, str):
        text = f"'{value}'" if LOOKS_OTHERWISE.fullmatch(value) or value != value.strip() else value
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    elif isinstance(value, list | tuple | ListConfig):
        text = f"[{', '.join(map(_shown, value))}]"
    else:
        text = spelt(value) if value is None or isinstance(value, bool) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
