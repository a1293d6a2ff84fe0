"""Reads YAML files of configurations: names and paths are text, and what is no plain configuration is one sentence."""

from pathlib import Path

import yaml
from hydra.plugins.config_source import ConfigSource
from omegaconf._yaml import get_yaml_loader

from rnnsearch.config.old_names import renamed
from rnnsearch.config.overrides import DEEPEST, is_text

LARGEST = 1_000_000  # bytes: a configuration has some thousands
GLOBAL = "# @package _global_"
STR, NULL, MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "null", "merge"))


def read_text(path: Path) -> str:
    """The text of a YAML file.

    Raises:
        ValueError: if it is none.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} is no configuration: it has more than {LARGEST:,} bytes")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no configuration: it is not UTF-8 text") from None


def header_of(path: Path, text: str) -> dict[str, str | None]:
    """The words after @ in the first comments of a file, such as its package.

    Raises:
        ValueError: if they can't be told.
    """
    try:
        return ConfigSource._get_header_dict(text)
    except ValueError:
        raise ValueError(f"{path}: a line '# @package ...' has one word after it, as in {GLOBAL}") from None


def package_of(named: str | None, config_path: str) -> str:
    """The key under which Hydra puts what a file holds; empty for the top."""
    group = config_path.rpartition("/")[0].replace("/", ".")
    package = "_group_" if named is None else named
    return package.replace("_global_", "").replace("_group_", group).strip(".")


def read_values(path: Path, text: str, package: str = "") -> dict[str, object]:
    """The keys and values of a YAML file, whose keys stand below the key ``package``.

    Raises:
        ValueError: if it is no configuration.
    """
    loader = None
    try:
        _check_depth(path, text)
        loader = get_yaml_loader()(text)
        node = loader.get_single_node()
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise ValueError(f"{path} is no configuration: it has no lines of KEY: VALUE")
        _keep_text(node, package, set())
        values: dict[str, object] = renamed(loader.construct_document(node))
        return values
    except yaml.YAMLError as error:
        raise ValueError(_told(path, text, error)) from None
    finally:
        if loader is not None:
            loader.dispose()


def _check_depth(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"{path} is no configuration: it is nested more than {DEEPEST} levels deep")


def _keep_text(node: yaml.Node, key: str, seen: set[int]) -> None:
    """Make text of all keys, and of the values of those that are names or paths: YAML takes no for false."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag != NULL and is_text(key.removeprefix("sweep.grid."), node.value):
            node.tag = STR
        return
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _keep_text(child, key, seen)
        return
    for name, child in node.value:
        if isinstance(name, yaml.ScalarNode) and name.tag != MERGE:
            name.tag = STR
            _keep_text(child, f"{key}.{name.value}".lstrip("."), seen)


def _told(path: Path, text: str, error: yaml.YAMLError) -> str:
    """What is wrong with a file, in our words, with the line."""
    mark, problem = getattr(error, "problem_mark", None), str(getattr(error, "problem", None) or "")
    if mark is None:
        return f"{path} is no configuration: it has characters that no YAML has"
    place = f"{path}, line {mark.line + 1}"
    if "duplicate key" in problem:
        return f"{place}: the key {problem.rpartition(' ')[2]} stands twice in one place; keep one of them"
    if "alias" in problem or "expan" in problem:
        return f"{place}: its aliases (*name) repeat too much, repeat themselves or have no anchor (&name)"
    if "nest" in problem or "depth" in problem:
        return f"{path} is no configuration: it is nested more than {DEEPEST} levels deep"
    lines = text.splitlines() or [""]
    line = lines[min(mark.line, len(lines) - 1)].strip()[:80]
    return f"{place}: {line!r} is no YAML; look at indentation, colons, quotes and brackets there and above"
