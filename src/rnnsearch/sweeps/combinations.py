"""The points of a sweep: every combination of its axes, without keys that a point lacks, each once.

Nothing here knows Hydra: overrides are text, and the function that composes them is passed in.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from rnnsearch.config.compose import UnknownKey
from rnnsearch.config.overrides import Overrides, key_of


@dataclass(frozen=True)
class Axis:
    """What is swept: a key or group, and its values as on the command line."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Composed:
    """The overrides of a point that its config has keys for, and what distinguishes the config.

    Attributes:
        older_key: the key of earlier versions, which told 0 from 0.0.
        places: the indices of the candidates that it stands for.
    """

    overrides: Overrides
    key: str
    seed: int
    older_key: str = ""
    places: tuple[int, ...] = ()


def combinations(fixed: Sequence[str], axes: Sequence[Axis], lists: Sequence[Sequence[str]] = ()) -> list[Overrides]:
    """Every combination of the lists and the axes' values, each with the fixed overrides; the last axis is fastest."""
    swept = [[f"{axis.key}={value}" for value in axis.values] for axis in axes]
    together: Sequence[Sequence[str]] = lists or [()]
    return [(*fixed, *joined, *values) for joined in together for values in product(*swept)]


def active(overrides: Overrides, try_compose: Callable[[Overrides], object]) -> tuple[Overrides, dict[str, UnknownKey]]:
    """The overrides without those whose keys the config lacks, and the errors for these, by key."""
    lacking: dict[str, UnknownKey] = {}
    while True:
        try:
            try_compose(overrides)
        except UnknownKey as error:
            kept = tuple(override for override in overrides if key_of(override) != error.key)
            if len(kept) == len(overrides):
                raise  # a config file asks for it, not an override
            overrides, lacking[error.key] = kept, error
        else:
            return overrides, lacking


def composed(candidates: Iterable[Overrides], compose: Callable[[Overrides], Composed]) -> list[Composed]:
    """The points of the candidates: keys that a point lacks are dropped, and equal points are merged.

    Equal points keep only the overrides that they share, if these still make the same point: the others have no effect
    (such as the attention size with a fixed context).

    Raises:
        UnknownKey: for a key that no candidate has.
    """
    groups: dict[str, dict[int, Overrides]] = {}
    lacked: dict[str, UnknownKey] = {}
    known: set[str] = set()
    for place, candidate in enumerate(candidates):
        overrides, lacking = active(candidate, compose)
        known |= {key_of(override) for override in overrides}
        lacked |= lacking
        groups.setdefault(compose(overrides).key, {})[place] = overrides
    for key, error in lacked.items():
        if key not in known:
            raise error
    return [replace(_one([*equal.values()], compose), places=tuple(equal)) for equal in groups.values()]


def _one(equal: Sequence[Overrides], compose: Callable[[Overrides], Composed]) -> Composed:
    first = compose(equal[0])
    shared = tuple(override for override in equal[0] if all(override in other for other in equal[1:]))
    if shared == equal[0]:
        return first
    smaller = compose(shared)
    return smaller if smaller.key == first.key else first
