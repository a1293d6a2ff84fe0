"""Draws a report's pictures: SVG for the page, a PNG beside the Markdown; a sentence in place of one that fails.

A PNG holds a digest of what it was drawn from: while that has not changed, the earlier file stays, so that a published
report changes with its data and not with the version of matplotlib or the installed fonts.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, UnidentifiedImageError

from rnnsearch.plots import fonts
from rnnsearch.plots.images import DIGEST, LOOK, png, svg
from rnnsearch.study.blocks import Picture
from rnnsearch.study.failures import attempted

_PIXELS_A_POINT = 96 / 72
_DIGITS = 6  # significant digits of a number in the digest
NO_FONT = (
    "This figure stands in report.html alone: no font where this report was made has all its characters. "
    "pip install 'rnnsearch[fonts]' brings fonts."
)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture as both reports show it.

    Attributes:
        source: the page's image: its SVG as a data address.
        width: of that, in pixels.
        png: the file beside the Markdown; None where it could not be made.
        left_out: the sentence in place of both; empty if the picture could be drawn.
        no_font: the sentence in place of the PNG when only the page's reader may have the font.
    """

    source: str
    width: int
    png: bytes | None
    left_out: str = ""
    no_font: str = ""


def drawn(picture: Picture, earlier: Path) -> Drawing:
    """Draws a picture.

    Args:
        earlier: the path of its PNG in an earlier report, which need not exist.
    """
    of = [LOOK, _told(picture.draw)]  # the version of the figures' look, the function and its arguments
    digest = hashlib.sha256(json.dumps(of, ensure_ascii=False).encode()).hexdigest()
    drawing, sentence = attempted(f"The figure “{picture.name}”", lambda: _both(picture.draw(), digest, earlier))
    return Drawing("", 0, None, sentence) if drawing is None else drawing


def _both(figure: Figure, digest: str, earlier: Path) -> Drawing:
    page = svg(figure)
    width = re.search(r'<svg [^>]*?width="([0-9.]+)pt"', page, re.DOTALL)
    assert width is not None, "matplotlib writes the width in points"
    source = f"data:image/svg+xml;base64,{base64.b64encode(page.encode()).decode()}"
    beside = _kept(earlier, digest) or (None if fonts.fit(figure) else png(figure, digest))
    return Drawing(source, round(float(width[1]) * _PIXELS_A_POINT), beside, no_font=NO_FONT if beside is None else "")


def _kept(path: Path, digest: str) -> bytes | None:
    """An earlier PNG, if it is intact and shows the same."""
    try:
        with Image.open(path) as image:
            image.verify()
            return path.read_bytes() if image.info.get(DIGEST) == digest else None
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):  # what Pillow raises for a damaged file
        return None


def _told(value: Any) -> Any:
    """A value as JSON that is the same on every machine."""
    if isinstance(value, partial):
        return [_told(value.func), _told(value.args), _told(value.keywords)]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *(_told(getattr(value, field.name)) for field in fields(value))]
    if isinstance(value, np.ndarray):
        return _told(value.tolist())
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    if isinstance(value, Mapping):
        return [[_told(key), _told(inner)] for key, inner in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_told(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | str) else value.__qualname__
