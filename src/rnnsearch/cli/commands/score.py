"""``rnnsearch score``: log p of given translations, a line a pair; n-best lists scored anew.

Every pair is scored as it stands: a long source is not cut, as translate cuts it at ``search.max_source_length``, and
an empty source or target is the end of sentence alone.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig

from rnnsearch.cli.text.pairs import line_blocks, pair_blocks
from rnnsearch.config.terminal import for_stdout
from rnnsearch.data.corpus import Pair
from rnnsearch.evaluation.rescoring import Rescorer, parse_entry, texts_of
from rnnsearch.evaluation.trained_model import Score, TrainedModel
from rnnsearch.kernels.rounded_products import multiplying_in
from rnnsearch.runs import run_folder


def run(cfg: DictConfig) -> None:
    """Print a line for each line of the files."""
    keys = [key for key in ("source", "target", "hypotheses") if cfg[key] is not None]
    if keys == ["source", "target"]:
        blocks = _scored(cfg)
    elif keys == ["hypotheses"]:
        blocks = _rescored(cfg)
    else:
        got = " and ".join(f"{key}={cfg[key]}" for key in keys) or "none of them"
        raise ValueError(f"score needs source=FILE and target=FILE, or hypotheses=FILE alone, and got {got}")
    for block in blocks:
        write_lines(block)


def write_lines(lines: Iterable[str]) -> None:
    """Lines to standard output, at once; a lone surrogate, which JSON may hold, is written as JSON writes it."""
    sys.stdout.buffer.write(for_stdout("".join(f"{line}\n" for line in lines)).encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def _scored(cfg: DictConfig) -> Iterator[list[str]]:
    for key, default in (("normalization", "none"), ("pieces", "text")):
        if cfg[key] != default:
            raise ValueError(f"{key}={cfg[key]} is for n-best lists: hypotheses=FILE")
    blocks = pair_blocks(Path(cfg.source), Path(cfg.target), strict=cfg.strict)
    model, _ = run_folder.load_runs(cfg)
    return (score_lines(model, block, tokens=cfg.tokens, precision=cfg.precision) for block in blocks)


def score_lines(model: TrainedModel, block: Sequence[Pair], *, tokens: bool, precision: str) -> list[str]:
    """log p of each pair in nats, or with ``tokens`` a JSON object that also has each token's."""
    scores = model.score([(pair.source, pair.target) for pair in block], precision=precision)
    if not tokens:
        return [f"{score.log_prob:.6f}" for score in scores]
    return [_json(pair, score) for pair, score in zip(block, scores, strict=True)]


def _json(pair: Pair, score: Score) -> str:
    values = {
        "source": pair.source,
        "target": pair.target,
        "log_prob": round(score.log_prob, 6),
        "tokens": score.tokens,
        "log_probs": score.log_probs.round(6).tolist(),
    }
    return json.dumps(values, ensure_ascii=False)


def _rescored(cfg: DictConfig) -> Iterator[list[str]]:
    if cfg.tokens:
        raise ValueError("tokens=true is for source=FILE and target=FILE; a hypothesis has one log_prob")
    path = Path(cfg.hypotheses)
    blocks = line_blocks(
        path, lambda line, number: parse_entry(line, f"{path}: line {number}"), texts_of, strict=cfg.strict
    )
    model, _ = run_folder.load_runs(cfg)
    rescorer = Rescorer(model.system, own_pieces=cfg.pieces == "own", average=cfg.normalization == "average")
    for block in blocks:
        with multiplying_in(cfg.precision, model.system.device, "precision"):
            entries = rescorer.rescore(block)
        yield [json.dumps(entry, ensure_ascii=False) for entry in entries]
    rescorer.report()
