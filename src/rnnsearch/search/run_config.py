"""The config that a run left behind, which may be a stranger's: read within bounds, and the search that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rnnsearch.records import check_file
from rnnsearch.search.settings import KINDS, Kind

CONFIG = "config.yaml"
LARGEST, DEEPEST = 1 << 20, 40  # bytes, and levels of nesting


def own_search(folder: Path, record: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]]:
    """Class and settings of the search that a run was trained with.

    Raises:
        FileNotFoundError, ValueError: if the run's config is not there, can't be read, or names no search of ours.
    """
    path = check_file(folder, record, CONFIG)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give the folder of a run as train leaves it")
    text = bounded_yaml(path)
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):  # of a tag that is none of YAML's, or a date that is none
        found = None
    section = found.get("search") if isinstance(found, dict) else None
    target = str(section.get("_target_")) if isinstance(section, dict) else ""
    if not isinstance(section, dict) or target not in KINDS:
        raise ValueError(f"{path} is no config of a run, or has no search that is known: {target!r}")
    return KINDS[target], {key: value for key, value in section.items() if not str(key).startswith("_")}


def bounded_yaml(path: Path) -> str:
    """The text of a run's config: no larger and no deeper than one, and without aliases, which can multiply it.

    Raises:
        ValueError: if it is no such YAML.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    refusal = f"{path} is no config of a run"
    if len(content) > LARGEST:
        raise ValueError(f"{refusal}: it has more than {LARGEST:,} bytes")
    depth = 0
    try:
        text = content.decode()
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > DEEPEST:
                raise ValueError(f"{refusal}: it has aliases, or more than {DEEPEST} levels, which train never writes")
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise ValueError(f"{refusal}: it is no YAML") from None
    return text
