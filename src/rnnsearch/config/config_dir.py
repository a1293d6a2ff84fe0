"""Where the YAML is and what it holds, read without Hydra so that help answers at once."""

import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from rnnsearch.config.keys.roles import SWEEPING

_DEFAULT = re.compile(r"^\s*-\s+(?:override\s+|optional\s+)?/?([\w/.-]+)(?:@\S+)?\s*:")
_BASE = re.compile(r"^ *- *([\w-]+) *(?:#.*)?$")
_KEY = re.compile(r"^(?P<indent> *)(?P<name>\w+):(?P<value>[^#]*?)(?:\s+#\s*(?P<comment>.*))?$")


@cache
def config_dir() -> Path:
    """The folder of the shipped YAML: inside the package in a wheel, at the top of a checkout otherwise.

    Raises:
        FileNotFoundError: if neither exists.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "conf", package.parents[1] / "conf")
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"no configuration in {candidates[0]} or {candidates[1]}; install rnnsearch again")


def groups(conf: Path) -> dict[str, dict[str, str]]:
    """Every config group under `conf`, except Hydra's own: group -> option -> its description."""
    options: dict[str, dict[str, str]] = {}
    for path in sorted(conf.rglob("*.yaml")):
        group = path.parent.relative_to(conf).as_posix()
        if group != "." and group.split("/")[0] != "hydra":
            options.setdefault(group, {})[path.stem] = description(path)
    return options


def description(path: Path) -> str:
    """The first comment line of a YAML file that is no Hydra directive; empty if there is none."""
    for line in path.read_text(encoding="utf-8").splitlines():
        comment = line.removeprefix("#").strip()
        if line.startswith("#") and comment and not comment.startswith("@package"):
            return comment
    return ""


def chosen_groups(conf: Path, command: str) -> tuple[str, ...]:
    """The groups in the defaults list of `conf`/`command`.yaml, or of a config it begins with, in order."""
    names: list[str] = []
    for line in _lines(conf / f"{command}.yaml", inside={"defaults"}):
        if match := _DEFAULT.match(line):
            names += [match.group(1)] if not match.group(1).startswith("hydra/") else []
        elif (match := _BASE.match(line)) and match.group(1) != "_self_":
            names += chosen_groups(conf, match.group(1))
    return tuple(names)


def command_keys(conf: Path, command: str) -> dict[str, tuple[str, str]]:
    """The keys on a command's help page: its own, and the sweep keys of the configs it begins with."""
    keys: dict[str, tuple[str, str]] = {}
    for line in _lines(conf / f"{command}.yaml", inside={"defaults"}):
        if (match := _BASE.match(line)) and match.group(1) != "_self_":
            sections = {*SWEEPING, "protocol"} - {"ckpt"}
            below = command_keys(conf, match.group(1)) | primary_keys(conf, match.group(1))
            keys |= {key: entry for key, entry in below.items() if key.split(".")[0] in sections}
    return keys | primary_keys(conf, command)


def primary_keys(conf: Path, command: str) -> dict[str, tuple[str, str]]:
    """The keys in `conf`/`command`.yaml itself: dotted key -> (value, comment on its line).

    A key with keys of its own has no value and is left out unless it has a comment.
    """
    keys: dict[str, tuple[str, str]] = {}
    parents: list[tuple[int, str]] = []
    for line in _lines(conf / f"{command}.yaml", outside={"defaults", "hydra"}):
        if not (match := _KEY.match(line)):
            continue
        indent, value, comment = len(match["indent"]), match["value"].strip(), match["comment"] or ""
        parents = [(depth, name) for depth, name in parents if depth < indent] + [(indent, match["name"])]
        if value or comment:
            keys[".".join(name for _, name in parents)] = (value, comment)
    return keys


def _lines(path: Path, inside: Collection[str] = (), outside: Collection[str] = ()) -> Iterator[str]:
    """The lines of a YAML file that belong to the top-level keys `inside` (all of them if empty), less `outside`."""
    if not path.is_file():
        return
    top = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line[:1].isalpha() or line[:1] == "_":
            top = line.split(":")[0]
        if top not in outside and (not inside or top in inside):
            yield line
