"""native.c, compiled for this processor: once, by the machine's C compiler, into the user's cache.

Where there is no compiler, or the arithmetic is not in single precision on a CPU, torch's operations serve; `library`
logs why, once.
"""

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("native.c")
FLAGS = ("-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
SECONDS = 120  # until a compiler is given up


@cache
def library() -> ctypes.CDLL | None:
    """The compiled steps, or None, with a line in the log, where they can't be had."""
    try:
        return _load(_compiled(cache_folder()))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        said = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else ""
        reason = said.splitlines()[-1] if said else error
        logger.info("kernels of torch's operations serve, for native ones can't be compiled: %s", reason)
        return None


def cache_folder() -> Path:
    """Where compiled steps are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnnsearch" / "kernels"


def _compiled(folder: Path) -> Path:
    """The shared library for this source, compiler and processor; compiled aside, so that processes may race."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise FileNotFoundError("there is no C compiler (cc, gcc, clang)")
    described = _run([compiler, *FLAGS, "-dM", "-E", "-x", "c", os.devnull])  # names the processor's instructions
    linked = _openmp()
    key = hashlib.sha256(SOURCE.read_bytes() + " ".join((*FLAGS, *linked)).encode() + described).hexdigest()[:16]
    path = folder / f"native-{key}.so"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            built = Path(aside) / path.name
            _run([compiler, *FLAGS, "-o", str(built), str(SOURCE), *linked, "-lm"])
            built.replace(path)
    return path


def _openmp() -> list[str]:
    """Link with torch's own OpenMP where it brings one, whatever its name: two would be two sets of busy threads."""
    brought = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return ["-Wl,--as-needed", *map(str, brought)] if brought else []


def _run(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=SECONDS).stdout


# What each function of native.c is given after the number of threads: n a size, p a pointer, f a float, r rows, which
# are a pointer and two strides, l an int (whether numbers are bfloat16), e rows of either type: r and l.
ARGUMENTS = {
    "cudnn_forward": "nnneerrrpn",
    "cudnn_backward": "nnnrrree",
    "lstm_forward": "nnneerrr",
    "lstm_backward": "nnnrrree",
    "paper_reset": "nnneerr",
    "paper_update": "nnneerrr",
    "paper_update_backward": "nnnrrre",
    "paper_reset_backward": "nnnerrree",
    "additive_forward": "nnnnepppfpp",
    "additive_backward": "nnnnppppppepp",
    "mix_forward": "nnnpplplp",
    "mix_backward": "nnnplplp",
    "transpose": "nnplp",
    "column_sums": "nnplp",
    "cross_entropy": "nnplpfpp",
    "log_softmax": "nnp",
    "pack": "nnpnnlp",
    "product": "nnnplppp",
    "recurrence_forward": "lnnnpepnperrnnpppfpppp",
    "recurrence_backward": "lnnnpepnrreepnpnnpppppppppp",
}
TYPES: "dict[str, list[type[ctypes._SimpleCData[Any]]]]" = {
    "n": [ctypes.c_int64],
    "p": [ctypes.c_void_p],
    "f": [ctypes.c_float],
    "l": [ctypes.c_int],
    "r": [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64],
    "e": [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int],
}
LOW = torch.bfloat16  # what the numbers of products may lie in


def _load(path: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(path))
    for name, letters in ARGUMENTS.items():
        function = getattr(loaded, name)
        function.argtypes = [ctypes.c_int, *(kind for letter in letters for kind in TYPES[letter])]
        function.restype = None
    loaded.multiplies_bfloat16.argtypes, loaded.multiplies_bfloat16.restype = [], ctypes.c_int
    loaded.in_panels.argtypes, loaded.in_panels.restype = [ctypes.c_int64], ctypes.c_int64
    return loaded


def call(name: str, *arguments: int | float | None) -> None:
    """Call a function of native.c, on as many threads as torch uses."""
    getattr(library(), name)(torch.get_num_threads(), *arguments)


def in_panels(columns: int) -> int:
    """Columns of a packed matrix: whole panels, which are of another width on other processors."""
    loaded = library()
    assert loaded is not None
    return int(loaded.in_panels(columns))


def packed(matrix_YX: Tensor) -> Tensor:
    """The matrix as native.c's products read it."""
    columns, depth = matrix_YX.shape
    low = matrix_YX.dtype == LOW
    panels = matrix_YX.new_empty(in_panels(columns) * (depth + depth % 2 if low else depth))
    call("pack", columns, depth, matrix_YX.data_ptr(), *matrix_YX.stride(), low, panels.data_ptr())
    return panels


def multiplies_low() -> bool:
    """Whether native.c multiplies in bfloat16: where the processor has instructions for it."""
    loaded = library()
    return loaded is not None and bool(loaded.multiplies_bfloat16())


def serves(like: Tensor, *, low: bool = False) -> bool:
    """Whether compiled steps take tensors like ``like``; ``low``: in bfloat16, too, where numbers may lie in it."""
    fit = like.dtype == torch.float32 or (low and like.dtype == LOW)
    fit = fit and like.device.type == "cpu" and not torch.compiler.is_compiling()
    return fit and library() is not None
