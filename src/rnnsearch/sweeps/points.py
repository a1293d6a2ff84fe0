"""From overrides to the points of a study: composed, matched in size, and given a folder."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.build import build_data
from rnnsearch.config.compose import Composer, known_keys, settle_budget, settling
from rnnsearch.config.identity import is_hashed, point_key
from rnnsearch.config.keys.roles import SWEEPING
from rnnsearch.config.model_size import matched_overrides, quantity
from rnnsearch.config.overrides import Overrides, key_of, quoted
from rnnsearch.config.plain_values import Once, flat
from rnnsearch.config.value_checks import canonical
from rnnsearch.records.run_config import CONFIG
from rnnsearch.records.run_record import JOB, RECORD
from rnnsearch.runs.ancestor import Ancestors, composed
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.combinations import Composed
from rnnsearch.sweeps.inputs import Inputs
from rnnsearch.sweeps.ledger import Point

if TYPE_CHECKING:  # Lightning takes seconds to import
    from rnnsearch.data.datamodule import ParallelDataModule

SHOWN = 5  # keys in a sentence
KEPT = 128  # configs of points kept at a time
PIN = "init_sha256"
HALVINGS = 3  # of the batch, when memory does not suffice


class Points:
    """Makes the points of one study.

    Args:
        study: its folder.
        flags: of the command line, such as ``--config-dir=DIR``.
        inputs: gets to know the points' data.
    """

    def __init__(self, study: Path, flags: Sequence[str], inputs: Inputs) -> None:
        self.study = study
        self.flags = tuple(flags)
        self.inputs = inputs
        self.ancestors = Ancestors(lambda: (path.parent for path in sorted(study.glob(f"*/{CONFIG}"))))
        self.composer = Composer("train", [flag.partition("=")[2] for flag in self.flags])
        self._prepared: dict[str, ParallelDataModule] = {}
        self._config = lru_cache(maxsize=KEPT)(self._compose)  # a point is asked for many times before it is trained
        self._values = lru_cache(maxsize=None)(self._compose_values)
        self._canonical = Once(canonical)
        self._composed = lru_cache(maxsize=None)(self._identify)

    def config(self, overrides: Sequence[str]) -> DictConfig:
        """The config that ``rnnsearch train`` composes, read only."""
        return self._config(tuple(overrides))

    def _compose(self, overrides: Overrides) -> DictConfig:
        config = self.composer(overrides)
        settle_budget(config, overrides)
        if (ancestor := self.ancestors.of(config, overrides)) is not None:
            ancestor.settle(config)
        OmegaConf.set_readonly(config, True)
        return config

    def values(self, overrides: Sequence[str]) -> Mapping[str, Any]:
        """The resolved values of that config, in a hundredth of the time; points share what is equal in them."""
        return self._values(tuple(overrides))

    def _compose_values(self, overrides: Overrides) -> Mapping[str, Any]:
        values = self.composer.values(overrides)
        more = settling(values, overrides)
        values = self.composer.values((*overrides, *more)) if more else values
        ancestor = self.ancestors.of(values, overrides)
        return values if ancestor is None else {**values, **ancestor.settings}

    def composed(self, overrides: Overrides) -> Composed:
        """The overrides with the key of their config.

        Raises:
            UnknownKey: for an override of a key that the config lacks.
        """
        return self._composed(overrides)

    def _identify(self, overrides: Overrides) -> Composed:
        with known_keys():
            values = self.values(overrides)
        meant = {name: section for part in self._canonical.each(values) for name, section in part.items()}
        key = point_key(meant)
        older = key if repr(meant) == repr(values) else point_key(values)
        return Composed(overrides, key, values["seed"], older)

    def matched(self, overrides: Overrides, reference: Overrides, *, by: str) -> Overrides:
        """The overrides plus the hidden sizes that make their model as large as the reference, in parameters or flops.

        Raises:
            ValueError: if no sizes come near enough.
        """
        config = self.config(overrides)
        sizes, lengths = self._data(config).tokenizers.sizes, self.mean_lengths(config, by)
        return (*overrides, *matched_overrides(config, self.size(reference, by=by), sizes, by, lengths))

    def size(self, overrides: Overrides, *, by: str) -> float:
        """The size of a model: its parameters, or its operations per target token at the corpus's mean lengths.

        Raises:
            ValueError: if the overrides make no model, or its operations can't be counted.
        """
        config = self.config(overrides)
        return quantity(config, self._data(config).tokenizers.sizes, by, self.mean_lengths(config, by))

    def mean_lengths(self, config: DictConfig, by: str) -> tuple[float, float] | None:
        """Mean lengths of a config's training pairs, in tokens; only needed to match models by operations."""
        return self._data(config).mean_lengths if by == "flops" else None

    def _data(self, config: DictConfig) -> "ParallelDataModule":
        """The data of a config, prepared if needed."""
        sections = [OmegaConf.to_container(config[name], resolve=True) for name in ("data", "tokenizer", "filters")]
        key = str([*sections, config.streaming])
        if key not in self._prepared:
            data = self._prepared[key] = build_data(config)
            data.prepare_data()
        return self._prepared[key]

    def point(self, composed: Composed, member: str) -> Point:
        """A point with its folder, whether that exists yet or not."""
        there = [
            (folder, key) for key in (composed.key, composed.older_key) if (folder := ledger.find(self.study, key))
        ]
        folder, key = (*there, (self.study / ledger.folder_name(member, composed.seed, composed.key), composed.key))[0]
        overrides = (*composed.overrides, *self.names(member))
        return self.point_in(folder, member, overrides, self.values(composed.overrides), key=key)

    def point_in(
        self,
        folder: Path,
        member: str,
        overrides: Overrides,
        values: Mapping[str, Any],
        *,
        key: str,
        trial: dict[str, Any] | None = None,
    ) -> Point:
        """A point of this command, whose config has these values, in a given folder."""
        self.inputs.ask(values)
        trainer = values["trainer"]
        return Point(
            folder=folder,
            key=key,
            member=member,
            seed=values["seed"],
            overrides=pinned(overrides, values),
            flags=self.flags,
            directory=str(Path.cwd()),
            fallbacks=tuple(_fallbacks(values)),
            updates=values["budget"]["updates"],
            devices=trainer["devices"] if type(trainer["devices"]) is int else 1,
            accelerator=str(trainer["accelerator"]),
            trial=trial,
        )

    def names(self, member: str) -> Overrides:
        """The overrides that name a point's study and member."""
        return (f"study={quoted(self.study.name)}", f"member={quoted(member)}")


