"""Sweeps whose points are planned and not trained."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.cli.main import main
from rnnsearch.sweeps import ledger
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.local_launcher import LocalLauncher


class Planner:
    """Runs commands in a folder of its own; what they would launch is kept, nothing is trained."""

    def __init__(self, folder: Path) -> None:
        self.outputs = folder / "outputs"
        self.launched: list[list[str]] = []

    def launch(self, launcher: object, overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[Any]:
        self.launched += [list(one) for one in overrides]
        return []

    def __call__(self, command: str, *words: str) -> int:
        self.launched.clear()
        return main([*command.split(), *words])

    def points(self, study: str) -> list[Point]:
        return ledger.read_points(self.outputs / study)

    def described(self, study: str) -> Any:
        """What study.json says of a study."""
        return json.loads((self.outputs / study / "study.json").read_text())


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    planner = Planner(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LocalLauncher, "launch", lambda *given, **more: planner.launch(*given, **more))
    monkeypatch.setattr(LocalLauncher, "prepare", lambda *_: None)
    return planner
