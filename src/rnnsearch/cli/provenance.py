"""Where a result comes from: versions, hardware, git commit, memory."""

import platform
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("torch", "lightning", "hydra-core", "omegaconf", "torchmetrics", "sacrebleu", "sentencepiece", "numpy")


def versions() -> dict[str, str]:
    """This package's, Python's and the main libraries' versions."""
    return {"rnnsearch": version("rnnsearch"), "python": platform.python_version()} | {p: version(p) for p in PACKAGES}


def hardware() -> dict[str, Any]:
    """Processor, its threads in use, memory, GPUs."""
    return {
        "cpu": _cpu_name(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


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


def peak_memory_bytes() -> int:
    """The most memory held: the GPU's where one was used, else the process's resident size."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)
