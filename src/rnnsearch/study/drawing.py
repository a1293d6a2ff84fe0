"""Draws a report's pictures: SVG for the page, a PNG beside the Markdown; a sentence where either cannot be.

A PNG holds a digest of what it was drawn from: where that has not changed, the earlier file stays as it is, so that a
published report changes with its data and not with the version of matplotlib or the fonts at hand.
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

from rnnsearch.study import fonts
from rnnsearch.study.blocks import Picture
from rnnsearch.study.failures import attempted
from rnnsearch.study.figures import DIGEST, LOOK, png, svg

_PIXELS_A_POINT = 96 / 72
_DIGITS = 6  # of a number that is drawn
NO_FONT = (
    "This figure stands in report.html alone: no font where this report was made has all its characters. "
    "pip install 'rnnsearch[fonts]' brings fonts."
)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture as both reports show it.

    Attributes:
        source: of an image on the page, its SVG as a data address.
        width: of that, in pixels.
        png: the file beside the Markdown; None where it could not be made.
        left_out: the sentence in the place of both; empty where the picture is there.
        no_font: the sentence in the place of the PNG where the page's reader alone may have the font.
    """

    source: str
    width: int
    png: bytes | None
    left_out: str = ""
    no_font: str = ""


def drawn(picture: Picture, earlier: Path) -> Drawing:
    """Draws a picture.

    Args:
        earlier: where its PNG of an earlier report lies, if there was one.
    """
    digest = digest_of(picture)
    made, sentence = attempted(f"The figure “{picture.name}”", lambda: _both(picture.draw(), digest, earlier))
    return Drawing("", 0, None, sentence) if made is None else made


def _both(figure: Figure, digest: str, earlier: Path) -> Drawing:
    page = svg(figure)
    width = re.search(r'<svg [^>]*?width="([0-9.]+)pt"', page, re.DOTALL)
    assert width is not None, "matplotlib writes the width in points"
    source = f"data:image/svg+xml;base64,{base64.b64encode(page.encode()).decode()}"
    missing = fonts.fit(figure)
    beside = _kept(earlier, digest) or (None if missing else png(figure, digest))
    return Drawing(source, round(float(width[1]) * _PIXELS_A_POINT), beside, no_font=NO_FONT if beside is None else "")


def digest_of(picture: Picture) -> str:
    """SHA-256 of what a picture is drawn from: the function with its arguments, and how figures look."""
    return hashlib.sha256(json.dumps([LOOK, _told(picture.draw)], ensure_ascii=False).encode()).hexdigest()


def _kept(path: Path, digest: str) -> bytes | None:
    """An earlier PNG that shows the same and is whole."""
    try:
        with Image.open(path) as image:
            image.verify()
            return path.read_bytes() if image.info.get(DIGEST) == digest else None
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):  # Pillow's words for a damaged file
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
