"""The steps of `cells` and `attention` compiled for this processor: the same equations, one pass over memory each.

native.c is compiled once, by the machine's C compiler, into the user's cache. Where there is no compiler, or the
numbers are not in single precision on a CPU, the steps made of torch's operations serve; `library` logs why, once.
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

from rnnsearch.kernels import attention, cells

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
# are a pointer and two strides.
ARGUMENTS = {
    "cudnn_forward": "nnnrrrrrpn",
    "cudnn_backward": "nnnrrrrr",
    "lstm_forward": "nnnrrrrr",
    "lstm_backward": "nnnrrrrr",
    "paper_reset": "nnnrrrr",
    "paper_update": "nnnrrrrr",
    "paper_update_backward": "nnnrrrr",
    "paper_reset_backward": "nnnrrrrrr",
    "additive_forward": "nnnpnpppfpp",
    "additive_backward": "nnnpppppppnpp",
    "mix_forward": "nnnpppp",
    "mix_backward": "nnnppp",
}
TYPES: "dict[str, list[type[ctypes._SimpleCData[Any]]]]" = {
    "n": [ctypes.c_int64],
    "p": [ctypes.c_void_p],
    "f": [ctypes.c_float],
    "r": [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64],
}


def _load(path: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(path))
    for name, letters in ARGUMENTS.items():
        function = getattr(loaded, name)
        function.argtypes = [ctypes.c_int, *(kind for letter in letters for kind in TYPES[letter])]
        function.restype = None
    return loaded


def _call(name: str, *arguments: int | float) -> None:
    getattr(library(), name)(torch.get_num_threads(), *arguments)


def _rows(values: Tensor) -> tuple[int, int, int]:
    """``[directions, rows, width]`` as native.c takes it: the numbers of a row lie together."""
    assert values.stride(2) == 1 or values.shape[2] == 1
    return values.data_ptr(), values.stride(0), values.stride(1)


class Cudnn(cells.Cudnn):
    """`cells.Cudnn`, compiled."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: Tensor | None) -> None:
        assert extra is not None
        bias = extra.contiguous()
        _call(
            "cudnn_forward", *s.shape, *_rows(x), *_rows(p), *_rows(s), *_rows(new), *_rows(kept),
            bias.data_ptr(), bias.shape[-1],
        )  # fmt: skip

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: Tensor | None
    ) -> None:
        _call("cudnn_backward", *s.shape, *_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x), *_rows(d_p))


class Lstm(cells.Lstm):
    """`cells.Lstm`, compiled."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: Tensor | None) -> None:
        sizes = (*s.shape[:2], s.shape[2] // 2)
        _call("lstm_forward", *sizes, *_rows(x), *_rows(p), *_rows(s), *_rows(new), *_rows(kept))

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: Tensor | None
    ) -> None:
        sizes = (*s.shape[:2], s.shape[2] // 2)
        _call("lstm_backward", *sizes, *_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x), *_rows(d_p))


class Paper(cells.Paper):
    """`cells.Paper`, compiled; the product with U_c stands between two halves."""

    def forward(self, x: Tensor, p: Tensor, s: Tensor, new: Tensor, kept: Tensor, extra: Tensor | None) -> None:
        assert extra is not None
        _call("paper_reset", *s.shape, *_rows(x), *_rows(p), *_rows(s), *_rows(kept))
        u = cells.product(kept[..., 3 * s.shape[-1] :], extra.transpose(1, 2))
        _call("paper_update", *s.shape, *_rows(x), *_rows(u), *_rows(s), *_rows(new), *_rows(kept))

    def backward(
        self, d_s: Tensor, s: Tensor, new: Tensor, kept: Tensor, d_x: Tensor, d_p: Tensor, extra: Tensor | None
    ) -> None:
        assert extra is not None
        _call("paper_update_backward", *s.shape, *_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x))
        u = cells.product(d_x[..., 2 * s.shape[-1] :], extra)
        rows = (*_rows(u), *_rows(d_s), *_rows(s), *_rows(kept), *_rows(d_x), *_rows(d_p))
        _call("paper_reset_backward", *s.shape, *rows)


class Additive(attention.Additive):
    """`attention.Additive`, compiled. Keys, weights and what is kept are contiguous; a query's rows may lie apart."""

    def forward(self, query_BA: Tensor, weights_BS: Tensor, kept_BA: Tensor) -> None:
        assert weights_BS.is_contiguous()
        assert kept_BA.is_contiguous()
        assert query_BA.stride(1) == 1
        _call(
            "additive_forward", len(query_BA), *self.E_BSA.shape[1:], query_BA.data_ptr(), query_BA.stride(0),
            self.E_BSA.data_ptr(), self.v_A.data_ptr(), self.padding_BS.data_ptr(), attention.LIMIT,
            weights_BS.data_ptr(), kept_BA.data_ptr(),
        )  # fmt: skip

    def sums(self) -> tuple[Tensor, ...]:
        return torch.zeros_like(self.E_BSA), torch.zeros_like(self.E_BSA[:, 0])  # a row of v's gradient a sentence

    def backward(
        self,
        d_weights_BS: Tensor,
        weights_BS: Tensor,
        kept_BA: Tensor,
        d_energies_BS: Tensor,
        d_query_BA: Tensor,
        sums: tuple[Tensor, ...],
    ) -> None:
        d_keys_BSA, d_v_BA = sums
        assert d_weights_BS.is_contiguous()
        assert d_query_BA.stride(1) == 1
        _call(
            "additive_backward", len(kept_BA), *self.E_BSA.shape[1:], d_weights_BS.data_ptr(), weights_BS.data_ptr(),
            kept_BA.data_ptr(), self.E_BSA.data_ptr(), self.v_A.data_ptr(), d_energies_BS.data_ptr(),
            d_query_BA.data_ptr(), d_query_BA.stride(0), d_keys_BSA.data_ptr(), d_v_BA.data_ptr(),
        )  # fmt: skip

    def gradients(
        self, d_energies_TBS: Tensor, kept_TBA: Tensor, sums: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor | None]:
        d_keys_BSA, d_v_BA = sums
        return d_keys_BSA.mul_(4.0 * self.v_A), -2.0 * d_v_BA.sum(0)


def mix_forward(weights_BS: Tensor, values_BSX: Tensor, x_BX: Tensor) -> Tensor:
    """x + Σ_j α_j value_j."""
    out_BX = torch.empty_like(x_BX)
    sizes = (*weights_BS.shape, values_BSX.shape[2])
    _call("mix_forward", *sizes, weights_BS.data_ptr(), values_BSX.data_ptr(), x_BX.data_ptr(), out_BX.data_ptr())
    return out_BX


def mix_backward(d_out_BX: Tensor, values_BSX: Tensor, d_weights_BS: Tensor) -> None:
    """Add the weights' gradient, d_out · value_j."""
    sizes = (*d_weights_BS.shape, values_BSX.shape[2])
    _call("mix_backward", *sizes, d_out_BX.data_ptr(), values_BSX.data_ptr(), d_weights_BS.data_ptr())


def serves(like: Tensor) -> bool:
    """Whether compiled steps take tensors like ``like``."""
    return like.device.type == "cpu" and like.dtype == torch.float32 and library() is not None
