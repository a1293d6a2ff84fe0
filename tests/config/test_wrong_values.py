"""Wrong values of every key of every command: refused by one sentence, or meant as they were taken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnsearch.cli.help import COMMANDS

from .wrong_values import Judge, all_cases, cases, complaint, keys

ROOT = Path(__file__).resolve().parents[2]
SOME = 200  # as commands, which take a second or two


def test_the_cases_are_all_keys() -> None:
    found = all_cases()
    assert {case.command for case in found} == set(COMMANDS) - {"sweep"}  # which has compare's keys and no others
    assert set(keys("sweep")) == set(keys("compare"))
    assert len({(case.command, case.key) for case in found}) > 300
    assert min(len(cases(command)) / len(keys(command)) for command in COMMANDS) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "sweep"])
def test_values_are_refused_or_meant(command: str) -> None:
    judge = Judge()
    judged = [(case, complaint(case, *judge(case))) for case in all_cases() if case.command == command]
    assert [f"{case.override} ({case.options}): {told}" for case, told in judged if told] == []


@pytest.mark.slow
def test_some_as_commands(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.config.wrong_values", str(tmp_path), str(SOME), "0"]
    environment = {**os.environ, "RNNSEARCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=3000, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["wrong"] == 0
    assert told["runs"] > 0
    assert told["commands"] + told["judged alone"] == SOME
