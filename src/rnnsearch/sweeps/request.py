"""What a sweep is asked to train: members, combinations of values and lists of overrides, each with seeds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from rnnsearch.config.keys.roles import SWEEPING, TRUST
from rnnsearch.config.overrides import Overrides, key_of, value_of
from rnnsearch.sweeps.axes import axis, grid_text, together
from rnnsearch.sweeps.combinations import Axis, combinations

NAME = "member/name"  # pseudo-key for a member's name among the overrides that make up its label


@dataclass(frozen=True)
class Asked:
    """A training that is run with every seed.

    Attributes:
        member: its name; None if it is named by what differs.
        overrides: of a training, without the seed.
        told: those overrides that distinguish it from others of the same member.
        seeds: as they were typed.
    """

    member: str | None
    overrides: Overrides
    told: Overrides
    seeds: tuple[str, ...]

    def with_(self, *more: str) -> "Asked":
        """A copy with more overrides."""
        return replace(self, overrides=(*self.overrides, *more))

    @property
    def label_source(self) -> Overrides:
        """The overrides that make up its label."""
        return self.overrides if self.member is None else (f"{NAME}={self.member}", *self.told)


class Request:
    """The parsed command line and config of a sweep.

    Args:
        config: of the command.
        arguments: of the command line.
        loader: Hydra's, which knows the options of groups.

    Raises:
        ValueError: for several values of a key that has one value per study, or seeds given twice.
    """

    def __init__(self, config: DictConfig, arguments: Sequence[str], loader: ConfigLoader | None) -> None:
        self.config = config
        self._parser = OverridesParser.create(config_loader=loader)
        parsed = self._parser.parse_overrides(list(arguments))
        self.given = [
            override for override in parsed if not override.is_hydra_override() and override.key_or_group != TRUST
        ]
        self.given_keys = {key_of(str(override.input_line)) for override in self.given}
        self._check_own()

    @cached_property
    def _every_axis(self) -> list[Axis]:
        return [axis(override) for override in self.overrides()]

    @cached_property
    def _axes(self) -> list[Axis]:
        """The axes with several values, without the seed."""
        return [entry for entry in self._every_axis if len(entry.values) > 1 and entry.key != "seed"]

    @cached_property
    def _lists(self) -> list[Overrides]:
        return [(*together(texts, "sweep.points"),) for texts in self.config.sweep.points or []]

    @cached_property
    def fixed(self) -> Overrides:
        """Overrides that every training gets."""
        return tuple(_text(entry) for entry in self._every_axis if len(entry.values) < 2 and entry.key != "seed")

    @cached_property
    def swept(self) -> list[str]:
        """Keys of several values, or of an interval in a search, which has no end of values."""
        if self.config.sweep.search:
            return [override.get_key_element() for override in self.overrides() if override.is_sweep_override()]
        return [*(entry.key for entry in self._axes), *(key_of(word) for words in self._lists for word in words)]

    @cached_property
    def seeds(self) -> tuple[str, ...]:
        """The seeds of ``seed=`` on the command line, else of ``seeds``, else of the grid, else the config's one."""
        swept = next((entry.values for entry in self._every_axis if entry.key == "seed"), ())
        if swept and ("seed" in self.given_keys or self.config.seeds is None):
            return swept
        return tuple(map(str, self.config.seeds or (self.config.seed,)))

    def _check_own(self) -> None:
        """Refuse several values of the sweep's own keys, and seeds given twice."""
        for override in self.given:
            if is_own(override) and override.is_sweep_override():
                axis(override)  # which refuses it
        if {"seed", "seeds"} <= self.given_keys:
            raise ValueError("seed and seeds are two names of one thing; give one of them, such as 'seeds=[0,1]'")

    def overrides(self) -> list[Override]:
        """Overrides of the sweep section and the command line, which wins; without the sweep's own keys."""
        grid = self.config.sweep.grid.items_ex(resolve=True)
        texts = [grid_text(str(key), value) for key, value in grid if key not in self.given_keys]
        return [override for override in (*self._parser.parse_overrides(texts), *self.given) if not is_own(override)]

    def asked(self) -> list[Asked]:
        """Everything to train: members by lists by values, each once, with all its seeds.

        Raises:
            ValueError: for an invalid member.
        """
        merged: dict[tuple[str | None, Overrides], Asked] = {}
        for name, own in self._members().items():
            for combined in combinations((), self._axes, self._lists):
                seeds = [value_of(override) for override in combined if key_of(override) == "seed"]
                told = tuple(override for override in combined if key_of(override) != "seed")
                asked = Asked(name, (*self.fixed, *own, *told), told, tuple(seeds) or self.seeds)
                before = merged.get((name, asked.overrides))
                all_seeds = dict.fromkeys((*(before.seeds if before else ()), *asked.seeds))
                merged[name, asked.overrides] = replace(asked, seeds=tuple(all_seeds))
        return list(merged.values())

    def _members(self) -> Mapping[str | None, Overrides]:
        members = self.config.members
        if not members:
            return {None: ()}
        return {
            str(name): (*together(overrides, f"members.{name}", owned=("seed",)),)
            for name, overrides in members.items()
        }


def is_own(override: Override) -> bool:
    """Whether an override is for the sweep rather than for a training."""
    return key_of(str(override.input_line)).split(".")[0].split("/")[0] in SWEEPING


def texts(overrides: Sequence[Override]) -> Iterator[str]:
    """Overrides with a single value, as a training gets them."""
    return (_text(axis(override)) for override in overrides)


def _text(entry: Axis) -> str:
    return f"{entry.key}={entry.values[0]}" if entry.values else entry.key
