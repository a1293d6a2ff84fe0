"""Help teaches, comes from the conf/ tree itself, and loads nothing heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

from rnnsearch.cli.help import COMMANDS, FLAGS, command_help, overview
from rnnsearch.cli.main import main
from rnnsearch.config.config_dir import chosen_groups, description, groups, primary_keys

HEAVY = ("torch", "lightning", "hydra", "omegaconf", "numpy", "datasets", "matplotlib", "yaml", "rich")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["train", "--help"], ["compare", "seed=1", "-h"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from rnnsearch.cli.main import main; assert main(sys.argv[1:]) == 0;"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "usage: rnnsearch" in done.stdout


def test_the_overview_names_every_command_group_and_option(conf: Path) -> None:
    page = overview()
    assert all(
        name in page and " ".join(command.summary.split()) in " ".join(page.split())
        for name, command in COMMANDS.items()
    )
    assert "model/context" in page
    assert "additive, fixed" in page
    assert page.count("  rnnsearch ") >= 3
    assert all(flag in page for flag in FLAGS)
    assert "hydra/job_logging" not in page


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_page_has_examples_that_call_it(name: str) -> None:
    page = command_help(name)
    assert len(COMMANDS[name].examples) >= 3
    assert all(f"rnnsearch {name}" in line and line in page for line in COMMANDS[name].examples.values())


def test_a_command_s_page_describes_its_own_groups_and_keys(conf: Path) -> None:
    page = command_help("train")
    assert "for a patient CPU" in page
    assert "the paper's" in page
    assert "0 is a seed" in page
    assert "budget.updates=null" in page
    (conf / "unrelated").mkdir()
    (conf / "unrelated" / "x.yaml").write_text("# not for train\n")
    assert "not for train" not in command_help("train")


def test_a_page_fits_a_narrow_terminal(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line for line in command_help("train").splitlines() if not line.startswith("  rnnsearch ")]
    assert max(len(line) for line in lines) <= 80


def test_reading_the_tree(conf: Path) -> None:
    assert chosen_groups(conf, "train") == ("data", "model", "trainer", "experiment", "debug")
    assert chosen_groups(conf, "absent") == ()
    assert groups(conf)["model"] == {"small": "for a patient CPU", "tiny": "for a CPU"}
    assert description(conf / "model" / "context" / "fixed.yaml") == ""
    assert primary_keys(conf, "train") == {
        "seed": ("1", "0 is a seed"),
        "budget.updates": ("null", "stop after this many"),
        "paths.output": ("outputs", ""),
    }


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("rnnsearch ")


def test_an_unknown_command_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian", "model=tiny"]) == 2
    err = capsys.readouterr().err
    assert "'trian' is no command; did you mean train?" in err
    assert "evaluate" in err
