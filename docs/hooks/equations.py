r"""Equations become MathML when the site is built, which browsers show without a script: $...$ and $$...$$."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

_EQUATION = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Replace what arithmatex has marked as an equation."""
    return _EQUATION.sub(_mathml, content)


def _mathml(match: re.Match[str]) -> str:
    block = match["tag"] == "div"
    mathml = convert(html.unescape(match["latex"]).strip(), display="block" if block else "inline")
    return f'<div class="equation">{mathml}</div>' if block else mathml
