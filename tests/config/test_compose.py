"""Composing without running, the spelling of overlays, and what Hydra's flags do after a command."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from rnnsearch.cli.main import main
from rnnsearch.config.compose import compose, spelled, valid_names
from rnnsearch.config.config_dir import config_dir
from rnnsearch.config.near_names import nearest


def test_compose_applies_overrides(conf: Path) -> None:
    config = compose("train", ["model=small", "model/context=additive", "trainer.max_steps=7"])
    assert (config.model.size, config.model.context.kind, config.trainer.max_steps) == (64, "additive", 7)
    assert "hydra" not in config


@pytest.mark.parametrize("override", ["experiment=paper", "+experiment=paper", "++experiment=paper"])
def test_an_overlay_may_be_appended_or_chosen(conf: Path, override: str) -> None:
    assert compose("train", [override]).seed == 2014


def test_only_the_overlays_of_the_command_are_respelled(conf: Path) -> None:
    given = ["-m", "+experiment=a,b", "+debug=fast", "+experiments=a", "+model.x=1", "x=+experiment=a"]
    assert spelled("train", given) == ["-m", "experiment=a,b", "debug=fast", *given[3:]]
    (conf / "evaluate.yaml").write_text("defaults:\n  - _self_\nrun: ???\n")
    assert spelled("evaluate", given) == given


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of YAML with an experiment."""
    (tmp_path / "my" / "experiment").mkdir(parents=True)
    (tmp_path / "my" / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 77\n")
    return tmp_path / "my"


def test_compose_reads_more_folders(conf: Path, mine: Path) -> None:
    assert compose("train", ["+experiment=mine"], [mine]).seed == 77


def test_compose_leaves_an_active_hydra_alone(conf: Path) -> None:
    from hydra import initialize_config_dir

    with initialize_config_dir(str(conf)):
        before = GlobalHydra.instance().hydra
        compose("train")
        assert GlobalHydra.instance().hydra is before
    assert not GlobalHydra.instance().is_initialized()


def test_valid_names_are_groups_and_keys(conf: Path) -> None:
    names = valid_names("train")
    assert {"model", "model/context", "trainer.max_steps", "budget", "budget.updates", "seed"} <= set(names)
    assert "hydra/job_logging" not in names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("trainer.max_step", "trainer.max_steps"),
        ("modle", "model"),
        ("max_steps", "trainer.max_steps"),
        ("max_step", "trainer.max_steps"),
        ("budget.max_steps", "trainer.max_steps"),
    ],
)
def test_nearest(name: str, expected: str) -> None:
    names = ["model", "model/context", "trainer", "trainer.max_steps", "trainer.precision", "budget.updates"]
    assert nearest(name, names)[0] == expected


def test_nearest_finds_nothing_for_nonsense() -> None:
    assert nearest("qqqq", ["model", "trainer.max_steps"]) == []


def test_flags_work_after_a_command(conf: Path, capfd: pytest.CaptureFixture[str], mine: Path) -> None:
    words = ["--resolve", "data=other", "--config-dir", str(mine), "+experiment=mine"]
    assert main(["train", "--cfg", "job", *words]) == 0
    out, err = capfd.readouterr()
    assert "seed: 77" in out
    assert err == ""
    assert main(["train", "--info", "searchpath"]) == 0
    assert str(conf) in capfd.readouterr().out


def test_the_command_gets_the_config_and_standard_output_is_its_own(command, capfd: pytest.CaptureFixture[str]) -> None:
    def run(cfg) -> None:
        logging.getLogger("rnnsearch.test").info("working")
        sys.stdout.write(f"{cfg.trainer.max_steps} {sys.argv[1:]}\n")

    command(run)
    argv, environment = list(sys.argv), dict(os.environ)
    assert main(["train", "+debug=fast"]) == 0
    out, err = capfd.readouterr()
    assert out == "2 ['train', '+debug=fast']\n"  # the whole command line, for child processes and the record
    assert err.count("\n") == 1
    assert "INFO rnnsearch.test: working" in err
    assert (sys.argv, dict(os.environ)) == (argv, environment)


def test_nothing_is_written_before_the_command_runs(command, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "record.json").write_text("{}")

    def run(cfg) -> None:
        raise ValueError("a record is here already")

    command(run)
    assert main(["train", f"hydra.run.dir={folder}"]) == 1
    assert [path.name for path in folder.iterdir()] == ["record.json"]
    assert list(Path.cwd().iterdir()) == []


def test_a_sweep_runs_each_combination(command, capfd: pytest.CaptureFixture[str]) -> None:
    seen = []

    def run(cfg) -> None:
        seen.append((cfg.seed, cfg.model.size))
        if cfg.seed == 0:
            raise ValueError("seed 0 is refused")

    command(run)
    assert main(["train", "-m", "seed=0,3", "model=tiny,small"]) == 1
    assert seen == [(0, 8), (0, 64), (3, 8), (3, 64)]  # a failing job does not stop the others
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("rnnsearch train: seed 0 is refused") == 2
    assert "Traceback" not in err


def test_a_sweep_over_overlays(command) -> None:
    seeds = []
    command(lambda cfg: seeds.append(cfg.seed))
    assert main(["train", "--multirun", "+experiment=paper", "seed=4,5"]) == 0
    assert seeds == [4, 5]


def test_only_trusted_targets_are_constructed(command, capfd: pytest.CaptureFixture[str]) -> None:
    from hydra.utils import instantiate

    command(lambda cfg: instantiate(cfg.model))
    assert main(["train", "+model._target_=shutil.which"]) == 2
    assert "shutil.which may not be constructed by a configuration" in capfd.readouterr().err


def test_python_m_rnnsearch() -> None:
    done = subprocess.run([sys.executable, "-m", "rnnsearch", "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no command" in done.stderr


def test_the_config_dir_is_found() -> None:
    assert (config_dir() / "hydra" / "job_logging" / "stderr.yaml").is_file()


@pytest.mark.parametrize("command", ["train", "sweep", "compare", "status"])
def test_printing_a_config_imports_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from rnnsearch.cli.main import main; assert main(sys.argv[1:]) == 0;"
        "print([name for name in ('torch', 'lightning', 'optuna', 'ray', 'submitit', 'joblib') if name in sys.modules],"
        " file=sys.stderr)"
    )
    words = [command, "study=mine", "--cfg", "job"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "study: mine" in done.stdout
