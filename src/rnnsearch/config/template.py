"""A composed configuration as plain values, into which others are put as Hydra would, without composing again."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.plain_values import plain

REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*(?:\.\w+)*)\}")  # to a key, from the top
INDEPENDENT = re.compile(r"\$\{(?:oc\.env|run_id):[^${}]*\}")  # of all keys


class Template:
    """The resolved values of a config, and what follows from putting others in their place.

    Args:
        config: whose interpolations can be resolved.
    """

    def __init__(self, config: DictConfig) -> None:
        self._values = plain(config)
        self._leaves: set[str] = set()
        self._followers: dict[str, list[str]] = {}  # keys that are just another key's value, by that key
        self._read: set[str] = set()  # keys that others take their value from
        self._is_opaque = False  # whether it can't be told what an interpolation reads
        for key, value, is_leaf in _scalars(OmegaConf.to_container(config, resolve=False), ""):
            if is_leaf:
                self._leaves.add(key)
            if isinstance(value, str) and "${" in value:
                self._note(key, value, is_leaf)

    def _note(self, key: str, value: str, is_leaf: bool) -> None:
        """Note what an interpolated value depends on."""
        reference = REFERENCE.fullmatch(value)
        if reference and is_leaf:
            self._followers.setdefault(reference[1], []).append(key)
            return
        self._read.update(REFERENCE.findall(value))
        value = REFERENCE.sub("", value)
        while value != (value := INDEPENDENT.sub("", value)):
            pass
        self._is_opaque |= "${" in value

    def takes(self, key: str, value: Any) -> bool:
        """Whether a value can be put in the place of the key's: both are plain, and it is known who reads the key."""
        names = key.split(".")
        above = {".".join(names[:count]) for count in range(1, len(names))}
        return (
            key in self._leaves
            and not self._is_opaque
            and (value is None or isinstance(value, bool | int | float | str))
            and not (isinstance(value, str) and ("${" in value or value == "???"))
            and key not in self._read
            and not above & (self._followers.keys() | self._read)
            and all(self.takes(follower, value) for follower in self._followers.get(key, ()))
        )

    def with_(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The resolved values with other ones at keys that `takes` them; sections that stay the same are shared."""
        values = dict(self._values)
        for key, value in self._followed(changes):
            *above, last = key.split(".")
            node = values
            for name in above:
                node[name] = node = dict(node[name])
            node[last] = value
        return values

    def _followed(self, changes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The changes, and those of the keys that follow them unless they are changed themselves."""
        for key, value in changes.items():
            yield key, value
            after = {follower: value for follower in self._followers.get(key, ()) if follower not in changes}
            yield from self._followed(after) if after else ()


def _scalars(node: Any, key: str, is_leaf: bool = True) -> Iterator[tuple[str, Any, bool]]:
    """Key and value of all that is no list and no mapping, and whether the key alone leads there, not a list's."""
    if isinstance(node, dict):
        for name, child in node.items():
            plain_name = isinstance(name, str) and "." not in name
            yield from _scalars(child, f"{key}.{name}".lstrip("."), is_leaf and plain_name)
    elif isinstance(node, list):
        for child in node:
            yield from _scalars(child, key, False)
    else:
        yield key, node, is_leaf
