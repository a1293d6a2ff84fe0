"""The values of `hydra.launcher`, judged before a study's folder is made, and programs that are not here."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from rnnsearch.config.config_dir import config_dir
from rnnsearch.config.keys.launchers import CLOUDS, LAUNCHERS, PROGRAMS
from rnnsearch.config.launcher_checks import check_programs, check_values
from rnnsearch.config.overrides import is_text

SHIPPED = sorted(path.stem for path in (config_dir() / "hydra" / "launcher").glob("*.yaml"))
THEIRS = {"joblib": "joblib", "slurm": "submitit_slurm", "slurm_local": "submitit_local"}
WRONG = {  # launcher and value -> what is said
    "local jobs=abc": "jobs=abc: give a whole number from 1 to 1024, or null",
    "local jobs=true": "jobs=true: give a whole number from 1",
    "local nosuch=1": "nosuch: this launcher has no such key; it has jobs",
    "joblib n_jobs=0": "n_jobs=0: give a whole number from 1 to 1024, or a whole number from -1024 to -1",
    "joblib backend=foo": "backend=foo: choose one of loky, multiprocessing, or null",
    "joblib verbose=abc": "verbose=abc: give a whole number from 0",
    "joblib batch_size=0": "batch_size=0: give a whole number, 1 or more, or auto",
    "slurm timeout_min=-1": "timeout_min=-1: give a whole number, 1 or more",
    "slurm gpus_per_node=x": "gpus_per_node=x: give a whole number from 0 to 1024, or null",
    "slurm setup=abc": r"setup=abc: give a list such as \[\"module load cuda\"\]",
    "slurm mem_per_cpu=much": "mem_per_cpu=much: give memory such as 4G, or null",
    "slurm additional_parameters=3": "additional_parameters=3: give options of sbatch",
    "slurm_local nodes=null": "nodes=null: give a whole number, 1 or more",
    "ray ray=3": r"ray has keys of its own, such as hydra\.launcher\.ray\.init\.address; set these",
    "ray ray.remote.num_cpus=abc": "num_cpus=abc: give a number from 0 on, or null",
    "ray ray.init.logging_level=loud": "logging_level=loud: choose one of debug, info",
}


def launcher(name: str, *words: str) -> DictConfig:
    """A shipped launcher with values changed."""
    found = OmegaConf.load(config_dir() / "hydra" / "launcher" / f"{name}.yaml")
    assert isinstance(found, DictConfig)
    found.merge_with_dotlist(list(words))
    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_launcher_has_the_keys_of_the_table(name: str) -> None:
    found = launcher(name)
    before: Any = OmegaConf.to_container(found, resolve=False)
    for key in set(LAUNCHERS[found._target_]) - {"ray.init.num_cpus", "ray.init.num_gpus"}:  # which it leaves to Ray
        section = before
        for part in key.split("."):
            section = section[part]
    check_values(found)
    assert OmegaConf.to_container(found, resolve=False) == before


@pytest.mark.parametrize(("ours", "theirs"), THEIRS.items())
def test_the_table_has_the_keys_of_the_plugin(ours: str, theirs: str) -> None:
    Plugins.instance()  # imports the plugins
    schema = ConfigStore.instance().load(f"hydra/launcher/{theirs}.yaml").node
    assert set(LAUNCHERS[launcher(ours)._target_]) == set(schema) - {"_target_"}


def test_the_table_names_constructors() -> None:
    for target in (*LAUNCHERS, *PROGRAMS, *CLOUDS):
        assert inspect.isclass(get_object(target))


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_named(case: str) -> None:
    name, word = case.split()
    with pytest.raises(ValueError, match=rf"^hydra\.launcher\.(ray\.\w+\.)?{WRONG[case]}"):
        check_values(launcher(name, word))


def test_a_value_gets_its_one_spelling() -> None:
    found = launcher("slurm", "timeout_min=1e3", "additional_parameters.requeue=true")
    check_values(found)
    assert repr(found.timeout_min) == "1000"


def test_what_a_launcher_can_not_do_without() -> None:
    found = launcher("slurm")
    del found["submitit_folder"]
    with pytest.raises(ValueError, match=r"^hydra\.launcher\.submitit_folder is not there, which it needs$"):
        check_values(found)


def test_another_launcher_judges_itself() -> None:
    check_values(OmegaConf.create({"_target_": "mypackage.Launcher", "jobs": "many"}))
    check_programs(OmegaConf.create({"_target_": "mypackage.Launcher"}))


def test_names_of_a_launcher_are_text() -> None:
    keys = ("hydra.launcher.partition", "hydra.launcher.gres", "hydra.launcher.ray.init.address")
    assert all(is_text(key, "1") for key in keys)
    assert not is_text("hydra.launcher.timeout_min", "1")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("hydra/launcher=slurm", "hydra/launcher=slurm needs sbatch and srun, which this machine has not"),
        ("hydra/launcher=slurm hydra.launcher.nodes=0", "hydra.launcher.nodes=0: give a whole number, 1 or more"),
        ("hydra/sweeper=basic", "hydra/sweeper=basic: sweep keeps its study by a sweeper of its own"),
    ],
)
def test_a_refused_launcher_or_sweeper_leaves_nothing(
    words: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rnnsearch.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert main(["sweep", "study=s", "model=tiny", "seed=0,1", *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"rnnsearch sweep: {told}")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_cloud_needs_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed; it is in the extra ray")
    monkeypatch.setattr(boto3, "Session", lambda: type("Session", (), {"get_credentials": lambda self: None})())
    with pytest.raises(ValueError, match="needs credentials of Amazon Web Services, and finds none here"):
        check_programs(OmegaConf.create({"_target_": CLOUDS[0]}))
