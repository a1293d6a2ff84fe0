"""The reference of all configuration, made from conf/'s YAML and the constructors that it names.

`::configuration overview` becomes a table of the groups, `::configuration commands` the keys of each command,
`::configuration groups` every option of every group: keys, defaults, what the table of keys says that they take, and
what comment or docstring says of them.
"""

import html
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import get_object

from rnnsearch.cli.help import COMMANDS
from rnnsearch.config.config_dir import config_dir, description, groups, primary_keys
from rnnsearch.config.keys.table import kind_of

OURS = "rnnsearch."
LAUNCHERS = "hydra/launcher"
_ARGS = re.compile(r"^Args:\n(?P<body>(?:[ ]+.*\n?|\n)*)", re.MULTILINE)
_ARGUMENT = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<text>.*(?:\n     +.*)*)", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the directives."""
    for name, make in (("overview", _overview), ("commands", _commands), ("groups", _groups)):
        directive = f"::configuration {name}"
        if directive in markdown:
            markdown = markdown.replace(directive, "\n\n".join(make()))
    return markdown


def _overview() -> Iterator[str]:
    rows = [
        [f"[{group}](#{group.replace('/', '')})", ", ".join(map(_code, options))]
        for group, options in _every_group().items()
    ]
    yield _table(["group", "options"], rows)


def _every_group() -> dict[str, dict[str, str]]:
    return {**groups(config_dir()), LAUNCHERS: _launchers(config_dir())}


def _commands() -> Iterator[str]:
    conf = config_dir()
    for command, about in COMMANDS.items():
        values, comments = flat(_read(conf / f"{command}.yaml")), _comments(command)
        rows = [
            [_code(key), _code(_shown(value)), _taken(key, command), comments.get(key, "")]
            for key, value in values.items()
            if not key.startswith(("hydra.", "defaults"))
        ]
        yield f"### rnnsearch {command}"
        yield about.summary
        if rows:
            yield _table(["key", "default", "takes", ""], rows)


def _groups() -> Iterator[str]:
    conf = config_dir()
    for group, options in _every_group().items():
        yield f"### {group}"
        for alike in _alike(conf, group, options).values():
            yield from (f"**`{group}={option}`** {_escaped(options[option])}" for option in alike)
            yield from _keys_of(group, alike)


def _launchers(conf: Path) -> dict[str, str]:
    return {path.stem: description(path) for path in sorted((conf / LAUNCHERS).glob("*.yaml"))}


def _alike(conf: Path, group: str, options: Mapping[str, str]) -> dict[tuple[str, ...], dict[str, dict[str, Any]]]:
    """The options of a group, those with the same constructor and the same keys together."""
    found: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    for option in options:
        content = _read(conf / group / f"{option}.yaml")
        kind = (*map(str, _targets(content).values()), *(flat(content)))
        found.setdefault(kind, {})[option] = content
    return found


def _keys_of(group: str, alike: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """One table for options with the same keys."""
    first, content = next(iter(alike.items()))
    targets = _targets(content)
    for target in dict.fromkeys(targets.values()):
        yield f"It constructs `{target}`." + (f" {_escaped(summary(target))}" if target.startswith(OURS) else "")
    whole = _is_global(group, first)
    values = {option: flat(one) for option, one in alike.items()}
    rows = []
    for key in values[first]:
        name = key.rpartition(".")[2]
        if name.startswith("_"):
            continue
        target = targets.get(key.rpartition(".")[0], targets.get("", ""))
        kind, said = parameter(target, key.split(".")[0] if "" in targets else name)
        about = next((text for option in alike if (text := _comments(f"{group}/{option}").get(key))), said)
        typed = key if whole else f"{group.replace('/', '.')}.{key}"
        defaults = _defaults({one: values[one][key] for one in alike})
        rows.append([_code(typed), defaults, _taken(typed, "train") or kind, about])
    if rows:
        yield _table(["key", "default", "takes", ""], rows)


def _defaults(values: Mapping[str, object]) -> str:
    """One value where all options agree, otherwise each option's."""
    shown = {option: _code(_shown(value)) for option, value in values.items()}
    one = set(shown.values())
    return one.pop() if len(one) == 1 else "<br>".join(f"{option}: {value}" for option, value in shown.items())


def _targets(content: Mapping[str, Any], place: str = "") -> dict[str, str]:
    """Where in an option a constructor is named, and which."""
    own = {place: str(content["_target_"])} if "_target_" in content else {}
    for key, value in content.items():
        if isinstance(value, dict):
            own |= _targets(value, f"{place}.{key}".lstrip("."))
    return own


@cache
def parameter(target: str, name: str) -> tuple[str, str]:
    """Type of a constructor's parameter, and what the docstring says of it where the constructor is ours."""
    if not target or target.startswith("hydra_plugins."):
        return "", ""
    made = get_object(target)
    found = inspect.signature(made).parameters.get(name)
    if found is None:
        return "", ""
    kind = "" if found.annotation is found.empty else inspect.formatannotation(found.annotation)
    text = arguments(inspect.getdoc(made) or "").get(name, "") if target.startswith(OURS) else ""
    return _code(re.sub(r"(?:[a-z_]+\.)+(?=[A-Z])", "", kind.strip("'"))), _escaped(text)


def arguments(docstring: str) -> dict[str, str]:
    """What a docstring's Args say of each name."""
    if not (section := _ARGS.search(docstring)):
        return {}
    return {
        name: " ".join(match["text"].split())
        for match in _ARGUMENT.finditer(section["body"])
        for name in match["names"].split(", ")
    }


def summary(target: str) -> str:
    """The first paragraph of an object's docstring."""
    return " ".join((inspect.getdoc(get_object(target)) or "").split("\n\n")[0].split())


def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys and their values; the defaults list as one `override` a group."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        if key == "defaults":
            found |= {} if prefix else _overrides(value)
        elif isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _overrides(defaults: list[Any]) -> dict[str, str]:
    pairs = [pair for one in defaults if isinstance(one, dict) for pair in one.items()]
    return {key.removeprefix("override /"): value for key, value in pairs if key.startswith("override /")}


def _is_global(group: str, option: str) -> bool:
    return "@package _global_" in (config_dir() / group / f"{option}.yaml").read_text(encoding="utf-8")


@cache
def _comments(name: str) -> dict[str, str]:
    return {key: _escaped(comment) for key, (_, comment) in primary_keys(config_dir(), name).items()}


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value) if value != "" else '""'


def _taken(key: str, command: str) -> str:
    """What the table of keys says that a key may be."""
    kind = kind_of(key, command)
    return "" if kind is None else _escaped(kind.noun)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _escaped(text: str) -> str:
    """Prose for a cell of a table: code stays code, other signs are no Markdown."""
    parts = text.replace("``", "`").split("`")
    parts[::2] = [re.sub(r"([*_\[\]|])", r"\\\1", html.escape(part, quote=False)) for part in parts[::2]]
    return "`".join(parts)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell or " " for cell in line) + " |" for line in lines)
