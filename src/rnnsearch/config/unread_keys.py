"""Refuses keys of a user's own YAML that no command reads, and says what was probably meant."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rnnsearch.config.config_dir import config_dir
from rnnsearch.config.near_names import nearest
from rnnsearch.config.yaml_files import GLOBAL, header_of, package_of, read_text, read_values

# Sections with any names below:
OPEN = ("hydra", "members", "sweep.grid", "logger", "callbacks", "data.members", "data.weights", "tests")
SHOWN = 3  # keys in a sentence

Values = Mapping[str, Any]


def check_read(path: Path, package: str, values: Values, *, group: str, folder: Path) -> None:
    """Refuse a file that has keys nothing reads.

    Args:
        path: of the file.
        package: the key under which its keys stand; empty for the top.
        values: its content.
        group: the config group it belongs to; empty for a primary config.
        folder: of the user's YAML.

    Raises:
        ValueError: naming the keys, and the missing line or the keys that were probably meant.
    """
    if not group and "defaults" not in values:
        return  # the whole config of a run, of this version or an earlier one
    read = known(config_dir()) | _options_of(folder)
    used = _looked_up(folder)
    unread = [key for key in _unread(_without_defaults(values), package, read) if not used & {key, key.split(".")[0]}]
    if not unread:
        return
    listed = ", ".join(unread[:SHOWN]) + (f" and {len(unread) - SHOWN} more" if unread[SHOWN:] else "")
    inner = [key.removeprefix(f"{package}.") for key in unread]
    if package and set(inner) <= read:
        raise ValueError(
            f"{path}: nothing reads {listed}; so that its keys stand at the top, begin the file with the line {GLOBAL}"
        )
    raise ValueError(f"{path}: nothing reads {listed}; {_guess(unread[0], read)}")


def _without_defaults(values: Values) -> Values:
    """The keys of a file, without its defaults list."""
    return {key: value for key, value in values.items() if key != "defaults"}


def check_added(words: Sequence[str], folders: Sequence[Path]) -> None:
    """Refuse keys that the command line adds, as in ``+seeed=3``, but nothing reads.

    Args:
        words: of the command line.
        folders: of the user's YAML.

    Raises:
        ValueError: naming such a key, and what was probably meant.
    """
    added = [match[1] for word in words if (match := re.match(r"\+{1,2}([\w.]+)=", word))]
    if not added:
        return
    read = frozenset(key for key in added if key.endswith("._target_")).union(
        known(config_dir()), *map(_options_of, folders)
    )
    used = _names_in(words).union(*map(_looked_up, folders))
    for key in added:
        above = [key.rsplit(".", depth)[0] for depth in range(key.count(".") + 1)]
        group = any((folder / key).is_dir() for folder in (config_dir(), *folders))
        built = any(f"{name}._target_" in read or name in OPEN for name in above)
        if not (
            group or built or key in read or used & {key, key.split(".")[0]} or _is_leaf(key.rpartition(".")[0], read)
        ):
            raise ValueError(f"+{key}: nothing reads {key}; {_guess(key, read)}")


def _guess(key: str, read: frozenset[str]) -> str:
    near = nearest(key, read)
    return f"did you mean {' or '.join(near)}?" if near else "`rnnsearch train --cfg job` prints those that there are"


def _unread(values: Values, prefix: str, read: frozenset[str]) -> Iterator[str]:
    """The keys of a file that no option has; a constructor checks its own keys."""
    for name, value in values.items():
        key = f"{prefix}.{name}".lstrip(".")
        if key in OPEN or prefix in OPEN or "_target_" in values:
            continue
        if key in read:
            yield from _unread(value, key, read) if isinstance(value, Mapping) else ()
        elif not (_is_leaf(prefix, read) or f"{prefix}._target_" in read):
            yield key


def _is_leaf(key: str, read: frozenset[str]) -> bool:
    """Whether a key has a value rather than keys below it."""
    return key in read and not any(other.startswith(f"{key}.") for other in read)


@cache
def known(conf: Path) -> frozenset[str]:
    """Every dotted name that the shipped YAML has."""
    return frozenset(key for package, values in _files(conf) for key in _names(values, package))


def _options_of(folder: Path) -> frozenset[str]:
    """The names that the user's own options add, in groups whose options have a package of their own."""
    groups = {package for package, _ in _files(config_dir()) if package}
    options = (file for file in _files(folder) if file[0] in groups and "_target_" in file[1])
    return frozenset(key for package, values in options for key in _names(values, package))


def _looked_up(folder: Path) -> frozenset[str]:
    """The names that the user's YAML interpolates, as in ${size}."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in folder.rglob("*.yaml") if path.is_file())
    return _names_in(texts)


def _names_in(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(name for text in texts for name in re.findall(r"\$\{([\w.]+)\}", text))


def _names(values: Values, prefix: str) -> Iterator[str]:
    if prefix:
        yield prefix
    for name, value in values.items():
        key = f"{prefix}.{name}".lstrip(".")
        yield key
        if isinstance(value, Mapping) and key not in OPEN:
            yield from _names(value, key)


def _files(folder: Path) -> Iterator[tuple[str, Values]]:
    """Package and content of the readable YAML files of a folder."""
    for path in sorted(folder.rglob("*.yaml")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name.startswith("hydra/"):
            continue
        try:
            text = read_text(path)
            package = package_of(header_of(path, text)["package"], name)
            yield package, _without_defaults(read_values(path, text, package))
        except (ValueError, OSError):
            continue
