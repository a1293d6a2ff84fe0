"""The user's own code and files that a configuration names, besides the data: identified by content."""

import ast
import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rnnsearch.config.trust import given
from rnnsearch.records.json_files import file_sha256

SHARED = ("site-packages", "dist-packages")  # folders that hold many unrelated packages


def own_code(config: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the source files of a plain config's classes from trusted packages, and of files given to them.

    A module is named by its path from its package's parent folder, mypackage/context.py, along with everything that it
    imports from there; a file by its path in the config. The data are left out: a corpus has checksums of its own.
    """
    checksums: dict[str, str] = {}
    for target, arguments in _constructed({key: value for key, value in config.items() if key != "data"}):
        checksums |= {name: file_sha256(path) for name, path in _sources(target).items()}
        checksums |= {text: file_sha256(Path(text)) for text in _files(arguments)}
    return checksums


def now(names: Iterable[str]) -> dict[str, str]:
    """The present checksums of the same names; those that are not found are left out."""
    places = {name: _place(name) for name in names}
    return {name: file_sha256(path) for name, path in places.items() if path is not None and path.is_file()}


def _place(name: str) -> Path | None:
    """The file of a name in `own_code`: below a trusted package's parent folder, or as it was given."""
    for package in given():
        root = _root(package.partition(".")[0])
        if root is not None and (root / name).is_file():
            return root / name
    return Path(name) if Path(name).is_file() else None


def _constructed(node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The classes of trusted packages that a config names, each with its arguments."""
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if isinstance(target, str) and any(f"{target}.".startswith(f"{package}.") for package in given()):
            yield target, node
    for child in _children(node):
        yield from _constructed(child)


def _files(arguments: Any) -> Iterator[str]:
    """The texts among arguments that are paths of existing files."""
    if isinstance(arguments, str) and os.path.isfile(arguments):
        yield arguments
    for child in _children(arguments):
        yield from _files(child)


def _children(node: Any) -> Iterable[Any]:
    return node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()


def _root(package: str) -> Path | None:
    """The folder that contains a package or module."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or ())
    file = places[0] if places else spec.origin
    return Path(file).parent if file else None


def _sources(target: str) -> dict[str, Path]:
    """The files of a class's module and of its imports from the same root folder, by their paths from there."""
    top = target.partition(".")[0]
    root = _root(top)
    if root is None:
        return {}
    sources: dict[str, Path] = {}
    waiting = [target]
    while waiting:
        name = waiting.pop()
        if root.name in SHARED and name.partition(".")[0] != top:
            continue
        for path in _modules(root, name):
            if (key := path.relative_to(root).as_posix()) not in sources:
                sources[key] = path
                waiting += _imports(path, root)
    return sources


def _modules(root: Path, name: str) -> Iterator[Path]:
    """The files that importing a dotted name reads: each package on the way, and the module."""
    folder = root
    for part in name.split("."):
        if (module := folder / f"{part}.py").is_file():
            yield module
        folder = folder / part
        if (package := folder / "__init__.py").is_file():
            yield package


def _imports(path: Path, root: Path) -> list[str]:
    """The dotted names that a source file imports; a name imported from a module may be a module itself."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return []  # what can't be parsed is not imported either
    package = path.relative_to(root).parent.parts
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names
