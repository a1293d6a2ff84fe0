"""What tells the points of a sweep apart, in words."""

from collections.abc import Iterable, Mapping, Sequence

from rnnsearch.config.keys.roles import within
from rnnsearch.config.overrides import Overrides, key_of, value_of


def labels(points: Mapping[str, Overrides], *, without: Iterable[str] = ("seed",)) -> dict[str, dict[str, str]]:
    """What tells the points apart: point -> settings, the overrides (by key) in which the points differ.

    A key with a single value is left out where the chosen option already says whether a point has it, such as the
    attention size that only the fixed context lacks. Groups come first.

    Args:
        points: name -> overrides.
        without: keys to ignore, with everything below them.
    """
    left_out = tuple(without)
    by_key = {name: {key_of(word): value_of(word) for word in overrides} for name, overrides in points.items()}
    all_keys = dict.fromkeys(key for settings in by_key.values() for key in settings)
    keys = [key for key in all_keys if not _is_left_out(key, by_key.values(), left_out)]
    differing = [key for key in keys if len({settings.get(key) for settings in by_key.values()}) > 1]
    groups = [key for key in differing if "/" in key or "." not in key]
    implied = [key for key in differing if key not in groups and _is_implied(key, groups, list(by_key.values()))]
    telling = [*groups, *(key for key in differing if key not in groups and key not in implied)]
    return {name: {key: settings[key] for key in telling if key in settings} for name, settings in by_key.items()}


def _is_left_out(key: str, points: Iterable[Mapping[str, str]], names: tuple[str, ...]) -> bool:
    """Whether a key is ignored, or chooses only options of its group that are, as callbacks=throughput does."""
    options = {option for point in points if key in point for option in point[key].strip("[]").split(",")}
    return within(key, names) or all(within(f"{key}.{option.strip()}", names) for option in options)


def _is_implied(key: str, groups: Iterable[str], points: Sequence[Mapping[str, str]]) -> bool:
    """Whether a key has the same value wherever it occurs, and a group's option says where it occurs."""
    if len({settings[key] for settings in points if key in settings}) > 1:
        return False
    return any(
        len({(settings.get(group), key in settings) for settings in points})
        == len({settings.get(group) for settings in points})
        for group in groups
    )


def in_words(settings: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """A label for each point's settings; different settings get different labels, with whole keys if need be."""
    short = {point: label(values) for point, values in settings.items()}
    meanings: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for point, values in settings.items():
        meanings.setdefault(short[point], set()).add(tuple(values.items()))
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
    if key == "init":  # a run is known by its folder's name
        value = value.rstrip("/").rpartition("/")[2]
    names_an_option = "." not in key and value[:1].isalpha() and value.lower() not in ("true", "false", "null")
    return value if "/" in key or names_an_option else f"{key.rpartition('.')[2]}={value}"
