"""Where a result comes from: versions and git commit."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "lightning", "hydra-core", "omegaconf", "torchmetrics", "sacrebleu", "sentencepiece", "numpy")


def versions() -> dict[str, str]:
    """This package's, Python's and the main libraries' versions."""
    return {"rnnsearch": version("rnnsearch"), "python": platform.python_version()} | {p: version(p) for p in PACKAGES}


def git() -> dict[str, Any] | None:
    """Commit of the checkout that this package runs from, and whether it has changes; None outside of one."""
    here = Path(__file__).parent
    commit = _git(here, "rev-parse", "HEAD")
    if commit is None or _git(here, "ls-files", "--error-unmatch", __file__) is None:
        return None
    return {"commit": commit, "dirty": bool(_git(here, "status", "--porcelain", "--untracked-files=no"))}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
