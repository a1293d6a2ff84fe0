"""The search with which a command translates: the run's own, changed by what the command line gives."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.overrides import key_of, spelt
from rnnsearch.search.sampling import Sampling

TARGET = "_target_"


def chosen_search(own: DictConfig, chosen: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The search of the run's training, with the `search.*` overrides; `search=OPTION` replaces it."""
    keys = [key_of(override) for override in overrides]
    if "search" in keys:
        return chosen
    changes = [key.removeprefix("search.") for key in keys if key.startswith("search.")]
    merged = OmegaConf.merge(own, OmegaConf.masked_copy(chosen, changes))
    assert isinstance(merged, DictConfig)
    return merged


def search_overrides(own: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, ...]:
    """The overrides by which `chosen_search` makes the wanted search of a run's own; both as plain values."""
    is_sampling = str(wanted[TARGET]).endswith(f".{Sampling.__qualname__}")
    if own[TARGET] == wanted[TARGET] and not is_sampling:  # the option that commands begin with has its keys
        changed = {key: value for key, value in wanted.items() if own.get(key, ...) != value}
        return tuple(f"search.{key}={spelt(value)}" for key, value in changed.items())
    option = "search=sampling" if is_sampling else "search=beam"
    return (option, *(f"search.{key}={spelt(value)}" for key, value in wanted.items() if key != TARGET))
