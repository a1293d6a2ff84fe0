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


class Once(Generic[Found]):
    """What a function finds in some sections of a config's plain values; in equal ones it looks once.

    Points of a study share most sections, so that these are told by identity, and written out where that is new.

    Args:
        find: gets a mapping of the sections, which nobody changes afterwards.
    """

    def __init__(self, find: Callable[[dict[str, Any]], Found]) -> None:
        self._find = find
        self._by_content: dict[str, Found] = {}
        self._by_identity: dict[tuple[Any, ...], tuple[dict[str, Any], Found]] = {}  # which keeps them, and so their id

    def __call__(self, sections: dict[str, Any]) -> Found:
        """The finding."""
        identity = (*sections, *map(id, sections.values()))
        if identity not in self._by_identity:
            content = repr(sections)
            if content not in self._by_content:
                self._by_content[content] = self._find(sections)
            self._by_identity[identity] = (sections, self._by_content[content])
        return self._by_identity[identity][1]

    def each(self, values: Mapping[str, Any]) -> Iterator[Found]:
        """The finding in each section by itself, in their order."""
        for name, section in values.items():
            yield self({name: section})


def flat(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of a config, resolved, under their dotted keys."""
    return nested.flat(plain(config) if isinstance(config, DictConfig) else config)
