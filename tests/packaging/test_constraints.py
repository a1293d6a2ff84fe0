"""What constraints.txt names can be installed on every Python that CI may take."""

import subprocess
import sys
from pathlib import Path

import pytest

LOCK = Path(__file__).resolve().parents[2] / "constraints.txt"
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--only-binary=:all:"]


@pytest.mark.slow
def test_the_lock_fits_the_first_releases_of_pythons(tmp_path: Path) -> None:
    """Some distributions stay at an early one: Debian 12 at 3.11.2, for which not every wheel of 3.11 is."""
    asked = {
        python: subprocess.Popen(
            [*PIP, "--requirement", LOCK, "--python-version", python, "--target", tmp_path / python],
            stderr=subprocess.PIPE,
            text=True,
        )
        for python in ("3.11.0", "3.12.0")
    }
    errors = {python: pip.communicate()[1] for python, pip in asked.items()}
    assert {python: errors[python] for python, pip in asked.items() if pip.returncode} == {}
