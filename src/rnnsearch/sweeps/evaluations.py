"""Points that train nothing: each translates with the weights of a run, by a search of its own.

A study of trained runs (``runs=``, ``of=``) has no others. In a sweep they are the points whose training is that of
another point, since they differ in what is read after training alone.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from rnnsearch.config.build import make
from rnnsearch.config.chosen_search import chosen_search, search_overrides
from rnnsearch.config.compose import Composer
from rnnsearch.config.identity import training_key
from rnnsearch.config.overrides import Overrides, key_of, quoted, value_of
from rnnsearch.config.plain_values import plain
from rnnsearch.config.value_checks import check_values
from rnnsearch.data.lines import check_file
from rnnsearch.records.run_record import JOB, Record, read_record
from rnnsearch.records.study_description import read_description
from rnnsearch.records.test_sets import OWN, SIDES, checksums
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.labels import in_words, labels
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.request import NAME, Asked, Request

SOURCES = ("runs", "of")  # keys that make a sweep a study of trained runs
TESTED = ("checkpoint", "split", *SIDES)  # of these it has one value for all points, save checkpoint
CHANGED = ("search", *TESTED)  # what points may differ in
OF_STUDY = ("paths", "protocol", "trust")  # what belongs to the study as a whole


class Trained:
    """A run whose weights translate.

    Args:
        folder: of the run.

    Raises:
        FileNotFoundError, ValueError: if it is none that has finished.
    """

    def __init__(self, folder: Path) -> None:
        from rnnsearch.runs.run_folder import read_config

        self.folder = folder.absolute()
        self.record: Record = read_record(folder)
        if self.record.status != "finished":
            raise ValueError(
                f"the run in {folder} is {self.record.status}; a study translates with finished runs alone"
            )
        if not any((folder / "checkpoints").glob("*.ckpt")):
            raise ValueError(f"the run in {folder} has no checkpoints any more, so nothing can translate with it")
        self.config = read_config(folder)

    @cached_property
    def base(self) -> str:
        """What it is called: its part in a comparison, or else its folder."""
        return self.record.member or self.folder.name


class Evaluations:
    """Makes the points of a study of trained runs.

    Args:
        config: of the sweep.
        request: its command line.
        study: its folder.
        flags: of the command line, such as ``--config-dir=DIR``.
    """

    def __init__(self, config: DictConfig, request: Request, study: Path, flags: Sequence[str]) -> None:
        self.config, self.request, self.study, self.flags = config, request, study, tuple(flags)
        self._composer = Composer("evaluate", [flag.partition("=")[2] for flag in flags])
        self._trained: dict[Path, Trained] = {}

    def points(self) -> list[Point]:
        """Every run with every value that is swept.

        Raises:
            FileNotFoundError, ValueError: for what is no finished run, or can't be changed after training.
        """
        asked = [replace(of, overrides=_of_points(of.overrides)) for of in self.request.asked()]
        self._check(asked)
        pairs = [(run, of.overrides) for run in self._runs() for of in asked]
        bases = self._bases(list(dict.fromkeys(run for run, _ in pairs)))
        points = {}
        for run, overrides in pairs:
            evaluates = self._evaluates(run, overrides)
            key = evaluation_key(run.record.id, run.record.results.weights_sha256, evaluates)
            points[key] = self._point(run, (f"{NAME}={quoted(bases[run])}", *overrides), evaluates, key)
        return self._labelled(list(points.values()))

    def values(self, point: Point) -> Mapping[str, Any]:
        """The config of the run that a point evaluates, with the point's search."""
        assert point.evaluates is not None
        try:
            config = plain(self._run(Path(point.evaluates["run"])).config)
        except (OSError, ValueError):  # an earlier point, whose run is gone
            from rnnsearch.runs.run_folder import read_config

            config = plain(read_config(point.folder))
        return {**config, "search": point.evaluates["search"], "checkpoint": point.evaluates["checkpoint"]}

    @property
    def corpus(self) -> str:
        """The names of what the runs were trained on."""
        return ", ".join(dict.fromkeys(run.record.data.name for run in self._trained.values()))

    def _run(self, folder: Path) -> Trained:
        if folder not in self._trained:
            self._trained[folder] = Trained(folder)
        return self._trained[folder]

    def _runs(self) -> list[Trained]:
        if self.config.runs and self.config.of:
            raise ValueError("runs= and of= both say which runs translate; give one of them")
        folders = [Path(str(run)) for run in self.config.runs or ()]
        if self.config.of:
            study = Path(self.config.paths.output) / str(self.config.of)
            there = [study / run.folder for run in read_description(study).runs]
            folders = [folder for folder in there if ledger.read_run(folder).status == "finished"]
            if not folders:
                raise ValueError(
                    f"of={self.config.of}: no run of {study} has finished; rnnsearch status tells how far it is"
                )
        return [self._run(folder) for folder in dict.fromkeys(folders)]

    def _check(self, asked: Sequence[Asked]) -> None:
        """Refuse what a study of trained runs can't have.

        Raises:
            ValueError: naming the key.
        """
        if self.config.members or self.config.seeds or "seed" in self.request.given_keys:
            raise ValueError("a study of trained runs has their members and seeds; leave out members, seeds and seed")
        for key in dict.fromkeys(key_of(override) for of in asked for override in of.overrides):
            if key.split(".")[0] not in CHANGED:
                raise ValueError(
                    f"{key}: nothing is trained here, so it can't change; a study of trained runs changes search, "
                    "search.KEY, checkpoint, split, or source and target"
                )
        for key in TESTED[1:]:
            if len(values := {self._value(of.overrides, key) for of in asked}) > 1:
                raise ValueError(
                    f"{key}={','.join(map(str, values))}: the points of a study translate the same sentences, so that "
                    "they can be compared; make a study of each"
                )

    def _value(self, overrides: Overrides, key: str) -> Any:
        values = [value_of(override) for override in overrides if key_of(override) == key]
        value = values[-1].strip("\"'") if values else None
        return None if value == "null" else value

    def _evaluates(self, run: Trained, overrides: Overrides) -> dict[str, Any]:
        """What a point does: with which run, search, checkpoint and sentences; as plain values."""
        of_search = [override for override in overrides if key_of(override).split(".")[0] == "search"]
        composed = self._composer([f"run={quoted(str(run.folder))}", *of_search])
        check_values(composed, "evaluate")
        search = chosen_search(run.config.search, composed.search, of_search)
        make(search)  # which refuses values that don't go together
        tested = {key: self._value(overrides, key) for key in TESTED}
        files = {side: tested[side] for side in SIDES if tested[side]}
        if len(files) == 1:
            raise ValueError("sentences to test on are two files: give source=FILE and target=FILE")
        for path in files.values():
            check_file(Path(path), again=True)
        return {
            "run": str(run.folder),
            "search": plain(search),
            "checkpoint": tested["checkpoint"] or "best",
            "split": tested["split"] or OWN,
            **({"files": files, "checksums": _checksums(files)} if files else {}),
        }

    def _point(self, run: Trained, overrides: Overrides, evaluates: dict[str, Any], key: str) -> Point:
        return Point(
            folder=self.study,  # until it has a label
            key=key,
            member="",
            seed=run.record.seed,
            overrides=overrides,
            flags=self.flags,
            directory=str(Path.cwd()),
            accelerator=str(run.config.trainer.accelerator),
            evaluates=evaluates,
        )

    def _labelled(self, points: list[Point]) -> list[Point]:
        """The points with their members and folders."""
        known = {point.key: point.overrides for point in ledger.read_points(self.study)}
        words = self.words({**known, **{point.key: point.overrides for point in points}})
        labelled = []
        for point in points:
            member = words[point.key]
            folder = ledger.find(self.study, point.key)
            folder = folder or self.study / ledger.folder_name(member, point.seed, point.key)
            labelled.append(replace(point, member=member, folder=folder))
        return labelled

    @staticmethod
    def words(points: Mapping[str, Overrides]) -> dict[str, str]:
        """Labels of points, by their overrides."""
        return in_words(labels(points, without=TESTED[1:]))

    def _bases(self, runs: Sequence[Trained]) -> dict[Trained, str]:
        """Names of the runs; runs of one name and seed get those of their folders."""
        for name in (lambda run: run.base, lambda run: run.folder.name, lambda run: str(run.folder)):
            names = {run: name(run) for run in runs}
            if len({(names[run], run.record.seed) for run in runs}) == len(runs):
                break
        return names


