"""Spells values for Hydra's override grammar, which takes 2024_11_30 for a number and a comma for a list.

Names and paths keep what was typed; a value of a YAML file becomes the text that means exactly that value.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.config.keys.launchers import LAUNCHERS
from rnnsearch.config.keys.table import TABLE, is_text_alone, is_text_or_count, key_in_table, text_keys

HYDRAS = (  # keys of Hydra's own that are names or paths
    *("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"),
    *(f"hydra.launcher.{key}" for rows in LAUNCHERS.values() for key, kind in rows.items() if is_text_alone(kind)),
)
UNSWEPT = (
    *("study", "member", "tags", "note", "notify", "trust", "publish", "question", "match_to"),
    *("members.*", "tuning.*", "paths.*", "protocol.*", "sweep.*", "hydra.*"),
)
_OVERRIDE = re.compile(r"([+~]{0,2}(?P<key>[\w.]+))=(?P<value>.*)", re.DOTALL)
_FUNCTION = re.compile(r"\s*(?P<name>choice|shuffle|sort|tag)\s*\((?P<inner>.*)\)\s*", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
DEEPEST = 50  # levels of brackets, or of a file: a configuration has a few
_COUNTS = re.compile(r"-?[0-9.]+(,-?[0-9.]+)*")
_BRACKETS = {"[": "]", "{": "}", "(": ")"}


def check_depth(override: str) -> None:
    """Refuse brackets nested deeper than any value needs or the grammar's parser can follow.

    Raises:
        ValueError: if they are nested too deeply.
    """
    depth = 0
    for letter in override:
        depth += (letter in "[{(") - (letter in "]})")
        if depth > DEEPEST:
            raise ValueError(f"{override[:40]}...: brackets are nested more than {DEEPEST} levels deep; no value is")


def is_text(key: str, value: str) -> bool:
    """Whether a value of a dotted key, as it is spelt, is a name or a path."""
    if key in HYDRAS:
        return True
    kinds = [TABLE[command].get(key_in_table(key)) for command in TABLE if key_in_table(key) in text_keys(command)]
    return bool(kinds) and not (any(map(is_text_or_count, kinds)) and _COUNTS.fullmatch(value))


def quoted(value: str) -> str:
    """A text in quotes, as Hydra's grammar reads it whatever it contains."""
    return QuotedString(value, Quote.double).with_quotes()


def for_shell(key: str, value: str) -> str:
    """The override `key=value`, quoted so that neither the shell nor Hydra changes the value.

    >>> for_shell("data.train.source", "/a b,c/x.txt")
    '\\'data.train.source="/a b,c/x.txt"\\''
    """
    return shlex.quote(f"{key}={quoted(value)}")


def as_typed(override: str, *, swept: bool) -> str:
    """An override whose value, if its key is a name or a path, means the text that was typed.

    Args:
        override: as on the command line; returned unchanged if Hydra reads it as meant.
        swept: whether commas separate values of a sweep; in a single run they belong to the name.

    >>> as_typed("run=2024_11_30", swept=False), as_typed("run=[1,outputs/b]", swept=False)
    ('run="2024_11_30"', 'run=["1",outputs/b]')
    """
    match = _OVERRIDE.fullmatch(override)
    if match is None or not is_text(match["key"], match["value"]):
        return override
    swept = swept and not any(fnmatchcase(match["key"], pattern) for pattern in UNSWEPT)
    return f"{match[1]}={_choices(match['value']) if swept else _text(match['value'])}"


def _choices(value: str) -> str:
    """The texts of a sweep: `a,b`, or `choice(a,b)`."""
    if function := _FUNCTION.fullmatch(value):
        return f"{function['name']}({_choices(function['inner'])})"
    return ",".join(_choices(part) if _FUNCTION.fullmatch(part) else _text(part) for part in split(value))


def _text(value: str) -> str:
    value = value.strip()
    if value == "" or value.lower() == "null" or value == "???":
        return value
    if value.startswith("[") and value.endswith("]"):
        return f"[{','.join(_text(part) for part in split(value[1:-1]))}]"
    if value.startswith("{") and value.endswith("}") and ":" in value:
        pairs = (pair.partition(":") for pair in split(value[1:-1]))
        return "{" + ",".join(f"{key}:{_text(item)}" for key, _, item in pairs) + "}"
    return value if isinstance(_read(value), str) else quoted(value)


@cache
def _read(value: str) -> Any:
    """What Hydra's grammar makes of a value; None if it can't be parsed or is a sweep."""
    try:
        override = OverridesParser.create().parse_override(f"key={value}")
        return None if override.is_sweep_override() else override.value()
    except (HydraException, OmegaConfBaseException, ValueError):
        return None


def read_value(value: str) -> Any:
    """What Hydra's grammar makes of a value; `Ellipsis` if it can't be parsed or is a sweep.

    >>> read_value("3"), read_value("1e-3"), read_value("null"), read_value("1,2")
    (3, 0.001, None, Ellipsis)
    """
    if number := _NUMBER.fullmatch(value):  # which the grammar's parser takes a thousand times as long for
        return float(value) if number[1] or number[2] else int(value)
    return None if value.strip().lower() == "null" else ... if (read := _read(value)) is None else read


def split(value: str) -> list[str]:
    """The parts of a value between commas outside brackets and quotes."""
    parts, closing, quote = [""], "", ""
    for place, letter in enumerate(value):
        before = value[:place]
        escaped = (len(before) - len(before.rstrip("\\"))) % 2 == 1
        if quote:
            quote = "" if letter == quote and not escaped else quote
        elif letter in "'\"" and not parts[-1].strip() and _closes(value, place):
            quote = letter
        elif letter in _BRACKETS:
            closing += _BRACKETS[letter]
        elif closing and letter == closing[-1]:
            closing = closing[:-1]
        elif letter == "," and not closing and not escaped:
            parts.append("")
            continue
        parts[-1] += letter
    return parts


def _closes(value: str, place: int) -> bool:
    """Whether the quote at a position is closed before a comma or the end."""
    quote = re.escape(value[place])
    return re.match(rf"{quote}(?:[^\\]|\\.)*?{quote}\s*(?:,|$)", value[place:], re.DOTALL) is not None


def spelt(value: Any) -> str:
    """A value of a YAML file, such as a number, a text, a list or a mapping, as spelt on the command line.

    >>> spelt("/a,b"), spelt([0.9, None, "no", "1"]), spelt({"a": True})
    ('"/a,b"', '[0.9,null,no,"1"]', '{a:true}')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_escaped(str(key))}:{spelt(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(spelt, value))}]"
    if isinstance(value, str):
        return value if value and "\\" not in value and _read(value) == value else quoted(value)
    return str(value)


def _escaped(name: str) -> str:
    """The key of a mapping, escaped, since the grammar allows no quotes there."""
    return re.sub(r"([\\()\[\]{}:=, \t])", r"\\\1", name)


def swept_values(override: Override) -> Iterator[str]:
    """The values that an override sweeps over, each as spelt on the command line.

    Hydra's own iterator drops the quotes, without which many texts can't be parsed again.
    """
    return (spelt(_plain(value)) for value in override.sweep_iterator())


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def key_of(override: str) -> str:
    """The key or group that an override names."""
    return override.partition("=")[0].lstrip("+~")


def value_of(override: str) -> str:
    """The value that an override gives."""
    return override.partition("=")[2]


Overrides = tuple[str, ...]