def pinned(overrides: Overrides, values: Mapping[str, Any]) -> Overrides:
    """The overrides with the checksum of the ancestor's weights, so that no others are trained from under its key."""
    if values.get("init") is None or any(key_of(word) == PIN for word in overrides):
        return overrides
    return (*overrides, f"{PIN}={values[PIN]}")


def write_points(points: Sequence[Point]) -> None:
    """Write job.json of all points, except those that are being trained.

    Raises:
        ValueError: if a folder holds a run that is not a point, since it would be cleared.
    """
    for point in points:
        if (point.folder / RECORD).is_file() and not (point.folder / JOB).is_file():
            raise ValueError(
                f"{point.folder} holds a run that no study asked for; remove it, or choose another study=NAME"
            )
        ledger.write_unless_supervised(point)


def check_defaults(study: Path, points: Sequence[Point]) -> None:
    """Refuse to retrain what the study has from an earlier version with other defaults.

    Raises:
        ValueError: naming the keys, if the earlier run's config exists, and how to go on with it.
    """
    known = {_asked(point): point for point in ledger.read_points(study) if point.trial is None}
    for point in points:
        earlier = known.get(_asked(point))
        if earlier is None or earlier.key == point.key or not (differing := _differing(earlier, point)):
            continue
        raise ValueError(
            f"{earlier.folder.name} was asked for by the same words, and the defaults of this version are others "
            f"({differing}); give the old values to go on with the study, or take another study=NAME"
        )


def _asked(point: Point) -> frozenset[str]:
    """The overrides that make up a training's config."""
    ours = (*SWEEPING, "member", "tags", "note", "paths")
    return frozenset(override for override in point.overrides if key_of(override).split(".")[0] not in ours)


def _differing(earlier: Point, point: Point) -> str:
    """The keys in which two points differ, with their values; empty if the earlier one left no config."""
    if not (earlier.folder / CONFIG).is_file():
        return ""
    from rnnsearch.runs.run_folder import read_config

    config = composed(point.overrides, [flag.partition("=")[2] for flag in point.flags])
    was, now = flat(read_config(earlier.folder)), flat(config)
    keys = [key for key in sorted(was.keys() & now.keys()) if is_hashed(key) and was[key] != now[key]]
    return "; ".join(f"{key} was {was[key]}, is {now[key]}" for key in keys[:SHOWN])


def _fallbacks(values: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Half the batch and twice the accumulation, repeatedly."""
    batches, accumulated = values["batches"], values["trainer"]["accumulate_grad_batches"]
    key = "size" if "size" in batches else "batch_size"
    for times in (2**halving for halving in range(1, HALVINGS + 1)):
        if batches[key] >= times:
            yield (f"batches.{key}={batches[key] // times}", f"trainer.accumulate_grad_batches={accumulated * times}")