def _of_points(overrides: Overrides) -> Overrides:
    return tuple(override for override in overrides if key_of(override).split(".")[0] not in OF_STUDY)


def _checksums(files: Mapping[str, str]) -> dict[str, str]:
    return checksums(Path(files["source"]), Path(files["target"]))


def evaluation_key(run: str, weights_sha256: str | None, evaluates: Mapping[str, Any]) -> str:
    """What makes an evaluation: a run, by its id and weights, whatever its place; search, checkpoint and sentences."""
    counted = {key: value for key, value in evaluates.items() if key not in ("run", "files")}
    whole = {"id": run, "weights": weights_sha256, **counted}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:16]


def sharing_weights(
    study: Path, points: Sequence[Point], values: Callable[[Overrides], Mapping[str, Any]]
) -> list[Point]:
    """The points of a sweep, of which those whose training is that of another one only evaluate it.

    Args:
        study: its folder.
        points: that are asked for.
        values: of the config of a training.
    """
    if not any(key_of(override).split(".")[0] == "search" for point in points for override in point.overrides):
        return list(points)
    known = [point for point in ledger.read_points(study) if point.trial is None and point.pause is None]
    everyone = {point.folder: point for point in (*points, *known)}
    trained: dict[str, Point] = {}
    for point in sorted(everyone.values(), key=lambda point: not _has_begun(point)):
        if _evaluates_already(point) is None:
            trained.setdefault(training_key(values(point.overrides)), point)
    return [_sharing(point, trained, values) for point in points]


