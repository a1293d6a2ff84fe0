"""From a command and its overrides to a configuration, without running anything."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_search_path
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.config.config_dir import chosen_groups, config_dir, groups
from rnnsearch.config.keys.roles import within
from rnnsearch.config.keys.table import OPTIONS
from rnnsearch.config.overrides import Overrides, as_typed, check_depth, read_value, spelt
from rnnsearch.config.plain_values import plain
from rnnsearch.config.template import Template
from rnnsearch.config.yaml_source import install
from rnnsearch.records.run_record import new_id

OVERLAYS = ("experiment", "debug")
FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")


class UnknownKey(ValueError):
    """An override names a key that the config lacks."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


# ${run_id:} is a new name for a run's folder, the same throughout a config.
OmegaConf.register_resolver("run_id", new_id, use_cache=True, replace=True)


def _gpus_of(accelerator: str, devices: object) -> int:
    """GPUs that a training needs; with accelerator auto, as many as devices if this machine has any."""
    import torch

    if accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.device_count()):
        return 0
    return max(1, devices) if isinstance(devices, int) else 1


# ${gpus_of:ACCELERATOR,DEVICES} in a launcher's config
OmegaConf.register_resolver("gpus_of", _gpus_of, replace=True)


def compose(command: str, overrides: Sequence[str] = (), config_dirs: Sequence[Path | str] = ()) -> DictConfig:
    """The configuration that `rnnsearch COMMAND OVERRIDES` would run, without Hydra's own node.

    Args:
        command: names the primary config, conf/COMMAND.yaml.
        overrides: as on the command line; `+experiment=x` means `experiment=x`.
        config_dirs: more folders of YAML, as with --config-dir.

    Raises:
        HydraException: for an invalid override; `errors.explain` turns it into a sentence.
    """
    with searching((config_dir(), *config_dirs), command):
        return hydra_compose(config_name=command, overrides=spelled(command, overrides))


def compose_training(
    overrides: Sequence[str], config_dirs: Sequence[Path | str] = (), *, name: str = "train"
) -> DictConfig:
    """The configuration of a training, with one limit under both its names; the rest as for `compose`."""
    config = compose(name, overrides, config_dirs)
    settle_budget(config, overrides)
    return config


