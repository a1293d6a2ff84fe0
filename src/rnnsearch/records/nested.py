"""Dotted keys of nested dictionaries."""

import math
from collections.abc import Mapping
from typing import Any


def value_at(node: Any, key: str) -> Any:
    """The value at a dotted key; None where there is none."""
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def without_key(node: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Nested mappings without a dotted key; those that do not lead to it are shared."""
    first, _, rest = key.partition(".")
    if first not in node or (rest and not isinstance(node[first], Mapping)):
        return node
    others = {name: value for name, value in node.items() if name != first or rest}
    return {**others, first: without_key(node[first], rest)} if rest else others


def flat(node: Any, prefix: str = "", *, separator: str = ".") -> dict[str, Any]:
    """The leaves of nested mappings by their joined keys."""
    if not isinstance(node, Mapping):
        return {prefix.removesuffix(separator): node}
    branches = (flat(child, f"{prefix}{name}{separator}", separator=separator) for name, child in node.items())
    return {key: value for branch in branches for key, value in branch.items()}


def without_nulls(node: Any, levels: float = math.inf) -> Any:
    """Nested mappings without keys whose value is null, to a depth of ``levels``."""
    if isinstance(node, Mapping) and levels:
        return {key: without_nulls(value, levels - 1) for key, value in node.items() if value is not None}
    return node
