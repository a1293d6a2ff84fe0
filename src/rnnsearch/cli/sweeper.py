"""The sweeper of ``rnnsearch sweep`` and ``rnnsearch train -m``: composes the points, keeps the ledger, reports."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from rnnsearch.cli import live
from rnnsearch.cli.axes import axis, dimension, ends, grid_text, together
from rnnsearch.cli.axes import sweep_text as _sweep_text  # noqa: F401 -- a name of earlier versions
from rnnsearch.cli.compose import valid_names
from rnnsearch.cli.describe import Facts, describe, described, every_point, no_differences, protocol
from rnnsearch.cli.judging import judge
from rnnsearch.cli.main import Reported
from rnnsearch.cli.matched import BY
from rnnsearch.cli.plain import plain
from rnnsearch.cli.studies import check_whole
from rnnsearch.cli.study_sweeper import DIVERGED_STAY, StudySweeper
from rnnsearch.cli.terminal import say
from rnnsearch.cli.trial import check_keys, say_best, settle
from rnnsearch.keys.roles import HIDDEN_SIZES, TRUST
from rnnsearch.records import JOB, config_hash, write_text
from rnnsearch.sweep import ledger
from rnnsearch.sweep.ledger import Point
from rnnsearch.sweep.points import (
    Axis,
    Composed,
    Overrides,
    UnknownKey,
    active,
    combinations,
    composed,
    in_words,
    key_of,
    labels,
)
from rnnsearch.sweep.search import Search, write_search
from rnnsearch.sweep.space import Choices, Dimension
from rnnsearch.sweep.wandb_sweep import wandb_sweep

logger = logging.getLogger(__name__)


class DurableSweeper(StudySweeper):
    """Trains every point of a sweep, or the trials of a search."""

    prefix = "sweep"
    searched: dict[str, Any] | None = None  # of a search: its space, sampler and the rest

    @property
    def kind(self) -> str:
        """A sweep, or a search where the sweep section has one."""
        return "search" if self.config.sweep.search else "sweep"

    def run(self, arguments: list[str]) -> None:
        """Compose the points, train those that are not finished, write the report."""
        if self.config.sweep.wandb:
            self._write_for_wandb(Path(self.config.sweep.wandb), arguments)
            return
        points = self._trials(arguments) if self.config.sweep.search else self._points(arguments)
        if self.config.protocol.question:
            self.inputs.require_test()
        self.train_described(points)
        self._report(points)

    def judge(self, arguments: list[str]) -> None:
        """Refuse points that can't be trained, or a search that could try what can't be, before anything is made."""
        if self.config.sweep.wandb:
            return
        candidates = self._extremes(arguments) if self.config.sweep.search else self._candidates(arguments)
        judge(list(dict.fromkeys(map(self._active, candidates))), self.compose_config)

    def _active(self, overrides: Overrides) -> Overrides:
        """The overrides that a point has a place for; all of them where they make no config."""
        try:
            return active(overrides, self.compose_point)[0]
        except (ValueError, HydraException, OmegaConfBaseException):
            return overrides

    def _extremes(self, arguments: list[str]) -> list[Overrides]:
        """Each value that a search may choose, and both ends of a range, beside what it leaves alone."""
        space, fixed = self._space(arguments)
        return [fixed, *((*fixed, f"{key}={value}") for key, one in space.items() for value in ends(one))]

    def describe(self, points: Sequence[Point]) -> None:
        """Describe all points that the study has, those of earlier sweeps too."""
        every = every_point(self.study, points)
        words = self._words({point.folder.name: point.overrides for point in every if not point.trial})
        names = {point.folder.name: words.get(point.folder.name, point.member) for point in every}
        every.sort(key=lambda point: names[point.folder.name] != self.config.protocol.baseline)
        earlier = described(self.study)  # a search stays one, and the points of sweeps stand beside its trials
        facts = Facts(
            kind="search" if earlier.get("kind") == "search" else self.kind,
            question=self.config.protocol.question,
            protocol=protocol(self.config),
            data=self.config.hydra.runtime.choices["data"],
            match=self.config.match,
            search=self.searched or earlier.get("search"),
        )
        describe(self.study, facts, every, names, self.compose_config)

    def _words(self, points: Mapping[str, Overrides]) -> dict[str, str]:
        return in_words(labels(points, without=no_differences(self.config.match)))

    def _write_for_wandb(self, file: Path, arguments: list[str]) -> None:
        space, fixed = self._space(arguments)
        if self.config.sweep.points:
            raise ValueError(
                "sweep.points: Weights & Biases has no lists of points that belong together; use sweep.grid"
            )
        wanted = self.config.sweep.search or {}
        found = wandb_sweep(
            space,
            [one for one in fixed if key_of(one) != "study" and not key_of(one).startswith("sweep.")],
            name=self.study.name,
            metric=wanted.get("metric", self.config.validation.monitor),
            sampler=wanted.get("sampler"),
            pruned_after=None if wanted.get("pruner", "none") == "none" else 1,
        )
        write_text(file, yaml.safe_dump(found, sort_keys=False, width=120))
        logger.info("next: wandb sweep %s, and the command that it prints, on each machine", file)
        say(file)

    def _report(self, points: Sequence[Point]) -> None:
        from rnnsearch.study.report import write_report  # with its figures, which take seconds to import

        live.show(points, stderr=True)
        if self.searched:
            say_best(self.study)
        states = live.states_of(points)
        report = write_report(self.study) if any(state.status == "finished" for state in states.values()) else None
        if report:
            say(report.page)
        diverged = [point for point in points if ledger.has_diverged(point)]
        left = [point for point in points if states[point.folder].status not in ledger.DONE]
        if self.searched and len(diverged) < len(points):  # its values were tried
            left = [point for point in left if point not in diverged]
        if left:
            story = Counter("diverged" if point in diverged else states[point.folder].status for point in left)
            logger.error(
                "%d of %d points are not finished (%s); the same command goes on with them%s",
                len(left),
                len(points),
                ", ".join(f"{count} {status}" for status, count in story.items()),
                DIVERGED_STAY if story["diverged"] else "",
            )
            raise Reported(1)
        if report:
            check_whole(report)

    def _points(self, arguments: list[str]) -> list[Point]:
        """The points that the arguments and the sweep section make, with the folders that they have or will have."""
        try:
            found = composed(self._candidates(arguments), self.compose_point)
        except UnknownKey as error:
            raise self._nowhere(error) from None
        if self.config.match != "none":
            found = [self._matched(one) for one in found]
        known = {point.folder.name: point.overrides for point in ledger.read_points(self.study) if not point.trial}
        names = self._words({**known, **{one.key: one.overrides for one in found}})
        return [self.point(one, names[one.key], within=self.study) for one in found]

    def _trials(self, arguments: list[str]) -> list[Point]:
        """The trials of a search, which find their values when they begin."""
        space, fixed = self._space(arguments)
        config, wanted = self.compose_config(fixed), self.config.sweep.search
        if type(wanted.trials) is not int or wanted.trials < 1:
            raise ValueError(f"sweep.search.trials={wanted.trials}: give a whole number, 1 or more")
        if self.config.match != "none" or self.config.sweep.points:
            raise ValueError("match and sweep.points are for sweeps without sweep.search; leave them out of a search")
        settings = {str(key): value for key, value in wanted.items() if key != "trials"}
        base = config_hash(plain(config))
        found = Search(space=space, updates=config.budget.updates, fixed=fixed, base=base, **settings)
        try:
            check_keys(found, self.compose_point)
        except UnknownKey as error:
            raise self._nowhere(error) from None
        write_search(found, self.study)
        trials = [
            self._trial(self.study / f"trial-{index:04d}", index, fixed, config) for index in range(wanted.trials)
        ]
        settle(found, self.study)
        self.searched = found.description(wanted.trials)
        return trials

    def _trial(self, folder: Path, index: int, fixed: Overrides, config: DictConfig) -> Point:
        known = ledger.read_point(folder) if (folder / JOB).is_file() else None
        if known and "number" in (known.trial or {}):
            return replace(known, flags=self.flags, directory=str(Path.cwd()))
        name = f"trial {index}"
        last = self.names(name)
        trial = {"index": index, "fixed": list(fixed), "last": list(last)}
        return self.point_in(folder, name, (*fixed, *last), config, key="", trial=trial)

    def _space(self, arguments: list[str]) -> tuple[dict[str, Dimension], Overrides]:
        """What a search may vary, and what it may not."""
        swept = {key_of(str(one.input_line)): one for one in self._overrides(arguments) if one.is_sweep_override()}
        space = {key: dimension(one) for key, one in swept.items()}
        fixed = [axis(one) for one in self._overrides(arguments) if not one.is_sweep_override()]
        for key, one in list(space.items()):
            if isinstance(one, Choices) and len(one.choices) == 1:
                fixed.append(Axis(key, one.choices))
                del space[key]
        return space, tuple(f"{one.key}={one.values[0]}" if one.values else one.key for one in fixed)

    def _overrides(self, arguments: list[str]) -> list[Override]:
        """Those of the sweep section, and those given, which come first where both name a key."""
        parser = OverridesParser.create(config_loader=self.loader)
        parsed = parser.parse_overrides(arguments)
        given = [one for one in parsed if not one.is_hydra_override() and one.key_or_group != TRUST]
        own = {key_of(str(one.input_line)) for one in given}
        grid = self.config.sweep.grid.items_ex(resolve=True)
        texts = [grid_text(str(key), value) for key, value in grid if key not in own]
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
        if not set(HIDDEN_SIZES).isdisjoint(map(key_of, self.swept)):
            raise ValueError(f"match={by} finds the hidden sizes, so they can't be swept; set match=none")
        return self.compose_point(self.matched(one.overrides, self.fixed))

    def _candidates(self, arguments: list[str]) -> list[Overrides]:
        axes = [axis(one) for one in self._overrides(arguments)]
        fixed = [f"{one.key}={one.values[0]}" if one.values else one.key for one in axes if len(one.values) < 2]
        swept = [one for one in axes if len(one.values) > 1]
        lists = [[*together(texts, "sweep.points")] for texts in self.config.sweep.points or []]
        self.fixed = tuple(fixed)
        self.swept = [*(one.key for one in swept), *(one for texts in lists for one in texts)]
        return combinations(fixed, swept, lists)
