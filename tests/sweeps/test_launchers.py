"""The launchers that are other packages': their configs, what travels to their workers, and points really trained."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from rnnsearch.cli.main import _job, _register_plugins, main
from rnnsearch.config import compose  # noqa: F401, since it registers what the configs call
from rnnsearch.config.config_dir import config_dir
from rnnsearch.config.errors import explain
from rnnsearch.config.exit_codes import MISUSED
from rnnsearch.sweeps import ledger

SMALL = ("data=controlled", "data.train_pairs=2000", "model=tiny", "trainer=cpu")
OTHERS = {"joblib": "joblib", "slurm": "submitit_slurm", "slurm_local": "submitit_local", "ray": "ray"}


def configured(launcher: str, *overrides: str) -> DictConfig:
    """Hydra's config with a launcher chosen."""
    _register_plugins()
    with initialize_config_dir(str(config_dir())):
        words = [f"hydra/launcher={launcher}", "study=mine", *overrides]
        return hydra_compose("sweep", words, return_hydra_config=True)


@pytest.mark.parametrize(("ours", "theirs"), OTHERS.items())
def test_a_config_has_the_keys_of_the_plugin_s_own_and_values_of_its_types(ours: str, theirs: str) -> None:
    Plugins.instance()  # imports the plugins
    schema = OmegaConf.structured(ConfigStore.instance().load(f"hydra/launcher/{theirs}.yaml").node)
    config: Any = OmegaConf.load(config_dir() / "hydra" / "launcher" / f"{ours}.yaml")
    merged = OmegaConf.merge(schema, config)  # raises for a key or type that it does not know
    assert merged._target_ == schema._target_
    assert set(schema) - set(config) <= {"comment"}


@pytest.mark.parametrize("launcher", [*OTHERS, "local"])
def test_a_launcher_can_be_made(launcher: str) -> None:
    config = configured(launcher)
    target = config.hydra.launcher._target_
    made = Plugins.instance()._instantiate(config.hydra.launcher)
    assert f"{type(made).__module__}.{type(made).__name__}" == target


@pytest.mark.parametrize(
    ("overrides", "cards", "gpus"),
    [
        (["trainer=cpu"], 4, 0),
        (["trainer=auto"], 0, 0),
        (["trainer=auto"], 4, 1),
        (["trainer=gpu"], 0, 1),  # this machine has none, but the cluster's may
        (["trainer=gpu", "trainer.devices=2"], 4, 2),
        (["trainer=ddp"], 4, 1),  # all of them, -1: the user says how many a worker has
        (["hydra.launcher.ray.remote.num_gpus=0.5"], 0, 0.5),
    ],
)
def test_gpus_are_resources_of_ray(
    overrides: list[str], cards: int, gpus: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: cards)
    assert configured("ray", *overrides).hydra.launcher.ray.remote.num_gpus == gpus


def test_files_of_submitit_lie_in_the_study_s_folder() -> None:
    config = configured("slurm", "hydra.sweep.dir=/outputs/mine")
    assert config.hydra.launcher.submitit_folder == "/outputs/mine/.submitit/%j"


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("hydra_ray_launcher.ray_launcher.RayLauncher", "hydra-ray-launcher", "ray"),
        ("hydra_submitit_launcher.submitit_launcher.SlurmLauncher", "hydra-submitit-launcher", "slurm"),
        ("hydra_joblib_launcher.joblib_launcher.JoblibLauncher", "hydra-joblib-launcher", "joblib"),
    ],
)
def test_an_absent_package_is_a_sentence(
    module: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(Plugins.instance().class_name_to_class, f"hydra_plugins.{module}")
    with pytest.raises(RuntimeError) as error:
        Plugins.instance()._instantiate(OmegaConf.create({"_target_": f"hydra_plugins.{module}"}))
    sentence = f"this launcher needs {package}: pip install 'rnnsearch[{extra}]'"
    assert explain(error.value, "sweep", []) == (sentence, MISUSED)


def test_an_absent_package_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(
        Plugins.instance().class_name_to_class, "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"
    )
    assert main(["sweep", "study=mine", "hydra/launcher=ray", "seed=0,1"]) == MISUSED
    assert "pip install 'rnnsearch[ray]'" in capsys.readouterr().err.splitlines()[-1]


def test_the_job_travels_to_other_processes() -> None:
    code = (
        "import pickle, sys; job = pickle.load(sys.stdin.buffer);"
        "print(job.__name__, job.__module__, 'torch' in sys.modules)"
    )
    job = cloudpickle.dumps(_job("sweep", ["seed=0,1"], Path.cwd()))
    done = subprocess.run([sys.executable, "-c", code], input=job, capture_output=True, check=True)
    assert done.stdout.decode().split() == ["job", "rnnsearch.cli.commands.sweep", "False"]
    assert list(inspect.signature(cloudpickle.loads(job)).parameters) == ["cfg"]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["local", "joblib", "slurm_local", "ray"])
def test_points_are_trained_by_each_launcher(launcher: str, tmp_path: Path) -> None:
    words = [
        *("sweep", "study=mine", f"hydra/launcher={launcher}", *SMALL),
        *("trainer.max_steps=3", "validation.sentences=20", "test=false", "seed=0,1"),
        *(["+hydra.launcher.ray.init.num_cpus=2"] if launcher == "ray" else []),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-m", "rnnsearch", *words], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    study = tmp_path / "outputs" / "mine"
    states = [ledger.state(point) for point in ledger.read_points(study)]
    assert [state.status for state in states] == ["finished", "finished"]
    assert len({state.attempts[0].pid for state in states}) == (1 if launcher == "local" else 2)
    assert done.stdout == f"{study}/report.html\n"
    assert done.stderr.count(" is finished") == 2
    assert "Traceback" not in done.stderr
    assert "warn" not in done.stderr.lower()
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}  # no launcher leaves anything beside it
    assert {path.name for path in study.iterdir() if path.name.startswith(".")} <= {".lock", ".submitit"}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "slurm_local", "ray"])
def test_trials_of_a_tuning_wait_for_each_other_on_each_launcher(launcher: str, tmp_path: Path) -> None:
    words = [
        *("sweep", "study=mine", f"hydra/launcher={launcher}", *SMALL),
        *("trainer.max_steps=4", "validation.every=1", "validation.sentences=20", "test=false", "seed=0,1"),
        *("tuning=learning_rate", "tuning.factors=[0.5,1,2]", "tuning.extensions=0", "tuning.warmups=0"),
        *(["+hydra.launcher.ray.init.num_cpus=2"] if launcher == "ray" else []),
    ]
    done = subprocess.run([sys.executable, "-m", "rnnsearch", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    states = [ledger.state(point) for point in ledger.read_points(tmp_path / "outputs" / "mine")]
    assert sorted(state.status for state in states) == ["finished", "finished", "paused", "paused"]
    assert sorted(state.updates for state in states) == [1, 3, 4, 4]  # judged after 1 and 3 of 4
    tuning = json.loads((tmp_path / "outputs" / "mine" / "study.json").read_text())["tuning"]
    assert [one["updates"] for one in tuning["rungs"]] == [1, 3]