def settle_budget(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Make ``trainer.max_steps`` and ``budget.updates``, two names of one limit, agree.

    Raises:
        ValueError: if both were given and differ.
    """
    for override in settling(cfg, overrides):
        key, _, value = override.partition("=")
        OmegaConf.update(cfg, key, read_value(value))


def settling(cfg: Mapping[Any, Any], overrides: Sequence[str]) -> Overrides:
    """The further overrides that `settle_budget` stands for; none if the limits agree.

    Raises:
        ValueError: if both were given and differ.
    """
    steps, updates = cfg["trainer"]["max_steps"], cfg["budget"]["updates"]
    if steps == updates:
        return ()
    if any(override.lstrip("+").startswith("budget.updates=") for override in overrides):
        raise ValueError(
            f"trainer.max_steps={steps} and budget.updates={updates} are two names of one limit; give one of them"
        )
    limit = spelt(None if steps == -1 else steps)
    return (f"budget.updates={limit}", f"trainer.max_steps={limit}")


class Composer:
    """Composes many configurations of a command: Hydra composes once per choice of options, then values are put in.

    A composition takes 30 times as long as a copy with other values, and a copy 100 times as long as its plain values.

    Args:
        command, config_dirs: as for `compose`.
    """

    def __init__(self, command: str, config_dirs: Sequence[Path | str] = ()) -> None:
        self.command = command
        self.config_dirs = tuple(config_dirs)
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        self._word = lru_cache(maxsize=None)(self._spell)
        self._template = lru_cache(maxsize=None)(lambda words: Template(self(words)))

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration, for the caller to change.

        Raises: as `compose`.
        """
        first, settings = self._split(overrides)
        if first not in self._composed:
            self._composed[first] = compose(self.command, first, self.config_dirs)
        config = copy.deepcopy(self._composed[first])
        parsed = OverridesParser.create().parse_overrides([setting.word for setting in settings])
        ConfigLoaderImpl._apply_overrides_to_config(parsed, config)
        return config

    def values(self, overrides: Sequence[str]) -> dict[str, Any]:
        """The resolved values of the configuration, to be read only: configurations share them.

        Raises: as `compose`.
        """
        first, settings = self._split(overrides)
        try:
            template = self._template(first)
            held = [setting for setting in settings if not template.takes(setting.key, setting.value)]
            put = {setting.key: setting.value for setting in settings if setting not in held}
            if held:  # lists, say, which Hydra puts in
                template = self._template((*first, *(setting.word for setting in held)))
            meet = any(within(key, (other.key,)) or within(other.key, (key,)) for key in put for other in held)
            if not meet and all(template.takes(key, value) for key, value in put.items()):
                return template.with_(put)
        except OmegaConfBaseException:  # it can be resolved with all the values, if at all
            pass
        return plain(self(overrides))

    def _split(self, overrides: Sequence[str]) -> "tuple[tuple[str, ...], list[_Setting]]":
        """The words that Hydra composes, and those that set values afterwards."""
        words = [self._word(override) for override in overrides]
        settles = [setting is not None for _, setting in words]
        last = settles.index(True) if True in settles else len(words)
        for place in reversed(range(len(words))):  # what adds or deletes keys must precede the values after it
            if not settles[place] and words[place][0].startswith(("+", "~")):
                last = max(last, place + 1)
                break
        first = tuple(word for place, (word, setting) in enumerate(words) if place < last or setting is None)
        return first, [setting for _, setting in words[last:] if setting is not None]

    def _spell(self, override: str) -> "tuple[str, _Setting | None]":
        """An override as Hydra is to read it, and what it sets; None if it chooses an option, adds or deletes a key."""
        (word,) = spelled(self.command, (override,))
        key = re.match(r"(?!hydra\b)([\w.]+)=", word, re.ASCII)
        folders = (config_dir(), *self.config_dirs)
        if key is None or any((Path(folder) / key[1]).is_dir() for folder in folders):
            return word, None
        return word, _Setting(word, key[1], read_value(word.partition("=")[2]))


@dataclass(frozen=True)
class _Setting:
    """An override that sets a key's value."""

    word: str
    key: str
    value: Any  # Ellipsis if it can't be read


def spelled(command: str, arguments: Iterable[str], *, swept: bool = False) -> list[str]:
    """The arguments with `+experiment=x` and `+debug=x` as `experiment=x` and `debug=x`, and names and paths as text.

    Both groups are null in the defaults lists, so Hydra would refuse to append to them. A name is kept as typed, while
    Hydra would take 007 for 7; in a sweep (``swept``) commas separate values.

    Raises:
        ValueError: for a value that can't name an option of its group.
    """
    appended = _appended_overlay(command)
    texts = [appended.sub("", argument) if appended else argument for argument in arguments]
    for text in texts:
        check_depth(text)
        _check_named(text)
        _check_option(text)
    return [as_typed(text, swept=swept) for text in texts]


@cache
def _appended_overlay(command: str) -> re.Pattern[str] | None:
    """The pluses before an overlay that a command has; None if it has none."""
    overlays = [group for group in OVERLAYS if group in chosen_groups(config_dir(), command)]
    return re.compile(rf"^\++(?=(?:{'|'.join(overlays)})=)") if overlays else None


def _check_named(text: str) -> None:
    """Refuse an override without a key, and an empty folder of Hydra's, which would be the working directory."""
    key, equals, value = text.partition("=")
    if equals and re.fullmatch(r"[+~]*(@.*)?", key):
        raise ValueError(f"{text!r} is no override; write KEY=VALUE or GROUP=OPTION")
    if key.lstrip("+") in FOLDERS and not value.strip(" \t'\""):
        raise ValueError(f"{key}={value}: give a path, or leave it out")


def _check_option(text: str) -> None:
    """Refuse a number, null, a truth value or a mapping for a group, and several options for a group with one."""
    named = re.fullmatch(r"\+{0,2}([\w/]+)=(.*)", text, re.DOTALL)
    if named is None or not (config_dir() / named[1]).is_dir():
        return
    try:
        parsed = OverridesParser.create().parse_override(text)
    except HydraException:
        return  # composing reports it
    value = None if parsed.is_sweep_override() else parsed.value()
    is_list = isinstance(value, list) and all(type(item) is str for item in value)
    is_one = named[1].replace("/", ".") in (*OPTIONS, "model", "paths")
    if parsed.is_sweep_override() or type(value) is str or (is_list and not is_one):
        return
    options = ", ".join(groups(config_dir()).get(named[1], ()))
    raise ValueError(f"{named[1]}={named[2]}: {named[1]} is a group; choose one of its options: {options}")


def unknown_key(error: Exception) -> str | None:
    """The key or group that an override names and the config lacks, if that is the error."""
    first = str(error).partition("\n")[0]
    match = re.match(r"Could not (?:override|delete from config\.) '([^']*)'(?!.* is not)", first)
    return match.group(1) if match else None


@contextmanager
def known_keys() -> Iterator[None]:
    """Raise `UnknownKey` for an override of a key that the config lacks; other errors pass unchanged.

    Raises:
        UnknownKey: for such an override.
    """
    try:
        yield
    except HydraException as error:
        key = unknown_key(error)
        if key is None:
            raise
        raise UnknownKey(key, str(error)) from error


def valid_names(command: str, overrides: Sequence[str] = (), config_dirs: Sequence[Path | str] = ()) -> list[str]:
    """The groups and dotted keys that an override of the composed configuration may name."""
    config = OmegaConf.to_container(compose(command, overrides, config_dirs), resolve=False)
    chosen = {group.split("/")[0] for group in chosen_groups(config_dir(), command)}
    return [group for group in groups(config_dir()) if group.split("/")[0] in chosen] + list(_keys(config))


def _keys(node: object, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for name, child in node.items():
            yield f"{prefix}{name}"
            yield from _keys(child, f"{prefix}{name}.")


@contextmanager
def searching(folders: Sequence[Path | str], job: str) -> Iterator[None]:
    """A Hydra that searches `folders`; the one active before is restored."""
    install()
    active = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_search_path([f"file://{Path(folder).absolute()}" for folder in folders], job_name=job):
            yield
    finally:
        GlobalHydra.instance().hydra = active
