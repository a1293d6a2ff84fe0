"""Minimal pairs: whether a model finds a right translation likelier than one that is wrong in a single point.

Sennrich (2017, arXiv 1612.04629) measured agreement, polarity and the like so, without any search. A tie counts as
wrong.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rnnsearch.evaluation.progress import Progress, silent
from rnnsearch.evaluation.significance import wilson
from rnnsearch.evaluation.trained_model import Score, TrainedModel
from rnnsearch.records.contrasts import RIGHT, TIE, WRONG

Normalization = Literal["none", "average"]

AT_ONCE = 2048  # pairs that are scored before the progress moves
ALL = "all"  # the name of pairs whose phenomena are not named


@dataclass(frozen=True, slots=True)
class MinimalPair:
    """A source with two translations, of which one has a mistake of a named kind."""

    source: str
    right: str
    wrong: str
    phenomenon: str = ALL


def contrasted(
    model: TrainedModel, pairs: Sequence[MinimalPair], *, normalization: Normalization, progress: Progress = silent
) -> dict[str, str]:
    """`RIGHT`, `WRONG` or `TIE` of each pair, as a text for each phenomenon, in the order of the pairs.

    Args:
        normalization: compare log p (none), or log p a token, the end of sentence counted (average).
    """
    outcomes: dict[str, list[str]] = {}
    with progress("pairs", len(pairs)) as advance:
        for start in range(0, len(pairs), AT_ONCE):
            block = pairs[start : start + AT_ONCE]
            scores = model.score([(pair.source, text) for pair in block for text in (pair.right, pair.wrong)])
            for pair, right, wrong in zip(block, scores[::2], scores[1::2], strict=True):
                outcomes.setdefault(pair.phenomenon, []).append(outcome(right, wrong, normalization))
            advance(len(block))
    return {phenomenon: "".join(of_pairs) for phenomenon, of_pairs in outcomes.items()}


def outcome(right: Score, wrong: Score, normalization: Normalization) -> str:
    """Which is likelier; translations that the model can't tell apart, as both are the same tokens to it, are a tie."""
    ours, other = (
        score.log_prob / len(score.tokens) if normalization == "average" else score.log_prob for score in (right, wrong)
    )
    if right.tokens == wrong.tokens or ours == other:
        return TIE
    return RIGHT if ours > other else WRONG


def accuracy(outcomes: str) -> dict[str, Any]:
    """Number of pairs, ties among them, the share that is right, and its 95 % interval (Wilson's)."""
    right, count = outcomes.count(RIGHT), len(outcomes)
    interval = wilson(right, count)
    return {
        "pairs": count,
        "ties": outcomes.count(TIE),
        "accuracy": right / count,
        "interval": [interval.low, interval.high],
    }


def digest(pairs: Sequence[MinimalPair]) -> str:
    """SHA-256 of the texts and phenomena of pairs, in their order."""
    texts = [[pair.source, pair.right, pair.wrong, pair.phenomenon] for pair in pairs]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def summary(outcomes: Mapping[str, str], name: str) -> Iterator[str]:
    """Lines of a table for a reader: each phenomenon, and all pairs."""
    rows = list(outcomes.items())
    if len(rows) > 1:
        rows.append((ALL, "".join(outcomes.values())))
    width = max(len(phenomenon) for phenomenon, _ in rows)
    yield f"{name}: share of pairs whose right translation is likelier, with 95 % intervals; ties count as wrong"
    for phenomenon, of_pairs in rows:
        found = accuracy(of_pairs)
        low, high = found["interval"]
        ties = f", {found['ties']:,} ties" if found["ties"] else ""
        share = f"{found['accuracy']:.3f} [{low:.3f}, {high:.3f}]"
        yield f"  {phenomenon:<{width}}  {share}  {found['pairs']:>7,} pairs{ties}"
