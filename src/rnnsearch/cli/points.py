"""From overrides to the points of a study: composed, matched in size, with the folders that they have or will have."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli.build import build_data
from rnnsearch.cli.compose import Composer, compose, known_keys
from rnnsearch.cli.inputs import Inputs
from rnnsearch.cli.matched import matched_overrides, quantity
from rnnsearch.cli.plain import flat
from rnnsearch.cli.settings import settle_budget
from rnnsearch.cli.spelling import quoted
from rnnsearch.cli.values import canonical
from rnnsearch.keys.roles import SWEEPING
from rnnsearch.records import JOB, RECORD, is_hashed, point_key
from rnnsearch.run_config import CONFIG
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import Composed, Overrides, key_of

if TYPE_CHECKING:  # Lightning takes seconds to import
    from rnnsearch.data.datamodule import ParallelDataModule

SHOWN = 5  # keys in a sentence
HALVINGS = 3  # of the batch, when memory does not suffice


class Points:
    """Makes the points of one study.

    Args:
        study: its folder.
        flags: of the command line, such as ``--config-dir=DIR``.
        inputs: that are told of the points' data.
    """

    def __init__(self, study: Path, flags: Sequence[str], inputs: Inputs) -> None:
        self.study = study
        self.flags = tuple(flags)
        self.inputs = inputs
        self.composer = Composer("train", [flag.partition("=")[2] for flag in self.flags])
        self._prepared: dict[str, ParallelDataModule] = {}

    def config(self, overrides: Sequence[str]) -> DictConfig:
        """The config that ``rnnsearch train`` composes, for the caller to change."""
        config = self.composer(overrides)
        settle_budget(config, list(overrides))
        return config

    def composed(self, overrides: Overrides) -> Composed:
        """The overrides with the key of their config.

        Raises:
            UnknownKey: for an override of a key that the config lacks.
        """
        with known_keys():
            config = self.config(overrides)
        values: Any = OmegaConf.to_container(config, resolve=True)
        return Composed(overrides, point_key(canonical(values)), config.seed, point_key(values))

    def matched(self, overrides: Overrides, reference: Overrides, *, by: str) -> Overrides:
        """The overrides with the hidden sizes at which their model equals the reference's, by parameters or flops.

        Raises:
            ValueError: if no sizes come near enough.
        """
        config = self.config(overrides)
        sizes, lengths = self.vocabulary_sizes(config), self.mean_lengths(config, by)
        return (*overrides, *matched_overrides(config, self.size(reference, by=by), sizes, by, lengths))

    def size(self, overrides: Overrides, *, by: str) -> float:
        """Parameters, or operations a target token at the corpus's mean lengths, of the model of some overrides.

        Raises:
            ValueError: if it is no model, or its operations can't be counted.
        """
        config = self.config(overrides)
        return quantity(config, self.vocabulary_sizes(config), by, self.mean_lengths(config, by))

    def vocabulary_sizes(self, config: DictConfig) -> dict[str, int]:
        """Sizes of the vocabularies of a config."""
        return self._data(config).tokenizers.sizes

    def mean_lengths(self, config: DictConfig, by: str) -> tuple[float, float] | None:
        """Mean lengths of the training pairs of a config, in tokens, where models are matched by operations."""
        return self._data(config).mean_lengths if by == "flops" else None

    def _data(self, config: DictConfig) -> "ParallelDataModule":
        """The data of a config, prepared where that was not done yet."""
        parts = [OmegaConf.to_container(config[part], resolve=True) for part in ("data", "tokenizer", "filters")]
        key = str([*parts, config.streaming])
        if key not in self._prepared:
            data = self._prepared[key] = build_data(config)
            data.prepare_data()
        return self._prepared[key]

    def point(self, one: Composed, member: str) -> Point:
        """A point with the folder that it has or will have."""
        there = [(folder, key) for key in (one.key, one.older_key) if (folder := ledger.find(self.study, key))]
        folder, key = (*there, (self.study / ledger.folder_name(member, one.seed, one.key), one.key))[0]
        overrides = (*one.overrides, *self.names(member))
        return self.point_in(folder, member, overrides, self.config(one.overrides), key=key)

    def point_in(
        self,
        folder: Path,
        member: str,
        overrides: Overrides,
        config: DictConfig,
        *,
        key: str,
        trial: dict[str, Any] | None = None,
    ) -> Point:
        """A point of this command in a folder."""
        self.inputs.ask(config)
        return Point(
            folder=folder,
            key=key,
            member=member,
            seed=config.seed,
            overrides=overrides,
            flags=self.flags,
            directory=str(Path.cwd()),
            fallbacks=tuple(_fallbacks(config)),
            updates=config.budget.updates,
            devices=config.trainer.devices if type(config.trainer.devices) is int else 1,
            accelerator=str(config.trainer.accelerator),
            trial=trial,
        )

    def names(self, member: str) -> Overrides:
        """The overrides that say to what a point belongs."""
        return (f"study={quoted(self.study.name)}", f"member={quoted(member)}")


def write_points(points: Sequence[Point]) -> None:
    """Write down what is to be trained, but for what is being trained.

    Raises:
        ValueError: if a folder holds a run that is no point: it would be cleared.
    """
    for point in points:
        if (point.folder / RECORD).is_file() and not (point.folder / JOB).is_file():
            raise ValueError(
                f"{point.folder} holds a run that no study asked for; remove it, or choose another study=NAME"
            )
        if not ledger.is_supervised(point.folder):
            ledger.write_point(point)


def check_defaults(study: Path, points: Sequence[Point]) -> None:
    """Refuse to train anew what the study has from an earlier version, whose defaults were others.

    Raises:
        ValueError: naming the keys, where the earlier run's own config is there, and what goes on with it.
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
    """The words that a training's config is made of."""
    return frozenset(one for one in point.overrides if key_of(one).split(".")[0] not in (*SWEEPING, "member", "paths"))


def _differing(earlier: Point, point: Point) -> str:
    """The keys of two points with their values; nothing where the earlier one left no config."""
    if not (earlier.folder / CONFIG).is_file():
        return ""
    from rnnsearch.cli.runs import read_config

    config = compose("train", point.overrides, [flag.partition("=")[2] for flag in point.flags])
    was, now = flat(read_config(earlier.folder)), flat(config)
    keys = [key for key in sorted(was.keys() & now.keys()) if is_hashed(key) and was[key] != now[key]]
    return "; ".join(f"{key} was {was[key]}, is {now[key]}" for key in keys[:SHOWN])


def _fallbacks(config: DictConfig) -> Iterator[tuple[str, ...]]:
    """Half the batch and twice the accumulation, a few times over."""
    key = "size" if "size" in config.batches else "batch_size"
    for times in (2**halving for halving in range(1, HALVINGS + 1)):
        if config.batches[key] >= times:
            yield (
                f"batches.{key}={config.batches[key] // times}",
                f"trainer.accumulate_grad_batches={config.trainer.accumulate_grad_batches * times}",
            )
