"""What distinguishes configurations: a hash without the keys that change no result.

`rnnsearch.config.keys.roles` says which keys count.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from rnnsearch.config.keys.roles import CORRECTED, READ_WITH, UNCOUNTED, Role, keys_of, within
from rnnsearch.records.nested import value_at, without_key, without_nulls

AROUND = keys_of(Role.ABOUT, Role.CONTINUED, Role.SOURCE)
NOT_HASHED = keys_of(Role.ABOUT, Role.CONTINUED, Role.SOURCE, Role.MACHINE)


def is_hashed(key: str) -> bool:
    """Whether a dotted key of a config counts in its hash."""
    return not within(key, NOT_HASHED)


def config_hash(config: Mapping[str, Any], *, left_out: Iterable[str] = NOT_HASHED) -> str:
    """SHA-256 (16 hex digits) of a resolved config without ``left_out``, null keys, unread ones, and `UNCOUNTED`.

    Equal hashes mean the same computation, apart from the machine, the number of threads and the files read, whose
    checksums are in the record. A new key that is null in older configs changes no hash.
    """
    kept = config
    for key in (*left_out, *unread(config), *UNCOUNTED):
        if key not in UNCOUNTED or value_at(kept, key) == UNCOUNTED[key]:
            kept = without_key(kept, key)
    counted = without_nulls(kept)
    if counted.get("callbacks") == {}:  # none of them changes a result
        del counted["callbacks"]
    return hashlib.sha256(json.dumps(counted, sort_keys=True, default=str).encode()).hexdigest()[:16]


def point_key(config: Mapping[str, Any]) -> str:
    """The key of a sweep's point: as `config_hash`, but strategy, devices and kernels count, too."""
    return config_hash(config, left_out=AROUND)


def training_key(config: Mapping[str, Any]) -> str:
    """As `point_key`, without what is read after training alone: two points of this key have the same weights.

    Of the search, validation reads its bounds.
    """
    bounds = {key: value for key, value in config["search"].items() if f"search.{key}" not in CORRECTED}
    return point_key({**config, "search": {**bounds, **(value_at(config, "validation.search") or {})}})


def unread(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The sections of a config that are not read, since the key that enables them is null."""
    return tuple(section for section, key in READ_WITH.items() if value_at(config, key) is None)
