"""What a sweep is asked to train: members, combinations of values and lists of overrides, each with its seeds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from rnnsearch.cli.axes import axis, grid_text, together
from rnnsearch.keys.roles import SWEEPING, TRUST
from rnnsearch.sweep.points import Axis, Overrides, combinations, key_of, value_of

NAME = "member/name"  # stands for a member's name among the overrides that a label is made from


@dataclass(frozen=True)
class Asked:
    """One thing that is trained with every seed.

    Attributes:
        member: its name; None where what differs names it.
        overrides: of a training, without the seed.
        told: those of them that tell it from others of the same member.
        seeds: with which it is trained, as they were typed.
    """

    member: str | None
    overrides: Overrides
    told: Overrides
    seeds: tuple[str, ...]

    def with_(self, *more: str) -> "Asked":
        """The same with more overrides."""
        return replace(self, overrides=(*self.overrides, *more))

    @property
    def label_source(self) -> Overrides:
        """The overrides of which its label is made."""
        return self.overrides if self.member is None else (f"{NAME}={self.member}", *self.told)


class Request:
    """The command line and the config of a sweep, read.

    Args:
        config: of the command.
        arguments: of the command line.
        loader: of Hydra, which knows the options of groups.

    Raises:
        ValueError: for several values of what is one for a study, or seeds that are given twice.
    """

    def __init__(self, config: DictConfig, arguments: Sequence[str], loader: ConfigLoader | None) -> None:
        self.config = config
        self._parser = OverridesParser.create(config_loader=loader)
        parsed = self._parser.parse_overrides(list(arguments))
        self.given = [one for one in parsed if not one.is_hydra_override() and one.key_or_group != TRUST]
        self.given_keys = {key_of(str(one.input_line)) for one in self.given}
        self._check_own()

    @cached_property
    def _every_axis(self) -> list[Axis]:
        return [axis(one) for one in self.overrides()]

    @cached_property
    def _axes(self) -> list[Axis]:
        """Of several values, without the seed."""
        return [one for one in self._every_axis if len(one.values) > 1 and one.key != "seed"]

    @cached_property
    def _lists(self) -> list[Overrides]:
        return [(*together(texts, "sweep.points"),) for texts in self.config.sweep.points or []]

    @cached_property
    def fixed(self) -> Overrides:
        """Overrides that every training gets."""
        return tuple(_text(one) for one in self._every_axis if len(one.values) < 2 and one.key != "seed")

    @cached_property
    def swept(self) -> list[str]:
        """Keys of several values."""
        return [*(one.key for one in self._axes), *(key_of(one) for texts in self._lists for one in texts)]

    @cached_property
    def seeds(self) -> tuple[str, ...]:
        """Those of ``seed=`` on the command line, else of ``seeds``, else of the grid, else the config's one."""
        swept = next((one.values for one in self._every_axis if one.key == "seed"), ())
        if swept and ("seed" in self.given_keys or self.config.seeds is None):
            return swept
        return tuple(map(str, self.config.seeds or (self.config.seed,)))

    def _check_own(self) -> None:
        """Refuse several values of what is the sweep's own, and seeds that are given twice."""
        for one in self.given:
            if is_own(one) and one.is_sweep_override():
                axis(one)  # which refuses it
        if {"seed", "seeds"} <= self.given_keys:
            raise ValueError("seed and seeds are two names of one thing; give one of them, such as 'seeds=[0,1]'")

    def overrides(self) -> list[Override]:
        """Those of the sweep section, and those given, which come first where both name a key; none is the sweep's."""
        grid = self.config.sweep.grid.items_ex(resolve=True)
        texts = [grid_text(str(key), value) for key, value in grid if key not in self.given_keys]
        return [one for one in (*self._parser.parse_overrides(texts), *self.given) if not is_own(one)]

    def asked(self) -> list[Asked]:
        """Everything that is trained: members by lists by values, each once, with all its seeds.

        Raises:
            ValueError: for a member that can't be.
        """
        found: dict[tuple[str | None, Overrides], Asked] = {}
        for name, own in self._members().items():
            for combined in combinations((), self._axes, self._lists):
                seeds = [value_of(one) for one in combined if key_of(one) == "seed"]
                told = tuple(one for one in combined if key_of(one) != "seed")
                one = Asked(name, (*self.fixed, *own, *told), told, tuple(seeds) or self.seeds)
                before = found.get((name, one.overrides))
                every = dict.fromkeys((*(before.seeds if before else ()), *one.seeds))
                found[name, one.overrides] = replace(one, seeds=tuple(every))
        return list(found.values())

    def _members(self) -> Mapping[str | None, Overrides]:
        members = self.config.members
        if not members:
            return {None: ()}
        return {
            str(name): (*together(overrides, f"members.{name}", owned=("seed",)),)
            for name, overrides in members.items()
        }


def is_own(one: Override) -> bool:
    """Whether an override is the sweep's own, and no training's."""
    return key_of(str(one.input_line)).split(".")[0].split("/")[0] in SWEEPING


def texts(overrides: Sequence[Override]) -> Iterator[str]:
    """Overrides of one value as they are given to a training."""
    return (_text(axis(one)) for one in overrides)


def _text(one: Axis) -> str:
    return f"{one.key}={one.values[0]}" if one.values else one.key
