"""A configuration as plain values."""

from typing import Any

from omegaconf import DictConfig, OmegaConf


def plain(config: DictConfig) -> dict[str, Any]:
    """A config, resolved, as plain values."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of a config under their dotted keys."""
    values = plain(node) if isinstance(node, DictConfig) else node
    if not isinstance(values, dict):
        return {prefix.rstrip("."): values}
    return {key: value for name, child in values.items() for key, value in flat(child, f"{prefix}{name}.").items()}
