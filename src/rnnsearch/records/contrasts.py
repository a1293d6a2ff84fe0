"""contrasts.jsonl of a run's folder: which of two translations a model found likelier, pair by pair.

`rnnsearch contrast` adds a line each time; a report reads the last one of each set of pairs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rnnsearch.records.json_files import read_lines

CONTRASTS = "contrasts.jsonl"
RIGHT, WRONG, TIE = "1", "0", "="  # what an outcome may be: the right translation is likelier, the wrong one, neither


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """One set of minimal pairs through one model.

    Attributes:
        name: of the set, for a reader.
        of: SHA-256 of its pairs, so that only equal sets are compared.
        normalization: of log-probabilities, none or average.
        weights_sha256: of the model's weights, a list for an ensemble's.
        outcomes: phenomenon -> `RIGHT`, `WRONG` or `TIE` of each of its pairs, in their order.
    """

    name: str
    of: str
    normalization: str
    weights_sha256: str | list[str]
    outcomes: dict[str, str]


def last_contrasts(folder: Path, weights_sha256: str | None) -> dict[tuple[str, str], Contrast]:
    """What a run's folder tells of the model with these weights: (set, normalization) -> the last contrast.

    Raises:
        ValueError: if the file is damaged.
    """
    path = folder / CONTRASTS
    read = [_contrast(values, path) for values in read_lines(path)] if path.is_file() else []
    return {(one.of, one.normalization): one for one in read if one.weights_sha256 == weights_sha256}


def _contrast(values: Mapping[str, Any], path: Path) -> Contrast:
    try:
        contrast = msgspec.convert(values, Contrast)
    except msgspec.ValidationError:
        contrast = None
    if contrast is None or not set("".join(contrast.outcomes.values())) <= {RIGHT, WRONG, TIE}:
        raise ValueError(f"{path} is damaged: a line is not as rnnsearch contrast writes it; remove the line")
    return contrast
