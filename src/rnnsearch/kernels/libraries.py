"""Which of torch's two libraries multiplies float32 on this processor: oneDNN, or torch's own choice, mostly MKL.

Which is faster depends on processor, threads and shape, so it is measured, once: a fraction of a second, kept in a
file. Training takes what was measured. Search always takes oneDNN (`products.linear` without gradients), whose result
for a row does not depend on how many rows there are; MKL's does.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from timeit import timeit

import torch

from rnnsearch.kernels import products
from rnnsearch.records.json_files import read_object, write_object

logger = logging.getLogger(__name__)

LIBRARIES = ("onednn", "torch")
# Rows, in and out of a product of each kind: many rows at once, or those of a step; and of small matrices.
SHAPES = {
    "rows": (1200, 512, 1536),
    "steps": (80, 512, 2048),
    "small_rows": (1200, 96, 288),
    "small_steps": (80, 96, 384),
}
WORTH = 1.15  # times as fast torch's own has to be: what is measured again is then chosen again
ROUNDS, MULTIPLICATIONS = 5, 10**8  # of a measurement, and at least about so many in a round


def use(chosen: Mapping[str, str]) -> None:
    """Take these libraries, by kind, from now on; a kind that is not named keeps its own."""
    products.CHOSEN.update({kind.replace(" ", "_"): library for kind, library in chosen.items()})


def choose(setting: str | Mapping[str, str], folder: Path, processor: str) -> dict[str, str]:
    """The library of each kind, taken from now on.

    Args:
        setting: ``auto``, one library for all kinds, or one by kind, where the rest are oneDNN's.
        folder: keeps what was measured, in products.json.
        processor: its name; with torch's version and the threads it says whether a measurement still holds.
    """
    if setting == "auto":
        key = f"{processor}, torch {torch.__version__}, {torch.get_num_threads()} threads"
        chosen = _looked_up(folder / "products.json", key)
    elif isinstance(setting, str):
        chosen = dict.fromkeys(SHAPES, setting)
    elif unknown := setting.keys() - SHAPES.keys():
        raise ValueError(
            f"products={{{min(unknown)}: ...}}: there is no such kind of product; name {', '.join(SHAPES)}"
        )
    else:
        chosen = {**dict.fromkeys(SHAPES, "onednn"), **setting}
    use(chosen)
    return chosen


def _looked_up(path: Path, key: str) -> dict[str, str]:
    """What is kept of this machine, or else what is measured now, which is kept if it can be."""
    kept = _read(path)
    if key in kept:
        return kept[key]
    chosen = measured()
    logger.info("products by %s", ", ".join(f"{library} ({kind})" for kind, library in chosen.items()))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_object(path, {**kept, key: chosen})
    except OSError as error:
        logger.info("what was measured of products is not kept: %s", error)
    return chosen


def measured() -> dict[str, str]:
    """The library of each kind, timed in turn."""
    if not products.has_onednn():
        return dict.fromkeys(SHAPES, "torch")
    return {kind: _faster(*shape, steps=kind.endswith("steps")) for kind, shape in SHAPES.items()}


def _faster(rows: int, inner: int, outer: int, *, steps: bool) -> str:
    values_NX, weight_YX = torch.ones(rows, inner), torch.ones(outer, inner)
    packed = products.Repeated(weight_YX, rows, library="onednn")
    ways: dict[str, Callable[[], object]] = {
        "onednn": (lambda: packed(values_NX)) if steps else lambda: products.by_onednn(values_NX, weight_YX, None),
        "torch": lambda: torch.nn.functional.linear(values_NX, weight_YX),
    }
    count = max(1, MULTIPLICATIONS // (rows * inner * outer))
    best = dict.fromkeys(ways, float("inf"))
    with torch.inference_mode():
        for _ in range(ROUNDS):
            for name, way in ways.items():
                best[name] = min(best[name], timeit(way, number=count))
    return "torch" if best["onednn"] > WORTH * best["torch"] else "onednn"


def _read(path: Path) -> dict[str, dict[str, str]]:
    """What is kept; nothing where there is no such file, or a damaged one, which is then written anew."""
    try:
        kept = read_object(path)
    except (OSError, ValueError):
        return {}
    whole = all(isinstance(one, dict) and set(one) == set(SHAPES) for one in kept.values())
    return kept if whole else {}
