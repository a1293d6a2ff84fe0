"""The points of a sweep: every combination of its axes, without what a point's options lack, each once.

Nothing here knows Hydra: overrides are text, and composing them is a function that is given.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

Overrides = tuple[str, ...]


class UnknownKey(ValueError):
    """Raised by a compose function for an override whose key the config lacks."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


@dataclass(frozen=True)
class Axis:
    """What is swept: a key or group, and its values as on the command line."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Composed:
    """The overrides of a point that its config has a place for, and what tells the config from others.

    Attributes:
        older_key: the key that earlier versions gave it, to which 0 and 0.0 were two values.
        places: of the candidates that it is, where it was one of several or more.
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
    """The overrides without those that the config lacks; these by key, with what composing says of them."""
    lacking: dict[str, UnknownKey] = {}
    while True:
        try:
            try_compose(overrides)
        except UnknownKey as error:
            kept = tuple(one for one in overrides if key_of(one) != error.key)
            if len(kept) == len(overrides):
                raise  # a config file asks for it, no override
            overrides, lacking[error.key] = kept, error
        else:
            return overrides, lacking


def composed(candidates: Iterable[Overrides], compose: Callable[[Overrides], Composed]) -> list[Composed]:
    """The points of the candidates: keys that a point lacks are dropped, equal points are one.

    Of equal points only the overrides that all of them share are kept, where those make the same point: the others
    have no effect (the attention size beside a fixed context).

    Raises:
        UnknownKey: for a key that no candidate has.
    """
    groups: dict[str, dict[int, Overrides]] = {}
    lacked: dict[str, UnknownKey] = {}
    known: set[str] = set()
    for place, candidate in enumerate(candidates):
        overrides, lacking = active(candidate, compose)
        known |= {key_of(one) for one in overrides}
        lacked |= lacking
        groups.setdefault(compose(overrides).key, {})[place] = overrides
    for key, error in lacked.items():
        if key not in known:
            raise error
    return [replace(_one([*equal.values()], compose), places=tuple(equal)) for equal in groups.values()]


def _one(equal: Sequence[Overrides], compose: Callable[[Overrides], Composed]) -> Composed:
    first = compose(equal[0])
    shared = tuple(one for one in equal[0] if all(one in other for other in equal[1:]))
    if shared == equal[0]:
        return first
    smaller = compose(shared)
    return smaller if smaller.key == first.key else first


def key_of(override: str) -> str:
    """The key or group that an override names."""
    return override.partition("=")[0].lstrip("+~")


def value_of(override: str) -> str:
    """The value that an override gives."""
    return override.partition("=")[2]


def labels(points: Mapping[str, Overrides], *, without: Iterable[str] = ("seed",)) -> dict[str, dict[str, str]]:
    """What tells the points apart: point -> settings, the overrides by key in which not all points agree.

    A key of one value is left out where the chosen option says whether a point has it: the attention size, where the
    fixed context alone lacks it. Groups come first.

    Args:
        points: name -> overrides.
        without: keys that tell nothing, with all below them.
    """
    left_out = tuple(without)
    by_key = {name: {key_of(one): value_of(one) for one in overrides} for name, overrides in points.items()}
    every = dict.fromkeys(key for settings in by_key.values() for key in settings)
    keys = [key for key in every if not any(key == one or key.startswith(f"{one}.") for one in left_out)]
    differing = [key for key in keys if len({settings.get(key) for settings in by_key.values()}) > 1]
    groups = [key for key in differing if "/" in key or "." not in key]
    told = [key for key in differing if key not in groups and _is_told(key, groups, list(by_key.values()))]
    kept = [*groups, *(key for key in differing if key not in groups and key not in told)]
    return {name: {key: settings[key] for key in kept if key in settings} for name, settings in by_key.items()}


def _is_told(key: str, groups: Iterable[str], points: Sequence[Mapping[str, str]]) -> bool:
    """Whether a key has one value wherever it is, and a group's option says where that is."""
    if len({settings[key] for settings in points if key in settings}) > 1:
        return False
    return any(
        len({(settings.get(group), key in settings) for settings in points})
        == len({settings.get(group) for settings in points})
        for group in groups
    )


def in_words(settings: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """A label for each point's settings; other settings have another label, with whole keys if need be."""
    short = {point: label(one) for point, one in settings.items()}
    meanings: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for point, one in settings.items():
        meanings.setdefault(short[point], set()).add(tuple(one.items()))
    return {
        point: words
        if len(meanings[words]) == 1
        else ", ".join(f"{k}={v}" for k, v in settings[point].items()) or words
        for point, words in short.items()
    }


def label(settings: Mapping[str, str]) -> str:
    """Settings in words: `additive, attention_size=8`; `all` where nothing differs."""
    return ", ".join(_word(key, value.strip("\"'")) for key, value in settings.items()) or "all"


def _word(key: str, value: str) -> str:
    names_an_option = "." not in key and value[:1].isalpha() and value.lower() not in ("true", "false", "null")
    return value if "/" in key or names_an_option else f"{key.rpartition('.')[2]}={value}"
