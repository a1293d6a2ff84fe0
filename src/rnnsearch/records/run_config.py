"""The config in a run's folder, which may be a stranger's: read within bounds."""

from pathlib import Path

import yaml

CONFIG = "config.yaml"
LARGEST, DEEPEST = 1 << 20, 40  # bytes, and levels of nesting


def bounded_yaml(path: Path) -> str:
    """The text of a run's config, refused if it is larger or deeper than any, or has aliases, which can multiply it.

    Raises:
        ValueError: if it is refused, or no YAML.
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
