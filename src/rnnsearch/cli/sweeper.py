"""The sweeper of ``rnnsearch sweep`` and ``rnnsearch train -m``: composes the points, keeps the ledger, reports."""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.errors import ConfigCompositionException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig, OmegaConf, read_write

from rnnsearch.cli import live, runs
from rnnsearch.cli.build import build_data
from rnnsearch.cli.compose import compose, unknown_key, valid_names
from rnnsearch.cli.describe import describe, no_differences
from rnnsearch.cli.main import Reported
from rnnsearch.cli.matched import BY, matched_overrides, quantity
from rnnsearch.cli.recording import interruptible
from rnnsearch.cli.settings import settle_budget
from rnnsearch.cli.trial import check_keys, settle
from rnnsearch.records import JOB, LOCK, config_hash, point_key, write_text
from rnnsearch.study.report import write_report
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import (
    Axis,
    Composed,
    Overrides,
    UnknownKey,
    combinations,
    composed,
    in_words,
    key_of,
    labels,
)
from rnnsearch.sweep.search import Search, write_search
from rnnsearch.sweep.space import Choices, Dimension, Range
from rnnsearch.sweep.wandb_sweep import wandb_sweep

logger = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
HALVINGS = 3  # of the batch, when memory does not suffice


class DurableSweeper(Sweeper):
    """Trains what is not finished yet of a sweep. Its memory is the study's folder, so it can be killed at any time."""

    config: DictConfig

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's."""
        self.config = config
        self.loader = hydra_context.config_loader
        self.study = (Path(config.paths.output) / study_name(config)).absolute()
        with read_write(config.hydra.sweep):
            config.hydra.sweep.dir = str(self.study)
        logging.getLogger("hydra_plugins").setLevel(logging.WARNING)  # a line for each job; the live table says more
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self.vocabularies: dict[str, dict[str, int]] = {}
        self.search: dict[str, Any] | None = None
        self.flags = tuple(
            f"--config-dir={source.path}"
            for source in config.hydra.runtime.config_sources
            if source.provider == "command-line"
        )

    def sweep(self, arguments: list[str]) -> None:
        """Compose the points, launch those that are not finished, write the report.

        Raises:
            ValueError: if another sweep is at work in the study's folder.
            Reported: if a point failed; what became of each has been printed.
        """
        self.study.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.study / LOCK, timeout=0), interruptible():
                self._sweep(self.study, arguments)
        except Timeout:
            raise ValueError(
                f"another sweep is at work in {self.study}; wait for it or choose another study=NAME"
            ) from None

    def _sweep(self, study: Path, arguments: list[str]) -> None:
        if self.config.sweep.wandb:
            self._write_for_wandb(Path(self.config.sweep.wandb), arguments)
            return
        points = self._trials(study, arguments) if self.config.sweep.search else self._points(study, arguments)
        for point in points:
            if not ledger.is_supervised(point.folder):
                ledger.write_point(point)
        describe(study, self.config, points, self._config, search=self.search)
        waiting = [point for point in points if ledger.state(point).status not in (*ledger.DONE, "running")]
        waiting.sort(key=lambda point: point.seed)  # so that what a stopped sweep has finished can be compared
        logger.info("%s: %d points, %d of them to be trained", study.name, len(points), len(waiting))
        try:
            if waiting:
                with live.watching(waiting):
                    self.launcher.launch([_launched(study, point) for point in waiting], initial_job_idx=0)
        finally:
            describe(study, self.config, points, self._config, search=self.search)
        self._report(study, points)

    def _write_for_wandb(self, file: Path, arguments: list[str]) -> None:
        space, fixed = self._space(arguments)
        if self.config.sweep.points:
            raise ValueError(
                "sweep.points: Weights & Biases has no lists of points that belong together; use sweep.grid"
            )
        wanted = self.config.sweep.search or {}
        pruned = None if wanted.get("pruner", "none") == "none" else 1
        found = wandb_sweep(
            space,
            [one for one in fixed if key_of(one) != "study" and not key_of(one).startswith("sweep.")],
            name=self.study.name,
            metric=wanted.get("metric", self.config.validation.monitor),
            sampler=wanted.get("sampler"),
            pruned_after=pruned,
        )
        write_text(file, yaml.safe_dump(found, sort_keys=False, width=120))
        logger.info("next: wandb sweep %s, and the command that it prints, on each machine", file)
        print(file)

    def _report(self, study: Path, points: Sequence[Point]) -> None:
        live.show(points, stderr=True)
        states = live.states_of(points).values()
        if any(state.status == "finished" for state in states):
            print(write_report(study), flush=True)
        left = Counter(state.status for state in states if state.status not in ledger.DONE)
        if left:
            story = ", ".join(f"{count} {status}" for status, count in left.items())
            logger.error(
                "%d of %d points are not finished (%s); the same command goes on with them",
                left.total(),
                len(points),
                story,
            )
            raise Reported(1)

    def _points(self, study: Path, arguments: list[str]) -> list[Point]:
        """The points that the arguments and the sweep section make, with the folders that they have or will have."""
        try:
            found = composed(self._candidates(arguments), self._compose)
        except UnknownKey as error:
            raise self._nowhere(error) from None
        if self.config.match != "none":
            found = [self._matched(one) for one in found]
        known = {point.folder.name: point.overrides for point in ledger.read_points(study)}
        settings = labels({**known, **{one.key: one.overrides for one in found}}, without=no_differences(self.config))
        names = in_words(settings)
        return [self._point(study, one, names[one.key]) for one in found]

    def _trials(self, study: Path, arguments: list[str]) -> list[Point]:
        """The trials of a search, which find their values when they begin."""
        space, fixed = self._space(arguments)
        config, wanted = self._config(fixed), self.config.sweep.search
        if type(wanted.trials) is not int or wanted.trials < 1:
            raise ValueError(f"sweep.search.trials={wanted.trials}: give a whole number, 1 or more")
        if self.config.match != "none" or self.config.sweep.points:
            raise ValueError("match and sweep.points are for sweeps without sweep.search; leave them out of a search")
        settings = {str(key): value for key, value in wanted.items() if key != "trials"}
        base = config_hash(runs.plain(config))
        found = Search(space=space, updates=config.budget.updates, fixed=fixed, base=base, **settings)
        try:
            check_keys(found, self._compose)
        except UnknownKey as error:
            raise self._nowhere(error) from None
        write_search(found, study)
        trials = [self._trial(study / f"trial-{index:04d}", index, fixed, config) for index in range(wanted.trials)]
        settle(found, study)
        self.search = found.description(wanted.trials)
        return trials

    def _trial(self, folder: Path, index: int, fixed: Overrides, config: DictConfig) -> Point:
        asked = (ledger.read_point(folder).trial or {}) if (folder / JOB).is_file() else {}
        if "number" in asked:
            return ledger.read_point(folder)
        name = f"trial {index}"
        last = [f"study={_quoted(folder.parent.name)}", f"member={_quoted(name)}"]
        return Point(
            folder=folder,
            key="",
            member=name,
            seed=config.seed,
            overrides=(*fixed, *last),
            flags=self.flags,
            directory=str(Path.cwd()),
            fallbacks=tuple(_fallbacks(config)),
            updates=config.budget.updates,
            devices=_devices(config),
            trial={"index": index, "fixed": list(fixed), "last": last},
        )

    def _space(self, arguments: list[str]) -> tuple[dict[str, Dimension], Overrides]:
        """What a search may vary, and what it may not."""
        swept = {key_of(str(one.input_line)): one for one in self._overrides(arguments) if one.is_sweep_override()}
        space = {key: _dimension(one) for key, one in swept.items()}
        fixed = [_axis(one) for one in self._overrides(arguments) if not one.is_sweep_override()]
        for key, dimension in list(space.items()):
            if isinstance(dimension, Choices) and len(dimension.choices) == 1:
                fixed.append(Axis(key, dimension.choices))
                del space[key]
        return space, tuple(f"{axis.key}={axis.values[0]}" if axis.values else axis.key for axis in fixed)

    def _overrides(self, arguments: list[str]) -> list[Override]:
        """Those of the sweep section, and those given, which come first where both name a key."""
        parser = OverridesParser.create(config_loader=self.loader)
        given = [one for one in parser.parse_overrides(arguments) if not one.is_hydra_override()]
        own = {key_of(str(one.input_line)) for one in given}
        grid = self.config.sweep.grid.items_ex(resolve=True)
        texts = [f"{key}={_sweep_text(value)}" for key, value in grid if key not in own]
        return [one for one in (*parser.parse_overrides(texts), *given) if key_of(str(one.input_line)) != "study"]

    def _nowhere(self, error: UnknownKey) -> BaseException:
        if error.key not in valid_names("train"):
            return error.__cause__ or error
        return ValueError(
            f"{error.key}: no point of this sweep has this key; leave it out, or sweep over an option that has it too"
        )

    def _matched(self, one: Composed) -> Composed:
        """The point with the hidden sizes at which it equals the command's own config, without swept values."""
        by = self.config.match
        if by not in BY:
            raise ValueError(f"match={by}: choose one of none, {', '.join(BY)}")
        if {"model.hidden_size", "model.encoder.hidden_size", "model.decoder.hidden_size"} & set(
            map(key_of, self.swept)
        ):
            raise ValueError(f"match={by} finds the hidden sizes, so they can't be swept; set match=none")
        config, reference = self._config(one.overrides), self._config(self.fixed)
        target = quantity(reference, self._vocabularies(reference), by)
        return self._compose((*one.overrides, *matched_overrides(config, target, self._vocabularies(config), by)))

    def _vocabularies(self, config: DictConfig) -> dict[str, int]:
        """Sizes of the vocabularies of a config, whose data are prepared where that was not done yet."""
        parts = str([OmegaConf.to_container(config[part], resolve=True) for part in ("data", "tokenizer", "filters")])
        if parts not in self.vocabularies:
            data = build_data(config)
            data.prepare_data()
            source, target = data.tokenizers.source.size, data.tokenizers.target.size
            self.vocabularies[parts] = {"source_size": source, "target_size": target}
        return self.vocabularies[parts]

    def _candidates(self, arguments: list[str]) -> list[Overrides]:
        axes = [_axis(one) for one in self._overrides(arguments)]
        fixed = [f"{axis.key}={axis.values[0]}" if axis.values else axis.key for axis in axes if len(axis.values) < 2]
        swept = [axis for axis in axes if len(axis.values) > 1]
        lists = [[str(one) for one in together] for together in self.config.sweep.points or []]
        self.fixed = tuple(fixed)
        self.swept = [*(axis.key for axis in swept), *(one for together in lists for one in together)]
        return combinations(fixed, swept, lists)

    def _config(self, overrides: Sequence[str]) -> DictConfig:
        config = compose("train", overrides, [flag.partition("=")[2] for flag in self.flags])
        settle_budget(config, list(overrides))
        return config

    def _compose(self, overrides: Overrides) -> Composed:
        try:
            config = self._config(overrides)
        except ConfigCompositionException as error:
            key = unknown_key(error)
            if key is None:
                raise
            raise UnknownKey(key, str(error)) from error
        values: Any = OmegaConf.to_container(config, resolve=True)
        return Composed(overrides, point_key(values), config.seed)

    def _point(self, study: Path, one: Composed, member: str) -> Point:
        config = self._config(one.overrides)
        return Point(
            folder=ledger.find(study, one.key) or study / ledger.folder_name(member, one.seed, one.key),
            key=one.key,
            member=member,
            seed=one.seed,
            overrides=(*one.overrides, f"study={_quoted(study.name)}", f"member={_quoted(member)}"),
            flags=self.flags,
            directory=str(Path.cwd()),
            fallbacks=tuple(_fallbacks(config)),
            updates=config.budget.updates,
            devices=_devices(config),
        )


