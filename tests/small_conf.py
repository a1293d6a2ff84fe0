"""A small conf/ tree and a command that runs on it, so that tests of composing read no shipped option."""

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from rnnsearch.cli import help, main
from rnnsearch.config import compose, errors, unread_keys, value_checks, yaml_source

TREE = {
    "train.yaml": """
defaults:
  - _self_
  - data: files
  - model: tiny
  - trainer: cpu
  - experiment: null
  - debug: null
  - override hydra/job_logging: stderr
  - override hydra/hydra_logging: stderr

seed: 1  # 0 is a seed
budget:
  updates: null  # stop after this many
hydra:
  output_subdir: null
  run:
    dir: ${paths.output}/run
  sweep:
    dir: ${paths.output}/sweep
paths:
  output: outputs
""",
    "data/files.yaml": "# line-aligned files\ntrain:\n  source: ???\n",
    "data/other.yaml": "# something else\ntrain:\n  source: there\n",
    "model/tiny.yaml": "# for a CPU\ndefaults:\n  - context: fixed\n  - _self_\nsize: 8\n",
    "model/small.yaml": "# for a patient CPU\ndefaults:\n  - context: fixed\n  - _self_\nsize: 64\n",
    "model/context/fixed.yaml": "kind: fixed\n",
    "model/context/additive.yaml": "kind: additive\n",
    "trainer/cpu.yaml": "max_steps: 3\nprecision: 32-true\n",
    "experiment/paper.yaml": "# @package _global_\n# the paper's\nseed: 2014\n",
    "experiment/broken.yaml": "# @package _global_\ndefaults:\n  - override /model: hgue\n",
    "debug/fast.yaml": "# @package _global_\n# two steps\ntrainer:\n  max_steps: 2\n",
}


def write_tree(folder: Path, tree: dict[str, str]) -> Path:
    for name, text in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small tree in place of the shipped one, and an empty working directory."""
    shipped = help.config_dir()
    folder = write_tree(tmp_path / "conf", TREE)
    for kind in ("job_logging", "hydra_logging"):
        path = folder / "hydra" / kind / "stderr.yaml"
        path.parent.mkdir(parents=True)
        path.write_text((shipped / "hydra" / kind / "stderr.yaml").read_text())
    for module in (compose, errors, help, main, unread_keys, yaml_source):
        monkeypatch.setattr(module, "config_dir", lambda: folder)
    monkeypatch.setattr(value_checks, "check_values", lambda *_: None)  # its table is that of the shipped keys
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return folder


@pytest.fixture
def command(conf: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., None]], None]:
    """Call it with a function to make that function the work of `rnnsearch train`."""

    def install(run: Callable[..., None]) -> None:
        module = types.ModuleType("rnnsearch.cli.commands.train")
        module.run = run
        monkeypatch.setitem(sys.modules, "rnnsearch.cli.commands.train", module)

    return install
