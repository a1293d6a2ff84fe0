"""Checks the chosen launcher before anything is made: its values, and whether its programs are on this machine."""

import inspect
import shutil
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from rnnsearch.config.keys.kinds import Kind, Wrong
from rnnsearch.config.keys.launchers import CLOUDS, LAUNCHERS, OPEN, PROGRAMS, REQUIRED
from rnnsearch.config.value_checks import is_open, put, refusal

SECTION = "hydra.launcher"
OWN = "durable"  # the sweeper
OUR_SWEEPER = "rnnsearch.sweeps.durable_sweeper.DurableSweeper"


def check_sweeper(command: str, words: Iterable[str]) -> None:
    """Refuse a sweeper other than the command's own: it would keep no study.

    Raises:
        ValueError: naming the word that chooses it.
    """
    for word in words:
        group, _, option = word.lstrip("+~").partition("=")
        if group == "hydra/sweeper" and (option != OWN or word.startswith("~")):
            raise ValueError(f"{word}: {command} keeps its study by a sweeper of its own; leave hydra/sweeper out")


def settle_jobs(config: DictConfig) -> None:
    """Pass ``jobs`` on to the local launcher.

    Raises:
        ValueError: if another launcher is chosen.
    """
    if config.get("jobs") is None:
        return
    launcher = config.hydra.runtime.choices["hydra/launcher"]
    if launcher != "local":
        raise ValueError(f"jobs={config.jobs} is for hydra/launcher=local; {launcher} has keys of its own")
    with read_write(config.hydra.launcher):
        config.hydra.launcher.jobs = config.jobs


def check_values(launcher: DictConfig) -> None:
    """Refuse values that a shipped launcher's keys can't have, and normalise the others in place.

    Raises:
        ValueError: naming each wrong key and what is allowed.
    """
    table = LAUNCHERS.get(str(launcher.get("_target_")))
    if table is None:
        return
    wrong: list[str] = []
    values: Any = OmegaConf.to_container(launcher, resolve=False)
    for key, value in _leaves(values, table):
        try:
            canonical = _canonical(key, value, table)
        except Wrong as error:
            wrong.append(str(error))
        else:
            with read_write(launcher), open_dict(launcher):
                put(launcher, tuple(key.split(".")), canonical)
    wrong += [f"{SECTION}.{key} is not there, which it needs" for key in REQUIRED if _lacks(values, key, table)]
    if wrong:
        raise ValueError("; ".join(wrong))


def check_programs(launcher: DictConfig) -> None:
    """Refuse a launcher whose programs or credentials are not on this machine.

    Raises:
        ValueError: naming them and an alternative.
    """
    target = str(launcher.get("_target_"))
    if missing := [name for name in PROGRAMS.get(target, ()) if shutil.which(name) is None]:
        raise ValueError(
            f"hydra/launcher=slurm needs {' and '.join(missing)}, which this machine has not; give the command where "
            "SLURM's programs are, or take hydra/launcher=slurm_local or local"
        )
    if target in CLOUDS:
        _check_credentials()


def _check_credentials() -> None:
    if find_spec("boto3") is None:
        raise ValueError("hydra/launcher=ray_aws needs boto3, which is not installed; pip install boto3")
    if import_module("boto3").Session().get_credentials() is None:
        raise ValueError(
            "hydra/launcher=ray_aws needs credentials of Amazon Web Services, and finds none here; give them with "
            "`aws configure`, or take hydra/launcher=ray"
        )


def _leaves(node: Mapping[str, Any], table: Mapping[str, Kind], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        key = f"{before}{name}"
        if isinstance(value, dict) and any(row.startswith(f"{key}.") for row in table):
            yield from _leaves(value, table, f"{key}.")
        elif name != "_target_" and not is_open(value):
            yield key, value


def _canonical(key: str, value: Any, table: Mapping[str, Kind]) -> Any:
    if below := [row for row in table if row.startswith(f"{key}.")]:
        raise Wrong(f"{SECTION}.{key} has keys of its own, such as {SECTION}.{below[0]}; set these")
    section, _, name = key.rpartition(".")
    if key not in table and section in OPEN and _takes(section, name):
        return value
    if key not in table:
        raise Wrong(f"{SECTION}.{key}: this launcher has no such key; it has {', '.join(table)}")
    try:
        return table[key].canonical(value)
    except Wrong as error:
        raise Wrong(refusal(f"{SECTION}.{key}", value, table[key], str(error))) from None


def _takes(section: str, name: str) -> bool:
    """Whether Ray's function has an argument of that name."""
    ray = import_module("ray")
    if section == "ray.init":
        return name in inspect.signature(ray.init).parameters
    try:
        ray.remote(**{name: None})(_takes)
    except (TypeError, ValueError) as error:
        return "Invalid option keyword" not in str(error)
    return True


def _lacks(node: Any, key: str, table: Mapping[str, Kind]) -> bool:
    """Whether a key that the launcher needs is missing."""
    if not any(row == key or row.startswith(f"{key}.") for row in table):
        return False
    for name in key.split("."):
        if not isinstance(node, dict):
            return False  # refused elsewhere
        if name not in node:
            return True
        node = node[name]
    return False
