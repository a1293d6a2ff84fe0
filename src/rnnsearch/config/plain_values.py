"""A configuration as plain values."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.records import nested


def plain(config: DictConfig) -> dict[str, Any]:
    """A config, resolved, as plain values."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def flat(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of a config, resolved, under their dotted keys."""
    return nested.flat(plain(config) if isinstance(config, DictConfig) else config)
