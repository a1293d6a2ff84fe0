"""`reproduce`, `sweep`, `status` and `report` on folders whose records, job.json and config.yaml a stranger wrote."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.ledger import Point

from .conftest import Shell

SOMEBODY = "so somebody changed it"

pytestmark = pytest.mark.slow


def edit_json(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    values = json.loads(path.read_text())
    change(values)
    values.pop("sha256", None)
    path.write_text(json.dumps(values))


def reproduce(shell: Shell, run: Path, *words: str, code: int = 1, **how: Any) -> str:
    return shell("reproduce", f"run={run}", f"paths.cache={shell.cache}", *words, code=code, **how).stderr


def as_point(run: Path, *, overrides: list[str] | None = None, **values: Any) -> None:
    """Leave job.json in the place of config.yaml."""
    command = json.loads((run / "record.json").read_text())["command"][2:]
    words = [word for word in command if not word.startswith("hydra.")]
    (run / "config.yaml").unlink()
    point = Point(folder=run, key="k", member="m", seed=1, overrides=(*words, *(overrides or [])))
    ledger.write_point(point)
    edit_json(run / "job.json", lambda job: job.update(values))


@pytest.mark.parametrize(
    "word",
    [
        "hydra.run.dir=ELSEWHERE",
        "+hydra.job.env_set.LD_PRELOAD=x",
        " hydra.run.dir=ELSEWHERE",
        "hydra/launcher=joblib",
        "+data@hydra.run=controlled",
        "++trust=[evil]",
        "--config-dir=ELSEWHERE",
        "--experimental-rerun=ELSEWHERE",
        "-m",
    ],
)
def test_a_point_s_overrides_say_nothing_to_hydra(stranger: Path, shell: Shell, tmp_path: Path, word: str) -> None:
    as_point(stranger, overrides=[word.replace("ELSEWHERE", str(tmp_path / "elsewhere"))])
    assert SOMEBODY in reproduce(shell, stranger)
    assert not (tmp_path / "elsewhere").exists()


def test_a_search_that_goes_on_says_nothing_to_hydra(stranger: Path, shell: Shell, tmp_path: Path) -> None:
    study = tmp_path / "here" / "outputs" / "theirs"
    shutil.copytree(stranger, study / "trial-0000")
    (study / "trial-0000" / "record.json").unlink()
    trial = {"index": 0, "number": 0, "fixed": [], "last": [], "parameters": {}}
    as_point_of = {"trial": trial, "overrides": [f"hydra.run.dir={tmp_path}/elsewhere"]}
    ledger.write_point(Point(folder=study / "trial-0000", key="k", member="m", seed=1, overrides=()))
    edit_json(study / "trial-0000" / "job.json", lambda job: job.update(as_point_of))
    words = ("-m", "study=theirs", "sweep=optuna_random", "sweep.search.trials=1", "optimizer.lr=0.001,0.002")
    said = shell.train(shell.folder, *words, code=None)
    assert said.returncode == 1
    assert SOMEBODY in said.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_yaml_of_a_stranger_s_folder_is_not_used(stranger: Path, shell: Shell, tmp_path: Path) -> None:
    own = tmp_path / "yaml"
    (own / "experiment").mkdir(parents=True)
    (own / "experiment" / "sly.yaml").write_text(
        f"# @package _global_\nhydra:\n  run:\n    dir: {tmp_path}/elsewhere\n"
    )
    as_point(stranger, overrides=["experiment=sly"], flags=[f"--config-dir={own}"])
    assert "if you trust it, add --config-dir=" in reproduce(shell, stranger)
    as_point_again = json.loads((stranger / "record.json").read_text())["command"] + [f"--config-dir={own}"]
    edit_json(stranger / "record.json", lambda record: record.update(command=as_point_again))
    (stranger / "job.json").unlink()
    assert "if you trust it, add --config-dir=" in reproduce(shell, stranger)
    assert not (tmp_path / "elsewhere").exists()


def test_overrides_look_nothing_up(stranger: Path, shell: Shell) -> None:
    as_point(stranger, overrides=["member=${oc.env:SECRET}"])
    said = reproduce(shell, stranger, environment={"SECRET": "hunter22"})
    assert "looks something up" in said
    assert "hunter22" not in said


HYDRAS = {
    "hydra": {"run": {"dir": "ELSEWHERE"}, "job": {"env_set": {"LD_PRELOAD": "x"}}},
    "defaults": ["train", {"override hydra/job_logging": "none"}],
}


@pytest.mark.parametrize("key", HYDRAS)
def test_a_config_says_nothing_to_hydra(stranger: Path, shell: Shell, tmp_path: Path, key: str) -> None:
    content = json.dumps({key: HYDRAS[key]}).replace("ELSEWHERE", str(tmp_path / "elsewhere"))
    (stranger / "config.yaml").write_text((stranger / "config.yaml").read_text() + content[1:-1] + "\n")
    assert f"has a key {key}" in reproduce(shell, stranger)
    assert not (tmp_path / "elsewhere").exists()


def test_a_config_s_own_folder_is_not_searched_and_its_directives_are_comments(
    stranger: Path, shell: Shell, tmp_path: Path
) -> None:
    evil = f"# @package hydra.run\ndir: {tmp_path}/elsewhere\n"
    (stranger / "config.yaml").write_text(evil + (stranger / "config.yaml").read_text())
    logging = stranger / "hydra" / "job_logging"
    logging.mkdir(parents=True)
    (logging / "stderr.yaml").write_text(
        "version: 1\nformatters: {x: {(): os.system, command: touch touched}}\nroot: {handlers: []}\n"
    )
    reproduce(shell, stranger, code=0)
    assert not (tmp_path / "elsewhere").exists()
    assert not list(tmp_path.rglob("touched"))


@pytest.mark.parametrize("key", ["data", "optimizer", "tokenizer", "trainer", "model.context"])
def test_a_config_s_targets(stranger: Path, shell: Shell, tmp_path: Path, key: str) -> None:
    config = OmegaConf.load(stranger / "config.yaml")
    OmegaConf.update(config, f"{key}._target_", "os.system")
    OmegaConf.update(config, f"{key}.command", f"touch {tmp_path}/touched", force_add=True)
    OmegaConf.save(config, stranger / "config.yaml")
    said = reproduce(shell, stranger, code=2 if key == "data" else 1)
    logs = [path.read_text() for path in shell.folder.rglob("job.log")]
    assert "os.system may not be constructed" in "".join([said, *logs])
    assert not (tmp_path / "touched").exists()


def test_a_config_says_nothing_of_places(stranger: Path, shell: Shell, tmp_path: Path) -> None:
    config = OmegaConf.load(stranger / "config.yaml")
    (tmp_path / "elsewhere").mkdir()
    config.paths.cache = config.paths.output = str(tmp_path / "elsewhere")
    config.trust = ["evil"]
    OmegaConf.update(config, "logger.csv.name", "../../../elsewhere", force_add=True)
    OmegaConf.save(config, stranger / "config.yaml")
    reproduce(shell, stranger, code=0)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert {path.name for path in shell.folder.iterdir()} == {"outputs"}


@pytest.mark.parametrize("id_", ["x/../../../../elsewhere", "/elsewhere", "a\0b", "", 7, None])
def test_an_id_that_is_a_path(stranger: Path, shell: Shell, tmp_path: Path, id_: Any) -> None:
    edit_json(stranger / "record.json", lambda record: record.update(id=id_))
    said = shell("reproduce", f"run={stranger}", f"paths.cache={shell.cache}", code=None)
    assert "Traceback" not in said.stderr
    assert not list(tmp_path.rglob("elsewhere*"))


def test_modules_beside_the_user_are_not_imported(stranger: Path, shell: Shell) -> None:
    """Somebody who unpacks a stranger's folder and works in it."""
    evil = "open('touched', 'w')\nraise SystemExit('evil')\n"
    for name in ("torch", "rnnsearch", "yaml", "lightning", "pip", "mypackage"):
        (shell.folder / f"{name}.py").write_text(evil)
    shell.imports_anew = True
    reproduce(shell, stranger, code=0)
    shell.train(shell.folder, "-m", "seed=1", "study=mine")
    assert not (shell.folder / "touched").exists()


def test_commands_that_only_read(stranger: Path, shell: Shell, tmp_path: Path) -> None:
    study = shell.folder / "outputs" / "theirs"
    shutil.copytree(stranger, study / "point-seed1-k")
    as_point(study / "point-seed1-k", overrides=["hydra.run.dir=/elsewhere"])
    places = [{"folder": "../../..", "member": "m", "seed": 1}]
    nasty = {"name": "../../x", "kind": "sweep", "runs": places, "seeds": [1], "members": [{"name": "m"}]}
    (study / "study.json").write_text(json.dumps({"format": 1, **nasty}))
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(study)}
    for command in ("status", "report", "export"):
        said = shell(command, "study=theirs", code=None)
        assert "Traceback" not in said.stderr, said.stderr
        assert command == "status" or "'../../..' is no folder of this study" in said.stderr
    (study / "study.json").write_text("{}")
    (study / "study.json").write_text(json.dumps({"format": 1, "members": 7}))
    assert "is no description of a study" in shell("report", "study=theirs", code=1).stderr
    for name in ("../theirs", "/etc", "a/../../b"):
        assert shell("report", f"study={name}", code=None).returncode
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(study)} == before
