"""What committed studies asked for composes to the points that they hold, so that a repeated sweep trains nothing.

Their keys and hashes stay what they were: a new key of conf/ is null or outside a point's key at the old behaviour.
"""

import json
from functools import cache
from pathlib import Path

import pytest
from omegaconf import DictConfig

from rnnsearch.config.compose import Composer, settle_budget
from rnnsearch.config.identity import config_hash, point_key
from rnnsearch.config.value_checks import canonical, check_values
from rnnsearch.records.run_record import JOB, RECORD, read_record
from rnnsearch.records.study_description import read_description
from rnnsearch.runs.run_folder import plain
from rnnsearch.sweeps.evaluations import evaluation_key
from rnnsearch.sweeps.inputs import Inputs
from rnnsearch.sweeps.ledger import DONE, find, read_point, state
from rnnsearch.sweeps.points import Points
from rnnsearch.sweeps.request import Asked
from rnnsearch.sweeps.tuner import Tuner

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
FOLDERS = sorted(path.parent for path in EXPERIMENTS.rglob(JOB))
EVERY_STUDY = sorted({folder.parent for folder in FOLDERS})
DECODED = [  # studies of trained runs, whose points compose to no training
    study for study in EVERY_STUDY if all(read_point(one).evaluates for one in FOLDERS if one.parent == study)
]
STUDIES = [study for study in EVERY_STUDY if study not in DECODED]
# Paths of files count in a key, and what is published has lost their folders. For such points the key and the hash that
# the version which trained them (d2ac284) made of the words as they are published.
WITHOUT_FOLDERS = {
    "6a8750c8da9c893b": ("a2958b558d53ee2d", "9257633e22641c1b"),
    "32ec3ec74c4126a5": ("3612dbf62d9473e7", "47792ed95a2a13fd"),
}
composer = cache(lambda flags: Composer("train", [flag.partition("=")[2] for flag in flags]))


def composed(folder: Path) -> DictConfig:
    point = read_point(folder)
    config: DictConfig = composer(point.flags)(point.overrides)
    settle_budget(config, list(point.overrides))
    return config


@pytest.mark.parametrize("most", [1, pytest.param(None, marks=pytest.mark.slow)], ids=["a point", "all"])
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_a_repeated_sweep_finds_every_point(study: Path, most: int | None) -> None:
    for folder in [one for one in FOLDERS if one.parent == study][:most]:
        point, values = read_point(folder), plain(composed(folder))
        recorded = point.key, json.loads((folder / RECORD).read_text(encoding="utf-8"))["config_hash"]
        assert (point_key(values), config_hash(values)) == WITHOUT_FOLDERS.get(point.key, recorded), folder.name
        assert find(study, point.key) == folder
        assert state(point).status in DONE


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_values_of_a_point_are_still_allowed_and_spelled_so(study: Path) -> None:
    folder = next(one for one in FOLDERS if one.parent == study)
    config = composed(folder)
    values = plain(config)
    assert point_key(values) == point_key(canonical(values))
    check_values(config)
    assert plain(config) == values


@pytest.mark.parametrize("study", DECODED, ids=lambda study: study.name)
def test_a_repeated_study_of_trained_runs_finds_every_point(study: Path) -> None:
    for folder in (one for one in FOLDERS if one.parent == study):
        point, record = read_point(folder), read_record(folder)
        assert point.evaluates
        assert evaluation_key(record.evaluation_of["id"], record.results.weights_sha256, point.evaluates) == point.key
        assert find(study, point.key) == folder


def test_every_committed_study_is_looked_at() -> None:
    sweeps = [path.parent for path in EXPERIMENTS.glob("*/study.json")]
    assert sweeps
    assert set(sweeps) == set(EVERY_STUDY)
    for study in EVERY_STUDY:
        runs = json.loads((study / "study.json").read_text(encoding="utf-8"))["runs"]
        assert {run["folder"] for run in runs} == {folder.name for folder in FOLDERS if folder.parent == study}


TUNED = [
    path
    for path in sorted(EXPERIMENTS.glob("*/study.json"))
    if (tuning := read_description(path.parent).tuning)
    and tuning.bases
    and not any(read_point(folder).key in WITHOUT_FOLDERS for folder in FOLDERS if folder.parent == path.parent)
]


@pytest.mark.parametrize("path", TUNED, ids=lambda path: path.parent.name)
@pytest.mark.slow
def test_what_was_chosen_in_a_tuned_study_is_known_to_whoever_extends_it(path: Path) -> None:
    study, points = read_description(path.parent), Points(path.parent, (), Inputs())
    tuner = Tuner(Composer("sweep")(["tuning=learning_rate"]), points, lambda points: None, study.tuning)
    asked = {member.name: Asked(member.name, tuple(member.overrides), (), ("9",)) for member in study.members}
    assert tuner.before.known(asked) == study.tuning.chosen
    other = {name: one.with_("label_smoothing=0.3") for name, one in asked.items()}
    assert tuner.before.known(other) == {}
