"""What a stranger's checkpoint or config says is never executed."""

import json
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

import rnnsearch
from rnnsearch.config import trust
from rnnsearch.model.build import build_translator

from .conftest import Shell


class Attack:
    """Touches a file when it is unpickled."""

    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[Any, ...]:
        return subprocess.call, (["touch", str(self.touched)],)


def change(run: Path, edit: Any, name: str = "best") -> None:
    path = run / "checkpoints" / f"{name}.ckpt"
    content = torch.load(path, weights_only=True)
    edit(content)
    torch.save(content, path)


def test_the_pickle_is_an_attack(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Attack(tmp_path / "touched")))
    assert (tmp_path / "touched").exists()


@pytest.mark.parametrize("place", ["alone", "in a checkpoint", "as torch saves it"])
def test_a_checkpoint_that_runs_a_command_is_refused(
    stranger: Path, tmp_path: Path, place: str, shell: Shell, capfd: pytest.CaptureFixture[str]
) -> None:
    attack = Attack(tmp_path / "touched")
    for name in ("best", "last"):
        if place == "in a checkpoint":
            change(stranger, lambda content: content.update(attack=attack), name)
        elif place == "alone":
            (stranger / "checkpoints" / f"{name}.ckpt").write_bytes(pickle.dumps(attack, protocol=2))
        else:
            torch.save(attack, stranger / "checkpoints" / f"{name}.ckpt")
    for checkpoint in ("best", "last"):
        with pytest.raises(ValueError, match="can't be read as a checkpoint"):
            rnnsearch.load(stranger, checkpoint=checkpoint, device="cpu")
    shell.refused("evaluate", f"run={stranger}", "split=test", capfd=capfd)
    shell.refused(*shell.training(stranger, "ckpt=last", "budget.updates=8"), capfd=capfd)
    assert not (tmp_path / "touched").exists()


TARGETS = ["os.system", "subprocess.call", "rnnsearch.data.download.fetch", "rnnsearch.model.build.importlib.reload"]


@pytest.mark.parametrize("target", [*TARGETS, "rnnsearch.model.cells.nn.Linear", "rnnsearch.model.nowhere.Context"])
@pytest.mark.parametrize("part", ["encoder", "context", "decoder"])
def test_a_checkpoint_s_model_is_made_of_models_alone(stranger: Path, part: str, target: str) -> None:
    change(stranger, lambda content: content["rnnsearch"]["model"][part].update(_target_=target, command="true"))
    with pytest.raises(ValueError, match=r"may not be constructed|can't be imported|is no torch module") as refused:
        rnnsearch.load(stranger, device="cpu")
    assert target in str(refused.value)


CONSTRUCTED = ["optimizer", "data", "tokenizer", "scheduler", "model.context", "averaging", "trainer"]


