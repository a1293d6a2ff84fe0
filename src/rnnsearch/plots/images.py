"""A figure as SVG text or as a PNG: the same bytes for the same data, and no label lost."""

import io
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from rnnsearch.plots import fonts
from rnnsearch.plots.style import STYLE
from rnnsearch.records.json_files import write_bytes
from rnnsearch.records.visible import visible

logger = logging.getLogger(__name__)

LOOK = 1  # raised whenever the look of figures changes, so that those of earlier reports are drawn anew
DIGEST = "Digest"  # the key in a PNG's text


def svg(figure: Figure) -> str:
    """The figure as SVG text, cut to its content so that no label is lost; the same bytes for the same data."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none" if fonts.fit(figure) else "path"}):  # the browser may have the font
        _save(figure, buffer, format="svg", metadata={"Date": None})
    return visible(buffer.getvalue())  # comments hold the texts that are drawn as paths


def png(figure: Figure, digest: str = "") -> bytes:
    """The figure as a PNG of 160 dots an inch that holds the digest of what it shows.

    Raises: ValueError if no font has one of its characters.
    """
    if missing := fonts.fit(figure):
        raise ValueError(f"no font here has {' '.join(missing)}; pip install 'rnnsearch[fonts]' brings fonts")
    buffer = io.BytesIO()
    _save(figure, buffer, format="png", dpi=160, metadata={"Software": None, DIGEST: digest})
    return buffer.getvalue()


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure as a PNG where its file's name ends so, else as an SVG.

    Raises:
        ValueError: for a PNG of characters that no font has.
    """
    write_bytes(path, png(figure) if path.suffix == ".png" else svg(figure).encode())


def show_in_notebooks() -> None:
    """Let IPython, where it runs, show figures as pictures, unless something shows them already.

    On its own it knows figures of pyplot alone.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        formatter = shell.display_formatter.formatters["image/png"]
        if formatter.for_type(Figure) is None:
            formatter.for_type(Figure, png)


def _save(figure: Figure, target: Any, **options: Any) -> None:
    with mpl.rc_context(STYLE), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # `fonts` has warned already
        figure.savefig(target, bbox_inches="tight", pad_inches=0.06, facecolor="white", **options)
    for message in sorted({str(warning.message) for warning in caught}):
        logger.warning("figure: %s", message)
