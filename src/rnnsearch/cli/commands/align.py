"""``rnnsearch align``: word alignments of given translations by forced decoding, one line per pair."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from rnnsearch.cli.commands.score import write_lines
from rnnsearch.cli.text.counting import summed_up
from rnnsearch.cli.text.pairs import pair_blocks
from rnnsearch.config import trust
from rnnsearch.data.corpus import Pair
from rnnsearch.evaluation.alignment_links import Links, format_pharaoh
from rnnsearch.evaluation.symmetrization import symmetrize
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.trained_model import load
from rnnsearch.evaluation.word_alignment import Alignment, align, chosen_method
from rnnsearch.runs import run_folder

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> None:
    """Print a line for each line of the files."""
    _check_symmetrization(cfg.reverse_run, cfg.symmetrize)
    blocks = pair_blocks(Path(cfg.source), Path(cfg.target), strict=cfg.strict)
    forward = run_folder.load_runs(cfg)[0].system
    _announce("run", forward, cfg.alignments.method)
    backward = None
    if cfg.reverse_run is not None:
        folders = run_folder.given_folders(cfg.reverse_run)
        backward = load(folders, checkpoint=cfg.checkpoint, device=cfg.device, trust=trust.given()).system
        _announce("reverse_run", backward, cfg.alignments.method)
    with summed_up():
        for block in blocks:
            aligned = _aligned(forward, block, cfg.alignments)
            other = None if backward is None else _aligned(backward, [_turned(pair) for pair in block], cfg.alignments)
            write_lines(alignment_lines(aligned, other, how=cfg.symmetrize, form=cfg.format))


def _check_symmetrization(reverse_run: Any, how: str | None) -> None:
    if (reverse_run is None) != (how is None):
        raise ValueError(
            "reverse_run=RUN and symmetrize=intersection, union or grow_diag belong together: "
            "give both, or none for the links of one run"
        )


def _announce(name: str, system: System, method: str) -> None:
    """Log where the links come from."""
    if chosen_method(system, method) == "attention":
        logger.info("%s: links are attention weights", name)
    else:
        why = "" if system.has_attention else ": the model has no attention"
        logger.info("%s: links are gradient saliency%s", name, why)


def _aligned(system: System, block: Sequence[Pair], settings: DictConfig) -> list[Alignment]:
    return align(
        system,
        [(pair.source, pair.target) for pair in block],
        method=settings.method,
        threshold=settings.threshold,
        max_length=settings.max_length,
    )


def _turned(pair: Pair) -> Pair:
    return Pair(pair.target, pair.source, pair.line)


def alignment_lines(
    forward: Sequence[Alignment], backward: Sequence[Alignment] | None, *, how: str | None, form: str
) -> list[str]:
    """One line per pair: links or a JSON object; the links of ``backward``, from target to source, are merged in."""
    if backward is None or how is None:
        lines = [(alignment.links, _values(alignment)) for alignment in forward]
    else:
        lines = [
            (symmetrize(ahead.links, _transposed(back.links), how), _values(ahead) | _reverse_values(back, how))
            for ahead, back in zip(forward, backward, strict=True)
        ]
    if form == "text":
        return [format_pharaoh(links) for links, _ in lines]
    return [json.dumps({"links": format_pharaoh(links)} | values, ensure_ascii=False) for links, values in lines]


def _transposed(links: Links) -> Links:
    return frozenset((source, target) for target, source in links)


def _values(alignment: Alignment) -> dict[str, Any]:
    return {
        "source": alignment.source,
        "target": alignment.target,
        "method": alignment.method,
        "weights": _rounded(alignment, turned=False),
    }


def _reverse_values(other: Alignment, how: str) -> dict[str, Any]:
    return {
        "symmetrize": how,
        "reverse_method": other.method,
        "reverse_weights": _rounded(other, turned=True),
    }


def _rounded(alignment: Alignment, *, turned: bool) -> list[list[float]] | None:
    """Weights, one row per target word of the pair; None if there are none."""
    if not alignment.weights_TS.any():
        return None
    weights_TS = alignment.weights_TS.T if turned else alignment.weights_TS
    rows: list[list[float]] = weights_TS.round(4).tolist()
    return rows
