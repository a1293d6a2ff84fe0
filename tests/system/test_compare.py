"""`rnnsearch compare`: equal members, resumable, honest about what failed. Its processes run in this one here."""

import contextlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from rnnsearch.cli import jobs
from rnnsearch.cli.main import main
from rnnsearch.training.callbacks import Clock

SIZES = "model.embedding_size=24 model.hidden_size=40 model.attention_size=24 model.readout_size=24 samples=0"
SHORT = f"{SIZES} budget.updates=4 study=pair seeds=[1] tuning.factors=[]"
STARTED: list[list[str]] = []


class InProcess:
    """Stands in for a process: runs the command at once."""

    def __init__(self, words: list[str], **options: Any) -> None:
        assert words[:3] == [sys.executable, "-m", "rnnsearch"]
        STARTED.append(words[3:])
        hydra, config = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
        GlobalHydra.instance().clear()
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.returncode = main(words[3:])
        options["stderr"].write(said.getvalue().encode())
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = hydra, config

    def poll(self) -> int:
        return self.returncode

    def terminate(self) -> None: ...

    def wait(self) -> int:
        return self.returncode


def in_process(patch: pytest.MonkeyPatch) -> None:
    STARTED.clear()
    patch.setattr(jobs, "subprocess", SimpleNamespace(Popen=InProcess, DEVNULL=subprocess.DEVNULL))
    patch.setattr(jobs, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.name != "test_processes_of_their_own":
        in_process(monkeypatch)


@pytest.fixture(scope="module")
def study(workshop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison with trials; one of the rates diverges. Tests only read it."""
    output = tmp_path_factory.mktemp("compare")
    with pytest.MonkeyPatch.context() as patch:
        in_process(patch)
        patch.chdir(output)
        trials = ["tuning.factors=[0.1,20,3e40]", "tuning.updates=3"]
        assert workshop.compare(output, SHORT, "seeds=[0,3]", *trials) == 0
    return output / "pair"


def described(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "study.json").read_text())
    return found


def test_the_study_is_described(study: Path) -> None:
    found = described(study)
    assert found["format"] == 1
    assert (found["name"], found["seeds"], found["match"]) == ("pair", [0, 3], "parameters")
    assert [member["name"] for member in found["members"]] == ["fixed", "additive"]
    assert found["budget"] == {"updates": 4, "tokens": None, "seconds": None, "flops": None}
    assert [(run["member"], run["seed"], run["folder"]) for run in found["runs"]] == [
        ("fixed", 0, "fixed-seed0"),
        ("additive", 0, "additive-seed0"),
        ("fixed", 3, "fixed-seed3"),
        ("additive", 3, "additive-seed3"),
    ]
    assert (study / "report.html").stat().st_size > 1000
    assert (study / "report.md").exists()


def test_members_have_equal_parameters_and_data(workshop: Any, study: Path) -> None:
    for seed in (0, 3):
        fixed, additive = (workshop.record(study / f"{name}-seed{seed}") for name in ("fixed", "additive"))
        assert abs(fixed["parameters"] / additive["parameters"] - 1) <= 0.01
        assert fixed["parameters"] != additive["parameters"] or fixed["config_hash"] != additive["config_hash"]
        assert fixed["seed"] == additive["seed"] == seed
        assert (fixed["member"], additive["member"]) == ("fixed", "additive")
        assert fixed["data"] == additive["data"]
        curves = [r["results"]["curves"]["train"] for r in (fixed, additive)]
        assert [p["tokens_seen"] for p in curves[0]] == [p["tokens_seen"] for p in curves[1]]  # the same batches
        assert [p["loss"] for p in curves[0]] != [p["loss"] for p in curves[1]]


@pytest.mark.parametrize(
    "budget", [*(pytest.param(one, marks=pytest.mark.slow) for one in ("tokens=200", "seconds=0.3")), "flops=5e7"]
)
def test_equal_operations_and_other_budgets(workshop: Any, tmp_path: Path, budget: str, capsys: Any) -> None:
    words = f"{SHORT.replace('budget.updates=4', 'budget.updates=null')} budget.{budget} match=flops"
    trials = ["tuning.factors=[2]", "tuning.updates=3"]
    assert workshop.compare(tmp_path, words.replace("tuning.factors=[]", ""), *trials) == 0
    found = described(tmp_path / "pair")
    key, limit = budget.split("=")
    assert (found["match"], found["budget"][key]) == ("flops", float(limit))
    records = [workshop.record(tmp_path / "pair" / f"{name}-seed1") for name in ("fixed", "additive")]
    costs, sizes = ([record[name] for record in records] for name in ("flops_per_token", "parameters"))
    assert abs(costs[0] / costs[1] - 1) <= 0.01
    assert abs(sizes[0] / sizes[1] - 1) > 0.02
    for record in records:
        used = {"tokens": record["tokens_seen"], "seconds": record["training_seconds"]}
        used["flops"] = record["tokens_seen"] * record["flops_per_token"]
        assert used[key] >= float(limit)
    for trial in (tmp_path / "pair" / "trials").glob("*/"):
        assert workshop.record(trial)["updates"] <= 3
        assert workshop.record(trial)["results"]["metrics"]["validation"]["nll"] > 0
    assert "for equal flops" in capsys.readouterr().err


def test_only_what_differs_is_listed(study: Path) -> None:
    difference = {entry["key"]: entry["values"] for entry in described(study)["config_difference"]}
    assert difference.pop("model.context._target_") == {
        "fixed": "rnnsearch.model.context.Fixed",
        "additive": "rnnsearch.model.context.Additive",
    }
    assert set(difference) <= {
        "model.context.attention_size", "model.context.normed", "model.encoder.hidden_size",
        "model.decoder.hidden_size", "optimizer.lr",
    }  # fmt: skip
    assert difference["model.encoder.hidden_size"]["additive"] == 40
    configs = [OmegaConf.load(study / f"{name}-seed0" / "config.yaml") for name in ("fixed", "additive")]
    assert configs[0].model.embedding_size == configs[1].model.embedding_size
    assert configs[0].model.readout_size == configs[1].model.readout_size


def test_trials_choose_by_validation_s_likelihood(workshop: Any, study: Path) -> None:
    tuning = described(study)["tuning"]
    table = {(trial["member"], trial["learning_rate"]): trial["nll"] for trial in tuning["trials"]}
    assert set(table) == {(name, rate) for name in ("fixed", "additive") for rate in (0.0001, 0.02, 3e37)}
    for name in ("fixed", "additive"):
        assert table[name, 3e37] is None
        assert table[name, 0.02] < table[name, 0.0001]
        assert tuning["chosen"][name] == 0.02
        trial = workshop.record(study / "trials" / f"{name}-lr0.02")
        assert trial["updates"] == 3
        assert trial["results"]["metrics"]["validation"]["nll"] == table[name, 0.02]
        assert OmegaConf.load(study / f"{name}-seed3" / "config.yaml").optimizer.lr == 0.02


def test_finished_runs_are_skipped_and_interrupted_ones_go_on(
    workshop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Clock.on_train_batch_end

    def stopping(self: Clock, trainer: Any, *others: Any) -> None:
        original(self, trainer, *others)
        if trainer.global_step == 6 and "additive" in str(trainer.checkpoint_callback.dirpath):  # type: ignore[union-attr]
            raise KeyboardInterrupt

    words = SHORT.replace("budget.updates=4", "budget.updates=8")
    with monkeypatch.context() as patch:
        patch.setattr(Clock, "on_train_batch_end", stopping)
        assert workshop.compare(tmp_path, words) == 1
    error = capsys.readouterr().err
    assert "not finished: additive-seed1; the same command again goes on" in error
    assert "Traceback" not in error
    assert workshop.record(tmp_path / "pair" / "additive-seed1")["status"] == "interrupted"
    assert workshop.record(tmp_path / "pair" / "fixed-seed1")["status"] == "finished"
    STARTED.clear()
    assert workshop.compare(tmp_path, words) == 0
    assert [words[-1] for words in STARTED] == ["ckpt=last"]
    assert any("additive-seed1" in word for word in STARTED[0])
    out = capsys.readouterr().out
    assert out.strip() == str(tmp_path / "pair" / "report.html")
    STARTED.clear()
    before = workshop.record(tmp_path / "pair" / "additive-seed1")
    assert workshop.compare(tmp_path, words) == 0
    assert STARTED == []
    assert workshop.record(tmp_path / "pair" / "additive-seed1") == before


@pytest.mark.slow
def test_a_resumed_member_equals_one_that_never_stopped(workshop: Any, study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "pair"
    shutil.copytree(study, copy)
    shutil.rmtree(copy / "additive-seed3")
    trials = ["tuning.factors=[0.1,20,3e40]", "tuning.updates=3"]
    assert workshop.compare(tmp_path, SHORT, "seeds=[0,3]", *trials) == 0
    again, first = (workshop.record(folder / "additive-seed3") for folder in (copy, study))
    assert again["results"] == first["results"]


def test_a_member_that_fails_does_not_stop_the_others(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    wild = "+members.wild=['optimizer=sgd','optimizer.lr=1e38','scheduler=none','averaging=none']"
    assert workshop.compare(tmp_path, SHORT, wild, "match=none") == 1
    error = capsys.readouterr().err
    assert "not finished: wild-seed1" in error
    assert "training diverged" in (tmp_path / "pair" / "wild-seed1.log").read_text()
    statuses = {
        name: workshop.record(tmp_path / "pair" / f"{name}-seed1")["status"] for name in ("fixed", "additive", "wild")
    }
    assert statuses == {"fixed": "finished", "additive": "finished", "wild": "failed"}
    assert (tmp_path / "pair" / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["+members.bad=['model/context=dot']"], "member bad: "),
        (["+members.bad=['model/context=dot']", "match=none"], "member bad: "),
        (["+members.bad=['model/context=dott']"], "model/context has no option 'dott'"),
        (['+members.bad="[model/context=dot]"'], "members.bad=[model/context=dot]: give a list of quoted overrides"),
        (["seeds=[]"], "seeds=[]: give a list of different whole numbers"),
        (["seeds=[1,1]"], "seeds=[1, 1]: give a list"),
        (["seeds=3"], "seeds=3: give a list"),
        (["seeds=[a]"], "seeds=['a']: give a list"),
        (["seed=3"], "write 'seeds=[3]'"),
        (["match=size"], "match=size: choose one of none, parameters, flops"),
        (["budget.tokens=0"], "budget.tokens=0: give a number above 0"),
        (["~members.fixed"], "at least two members"),
        (["study=a/b"], "a study's name has letters"),
        (["study=.."], "a study's name has letters"),
        (["trainer.max_steps=3"], "two names of one limit"),
    ],
)
def test_wrong_comparisons_are_refused_before_anything_runs(
    workshop: Any, tmp_path: Path, capsys: Any, words: list[str], sentence: str
) -> None:
    given = [word.split("=")[0] for word in words]
    base = " ".join(word for word in SHORT.split() if word.split("=")[0] not in given)
    assert workshop.compare(tmp_path, base, *words) in (1, 2)
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert STARTED == []


def test_other_settings_do_not_mix_with_a_study(workshop: Any, study: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(study, tmp_path / "pair")
    before = workshop.snapshot(tmp_path / "pair" / "fixed-seed0")
    assert workshop.compare(tmp_path, SHORT, "label_smoothing=0.2", "seeds=[0]", "optimizer.lr=0.02") == 1
    assert "holds a run of other settings" in capsys.readouterr().err
    assert workshop.snapshot(tmp_path / "pair" / "fixed-seed0") == before


def test_two_comparisons_at_once_are_refused(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "pair").mkdir()
    with FileLock(tmp_path / "pair" / ".lock"):
        assert workshop.compare(tmp_path, SHORT) == 1
    assert "another comparison is at work in" in capsys.readouterr().err


@pytest.mark.slow
def test_members_seeds_and_settings_of_the_user(workshop: Any, tmp_path: Path) -> None:
    own = tmp_path / "my conf"
    (own / "experiment").mkdir(parents=True)
    (own / "experiment" / "mine.yaml").write_text("# @package _global_\nlabel_smoothing: 0.25\n")
    words = "study=own trainer.max_steps=2 tuning.factors=[10] tuning.updates=1"
    flags = (f"--config-dir={own}", "experiment=mine", "+members.mean=['model/context=mean']", "seeds=[7]")
    odd = tmp_path / "out, é='x'"
    assert workshop.compare(odd, f"{SIZES} {words}", *flags) == 0
    for name in ("fixed", "additive", "mean"):
        assert workshop.record(odd / "own" / f"{name}-seed7")["updates"] == 2
        assert OmegaConf.load(odd / "own" / f"{name}-seed7" / "config.yaml").label_smoothing == 0.25
    parameters = [
        workshop.record(odd / "own" / f"{name}-seed7")["parameters"] for name in ("fixed", "additive", "mean")
    ]
    assert max(parameters) / min(parameters) <= 1.01


@pytest.mark.slow
def test_processes_of_their_own(workshop: Any, tmp_path: Path) -> None:
    odd = tmp_path / "a b,c=é"
    data = [*workshop.corpus(odd / "corpus"), workshop.quoted("paths.cache", odd / "cache")]
    rest = [o for o in workshop.overrides(tmp_path, SHORT) if not o.startswith(("data", "paths", "hydra"))]
    words = ["compare", *data, *rest, workshop.quoted("paths.output", odd / "out")]
    process = workshop.process(tmp_path, *words)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    assert out.strip() == str(odd / "out" / "pair" / "report.html")
    assert workshop.record(odd / "out" / "pair" / "fixed-seed1")["status"] == "finished"
    assert "Traceback" not in error
