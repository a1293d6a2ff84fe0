"""How values are spelt for Hydra's grammar of overrides, which takes 2024_11_30 for a number and a comma for a list.

Keys that are names or paths keep what was typed; a value of a YAML file becomes the text that means that very value.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.keys.launchers import LAUNCHERS
from rnnsearch.keys.table import TABLE, is_text_alone, key_in_table, text_keys

HYDRAS = (  # keys of Hydra's own that are names or paths
    *("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"),
    *(f"hydra.launcher.{key}" for rows in LAUNCHERS.values() for key, kind in rows.items() if is_text_alone(kind)),
)
UNSWEPT = (
    *("study", "member", "trust", "publish", "question", "match_to"),
    *("members.*", "tuning.*", "paths.*", "protocol.*", "sweep.*", "hydra.*"),
)
_OVERRIDE = re.compile(r"([+~]{0,2}(?P<key>[\w.]+))=(?P<value>.*)", re.DOTALL)
_FUNCTION = re.compile(r"\s*(?P<name>choice|shuffle|sort|tag)\s*\((?P<inner>.*)\)\s*", re.DOTALL)
DEEPEST = 50  # levels of brackets, or of a file: a configuration has a few
_BRACKETS = {"[": "]", "{": "}", "(": ")"}


def check_depth(override: str) -> None:
    """Refuse brackets within brackets that no value needs, and that the grammar's parser can't follow.

    Raises:
        ValueError: if they are too deep.
    """
    depth = 0
    for letter in override:
        depth += (letter in "[{(") - (letter in "]})")
        if depth > DEEPEST:
            raise ValueError(f"{override[:40]}...: brackets are nested more than {DEEPEST} levels deep; no value is")


def is_text(key: str) -> bool:
    """Whether the values of a dotted key are names or paths."""
    return key in HYDRAS or any(key_in_table(key) in text_keys(command) for command in TABLE)


def _matches(key: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def quoted(value: str) -> str:
    """A text as Hydra's grammar takes it whatever it holds."""
    return QuotedString(value, Quote.double).with_quotes()


def as_typed(override: str, *, swept: bool) -> str:
    """An override whose value, where its key is a name or a path, means the text that was typed.

    Args:
        override: as on the command line; one that Hydra reads as it was meant comes back unchanged.
        swept: whether commas separate values of a sweep; in one run they belong to the name.

    >>> as_typed("run=2024_11_30", swept=False), as_typed("run=[1,outputs/b]", swept=False)
    ('run="2024_11_30"', 'run=["1",outputs/b]')
    """
    found = _OVERRIDE.fullmatch(override)
    if found is None or not is_text(found["key"]):
        return override
    swept = swept and not _matches(found["key"], UNSWEPT)
    return f"{found[1]}={_choices(found['value']) if swept else _text(found['value'])}"


def _choices(value: str) -> str:
    """The texts of a sweep: `a,b`, or `choice(a,b)`."""
    if function := _FUNCTION.fullmatch(value):
        return f"{function['name']}({_choices(function['inner'])})"
    return ",".join(_choices(one) if _FUNCTION.fullmatch(one) else _text(one) for one in split(value))


def _text(value: str) -> str:
    value = value.strip()
    if value == "" or value.lower() == "null" or value == "???":
        return value
    if value.startswith("[") and value.endswith("]"):
        return f"[{','.join(_text(one) for one in split(value[1:-1]))}]"
    if value.startswith("{") and value.endswith("}") and ":" in value:
        pairs = (one.partition(":") for one in split(value[1:-1]))
        return "{" + ",".join(f"{key}:{_text(one)}" for key, _, one in pairs) + "}"
    return value if isinstance(_read(value), str) else quoted(value)


@cache
def _read(value: str) -> Any:
    """What Hydra's grammar makes of a value; None where it can't be read, or is a sweep."""
    try:
        found = OverridesParser.create().parse_override(f"key={value}")
        return None if found.is_sweep_override() else found.value()
    except (HydraException, OmegaConfBaseException, ValueError):
        return None


def split(value: str) -> list[str]:
    """The parts of a value between the commas that stand in no brackets and no quotes."""
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
    """Whether the quote at a place is closed before a comma or the end."""
    quote = re.escape(value[place])
    return re.match(rf"{quote}(?:[^\\]|\\.)*?{quote}\s*(?:,|$)", value[place:], re.DOTALL) is not None


def spelt(value: Any) -> str:
    """A value of a YAML file, such as a number, a text, a list or a mapping, as the command line has it.

    >>> spelt("/a,b"), spelt([0.9, None, "no", "1"]), spelt({"a": True})
    ('"/a,b"', '[0.9,null,no,"1"]', '{a:true}')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_escaped(str(key))}:{spelt(one)}" for key, one in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(spelt, value))}]"
    if isinstance(value, str):
        return value if value and "\\" not in value and _read(value) == value else quoted(value)
    return str(value)


def _escaped(name: str) -> str:
    """The key of a mapping, which the grammar takes without quotes alone."""
    return re.sub(r"([\\()\[\]{}:=, \t])", r"\\\1", name)


def swept_values(override: Override) -> Iterator[str]:
    """The values that an override sweeps over, each as the command line has it.

    Hydra's own iterator leaves out the quotes, without which many a text can't be read again.
    """
    return (spelt(_plain(one)) for one in override.sweep_iterator())


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
