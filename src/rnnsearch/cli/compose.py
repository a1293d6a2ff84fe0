"""From a command and its overrides to a configuration, without running anything."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_search_path
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli.config_dir import chosen_groups, config_dir, groups
from rnnsearch.cli.spelling import as_typed
from rnnsearch.records import new_id

OVERLAYS = ("experiment", "debug")

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
    with _searching((config_dir(), *config_dirs), command):
        return hydra_compose(config_name=command, overrides=spelled(command, overrides))


def spelled(command: str, arguments: Iterable[str], *, swept: bool = False) -> list[str]:
    """The arguments with `+experiment=x` and `+debug=x` as `experiment=x` and `debug=x`, and names and paths as text.

    Both groups stand in the defaults lists as null, so that Hydra would refuse to append to them. A name is what was
    typed: Hydra would take 007 for 7; of a sweep (``swept``) commas separate the values.
    """
    overlays = [group for group in OVERLAYS if group in chosen_groups(config_dir(), command)]
    appended = re.compile(rf"^\++(?=(?:{'|'.join(overlays)})=)") if overlays else None
    texts = [appended.sub("", argument) if appended else argument for argument in arguments]
    return [as_typed(text, swept=swept) for text in texts]


def unknown_key(error: Exception) -> str | None:
    """The key or group that an override names and a config lacks, if that is what an error of composing says."""
    first = str(error).partition("\n")[0]
    found = re.match(r"Could not (?:override|delete from config\.) '([^']*)'(?!.* is not)", first)
    return found.group(1) if found else None


def valid_names(command: str, overrides: Sequence[str] = (), config_dirs: Sequence[Path | str] = ()) -> list[str]:
    """What an override of the composed configuration may name: its groups and its dotted keys."""
    config = OmegaConf.to_container(compose(command, overrides, config_dirs), resolve=False)
    chosen = {group.split("/")[0] for group in chosen_groups(config_dir(), command)}
    return [group for group in groups(config_dir()) if group.split("/")[0] in chosen] + list(_keys(config))


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The names that `name` most likely meant, best first; none where nothing is near.

    Looked for in this order: a like name under the same parent, the same last part elsewhere (`max_steps` finds
    `trainer.max_steps`), a like name anywhere, a like last part anywhere.
    """
    known = [full for full in dict.fromkeys(names) if not _tail(full).startswith("_")]
    siblings = [full for full in known if _parent(full) == _parent(name)]
    return (
        _close(name, siblings, _tail, count, 0.6)
        or _close(name, [full for full in known if _tail(full) == _tail(name)], str, count, 0.0)
        or _close(name, known, str, count, 0.7)
        or _close(name, known, _tail, count, 0.75)
    )


def _close(name: str, names: Sequence[str], part: Callable[[str], str], count: int, cutoff: float) -> list[str]:
    """The names whose `part` is like that of `name`, but none much worse than the best."""
    ratios = {full: difflib.SequenceMatcher(None, part(full), part(name)).ratio() for full in names}
    best = max(ratios.values(), default=0.0)
    near = [full for full in names if ratios[full] >= max(cutoff, best - 0.1)]
    return sorted(near, key=lambda full: -ratios[full])[:count]


def _tail(name: str) -> str:
    return name.rpartition(".")[2]


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _keys(node: object, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for name, child in node.items():
            yield f"{prefix}{name}"
            yield from _keys(child, f"{prefix}{name}.")


@contextmanager
def _searching(folders: Sequence[Path | str], job: str) -> Iterator[None]:
    """A Hydra that searches `folders`; whatever Hydra was active before is put back."""
    active = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_search_path([f"file://{Path(folder).absolute()}" for folder in folders], job_name=job):
            yield
    finally:
        GlobalHydra.instance().hydra = active