def study_name(config: DictConfig) -> str:
    """The study's name, which is its folder's: what ``study=`` says, as text, or the protocol's and corpus's names.

    Raises:
        ValueError: for one that is no plain file name.
    """
    choices = config.hydra.runtime.choices
    protocol, data = choices["protocol"], choices["data"]
    name = str(config.study or (f"{protocol}_{data}" if protocol else f"sweep-{data}"))
    if not NAME.fullmatch(name):
        raise ValueError(f"study={name}: a study's name has letters, digits, '.', '_' and '-' only")
    return name


def _axis(one: Override) -> Axis:
    """An override and the values that it sweeps over; no value for one that deletes its key."""
    key = one.get_key_element()
    if one.is_interval_sweep():
        raise ValueError(
            f"{one.input_line}: an interval has no end of values; list some, or search it: add sweep=optuna_tpe"
        )
    if one.is_sweep_override():
        return Axis(key, tuple(dict.fromkeys(one.sweep_string_iterator())))
    return Axis(key, () if one.is_delete() else (one.get_value_element_as_str(),))


def _dimension(one: Override) -> Dimension:
    value = one.value()
    if not isinstance(value, IntervalSweep):
        return Choices(tuple(dict.fromkeys(one.sweep_string_iterator())))
    assert value.start is not None
    assert value.end is not None
    whole = type(value.start) is int and type(value.end) is int
    return Range(float(value.start), float(value.end), whole=whole, log="log" in value.tags)


def _devices(config: DictConfig) -> int:
    return config.trainer.devices if type(config.trainer.devices) is int else 1


def _sweep_text(value: Any) -> str:
    """Values of a YAML file as the command line has them."""
    if isinstance(value, ListConfig):
        return f"choice({','.join(map(_sweep_text, value))})"
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _launched(study: Path, point: Point) -> list[str]:
    """What the launcher composes a job from."""
    return [
        *point.overrides,
        f"hydra.sweep.dir={_quoted(str(study))}",
        f"hydra.sweep.subdir={_quoted(point.folder.name)}",
    ]


def _quoted(value: str) -> str:
    return QuotedString(value, Quote.double).with_quotes()


def _fallbacks(config: DictConfig) -> Iterator[tuple[str, ...]]:
    """Half the batch and twice the accumulation, a few times over."""
    key = "size" if "size" in config.batches else "batch_size"
    for times in (2**halving for halving in range(1, HALVINGS + 1)):
        if config.batches[key] >= times:
            yield (
                f"batches.{key}={config.batches[key] // times}",
                f"trainer.accumulate_grad_batches={config.trainer.accumulate_grad_batches * times}",
            )
