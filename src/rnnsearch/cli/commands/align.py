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
from rnnsearch.evaluation.alignment_links import Weights, format_pharaoh
from rnnsearch.evaluation.symmetrization import symmetrize
from rnnsearch.evaluation.system import System
from rnnsearch.evaluation.trained_model import load
from rnnsearch.evaluation.word_alignment import Alignment, align, chosen_method
from rnnsearch.runs import run_folder

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> None:
    """Print a line for each line of the files."""
    check_symmetrization(cfg)
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
            turned = [Pair(pair.target, pair.source, pair.line) for pair in block]
            other = None if backward is None else _aligned(backward, turned, cfg.alignments)
            write_lines(alignment_lines(aligned, other, how=cfg.symmetrize, form=cfg.format))


def check_symmetrization(settings: DictConfig, *, below: str = "") -> None:
    """Refuse one of reverse_run and symmetrize without the other.

    Args:
        settings: that have both.
        below: which keys they stand, as in ``alignments.``; empty for the top.

    Raises:
        ValueError: if one is there alone.
    """
    if (settings.reverse_run is None) != (settings.symmetrize is None):
        raise ValueError(
            f"{below}reverse_run=RUN and {below}symmetrize=intersection, union or grow_diag belong together: "
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


def alignment_lines(
    forward: Sequence[Alignment], backward: Sequence[Alignment] | None, *, how: str | None, form: str
) -> list[str]:
    """One line per pair: links or a JSON object; the links of ``backward``, from target to source, are merged in."""
    lines = []
    reverse: Sequence[Alignment | None] = backward if backward is not None else [None] * len(forward)
    for ahead, back in zip(forward, reverse, strict=True):
        links = ahead.links
        values: dict[str, Any] = {"source": ahead.source, "target": ahead.target, "method": ahead.method}
        values["weights"] = _rounded(ahead.weights_TS)
        if back is not None and how is not None:
            links = symmetrize(links, frozenset((source, target) for target, source in back.links), how)
            weights = _rounded(back.weights_TS.T)
            values |= {"symmetrize": how, "reverse_method": back.method, "reverse_weights": weights}
        whole = {"links": format_pharaoh(links)} | values
        lines.append(format_pharaoh(links) if form == "text" else json.dumps(whole, ensure_ascii=False))
    return lines


def _rounded(weights_TS: Weights) -> Any:
    """Weights, one row per target word of the pair; None if there are none."""
    return weights_TS.round(4).tolist() if weights_TS.any() else None
