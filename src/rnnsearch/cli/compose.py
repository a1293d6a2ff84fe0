"""From a command and its overrides to a configuration, without running anything."""

import copy
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_search_path
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli.config_dir import chosen_groups, config_dir, groups
from rnnsearch.cli.spelling import as_typed, check_depth
from rnnsearch.cli.yaml_source import install
from rnnsearch.keys.table import OPTIONS
from rnnsearch.records import new_id
from rnnsearch.sweep.points import UnknownKey

OVERLAYS = ("experiment", "debug")
FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")

# ${run_id:} in a config is a fresh name for a run's folder, the same throughout one config.
OmegaConf.register_resolver("run_id", new_id, use_cache=True, replace=True)


def _gpus_of(accelerator: str, devices: object) -> int:
    """GPUs that a training asks for; with accelerator auto, as many as devices where this machine has one."""
    import torch

    if accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.device_count()):
        return 0
    return max(1, devices) if isinstance(devices, int) else 1


# ${gpus_of:ACCELERATOR,DEVICES} in a launcher's config
OmegaConf.register_resolver("gpus_of", _gpus_of, replace=True)


def compose(command: str, overrides: Sequence[str] = (), config_dirs: Sequence[Path | str] = ()) -> DictConfig:
    """The configuration that `rnnsearch COMMAND OVERRIDES` would run, Hydra's own node left out.

    Args:
        command: names the primary config, conf/COMMAND.yaml.
        overrides: as on the command line; `+experiment=x` means `experiment=x`.
        config_dirs: more folders of YAML, as with --config-dir.

    Raises:
        HydraException: an override that does not fit; `errors.explain` turns it into a sentence.
    """
    with searching((config_dir(), *config_dirs), command):
        return hydra_compose(config_name=command, overrides=spelled(command, overrides))


class Composer:
    """Composes many configurations of a command: those of the same options once, then Hydra applies the values.

    A composition takes 30 times as long as a copy, and the points of a sweep are many.

    Args:
        command, config_dirs: as for `compose`.
    """

    def __init__(self, command: str, config_dirs: Sequence[Path | str] = ()) -> None:
        self.command = command
        self.config_dirs = tuple(config_dirs)
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration, for the caller to change.

        Raises: as `compose`.
        """
        words = spelled(self.command, overrides)
        is_value = [self._is_value(word) for word in words]
        last = is_value.index(True) if True in is_value else len(words)
        for place in reversed(range(len(words))):  # what adds or deletes keys comes before the values after it alone
            if not is_value[place] and words[place].startswith(("+", "~")):
                last = max(last, place + 1)
                break
        values = [word for place, word in enumerate(words) if place >= last and is_value[place]]
        first = tuple(word for place, word in enumerate(words) if place < last or not is_value[place])
        if first not in self._composed:
            self._composed[first] = compose(self.command, first, self.config_dirs)
        config = copy.deepcopy(self._composed[first])
        ConfigLoaderImpl._apply_overrides_to_config(OverridesParser.create().parse_overrides(values), config)
        return config

    def _is_value(self, word: str) -> bool:
        """Whether an override changes the value of a key, and chooses no option."""
        key = re.match(r"(?!hydra\b)([\w.]+)=", word, re.ASCII)
        return key is not None and not any((Path(one) / key[1]).is_dir() for one in (config_dir(), *self.config_dirs))


def spelled(command: str, arguments: Iterable[str], *, swept: bool = False) -> list[str]:
    """The arguments with `+experiment=x` and `+debug=x` as `experiment=x` and `debug=x`, and names and paths as text.

    Both groups stand in the defaults lists as null, so that Hydra would refuse to append to them. A name is what was
    typed: Hydra would take 007 for 7; of a sweep (``swept``) commas separate the values.

    Raises:
        ValueError: for what can't be the name of a group's option.
    """
    overlays = [group for group in OVERLAYS if group in chosen_groups(config_dir(), command)]
    appended = re.compile(rf"^\++(?=(?:{'|'.join(overlays)})=)") if overlays else None
    texts = [appended.sub("", argument) if appended else argument for argument in arguments]
    for text in texts:
        check_depth(text)
        _check_named(text)
        _check_option(text)
    return [as_typed(text, swept=swept) for text in texts]


def _check_named(text: str) -> None:
    """Refuse what names no key, and a folder of Hydra's without a name, which would be the working directory."""
    key, equals, value = text.partition("=")
    if equals and re.fullmatch(r"[+~]*(@.*)?", key):
        raise ValueError(f"{text!r} is no override; write KEY=VALUE or GROUP=OPTION")
    if key.lstrip("+") in FOLDERS and not value.strip(" \t'\""):
        raise ValueError(f"{key}={value}: give a path, or leave it out")


def _check_option(text: str) -> None:
    """Refuse a number, null, a truth value or a mapping for a group, and several options where there is one."""
    named = re.fullmatch(r"\+{0,2}([\w/]+)=(.*)", text, re.DOTALL)
    if named is None or not (config_dir() / named[1]).is_dir():
        return
    try:
        parsed = OverridesParser.create().parse_override(text)
    except HydraException:
        return  # which composing says
    value = None if parsed.is_sweep_override() else parsed.value()
    is_list = isinstance(value, list) and all(type(one) is str for one in value)
    is_one = named[1].replace("/", ".") in (*OPTIONS, "model", "paths")
    if parsed.is_sweep_override() or type(value) is str or (is_list and not is_one):
        return
    options = ", ".join(groups(config_dir()).get(named[1], ()))
    raise ValueError(f"{named[1]}={named[2]}: {named[1]} is a group; choose one of its options: {options}")


def unknown_key(error: Exception) -> str | None:
    """The key or group that an override names and a config lacks, if that is what an error of composing says."""
    first = str(error).partition("\n")[0]
    found = re.match(r"Could not (?:override|delete from config\.) '([^']*)'(?!.* is not)", first)
    return found.group(1) if found else None


@contextmanager
def known_keys() -> Iterator[None]:
    """Tell an override of a key that the config lacks from what else keeps a config from being composed.

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
    """What an override of the composed configuration may name: its groups and its dotted keys."""
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
    """A Hydra that searches `folders`; whatever Hydra was active before is put back."""
    install()
    active = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_search_path([f"file://{Path(folder).absolute()}" for folder in folders], job_name=job):
            yield
    finally:
        GlobalHydra.instance().hydra = active
