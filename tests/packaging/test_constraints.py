"""What constraints.txt names can be installed on every Python that CI may take."""

import subprocess
import sys
from pathlib import Path

import pytest

LOCK = Path(__file__).resolve().parents[2] / "constraints.txt"


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11.0", "3.12.0"])
def test_the_lock_fits_the_first_release_of_a_python(python: str, tmp_path: Path) -> None:
    """Some distributions stay at an early one: Debian 12 at 3.11.2, for which not every wheel of 3.11 is."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--requirement", LOCK]
    other = ["--python-version", python, "--only-binary=:all:", "--target", tmp_path / "there"]
    done = subprocess.run([*pip, *other], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