@pytest.mark.parametrize(
    ("target", "key"),
    [
        *(("os.system", key) for key in CONSTRUCTED),
        *(
            pytest.param(target, key, marks=[] if key == quick else pytest.mark.slow)
            for target, quick in (
                ("rnnsearch.records.json_files.write_text", "optimizer"),
                ("rnnsearch.cli.main.main", "data"),
            )
            for key in CONSTRUCTED
        ),
    ],
)
def test_a_config_constructs_what_the_shipped_one_names(
    shell: Shell, key: str, target: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (f"{key}._target_={target}", f"++{key}.command='touch {tmp_path}/touched'")
    said = shell.refused(*shell.training(tmp_path / "run", *words), capfd=capfd)
    assert f"{target} may not be constructed" in said
    assert not (tmp_path / "touched").exists()


def test_nested_targets_are_checked_too(shell: Shell, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nested = "++trainer.barebones=[{_target_: os.system, command: touch touched}]"
    said = shell.refused(*shell.training(tmp_path / "run", nested), capfd=capfd)
    assert "os.system, command: touch touched}]: give true or false" in said
    assert not (shell.folder / "touched").exists()


def test_the_whitelist_has_no_patterns_of_ours() -> None:
    assert not [name for name in trust.whitelist() if "*" in name]
    with trust.trusting(["mine"]):
        assert {"mine", "mine.*"} <= set(trust.whitelist())
    assert not trust.given()


def test_a_run_s_config_can_look_nothing_up(
    stranger: Path, shell: Shell, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    config = OmegaConf.load(stranger / "config.yaml")
    config.member = "${oc.env:SECRET}"
    OmegaConf.save(config, stranger / "config.yaml")
    for words in (["evaluate", "split=test"], ["reproduce", f"paths.cache={shell.cache}"]):
        said = shell.refused(words[0], f"run={stranger}", *words[1:], capfd=capfd)
        assert "somebody changed it" in said
        assert "hunter2" not in said


@pytest.mark.parametrize(
    "content", ["!!python/object/apply:os.system ['touch touched']", "- a", "a: [", "\0", "{[1]: 2}"]
)
def test_a_config_that_is_none(stranger: Path, shell: Shell, content: str, capfd: pytest.CaptureFixture[str]) -> None:
    (stranger / "config.yaml").write_text(content)
    shell.refused("evaluate", f"run={stranger}", "split=test", capfd=capfd)
    assert not (shell.folder / "touched").exists()


# trust=[mypackage]

PACKAGE = '''
"""A context of one's own."""
from torch import Tensor, nn
from rnnsearch.model.context import Mean

class Mine(Mean):
    """The mean, under another name."""
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    place = tmp_path / "site" / "mypackage"
    (place / "conf" / "model" / "context").mkdir(parents=True)
    (place / "__init__.py").write_text("")
    (place / "attention.py").write_text(PACKAGE)
    (place / "conf" / "model" / "context" / "mine.yaml").write_text("_target_: mypackage.attention.Mine\n")
    return place.parent


@pytest.mark.slow
def test_a_class_of_one_s_own_is_trusted_on_the_command_line_alone(shell: Shell, package: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("model/context=mine", f"--config-dir={package}/mypackage/conf")
    said = shell.train(run, *words, code=1, python=package)
    assert "mypackage.attention.Mine may not be constructed" in said.stderr
    assert "trust=[mypackage]" in said.stderr
    run = tmp_path / "run2"
    shell.train(run, "trust=[mypackage]", "model/context=mine", python=package)
    assert "trust" not in OmegaConf.load(run / "config.yaml")
    shell.train(run, "trust=[mypackage]", "model/context=mine", "ckpt=last", "budget.updates=6", python=package)
    said = shell("evaluate", f"run={run}", "split=test", code=1, python=package)
    assert "trust=[mypackage]" in said.stderr
    shell("evaluate", f"run={run}", "split=test", "trust=[mypackage]", python=package)
    shell("reproduce", f"run={run}", f"paths.cache={shell.cache}", "trust=[mypackage]", python=package, code=None)
    assert list(shell.folder.glob("outputs/reproduced/run2-*/record.json"))


@pytest.mark.slow
def test_a_sweep_hands_trust_on_and_writes_it_nowhere(shell: Shell, package: Path) -> None:
    words = ("-m", "seed=1,2", "study=mine", "model/context=mine", "trust=[mypackage]", "hydra.launcher.jobs=1")
    shell.train(shell.folder, *words, python=package)
    jobs = list(shell.folder.glob("outputs/mine/*/job.json"))
    assert len(jobs) == 2
    for job in jobs:
        assert not [word for word in json.loads(job.read_text())["overrides"] if "trust" in word]
        assert json.loads((job.parent / "record.json").read_text())["status"] == "finished"


def test_a_file_can_t_trust(shell: Shell, tmp_path: Path, package: Path) -> None:
    sly = tmp_path / "yaml" / "experiment"
    sly.mkdir(parents=True)
    (sly / "sly.yaml").write_text("# @package _global_\ntrust: [mypackage]\n")
    said = shell.train(tmp_path / "run", f"--config-dir={sly.parent}", "+experiment=sly", code=1, python=package)
    assert "stands in a YAML file" in said.stderr


@pytest.mark.parametrize(("word", "sentence"), [("trust=[no-name]", "is no package"), ("trust=[nowhere]", "no such")])
def test_trust_in_nothing(shell: Shell, word: str, sentence: str, tmp_path: Path) -> None:
    assert sentence in shell.train(tmp_path / "run", word, code=2).stderr


def test_trust_in_python(shell: Shell, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(package))
    model = {"encoder": {"_target_": "rnnsearch.model.encoder.RecurrentEncoder"}}
    with pytest.raises(TypeError):  # it may, but lacks its sizes
        build_translator(model, source_size=9, target_size=9)
    model["encoder"]["_target_"] = "mypackage.attention.PACKAGE"
    with pytest.raises(ValueError, match="may not be constructed"):
        build_translator(model, source_size=9, target_size=9)
    with pytest.raises(ValueError, match="is no torch module"):
        build_translator(model, source_size=9, target_size=9, trust=["mypackage"])
