"""A configuration as plain values."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from omegaconf import DictConfig, OmegaConf

from rnnsearch.records import nested

Found = TypeVar("Found")


def plain(config: DictConfig) -> dict[str, Any]:
    """A config, resolved, as plain values."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


class PerSection(Generic[Found]):
    """What a function finds in each section of a config's plain values, taken by itself; in equal ones it looks once.

    Args:
        find: gets a mapping with the one section.
    """

    def __init__(self, find: Callable[[dict[str, Any]], Found]) -> None:
        self._find = find
        self._found: dict[tuple[str, str], Found] = {}

    def __call__(self, values: Mapping[str, Any]) -> Iterator[Found]:
        """The findings, in the order of the sections."""
        for name, section in values.items():
            key = (name, repr(section))
            if key not in self._found:
                self._found[key] = self._find({name: section})
            yield self._found[key]


def flat(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of a config, resolved, under their dotted keys."""
    return nested.flat(plain(config) if isinstance(config, DictConfig) else config)