def _has_begun(point: Point) -> bool:
    return ledger.read_run(point.folder).is_there


def _evaluates_already(point: Point) -> dict[str, Any] | None:
    return ledger.read_point(point.folder).evaluates if (point.folder / JOB).is_file() else None


def _sharing(point: Point, trained: Mapping[str, Point], values: Callable[[Overrides], Mapping[str, Any]]) -> Point:
    before, own = _evaluates_already(point), values(point.overrides)
    if before is not None:
        return replace(point, evaluates=before, fallbacks=(), updates=None)
    other = trained[training_key(own)]
    if other.folder == point.folder or _has_begun(point):
        return point
    evaluates = {"run": other.folder.name, "search": dict(own["search"]), "checkpoint": "best", "split": OWN}
    return replace(point, evaluates=evaluates, fallbacks=(), updates=None)


def is_ready(point: Point) -> bool:
    """Whether a point can begin: one that evaluates another needs its training to have finished."""
    if point.evaluates is None:
        return True
    return ledger.read_run(point.folder.parent / point.evaluates["run"]).status == "finished"


def command(point: Point) -> Iterator[str]:
    """The words of the command that makes a point's evaluation, after ``evaluate`` and without its folder."""
    from rnnsearch.runs.run_folder import read_config

    assert point.evaluates is not None
    evaluates = point.evaluates
    run = point.folder.parent / evaluates["run"]  # which an absolute path replaces
    own = plain(read_config(run).search)
    yield f"run={quoted(str(run))}"
    yield f"study={quoted(point.folder.parent.name)}"
    yield f"member={quoted(point.member)}"
    yield f"checkpoint={quoted(evaluates['checkpoint'])}"
    files = evaluates.get("files") or {}
    yield from (f"{side}={quoted(path)}" for side, path in files.items())
    if not files:
        yield f"split={quoted(evaluates['split'])}"
    if point.accelerator == "cpu":
        yield "device=cpu"
    yield from search_overrides(own, evaluates["search"])
