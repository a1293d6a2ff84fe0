"""The config in a run's folder, which may be a stranger's: read within bounds."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

CONFIG = "config.yaml"
LARGEST, DEEPEST = 1 << 20, 40  # bytes, and levels of nesting
_SECTION = re.compile(r"^(?=\w+:)", re.MULTILINE)  # where a key of the top begins
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def bounded_yaml(path: Path) -> str:
    """The text of a run's config, refused if it is larger or deeper than any, or has aliases, which can multiply it.

    Raises:
        ValueError: if it is refused, or no YAML.
    """
    text = _bounded_text(path)
    _check_nesting(text, path)
    return text


def config_sections(path: Path) -> dict[str, str]:
    """The text of each key of the top of a run's config, for `section_value`: a whole config takes long to read.

    Raises:
        ValueError: if it is larger than any.
    """
    return {text.partition(":")[0]: text for text in _SECTION.split(_bounded_text(path)) if ":" in text}


@lru_cache(maxsize=1024)  # runs of a study share most sections
def section_value(text: str) -> Any:
    """What one key of the top of a config holds; None for what no run writes."""
    try:
        _check_nesting(text, Path(CONFIG))
        (value,) = yaml.load(text, Loader=_LOADER).values()
    except (yaml.YAMLError, ValueError, AttributeError):
        return None
    return value


def _bounded_text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path} is no config of a run: it has more than {LARGEST:,} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no config of a run: it is no YAML") from None


def _check_nesting(text: str, path: Path) -> None:
    refusal = f"{path} is no config of a run"
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > DEEPEST:
                raise ValueError(f"{refusal}: it has aliases, or more than {DEEPEST} levels, which train never writes")
    except (yaml.YAMLError, RecursionError):
        raise ValueError(f"{refusal}: it is no YAML") from None
