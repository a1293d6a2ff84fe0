"""The axes of a sweep: the values that its command line and its YAML give a key, as the command line has them."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, ListConfig, OmegaConf

from rnnsearch.cli.spelling import UNSWEPT, as_typed, spelt, swept_values
from rnnsearch.keys.roles import SWEEPING
from rnnsearch.sweep.points import Axis
from rnnsearch.sweep.space import Choices, Dimension, Range

OWNED = (*UNSWEPT, *SWEEPING, "protocol", "paths")  # keys and groups that are one for all points of a study
MOST = 100_000  # values of an axis


def axis(one: Override) -> Axis:
    """An override and the values that it sweeps over; no value for one that deletes its key.

    Raises:
        ValueError: for values that can't be listed, or none.
    """
    key = one.get_key_element()
    if one.is_interval_sweep():
        raise ValueError(
            f"{one.input_line}: an interval has no end of values; list some, or search it: add sweep=optuna_tpe"
        )
    if one.is_sweep_override():
        return Axis(key, _listed(one))
    return Axis(key, () if one.is_delete() else (one.get_value_element_as_str(),))


def dimension(one: Override) -> Dimension:
    """What a search may choose from.

    Raises:
        ValueError: for a range or list that holds nothing.
    """
    value = one.value()
    if not isinstance(value, IntervalSweep):
        return Choices(_listed(one))
    assert value.start is not None
    assert value.end is not None
    whole = type(value.start) is int and type(value.end) is int
    return Range(float(value.start), float(value.end), whole=whole, log="log" in value.tags)


def ends(one: Dimension) -> tuple[str, ...]:
    """Every choice, or the ends of a range."""
    if isinstance(one, Choices):
        return one.choices
    return tuple(str(int(end) if one.whole else end) for end in (one.low, one.high))


def _listed(one: Override) -> tuple[str, ...]:
    _check_free(one.key_or_group, str(one.input_line), ())
    try:
        values = tuple(islice(swept_values(one), MOST + 1))
    except ValueError:  # Python's range, of a step
        raise ValueError(f"{one.input_line}: the step of a range can't be 0") from None
    if len(values) > MOST:
        raise ValueError(f"{one.input_line}: these are more than {MOST:,} values; a sweep trains a point for each")
    if not values:
        raise ValueError(f"{one.input_line}: there is no value in it; give some, such as {one.key_or_group}=A,B")
    return tuple(dict.fromkeys(values))


def grid_text(key: str, value: Any) -> str:
    """A key of a YAML file's grid with its values, as an override of the command line.

    Raises:
        ValueError: for a key that is one for all points, or without values.
    """
    _check_free(key, "sweep.grid", ())
    return as_typed(f"{key}={sweep_text(value)}", swept=True)


def sweep_text(value: Any) -> str:
    """Values of a YAML file as the command line has them: each of a list, or what the command line makes of a text.

    Raises:
        ValueError: for an empty list.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, ListConfig):
        return spelt(_contained(value))
    if not value:
        raise ValueError("sweep.grid: a key has an empty list; give it values, or leave the key out")
    return ",".join(spelt(_contained(one)) for one in value)


def together(texts: Iterable[Any], where: str, *, owned: Iterable[str] = ()) -> Iterator[str]:
    """Overrides of a list that go together, each with one value.

    Args:
        texts: of a YAML file.
        where: they stand, for a sentence.
        owned: keys that all lists have in common, beside `OWNED`.

    Raises:
        ValueError: for one of several values, or of a key that is one for all.
        HydraException: for one that can't be read.
    """
    for text in (as_typed(str(one), swept=False) for one in texts):
        (one,) = OverridesParser.create().parse_overrides([text])
        if one.is_sweep_override():
            raise ValueError(f"{where}: {text} has several values; give it one, in a list for each of them")
        _check_free(one.key_or_group, where, owned)
        yield text


def _check_free(key: str, where: str, owned: Iterable[str]) -> None:
    if any(fnmatchcase(key.replace("/", "."), pattern) for pattern in (*OWNED, *owned)):
        raise ValueError(f"{where}: {key} is the same for a whole study; give it one value, on the command line")


def _contained(value: Any) -> Any:
    return OmegaConf.to_container(value) if isinstance(value, DictConfig | ListConfig) else value
