"""The axes of a sweep: the values that its command line and YAML give a key, spelt as on the command line."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, ListConfig, OmegaConf

from rnnsearch.config.keys.roles import SWEEPING
from rnnsearch.config.overrides import UNSWEPT, as_typed, spelt, swept_values
from rnnsearch.sweeps.combinations import Axis
from rnnsearch.sweeps.search_space import Choices, Dimension, Range

OWNED = (*UNSWEPT, *SWEEPING, "protocol", "paths")  # keys and groups with one value for all points of a study
MOST = 100_000  # values of an axis


def axis(override: Override) -> Axis:
    """An override's key and the values it sweeps over; no values if it deletes its key.

    Raises:
        ValueError: if the values can't be listed, or there are none.
    """
    key = override.get_key_element()
    if override.is_interval_sweep():
        raise ValueError(
            f"{override.input_line}: an interval has no end of values; list some, or search it: add sweep=optuna_tpe"
        )
    if override.is_sweep_override():
        return Axis(key, _listed(override))
    return Axis(key, () if override.is_delete() else (override.get_value_element_as_str(),))


def dimension(override: Override) -> Dimension:
    """What a search may choose from.

    Raises:
        ValueError: for a range or list that holds nothing.
    """
    value = override.value()
    if not isinstance(value, IntervalSweep):
        return Choices(_listed(override))
    assert value.start is not None
    assert value.end is not None
    whole = type(value.start) is int and type(value.end) is int
    return Range(float(value.start), float(value.end), whole=whole, log="log" in value.tags)


def ends(options: Dimension) -> tuple[str, ...]:
    """Every choice, or the ends of a range."""
    if isinstance(options, Choices):
        return options.choices
    return tuple(str(int(end) if options.whole else end) for end in (options.low, options.high))


def _listed(override: Override) -> tuple[str, ...]:
    _check_free(override.key_or_group, str(override.input_line), ())
    try:
        values = tuple(islice(swept_values(override), MOST + 1))
    except ValueError:  # Python's range, of a step
        raise ValueError(f"{override.input_line}: the step of a range can't be 0") from None
    if len(values) > MOST:
        raise ValueError(f"{override.input_line}: these are more than {MOST:,} values; a sweep trains a point for each")
    if not values:
        raise ValueError(
            f"{override.input_line}: there is no value in it; give some, such as {override.key_or_group}=A,B"
        )
    return tuple(dict.fromkeys(values))


def grid_text(key: str, value: Any) -> str:
    """A key of a YAML file's grid with its values, as an override of the command line.

    Raises:
        ValueError: for a key with one value for all points, or a key without values.
    """
    _check_free(key, "sweep.grid", ())
    return as_typed(f"{key}={sweep_text(value)}", swept=True)


def sweep_text(value: Any) -> str:
    """Values of a YAML file as the command line spells them: each item of a list; a text as it is.

    Raises:
        ValueError: for an empty list.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, ListConfig):
        return spelt(_contained(value))
    if not value:
        raise ValueError("sweep.grid: a key has an empty list; give it values, or leave the key out")
    return ",".join(spelt(_contained(item)) for item in value)


def together(texts: Iterable[Any], where: str, *, owned: Iterable[str] = ()) -> Iterator[str]:
    """The overrides of one list, which go together; each has one value.

    Args:
        texts: of a YAML file.
        where: their place, for error messages.
        owned: keys with one value for all lists, in addition to `OWNED`.

    Raises:
        ValueError: for an override with several values, or of a key with one value for all.
        HydraException: for an override that can't be parsed.
    """
    for text in (as_typed(str(item), swept=False) for item in texts):
        (override,) = OverridesParser.create().parse_overrides([text])
        if override.is_sweep_override():
            raise ValueError(f"{where}: {text} has several values; give it one, in a list for each of them")
        _check_free(override.key_or_group, where, owned)
        yield text


def _check_free(key: str, where: str, owned: Iterable[str]) -> None:
    if any(fnmatchcase(key.replace("/", "."), pattern) for pattern in (*OWNED, *owned)):
        raise ValueError(f"{where}: {key} is the same for a whole study; give it one value, on the command line")


def _contained(value: Any) -> Any:
    return OmegaConf.to_container(value) if isinstance(value, DictConfig | ListConfig) else value
