"""Keys and passwords stay out of records, logs and messages."""

import contextlib
import netrc
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

NAMED = re.compile(r"(?i)(api_?key|access_?key|token|passw(or)?d|secret)$")  # variables, and keys of overrides
WITHIN = re.compile(r"://[^/@\s:]*:[^/@\s]+@")  # of a URL
SHORTEST = 8  # characters: hiding shorter secrets would hide ordinary words
HIDDEN = "***"


def secrets() -> Iterator[str]:
    """What the environment and ~/.netrc keep secret."""
    values = [value for name, value in os.environ.items() if NAMED.search(name)]
    with contextlib.suppress(RuntimeError):  # no home
        values += _passwords(Path.home() / ".netrc")
    yield from (value for value in values if len(value) >= SHORTEST)


@cache
def _passwords(path: Path) -> list[str]:
    """The passwords in ~/.netrc; read once, since every log line is searched for them."""
    try:
        return [password or "" for _, _, password in netrc.netrc(path).hosts.values()]
    except (OSError, netrc.NetrcParseError):
        return []


def hidden(text: str) -> str:
    """A text with its secrets replaced."""
    for secret in secrets():
        text = text.replace(secret, HIDDEN)
    return WITHIN.sub(f"://{HIDDEN}@", text)


def refuse_secrets(words: Iterable[str]) -> None:
    """Refuse a command, or a config's ``key=value``, that would leave a secret in the run's files.

    Raises:
        ValueError: naming the key, not the value.
    """
    known = list(secrets())
    for word in words:
        key, equals, value = word.partition("=")
        name = key.lstrip("+~-")
        if equals and value not in ("", "null") and NAMED.search(name):
            raise ValueError(_sentence(f"{name}=...", "may be a secret"))
        if WITHIN.search(value) or any(secret in word for secret in known):
            raise ValueError(_sentence(f"{hidden(name)}=...", "holds a secret"))


def _sentence(what: str, why: str) -> str:
    return (
        f"{what} {why}, and a run keeps its command and config; give it through the environment instead: "
        "WANDB_API_KEY or `wandb login`, HF_TOKEN, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    )
