"""Which of torch's two libraries multiplies float32 on this processor: oneDNN, or torch's own choice, mostly MKL.

Which is faster depends on processor, threads and shape, so it is measured, once: a fraction of a second, kept in a
file. Training takes what was measured. Search always takes oneDNN (`products.linear` without gradients), whose result
for a row does not depend on how many rows there are; MKL's does.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from rnnsearch.kernels import products

logger = logging.getLogger(__name__)

LIBRARIES = ("onednn", "torch")
# Rows, in and out of a product of each kind: many rows at once, or those of a step; and of small matrices.
SHAPES = {
    "rows": (1200, 512, 1536),
    "steps": (80, 512, 2048),
    "small rows": (1200, 96, 288),
    "small steps": (80, 96, 384),
}
WORTH = 1.15  # times as fast torch's own has to be: what is measured again is then chosen again
ROUNDS, SECONDS = 5, 2e-3  # of a measurement


def use(chosen: Mapping[str, str]) -> None:
    """Take these libraries, by kind, from now on; a kind that is not named keeps its own."""
    products.CHOSEN.update({kind: library for kind, library in chosen.items() if kind in SHAPES})


def choose(setting: str, folder: Path, processor: str) -> dict[str, str]:
    """The library of each kind, taken from now on.

    Args:
        setting: ``auto``, or one library for all kinds.
        folder: keeps what was measured, in products.json.
        processor: its name; with torch's version and the threads it says whether a measurement still holds.
    """
    if setting != "auto":
        chosen = dict.fromkeys(SHAPES, setting)
    else:
        key = f"{processor}, torch {torch.__version__}, {torch.get_num_threads()} threads"
        path = folder / "products.json"
        kept = _read(path)
        chosen = kept.get(key) or measured()
        if key not in kept:
            _write(path, {**kept, key: chosen})
            logger.info("products by %s", ", ".join(f"{library} ({kind})" for kind, library in chosen.items()))
    use(chosen)
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
    best = dict.fromkeys(ways, float("inf"))
    with torch.inference_mode():
        for _ in range(ROUNDS):
            for name, way in ways.items():
                best[name] = min(best[name], _seconds(way))
    return "torch" if best["onednn"] > WORTH * best["torch"] else "onednn"


def _seconds(way: Callable[[], object]) -> float:
    """Of one call, the mean of as many as take about `SECONDS`."""
    count, began = 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < SECONDS or not count:
        way()
        count += 1
    return taken / count if count > 1 else time.perf_counter() - began


def _read(path: Path) -> dict[str, dict[str, str]]:
    """What is kept; nothing where there is no such file, or a damaged one, which is then written anew."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(kept, dict) and all(isinstance(one, dict) and set(one) == set(SHAPES) for one in kept.values())
    return kept if whole else {}


def _write(path: Path, kept: Mapping[str, Mapping[str, str]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{time.time_ns()}.part")
        part.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        logger.info("what was measured of products is not kept: %s", error)
